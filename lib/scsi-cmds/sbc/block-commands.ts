import type { Command } from '../command.ts';
import { preventAllowMediumRemoval } from '../spc/prevent-allow.ts';
import { compareAndWrite } from './compare-and-write.ts';
import type { DiskUnit } from './disk-unit.ts';
import { getLbaStatuses } from './get-lba-status.ts';
import { formatUnit } from './format-unit.ts';
import { orwrites } from './orwrite.ts';
import { preFetches } from './pre-fetch.ts';
import { readCapacity10, readCapacity16 } from './read-capacity.ts';
import { readDefectData10, readDefectData12 } from './read-defect-data.ts';
import { reads } from './read.ts';
import { sanitizes } from './sanitize.ts';
import { startStopUnit } from './start-stop-unit.ts';
import { synchronizeCaches } from './synchronize-cache.ts';
import { unmap } from './unmap.ts';
import { verifies, writesAndVerifies } from './verify.ts';
import { writeSames } from './write-same.ts';
import { writes } from './write.ts';

/** The commands of SBC. */
export const blockCommands: readonly Command<DiskUnit>[] = [
  readCapacity10,
  readCapacity16,
  ...reads,
  ...writes,
  ...verifies,
  ...writesAndVerifies,
  ...synchronizeCaches,
  ...preFetches,
  ...writeSames,
  unmap,
  ...getLbaStatuses,
  compareAndWrite,
  ...orwrites,
  formatUnit,
  ...sanitizes,
  startStopUnit,
  preventAllowMediumRemoval,
  readDefectData10,
  readDefectData12,
];
