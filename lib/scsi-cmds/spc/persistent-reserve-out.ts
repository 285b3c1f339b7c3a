import { bit, bits, u16, u32, u64big, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { type Command, command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import type { Nexus } from '../nexus.ts';
import { isReservationType, type ReservationType } from '../reservation-type.ts';
import type { InitiatorPort, RegisterOptions } from '../reservations.ts';
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

/** SPC-4 6.16.3: with SPEC_I_PT a list of TransportIDs follows. */
const portList = layout(28, { transportIdLength: u32(24) });

/** 1024 registrations of 64 bytes, the length of a usual TransportID; the longest iSCSI name makes one of 252. */
const LONGEST_LIST = 64 * 1024;

const row = (
  name: string,
  serviceAction: number,
  run: (unit: LogicalUnit, task: Task) => MaybePromise<void>,
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
      return run(unit, task);
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

/** PTPL_C says whether APTPL may be one; `byte` and bit 0 is where it lies (SPC-4 6.16.3). */
function persistence(unit: LogicalUnit, wanted: boolean, byte: number): boolean {
  if (wanted && !unit.reservations.canPersist) throw invalidFieldInParameterList(byte, 0);
  return wanted;
}

function optionsOf(unit: LogicalUnit, { dataOut }: Task): Omit<RegisterOptions, 'initiatorPorts'> {
  return {
    allTargetPorts: list.allTargetPorts.get(dataOut),
    persist: persistence(unit, list.activatePersistThroughPowerLoss.get(dataOut), 20),
  };
}

/** The initiator ports of an additional parameter list (SPC-4 6.16.3). */
function initiatorPorts(unit: LogicalUnit, dataOut: Buffer): InitiatorPort[] {
  if (dataOut.length < portList.length) throw parameterListLengthError();
  // A list that the parameter list cuts short, or one longer than it says.
  if (portList.transportIdLength.get(dataOut) !== dataOut.length - portList.length) {
    throw invalidFieldInParameterList(portList.transportIdLength.offset);
  }
  const ports: InitiatorPort[] = [];
  for (let at = portList.length; at < dataOut.length;) {
    const { initiatorName, isid, length } = decodeTransportId(dataOut.subarray(at), at);
    if (isid !== undefined) ports.push({ initiatorName, isid });
    else {
      // SPC-4 7.6.4.6: a name alone is for every initiator port known by it.
      const known = unit.reservations.portsOf(initiatorName);
      if (known.length === 0) throw invalidFieldInParameterList(at);
      ports.push(...known);
    }
    at += length;
  }
  return ports;
}

const register = row(
  'REGISTER',
  0x00,
  (unit, task) => {
    const { dataOut } = task;
    const options = optionsOf(unit, task);
    const specified = list.specifyInitiatorPorts.get(dataOut);
    if (!specified && dataOut.length !== list.length) throw parameterListLengthError();
    const { key, newKey } = keys(task);
    return endingInConflict(unit, task, () =>
      unit.reservations.register(
        task.nexus,
        key,
        newKey,
        specified ? { ...options, initiatorPorts: initiatorPorts(unit, dataOut) } : options,
      ),
    );
  },
  LONGEST_LIST,
);

const reserve = row('RESERVE', 0x01, (unit, task) => {
  const type = typeOf(task);
  return endingInConflict(unit, task, () => unit.reservations.reserve(task.nexus, keys(task).key, type));
});

const release = row('RELEASE', 0x02, (unit, task) => {
  const type = typeOf(task);
  return endingInConflict(unit, task, () => unit.reservations.release(task.nexus, keys(task).key, type));
});

const clear = row('CLEAR', 0x03, (unit, task) =>
  endingInConflict(unit, task, () => unit.reservations.clear(task.nexus, keys(task).key)),
);

const preempt = row('PREEMPT', 0x04, (unit, task) => {
  const type = typeOf(task);
  const { key, newKey } = keys(task);
  return endingInConflict(unit, task, () => unit.reservations.preempt(task.nexus, key, newKey, type));
});

/** SPC-4 5.13.11.2.5: it ends when the tasks of those who were preempted have. */
const preemptAndAbort = row('PREEMPT AND ABORT', 0x05, (unit, task) => {
  const type = typeOf(task);
  const { key, newKey } = keys(task);
  let preempted = (_of: { readonly nexus: Nexus }): boolean => false;
  const done = succeeds(task, () => {
    preempted = unit.reservations.preempt(task.nexus, key, newKey, type);
  });
  if (!done) return undefined;
  const settled = unit.reservations.settled();
  const aborted = new Promise<void>(resolve => {
    unit.abort(other => other !== task && preempted(other), resolve, task.nexus);
  });
  const stopped = new Promise<void>(resolve => unit.stopBackground(preempted, resolve));
  return Promise.all([aborted, stopped, settled]).then(() => task.good());
});

const registerAndIgnore = row('REGISTER AND IGNORE EXISTING KEY', 0x06, (unit, task) => {
  // SPC-4 6.16.3: for REGISTER alone.
  if (list.specifyInitiatorPorts.get(task.dataOut)) throw invalidFieldInParameterList(20, 3);
  const options = optionsOf(unit, task);
  const { newKey } = keys(task);
  return endingInConflict(unit, task, () =>
    unit.reservations.register(task.nexus, undefined, newKey, options),
  );
});

/** SPC-4 5.13.8: SCOPE and TYPE are ignored. */
const registerAndMove = row(
  'REGISTER AND MOVE',
  0x07,
  (unit, task) => {
    const { dataOut } = task;
    const persist = persistence(unit, moveList.activatePersistThroughPowerLoss.get(dataOut), 17);
    const relativePort = moveList.relativePort.get(dataOut);
    if (unit.device?.relativePorts.includes(relativePort) !== true) throw invalidFieldInParameterList(18);
    const at = moveList.length;
    if (moveList.transportIdLength.get(dataOut) !== dataOut.length - at) {
      throw invalidFieldInParameterList(20);
    }
    const { initiatorName, isid, length } = decodeTransportId(dataOut.subarray(at), at);
    // The reservation goes to one nexus, so that a name alone says too little.
    if (isid === undefined) throw invalidFieldInParameterList(at);
    if (at + length !== dataOut.length) throw invalidFieldInParameterList(20);
    const to = { initiatorName, isid, relativePort };
    const unregister = moveList.unregister.get(dataOut);
    const { key, newKey } = keys(task);
    return endingInConflict(unit, task, () =>
      unit.reservations.move(task.nexus, key, to, newKey, { unregister, persist }),
    );
  },
  LONGEST_LIST,
);

/** SPC-4 6.16. REPLACE LOST RESERVATION is not there: no reservation is ever lost, RLR_C = 0. */
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
