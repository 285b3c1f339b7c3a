import type { Command } from '../command.ts';
import { preventAllowMediumRemoval } from '../spc/prevent-allow.ts';
import { primaryCommands, primaryPages } from '../spc/primary.ts';
import type { VpdPage } from '../spc/vpd.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { openCloseImportExport } from './import-export.ts';
import { initializeElementStatus, initializesWithRange } from './initialize-element-status.ts';
import { changerLogPages } from './log-pages.ts';
import { exchangeMedium, moveMedium, positionToElement } from './move-medium.ts';
import { readElementStatus } from './read-element-status.ts';
import { reportElementInformation } from './report-element-information.ts';
import { reportVolumeTypes } from './report-volume-types.ts';
import { requestVolumeElementAddress, sendVolumeTag } from './volume-tag.ts';

/** What a media changer has of SMC. */
const changerCommands: readonly Command<ChangerUnit>[] = [
  initializeElementStatus,
  ...initializesWithRange,
  openCloseImportExport,
  positionToElement,
  reportVolumeTypes,
  reportElementInformation,
  moveMedium,
  exchangeMedium,
  requestVolumeElementAddress,
  sendVolumeTag,
  readElementStatus,
];

export const changerPages: readonly VpdPage[] = primaryPages;

export function addChangerCommands(unit: ChangerUnit): void {
  unit.commands.add(...primaryCommands);
  unit.commands.add(preventAllowMediumRemoval);
  unit.commands.add(...changerCommands);
  unit.logs.add(...changerLogPages);
}
