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

/** On the unit that the LUN field names to this nexus. */
const onUnit =
  (act: (connection: Connection, unit: LogicalUnit, lun: number, done: () => void) => void): Function =>
  (connection, header, answer) => {
    const lun = decodeLun(header, 8);
    const { device, nexus } = connection.session!;
    if (lun === undefined || !device!.exists(nexus, lun)) {
      answer(TaskFunctionResponse.NO_SUCH_LUN);
      return;
    }
    act(connection, device!.unit(nexus, lun), lun, () => answer(TaskFunctionResponse.COMPLETE));
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
    const { device, nexus } = connection.session!;
    const units = device!.visible(nexus).map(([, unit]) => unit);
    // Sessions that use what this one does not see are not its to end (RFC 7143 11.5.1, 11.6.1).
    if (cold && units.length < device!.units.length) {
      answer(TaskFunctionResponse.NOT_AUTHORIZED);
      return;
    }
    let left = units.length;
    const done = (): void => {
      if (--left > 0) return;
      answer(TaskFunctionResponse.COMPLETE);
      if (cold) connection.node.dropTarget(device!); // RFC 7143 11.5.1: every session ends
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
    onUnit((connection, unit, lun, done) => {
      const { nexus } = connection.session!;
      connection.session!.dropHeld(lun);
      unit.abort(task => task.nexus === nexus, done);
    }),
  ],
  // NORMACA is 0, so there is never an ACA to clear (SPC-4 6.6.2).
  [TaskFunction.CLEAR_ACA, (_connection, _header, answer) => answer(TaskFunctionResponse.NOT_SUPPORTED)],
  [
    TaskFunction.CLEAR_TASK_SET,
    onUnit((connection, unit, lun, done) => {
      connection.session!.dropHeld(lun);
      unit.clearTaskSet(connection.session!.nexus, done);
    }),
  ],
  [
    TaskFunction.LOGICAL_UNIT_RESET,
    onUnit((connection, unit, lun, done) => {
      connection.session!.dropHeld(lun);
      unit.reset(done, connection.session!.nexus);
    }),
  ],
  [TaskFunction.TARGET_WARM_RESET, resetTarget(false)],
  [TaskFunction.TARGET_COLD_RESET, resetTarget(true)],
  [
    TaskFunction.TASK_REASSIGN,
    (connection, header, answer) => connection.session!.allegiances.reassign(connection, header, answer),
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
