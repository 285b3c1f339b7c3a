/** What a command's data-out could be, and nearly could: by the row's name, else bytes of about the right length. */
import { cscdLayout } from '../../lib/copy-manager/cscd/descriptor.ts';
import { rodCscd } from '../../lib/copy-manager/cscd/rod.ts';
import { lid1Header, lid4Header, segmentHeader } from '../../lib/copy-manager/parameter-list.ts';
import { segmentTypes } from '../../lib/copy-manager/segments/registry.ts';
import { rangeDescriptor } from '../../lib/copy-manager/tokens/block-ranges.ts';
import { populateList } from '../../lib/copy-manager/tokens/populate-token.ts';
import { rodTypes, ZEROS } from '../../lib/copy-manager/tokens/rod-types.ts';
import { TOKEN_BYTES, TOKEN_LENGTH, tokenLayout } from '../../lib/copy-manager/tokens/token.ts';
import { writeList } from '../../lib/copy-manager/tokens/write-using-token.ts';
import type { LogicalUnit } from '../../lib/scsi-cmds/logical-unit.ts';
import { rowOf, supportedIds } from '../../lib/scsi-cmds/ssc/attributes/attribute-rows.ts';
import {
  SET_DATA_ENCRYPTION,
  setDataEncryptionPage,
} from '../../lib/scsi-cmds/ssc/encryption/set-data-encryption.ts';
import type { Random } from '../harness/random.ts';
import { fill, numeric, spoil } from './mutation.ts';

export interface Ground {
  readonly random: Random;
  /** The units that may be addressed, by LUN. */
  readonly units: readonly (readonly [number, LogicalUnit])[];
  /** What the unit said last to MODE SENSE and LOG SENSE, to be sent back; `token N`: ROD tokens that were fetched. */
  readonly heard: Map<string, Buffer>;
}

const KEYS = [0, 0, 1, 2, 3];
const PORT = Buffer.from('iqn.2026-01.test:fuzz,i,0x400000000001\0');

/** One that was fetched, that of zeros, or nonsense. */
function token({ random, heard }: Ground): Buffer {
  const fetched = heard.get(`token ${random.below(TOKENS)}`);
  if (fetched !== undefined && !random.chance(5)) return Buffer.from(fetched);
  const out = random.bytes(TOKEN_BYTES);
  tokenLayout.type.set(out, random.pick([ZEROS, ...rodTypes.keys()]));
  tokenLayout.tokenLength.set(out, TOKEN_LENGTH);
  return out;
}

/** Tokens that are remembered. */
export const TOKENS = 8;

function rod({ random }: Ground): Buffer {
  const out = Buffer.alloc(32);
  const type = random.pick([0, ...rodTypes.keys()]);
  const makes = type !== 0 && random.chance(2);
  fill(
    random,
    out,
    rodCscd,
    name => {
      if (name === 'type') return type;
      if (name === 'producer') return type === 0 ? 0xf800 : 0xffff;
      if (name === 'makesToken') return makes ? 1 : 0;
      if (name === 'removesToken') return type === 0 ? random.below(2) : 0;
      if (name === 'tokenOffset') return 0;
      return makes ? random.below(100) : 0;
    },
    60,
  );
  out[0] = 0xfe;
  return out;
}

function ranges({ random }: Ground, most = 4): Buffer {
  let lba = random.below(1000);
  return Buffer.concat(
    Array.from({ length: random.between(1, most) }, () => {
      const out = Buffer.alloc(rangeDescriptor.length);
      const blocks = random.below(64);
      fill(random, out, rangeDescriptor, name => (name === 'lba' ? lba : blocks), 60);
      lba += blocks + random.below(300);
      return out;
    }),
  );
}

function populate(ground: Ground): Buffer {
  const { random } = ground;
  const list = ranges(ground);
  const head = Buffer.alloc(populateList.length);
  fill(
    random,
    head,
    populateList,
    name => {
      if (name === 'dataLength') return head.length - 2 + list.length;
      if (name === 'rangesLength') return list.length;
      if (name === 'type') return random.pick([...rodTypes.keys()]);
      if (name === 'inactivity') return random.below(3);
      return random.chance(4) ? 1 : 0;
    },
    60,
  );
  return Buffer.concat([head, list]);
}

function write(ground: Ground): Buffer {
  const { random } = ground;
  const list = ranges(ground);
  const head = Buffer.alloc(writeList.length);
  fill(
    random,
    head,
    writeList,
    name => {
      if (name === 'dataLength') return head.length - 2 + list.length;
      if (name === 'rangesLength') return list.length;
      if (name === 'token') return token(ground);
      if (name === 'offset') return random.below(3);
      return random.chance(4) ? 1 : 0;
    },
    60,
  );
  return Buffer.concat([head, list]);
}

