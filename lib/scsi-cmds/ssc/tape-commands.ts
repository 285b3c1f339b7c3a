import type { Command } from '../command.ts';
import { preventAllowMediumRemoval } from '../spc/prevent-allow.ts';
import { primaryCommands, primaryPages } from '../spc/primary.ts';
import type { VpdPage } from '../spc/vpd.ts';
import { readBlockLimits } from './block-limits.ts';
import { reportDensitySupport } from './density.ts';
import { erase16, erase6 } from './erase.ts';
import { writeFilemarks16, writeFilemarks6 } from './filemarks.ts';
import { loadUnload } from './load-unload.ts';
import { locate10, locate16 } from './locate.ts';
import { tapeLogPages } from './log-pages.ts';
import { readPosition } from './position.ts';
import { read6, verify6 } from './read.ts';
import { rewind } from './rewind.ts';
import { space16, space6 } from './space.ts';
import type { TapeUnit } from './tape-unit.ts';
import { sequentialCapabilities } from './vpd-b0.ts';
import { write6 } from './write.ts';

/** What a tape drive has of SSC and, of SPC, beside what every unit has. */
const streamCommands: readonly Command<TapeUnit>[] = [
  rewind,
  readBlockLimits,
  read6,
  write6,
  writeFilemarks6,
  writeFilemarks16,
  space6,
  space16,
  verify6,
  erase6,
  erase16,
  loadUnload,
  locate10,
  locate16,
  ...readPosition,
  reportDensitySupport,
];

export const tapePages: readonly VpdPage[] = [...primaryPages, sequentialCapabilities];

export function addTapeCommands(unit: TapeUnit): void {
  unit.commands.add(...primaryCommands);
  unit.commands.add(preventAllowMediumRemoval);
  unit.commands.add(...streamCommands);
  unit.logs.add(...tapeLogPages);
}
