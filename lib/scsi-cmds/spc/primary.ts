import type { Command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { reportIdentifyingInformation, setIdentifyingInformation } from './identifying-information.ts';
import { readBuffers, writeBuffer } from './read-write-buffer.ts';
import { reportTimestamp, setTimestamp } from './timestamp.ts';
import { receiveDiagnosticResults, sendDiagnostic } from './diagnostic.ts';
import { inquiry } from './inquiry.ts';
import { logSelect } from './log-select.ts';
import { logSense } from './log-sense.ts';
import { modeSelect10, modeSelect6 } from './mode-select.ts';
import { modeSense10, modeSense6 } from './mode-sense.ts';
import { persistentReserveIns } from './persistent-reserve-in.ts';
import { persistentReserveOuts } from './persistent-reserve-out.ts';
import { reportLuns } from './report-luns.ts';
import { reportSupportedOperationCodes } from './report-supported-operation-codes.ts';
import { reportSupportedTaskManagement } from './report-supported-task-management.ts';
import { reportTargetPortGroups } from './report-target-port-groups.ts';
import { requestSense } from './request-sense.ts';
import { reservesAndReleases } from './reserve-release.ts';
import { setTargetPortGroups } from './set-target-port-groups.ts';
import { testUnitReady } from './test-unit-ready.ts';
import type { VpdPage } from './vpd.ts';
import { unitSerialNumber } from './vpd-80.ts';
import { deviceIdentification } from './vpd-83.ts';
import { extendedInquiry } from './vpd-86.ts';
import { modePagePolicy } from './vpd-87.ts';
import { scsiPorts } from './vpd-88.ts';

/** What every unit has of SPC, whatever its type. */
export const primaryCommands: readonly Command<LogicalUnit>[] = [
  testUnitReady,
  requestSense,
  inquiry,
  reportLuns,
  modeSense6,
  modeSense10,
  modeSelect6,
  modeSelect10,
  logSense,
  logSelect,
  ...reservesAndReleases,
  ...persistentReserveIns,
  ...persistentReserveOuts,
  receiveDiagnosticResults,
  sendDiagnostic,
  reportSupportedOperationCodes,
  reportSupportedTaskManagement,
  reportTargetPortGroups,
  setTargetPortGroups,
  reportTimestamp,
  setTimestamp,
  reportIdentifyingInformation,
  setIdentifyingInformation,
  ...readBuffers,
  writeBuffer,
];

/** VPD 80h, 83h, 86h, 87h and 88h; 00h is made of what there is. */
export const primaryPages: readonly VpdPage[] = [
  unitSerialNumber,
  deviceIdentification,
  extendedInquiry,
  modePagePolicy,
  scsiPorts,
];