function cscds(ground: Ground): Buffer {
  const { random, units } = ground;
  return Buffer.concat(
    Array.from({ length: random.between(1, 4) }, () => {
      if (random.chance(4)) return rod(ground);
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

function segments(ground: Ground): Buffer {
  const { random } = ground;
  const types = [...segmentTypes];
  return Buffer.concat(
    Array.from({ length: random.between(1, 5) }, () => {
      const [code, { layout, variable = false, ranges: populates }] = random.pick(types);
      const list = variable && populates !== undefined ? ranges(ground, 2) : undefined;
      const more = list?.length ?? (variable ? random.pick([0, 4, 16, 64]) : 0);
      const out = Buffer.alloc(layout.length + more);
      list?.copy(out, layout.length);
      fill(
        random,
        out,
        layout,
        (name, bytes) => {
          if (name === 'rangeType') return 1;
          if (name === 'rangesLength') return more;
          if (/type/i.test(name)) return code;
          if (populates !== undefined && name === 'source') return 0xffff;
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
  const inline = random.chance(2) ? token(ground) : random.bytes(random.pick([0, 64, 512]));
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

function tagTemplateList({ random }: Ground): Buffer {
  const out = Buffer.alloc(40);
  out.write(random.pick(['*', 'F0000?L6', 'F00001L6', '', '????????', 'F*']), 'latin1');
  out.writeUInt16BE(random.below(2), 38);
  return out;
}

/** Set data encryption, with a key or without, and with data that may go with it. */
function encryptionList({ random }: Ground): Buffer {
  const key = random.bytes(random.pick([0, 32, 32, 31]));
  const kad = random.chance(3)
    ? Buffer.concat([Buffer.of(random.below(3), 0, 0, 5), random.bytes(5)])
    : Buffer.alloc(0);
  const head = Buffer.alloc(setDataEncryptionPage.length);
  fill(
    random,
    head,
    setDataEncryptionPage,
    name => {
      if (name === 'pageCode') return SET_DATA_ENCRYPTION;
      if (name === 'pageLength') return head.length + key.length + kad.length - 4;
      if (name === 'scope' || name === 'encryption') return random.below(3);
      if (name === 'decryption') return random.below(4);
      if (name === 'keyLength') return key.length;
      if (name === 'algorithm') return 1;
      return name === 'reserved' ? new Uint8Array(7) : 0;
    },
    40,
  );
  return Buffer.concat([head, key, kad]);
}

/** Attributes of hosts, mostly as long as they should be. */
function attributeList({ random }: Ground): Buffer {
  const known = [...supportedIds, 0x1400, 0x1623].filter(id => id >= 0x0800 || random.chance(20));
  const ids = [...new Set(Array.from({ length: random.between(1, 4) }, () => random.pick(known)))];
  const body = Buffer.concat(
    ids
      .sort((a, b) => a - b)
      .map(id => {
        const row = rowOf(id)!;
        const value = random.bytes(random.pick([0, row.least, row.most, row.most, row.most + 1]));
        return Buffer.concat([numeric(id, 2), Buffer.of(row.format), numeric(value.length, 2), value]);
      }),
  );
  return Buffer.concat([numeric(body.length, 4), body]);
}

/** By the beginning of a row's name. */
const LISTS: readonly (readonly [string, (ground: Ground, lun: number) => Buffer | undefined])[] = [
  ['EXTENDED COPY(LID1)', ground => copyList(ground, lid1Header)],
  ['EXTENDED COPY(LID4)', ground => copyList(ground, lid4Header)],
  ['POPULATE TOKEN', populate],
  ['WRITE USING TOKEN', write],
  ['SECURITY PROTOCOL OUT', encryptionList],
  ['WRITE ATTRIBUTE', attributeList],
  ['UNMAP', unmapList],
  ['PERSISTENT RESERVE OUT, REGISTER AND MOVE', ground => reserveList(ground, true)],
  ['PERSISTENT RESERVE OUT', ground => reserveList(ground, false)],
  // Data lengths are reserved in what MODE SELECT takes.
  ['MODE SELECT(6)', ({ heard }, lun) => withoutLength(heard.get(`MODE SENSE(6) ${lun}`), 1)],
  ['MODE SELECT(10)', ({ heard }, lun) => withoutLength(heard.get(`MODE SENSE(10) ${lun}`), 2)],
  ['SEND VOLUME TAG', ground => tagTemplateList(ground)],
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
