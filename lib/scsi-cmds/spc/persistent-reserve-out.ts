import { bit, bits, u16, u32, u64big, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { isReservationType, type ReservationType } from '../reservations.ts';
import { invalidFieldInCdb, invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';
import type { Task } from '../task.ts';
import { endingInConflict, succeeds } from './reservation-conflict.ts';
import { decodeTransportId } from './transport-id.ts';

const cdb = layout(10, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  scope: bits(2, 4, 4),
  type: bits(2, 0, 4),
  parameterListLength: u32(5),
});

/** SPC-4 6.16.3. */
const list = layout(24, {
  key: u64big(0),
  serviceActionKey: u64big(8),
  specifyInitiatorPorts: bit(20, 3),
  allTargetPorts: bit(20, 2),
  activatePersistThroughPowerLoss: bit(20, 0),
});

/** SPC-4 6.16.4, REGISTER AND MOVE. */
const moveList = layout(24, {
  key: u64big(0),
  serviceActionKey: u64big(8),
  unregister: bit(17, 1),
  activatePersistThroughPowerLoss: bit(17, 0),
  relativePort: u16(18),
  transportIdLength: u32(20),
});

/** One TransportID with the longest iSCSI name is 256 bytes; more than this is no list of ours. */
const LONGEST_LIST = 4096;

const row = (
  name: string,
  serviceAction: number,
  run: (unit: LogicalUnit, task: Task) => void,
  longest = list.length,
): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name: `PERSISTENT RESERVE OUT, ${name}`,
    opcode: 0x5f,
    serviceAction,
    cdb,
    access: 'always',
    ordering: 'free',
    portState: 'standby',
    dataOut(_unit, task) {
      const length = cdb.parameterListLength.get(task.cdb);
      if (length < list.length || length > longest) throw parameterListLengthError(); // SPC-4 6.16.1
      return length;
    },
    run(unit, task) {
      if (task.dataOut.length < task.wantedOut) throw parameterListLengthError();
      run(unit, task);
    },
  });

const keys = (task: Task): { key: bigint; newKey: bigint } => ({
  key: list.key.get(task.dataOut),
  newKey: list.serviceActionKey.get(task.dataOut),
});

/** SCOPE and TYPE: the whole unit, and one of the six (SPC-4 6.15.3.3, 6.15.3.4). */
function typeOf(task: Task): ReservationType {
  if (cdb.scope.get(task.cdb) !== 0) throw invalidFieldInCdb(2, 7);
  const type = cdb.type.get(task.cdb);
  if (!isReservationType(type)) throw invalidFieldInCdb(2, 3);
  return type;
}

/** What REPORT CAPABILITIES says is not there (SPC-4 6.16.3): SIP_C, ATP_C, PTPL_C. */
function requireNothingMore({ dataOut }: Task): void {
  if (list.specifyInitiatorPorts.get(dataOut)) throw invalidFieldInParameterList(20, 3);
  if (list.allTargetPorts.get(dataOut)) throw invalidFieldInParameterList(20, 2);
  if (list.activatePersistThroughPowerLoss.get(dataOut)) throw invalidFieldInParameterList(20, 0);
  if (dataOut.length !== list.length) throw parameterListLengthError();
}

const register = row(
  'REGISTER',
  0x00,
  (unit, task) => {
    requireNothingMore(task);
    const { key, newKey } = keys(task);
    endingInConflict(task, () => unit.reservations.register(task.nexus, key, newKey));
  },
  LONGEST_LIST,
);

const reserve = row('RESERVE', 0x01, (unit, task) => {
  const type = typeOf(task);
  endingInConflict(task, () => unit.reservations.reserve(task.nexus, keys(task).key, type));
});

const release = row('RELEASE', 0x02, (unit, task) => {
  const type = typeOf(task);
  endingInConflict(task, () => unit.reservations.release(task.nexus, keys(task).key, type));
});

const clear = row('CLEAR', 0x03, (unit, task) =>
  endingInConflict(task, () => unit.reservations.clear(task.nexus, keys(task).key)),
);

const preempt = row('PREEMPT', 0x04, (unit, task) => {
  const type = typeOf(task);
  const { key, newKey } = keys(task);
  endingInConflict(task, () => unit.reservations.preempt(task.nexus, key, newKey, type));
});

/** SPC-4 5.13.11.2.5: it ends when the tasks of those who were preempted have. */
const preemptAndAbort = row('PREEMPT AND ABORT', 0x05, (unit, task) => {
  const type = typeOf(task);
  const { key, newKey } = keys(task);
  let preempted = (_task: Task): boolean => false;
  const done = succeeds(task, () => {
    preempted = unit.reservations.preempt(task.nexus, key, newKey, type);
  });
  if (!done) return;
  unit.abort(
    other => other !== task && preempted(other),
    () => task.good(),
    task.nexus,
  );
});

const registerAndIgnore = row('REGISTER AND IGNORE EXISTING KEY', 0x06, (unit, task) => {
  requireNothingMore(task);
  endingInConflict(task, () => unit.reservations.register(task.nexus, undefined, keys(task).newKey));
});

const registerAndMove = row(
  'REGISTER AND MOVE',
  0x07,
  (unit, task) => {
    const { dataOut } = task;
    typeOf(task);
    if (moveList.activatePersistThroughPowerLoss.get(dataOut)) throw invalidFieldInParameterList(17, 0);
    const relativePort = moveList.relativePort.get(dataOut);
    if (unit.device?.relativePorts.includes(relativePort) !== true) throw invalidFieldInParameterList(18);
    if (moveList.transportIdLength.get(dataOut) !== dataOut.length - moveList.length) {
      throw invalidFieldInParameterList(20);
    }
    const to = { ...decodeTransportId(dataOut.subarray(moveList.length), moveList.length), relativePort };
    const unregister = moveList.unregister.get(dataOut);
    const { key, newKey } = keys(task);
    endingInConflict(task, () => unit.reservations.move(task.nexus, key, to, newKey, unregister));
  },
  LONGEST_LIST,
);

/** SPC-4 6.16. */
export const persistentReserveOuts = [
  register,
  reserve,
  release,
  clear,
  preempt,
  preemptAndAbort,
  registerAndIgnore,
  registerAndMove,
];
