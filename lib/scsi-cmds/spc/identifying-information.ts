import { Writer } from '../../bytes/cursor.ts';
import { bits, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { invalidFieldInCdb, invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';
import { Attention } from '../unit-attention.ts';
import { goodWithin } from './allocation.ts';

/** INFORMATION TYPE (SPC-4 6.32): the longest information of each, in bytes. */
const LONGEST: ReadonlyMap<number, number> = new Map([
  [0x00, 64],
  [0x02, 256],
]);
/** Text ends with a null. */
const TEXT = 0x02;
/** REPORT tells which types there are. */
const SUPPORTED_TYPES = 0x7f;

/** What application clients have written on the unit, by type; it outlives the process where the unit keeps state. */
export class IdentifyingInformation {
  readonly #unit: LogicalUnit;
  readonly #byType: Map<number, Uint8Array>;

  constructor(unit: LogicalUnit) {
    this.#unit = unit;
    this.#byType = new Map(unit.state?.read(SECTION));
  }

  of(type: number): Uint8Array {
    return this.#byType.get(type) ?? new Uint8Array(0);
  }

  /** Nothing takes it away. Resolves when it is safe. */
  async set(type: number, information: Uint8Array): Promise<void> {
    if (information.length === 0) this.#byType.delete(type);
    else this.#byType.set(type, Uint8Array.from(information));
    await this.#unit.state?.save(SECTION, [...this.#byType]);
  }
}

const SECTION = {
  name: 'identifying information',
  parse(body: unknown): [number, Uint8Array][] {
    const valid =
      Array.isArray(body) &&
      body.every(
        (entry: unknown) =>
          Array.isArray(entry) && LONGEST.has(entry[0] as number) && entry[1] instanceof Uint8Array,
      );
    if (!valid) throw new Error('it is no list of types and bytes');
    return body as [number, Uint8Array][];
  },
};

const reportCdb = layout(12, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  allocationLength: u32(6),
  informationType: bits(10, 1, 7),
});
const setCdb = layout(12, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  parameterListLength: u32(6),
  informationType: bits(10, 1, 7),
});

function supportedTypes(): Buffer {
  const out = new Writer();
  for (const [type, longest] of LONGEST)
    out
      .uint(1, type << 1)
      .zeros(1)
      .uint(2, longest);
  return out.done();
}

/** SPC-4 6.32. */
export const reportIdentifyingInformation = command<LogicalUnit>({
  name: 'REPORT IDENTIFYING INFORMATION',
  opcode: 0xa3,
  serviceAction: 0x05,
  cdb: reportCdb,
  access: 'read',
  ordering: 'free',
  portState: 'standby',
  run(unit, task) {
    const type = reportCdb.informationType.get(task.cdb);
    if (type !== SUPPORTED_TYPES && !LONGEST.has(type)) throw invalidFieldInCdb(10, 7);
    const body = type === SUPPORTED_TYPES ? supportedTypes() : unit.information.of(type);
    const header = Buffer.alloc(4);
    header.writeUInt16BE(body.length, 2);
    goodWithin(task, Buffer.concat([header, body]), reportCdb.allocationLength.get(task.cdb));
  },
});

/** SPC-4 6.43. */
export const setIdentifyingInformation = command<LogicalUnit>({
  name: 'SET IDENTIFYING INFORMATION',
  opcode: 0xa4,
  serviceAction: 0x06,
  cdb: setCdb,
  access: 'write',
  alters: true,
  ordering: 'exclusive',
  portState: 'standby',
  dataOut(_unit, task) {
    const longest = LONGEST.get(setCdb.informationType.get(task.cdb));
    if (longest === undefined) throw invalidFieldInCdb(10, 7);
    const length = setCdb.parameterListLength.get(task.cdb);
    if (length > longest) throw invalidFieldInCdb(6);
    return length;
  },
  async run(unit, task) {
    const list = task.dataOut;
    const type = setCdb.informationType.get(task.cdb);
    if (list.length < task.wantedOut) throw parameterListLengthError();
    // SPC-4 6.43: null-terminated, with no null before the end.
    if (type === TEXT && list.length > 0 && list.indexOf(0) !== list.length - 1) {
      throw invalidFieldInParameterList(list.includes(0) ? list.indexOf(0) : list.length - 1);
    }
    await unit.information.set(type, list);
    unit.attention(Attention.DEVICE_IDENTIFIER_CHANGED, task.nexus);
    task.good();
  },
});
