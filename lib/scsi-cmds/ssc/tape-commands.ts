import type { Command } from '../command.ts';
import { preventAllowMediumRemoval } from '../spc/prevent-allow.ts';
import { primaryCommands, primaryPages } from '../spc/primary.ts';
import type { VpdPage } from '../spc/vpd.ts';
import { allowOverwrite } from './allow-overwrite.ts';
import { readAttribute } from './attributes/read-attribute.ts';
import { writeAttribute } from './attributes/write-attribute.ts';
import { readBlockLimits } from './block-limits.ts';
import { reportDensitySupport } from './density.ts';
import { erase16, erase6 } from './erase.ts';
import { securityProtocolIn, securityProtocolOut } from './encryption/security-protocol.ts';
import { writeFilemarks16, writeFilemarks6 } from './filemarks.ts';
import { formatMedium } from './format-medium.ts';
import { loadUnload } from './load-unload.ts';
import { locate10, locate16 } from './locate.ts';
import { tapeLogPages } from './log/tape-log-pages.ts';
import { readPosition } from './position.ts';
import { read16, read6 } from './read.ts';
import { rewind } from './rewind.ts';
import { setCapacity } from './set-capacity.ts';
import { space16, space6 } from './space.ts';
import type { TapeUnit } from './tape-unit.ts';
import { sequentialCapabilities } from './vpd-b0.ts';
import { tapeAlertFlags } from './vpd-b2.ts';
import { logicalBlockProtection } from './vpd-b5.ts';
import { manufacturerSerialNumber } from './vpd-serial-numbers.ts';
import { verify16, verify6 } from './verify.ts';
import { write16, write6 } from './write.ts';

/** What a tape drive has of SSC and, of SPC, beside what every unit has. */
const streamCommands: readonly Command<TapeUnit>[] = [
  rewind,
  readBlockLimits,
  read6,
  read16,
  write6,
  write16,
  writeFilemarks6,
  writeFilemarks16,
  space6,
  space16,
  verify6,
  verify16,
  erase6,
  erase16,
  loadUnload,
  locate10,
  locate16,
  ...readPosition,
  reportDensitySupport,
  allowOverwrite,
  formatMedium,
  setCapacity,
  ...readAttribute,
  writeAttribute,
  securityProtocolIn,
  securityProtocolOut,
];

export const tapePages: readonly VpdPage[] = [
  ...primaryPages,
  sequentialCapabilities,
  manufacturerSerialNumber,
  tapeAlertFlags,
  logicalBlockProtection,
];

export function addTapeCommands(unit: TapeUnit): void {
  unit.commands.add(...primaryCommands);
  unit.commands.add(preventAllowMediumRemoval);
  unit.commands.add(...streamCommands);
  unit.logs.add(...tapeLogPages);
}
