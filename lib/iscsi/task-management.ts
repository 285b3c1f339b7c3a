import { decodeLun } from '../scsi-cmds/lun.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import { Attention } from '../scsi-cmds/unit-attention.ts';
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
  (act: (connection: Connection, unit: LogicalUnit, done: () => void) => void): Function =>
  (connection, header, answer) => {
    const lun = decodeLun(header, 8);
    const { device, nexus } = connection.session!;
    if (lun === undefined || !device!.exists(nexus, lun)) {
      answer(TaskFunctionResponse.NO_SUCH_LUN);
      return;
    }
    // RFC 7143 4.2.3.3: commands that were sent before it are affected, so they have to come first.
    connection.session!.window.whenReached(request.cmdSN.get(header), () => {
      act(connection, device!.unit(nexus, lun), () => answer(TaskFunctionResponse.COMPLETE));
    });
  };

/**
 * Commands of every session that wait for credit go as those do that the unit has. Gives the nexuses of other sessions that
 * lost some without being answered.
 */
function dropHeld(connection: Connection, unit: LogicalUnit): Nexus[] {
  const own = connection.session!;
  const lost: Nexus[] = [];
  for (const session of connection.node.sessions(own.device!)) {
    const told = session !== own && unit.modePages.taskAbortedStatus;
    if (session.dropHeld(unit, told) && session !== own && !told) lost.push(session.nexus);
  }
  return lost;
}

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
  (connection, header, answer) => {
    const { device, nexus, window } = connection.session!;
    const units = device!.visible(nexus).map(([, unit]) => unit);
    // Sessions that use what this one does not see are not its to end (RFC 7143 11.5.1, 11.6.1).
    if (cold && units.length < device!.units.length) {
      answer(TaskFunctionResponse.NOT_AUTHORIZED);
      return;
    }
    window.skipTo(request.cmdSN.get(header)); // RFC 7143 4.2.3.3: what has not come is affected, too
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
    for (const unit of units) {
      dropHeld(connection, unit);
      unit.reset(done, nexus);
    }
  };

const FUNCTIONS: ReadonlyMap<number, Function> = new Map<number, Function>([
  [TaskFunction.ABORT_TASK, abortTask],
  [
    TaskFunction.ABORT_TASK_SET,
    onUnit((connection, unit, done) => {
      const { nexus } = connection.session!;
      connection.session!.dropHeld(unit, false);
      unit.abort(task => task.nexus === nexus, done);
    }),
  ],
  // NORMACA is 0, so there is never an ACA to clear (SPC-4 6.6.2).
  [TaskFunction.CLEAR_ACA, (_connection, _header, answer) => answer(TaskFunctionResponse.NOT_SUPPORTED)],
  [
    TaskFunction.CLEAR_TASK_SET,
    onUnit((connection, unit, done) => {
      const lost = dropHeld(connection, unit);
      unit.clearTaskSet(connection.session!.nexus, () => {
        // SAM-5 5.14.3: those whose commands went are told.
        for (const { id } of lost) unit.attentions.establish(id, Attention.COMMANDS_CLEARED);
        done();
      });
    }),
  ],
  [
    TaskFunction.LOGICAL_UNIT_RESET,
    onUnit((connection, unit, done) => {
      dropHeld(connection, unit);
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
