import { bits, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, lun, requestNumbers, responseNumbers } from './header.ts';

/** RFC 7143 11.5. */
export const taskManagementRequest = layout(BHS_LENGTH, {
  ...common,
  function: bits(1, 0, 7),
  lun,
  referencedTaskTag: u32(20),
  ...requestNumbers,
  refCmdSN: u32(32),
  expDataSN: u32(36),
});

/** RFC 7143 11.6. */
export const taskManagementResponse = layout(BHS_LENGTH, {
  ...common,
  response: u8(2),
  ...responseNumbers,
});

/** RFC 7143 11.5.1. */
export const TaskFunction = {
  ABORT_TASK: 1,
  ABORT_TASK_SET: 2,
  CLEAR_ACA: 3,
  CLEAR_TASK_SET: 4,
  LOGICAL_UNIT_RESET: 5,
  TARGET_WARM_RESET: 6,
  TARGET_COLD_RESET: 7,
  TASK_REASSIGN: 8,
} as const;

/** RFC 7143 11.6.1. */
export const TaskFunctionResponse = {
  COMPLETE: 0,
  NO_SUCH_TASK: 1,
  NO_SUCH_LUN: 2,
  TASK_STILL_ALLEGIANT: 3,
  REASSIGNMENT_NOT_SUPPORTED: 4,
  NOT_SUPPORTED: 5,
  NOT_AUTHORIZED: 6,
  REJECTED: 255,
} as const;
