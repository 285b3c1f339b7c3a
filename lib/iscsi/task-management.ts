import { decodeLun } from '../scsi-cmds/lun.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Connection } from './connection.ts';
import { Opcode } from './pdu/header.ts';
import {
  TaskFunction,
  TaskFunctionResponse,
  taskManagementRequest as request,
  taskManagementResponse as response,
} from './pdu/task-management.ts';

/** Task management functions (RFC 7143 11.5, SAM-5 clause 7), a row each. */

type Answer = (response: number) => void;
type Function = (connection: Connection, header: Buffer, answer: Answer) => void;

/** The unit that the LUN field names, or undefined. */
function unitOf(connection: Connection, header: Buffer): LogicalUnit | undefined {
  const lun = decodeLun(header, 8);
  const session = connection.session!;
  if (lun === undefined || !session.device!.exists(session.nexus, lun)) return undefined;
  return session.device!.unit(session.nexus, lun);
}

const onUnit =
  (act: (connection: Connection, unit: LogicalUnit, done: () => void) => void): Function =>
  (connection, header, answer) => {
    const unit = unitOf(connection, header);
    if (unit === undefined) {
      answer(TaskFunctionResponse.NO_SUCH_LUN);
      return;
    }
    act(connection, unit, () => answer(TaskFunctionResponse.COMPLETE));
  };

const abortTask: Function = (connection, header, answer) => {
  const session = connection.session!;
  const task = session.tasks.get(request.referencedTaskTag.get(header));
  if (task === undefined) {
    // RFC 7143 11.5.5: a command that was lost on its way is aborted before it comes.
    const skipped = session.window.skip(request.refCmdSN.get(header), request.cmdSN.get(header));
    answer(skipped ? TaskFunctionResponse.COMPLETE : TaskFunctionResponse.NO_SUCH_TASK);
    return;
  }
  if (task.lun !== decodeLun(header, 8)) {
    answer(TaskFunctionResponse.NO_SUCH_TASK);
    return;
  }
  session.abort(task, () => answer(TaskFunctionResponse.COMPLETE));
};

const resetTarget =
  (cold: boolean): Function =>
  (connection, _header, answer) => {
    const units = connection.session!.device!.units.map(([, unit]) => unit);
    let left = units.length;
    const done = (): void => {
      if (--left > 0) return;
      answer(TaskFunctionResponse.COMPLETE);
      if (cold) connection.node.dropTarget(connection.session!.device!); // RFC 7143 11.5.1: every session ends
    };
    if (units.length === 0) {
      left = 1;
      done();
    }
    for (const unit of units) unit.reset(done, connection.session!.nexus);
  };

const FUNCTIONS: ReadonlyMap<number, Function> = new Map<number, Function>([
  [TaskFunction.ABORT_TASK, abortTask],
  [
    TaskFunction.ABORT_TASK_SET,
    onUnit((connection, unit, done) => {
      const { nexus } = connection.session!;
      connection.session!.dropHeld(unit.lun);
      unit.abort(task => task.nexus === nexus, done);
    }),
  ],
  // NORMACA is 0, so there is never an ACA to clear (SPC-4 6.6.2).
  [TaskFunction.CLEAR_ACA, (_connection, _header, answer) => answer(TaskFunctionResponse.NOT_SUPPORTED)],
  [
    TaskFunction.CLEAR_TASK_SET,
    onUnit((connection, unit, done) => {
      connection.session!.dropHeld(unit.lun);
      unit.clearTaskSet(connection.session!.nexus, done);
    }),
  ],
  [
    TaskFunction.LOGICAL_UNIT_RESET,
    onUnit((connection, unit, done) => {
      connection.session!.dropHeld(unit.lun);
      unit.reset(done, connection.session!.nexus);
    }),
  ],
  [TaskFunction.TARGET_WARM_RESET, resetTarget(false)],
  [TaskFunction.TARGET_COLD_RESET, resetTarget(true)],
  [
    TaskFunction.TASK_REASSIGN,
    (_connection, _header, answer) => answer(TaskFunctionResponse.REASSIGNMENT_NOT_SUPPORTED),
  ],
]);

export function taskManagement(connection: Connection, header: Buffer): void {
  const tag = request.initiatorTaskTag.get(header);
  const answer: Answer = code => {
    if (connection.ended) return;
    const reply = connection.outbox.header();
    reply[0] = Opcode.TASK_MANAGEMENT_RESPONSE;
    reply[1] = 0x80;
    response.response.set(reply, code);
    response.initiatorTaskTag.set(reply, tag);
    connection.stamp(reply);
    connection.reply(reply);
  };
  const run = FUNCTIONS.get(request.function.get(header));
  if (run === undefined) answer(TaskFunctionResponse.NOT_SUPPORTED);
  else run(connection, Buffer.from(header), answer);
}
