import type { Shape } from '../../bytes/layout.ts';
import { asyncMessage } from './async-message.ts';
import { dataIn, dataOut, r2t } from './data.ts';
import { Opcode } from './header.ts';
import { loginRequest, loginResponse } from './login.ts';
import { logoutRequest, logoutResponse } from './logout.ts';
import { nopIn, nopOut } from './nop.ts';
import { reject } from './reject.ts';
import { scsiCommand } from './scsi-command.ts';
import { scsiResponse } from './scsi-response.ts';
import { snack } from './snack.ts';
import { taskManagementRequest, taskManagementResponse } from './task-management.ts';
import { textRequest, textResponse } from './text.ts';

/** Every PDU by operation code: for traces, tests and generated input. */
export const LAYOUTS: ReadonlyMap<number, { readonly name: string; readonly layout: Shape }> = new Map(
  (
    [
      [Opcode.NOP_OUT, 'NOP-Out', nopOut],
      [Opcode.SCSI_COMMAND, 'SCSI Command', scsiCommand],
      [Opcode.TASK_MANAGEMENT_REQUEST, 'Task Management Function Request', taskManagementRequest],
      [Opcode.LOGIN_REQUEST, 'Login Request', loginRequest],
      [Opcode.TEXT_REQUEST, 'Text Request', textRequest],
      [Opcode.DATA_OUT, 'SCSI Data-Out', dataOut],
      [Opcode.LOGOUT_REQUEST, 'Logout Request', logoutRequest],
      [Opcode.SNACK, 'SNACK Request', snack],
      [Opcode.NOP_IN, 'NOP-In', nopIn],
      [Opcode.SCSI_RESPONSE, 'SCSI Response', scsiResponse],
      [Opcode.TASK_MANAGEMENT_RESPONSE, 'Task Management Function Response', taskManagementResponse],
      [Opcode.LOGIN_RESPONSE, 'Login Response', loginResponse],
      [Opcode.TEXT_RESPONSE, 'Text Response', textResponse],
      [Opcode.DATA_IN, 'SCSI Data-In', dataIn],
      [Opcode.LOGOUT_RESPONSE, 'Logout Response', logoutResponse],
      [Opcode.R2T, 'R2T', r2t],
      [Opcode.ASYNC_MESSAGE, 'Asynchronous Message', asyncMessage],
      [Opcode.REJECT, 'Reject', reject],
    ] as const
  ).map(([opcode, name, fields]) => [opcode, { name, layout: fields }]),
);
