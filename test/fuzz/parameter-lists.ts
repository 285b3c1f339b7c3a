/** What a command's data-out could be, and nearly could: by the row's name, else bytes of about the right length. */
import { cscdLayout } from '../../lib/copy-manager/cscd/descriptor.ts';
import { lid1Header, lid4Header, segmentHeader } from '../../lib/copy-manager/parameter-list.ts';
import { segmentTypes } from '../../lib/copy-manager/segments/registry.ts';
import type { LogicalUnit } from '../../lib/scsi-cmds/logical-unit.ts';
import type { Random } from '../harness/random.ts';
import { fill, numeric, spoil } from './mutation.ts';

export interface Ground {
  readonly random: Random;
  /** The units that may be addressed, by LUN. */
  readonly units: readonly (readonly [number, LogicalUnit])[];
  /** What the unit said last to MODE SENSE and LOG SENSE, to be sent back. */
  readonly heard: Map<string, Buffer>;
}

const KEYS = [0, 0, 1, 2, 3];
const PORT = Buffer.from('iqn.2026-01.test:fuzz,i,0x400000000001\0');

function cscds({ random, units }: Ground): Buffer {
  return Buffer.concat(
    Array.from({ length: random.between(1, 4) }, () => {
      const [, unit] = random.pick(units);
      const out = Buffer.alloc(32);
      const { naa } = unit.identity;
      const parameters = Buffer.alloc(24);
      parameters[0] = 1;
      parameters[1] = 3;
      parameters[3] = naa.length;
      naa.copy(parameters, 4);
      fill(
        random,
        out,
        cscdLayout,
        name => {
          if (name === 'type') return 0xe4;
          if (name === 'deviceType') return unit.deviceType;
          if (name === 'parameters') return parameters;
          if (name === 'blockLength') return random.pick([0, 512, 512, 4096]);
          return random.chance(10) ? undefined : 0;
        },
        60,
      );
      return out;
    }),
  );
}

function segments({ random }: Ground): Buffer {
  const types = [...segmentTypes];
  return Buffer.concat(
    Array.from({ length: random.between(1, 5) }, () => {
      const [code, { layout, variable = false }] = random.pick(types);
      const more = variable ? random.pick([0, 4, 16, 64]) : 0;
      const out = Buffer.alloc(layout.length + more);
      fill(
        random,
        out,
        layout,
        (name, bytes) => {
          if (/type/i.test(name)) return code;
          if (/length/i.test(name) && bytes === 2) return out.length - 4;
          if (bytes === 2) return random.below(5);
          if (bytes === 8) return random.below(20_000);
          if (bytes === 3) return random.pick([0, 1, 2, 512, 1000, 1024]);
          return random.below(64);
        },
        40,
      );
      if (!random.chance(40)) {
        segmentHeader.type.set(out, code);
        segmentHeader.descriptorLength.set(out, out.length - 4);
      }
      return out;
    }),
  );
}

function copyList(ground: Ground, header: typeof lid1Header | typeof lid4Header): Buffer {
  const { random } = ground;
  const [named, run] = [cscds(ground), segments(ground)];
  const inline = random.bytes(random.pick([0, 0, 64, 512]));
  const head = Buffer.alloc(header.length);
  fill(
    random,
    head,
    header,
    name => {
      if (name === 'listIdUsage') return random.pick([0, 2, 2, 3]);
      if (name === 'listId') return random.below(4);
      if (name === 'cscdListLength') return named.length;
      if (name === 'segmentListLength') return run.length;
      if (name === 'inlineDataLength') return inline.length;
      if (name === 'format') return 1;
      if (name === 'headerDescriptorLength') return 0x20;
      if (name === 'headerDescriptorType') return 0xff;
      return random.below(2);
    },
    60,
  );
  return Buffer.concat([head, named, run, inline]);
}

function unmapList({ random }: Ground): Buffer {
  const count = random.below(6);
  const out = Buffer.alloc(8 + 16 * count);
  out.writeUInt16BE(Math.max(0, out.length - 2), 0);
  out.writeUInt16BE(16 * count, 2);
  for (let i = 0; i < count; i++) {
    numeric(random.below(20_000), 8).copy(out, 8 + 16 * i);
    numeric(random.below(600), 4).copy(out, 16 + 16 * i);
  }
  return out;
}

function reserveList({ random }: Ground, move: boolean): Buffer {
  const out = Buffer.alloc(random.chance(4) || move ? 24 + 4 + PORT.length : 24);
  numeric(random.pick(KEYS), 8).copy(out, 0);
  numeric(random.pick(KEYS), 8).copy(out, 8);
  out[20] = random.pick([0, 0, 1, 4, 8]);
  if (out.length > 24) {
    out[24] = 0x45;
    out.writeUInt16BE(PORT.length, 26);
    PORT.copy(out, 28);
    if (move) out.writeUInt32BE(out.length - 24, 20);
  }
  return out;
}

/** By the beginning of a row's name. */
const LISTS: readonly (readonly [string, (ground: Ground, lun: number) => Buffer | undefined])[] = [
  ['EXTENDED COPY(LID1)', ground => copyList(ground, lid1Header)],
  ['EXTENDED COPY(LID4)', ground => copyList(ground, lid4Header)],
  ['UNMAP', unmapList],
  ['PERSISTENT RESERVE OUT, REGISTER AND MOVE', ground => reserveList(ground, true)],
  ['PERSISTENT RESERVE OUT', ground => reserveList(ground, false)],
  // Data lengths are reserved in what MODE SELECT takes.
  ['MODE SELECT(6)', ({ heard }, lun) => withoutLength(heard.get(`MODE SENSE(6) ${lun}`), 1)],
  ['MODE SELECT(10)', ({ heard }, lun) => withoutLength(heard.get(`MODE SENSE(10) ${lun}`), 2)],
  ['LOG SELECT', ({ heard }, lun) => heard.get(`LOG SENSE ${lun}`)],
];

function withoutLength(data: Buffer | undefined, bytes: number): Buffer | undefined {
  if (data === undefined || data.length < 4) return undefined;
  return Buffer.from(data).fill(0, 0, bytes);
}

/** Undefined: the row has no list of its own. */
export function parameterList(row: string, lun: number, ground: Ground): Buffer | undefined {
  const made = LISTS.find(([name]) => row.startsWith(name))?.[1](ground, lun);
  if (made === undefined) return undefined;
  const list = Buffer.from(made);
  if (ground.random.chance(4)) spoil(ground.random, list);
  return ground.random.chance(12) ? list.subarray(0, ground.random.below(list.length + 1)) : list;
}
