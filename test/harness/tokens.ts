/** Parameter lists of POPULATE TOKEN and WRITE USING TOKEN, ROD CSCDs, and what is told of them: for tests of ROD tokens. */
import { type Answer, type Commander } from './commands.ts';
import { cdb84lid4 } from './copying.ts';

/** LBA, number of blocks. */
export type Range = readonly [number, number];

export const DEFAULT = 0x0080_0000;
export const VULNERABLE = 0x0080_0001;
export const PERSISTENT = 0x0080_0002;
export const ANY = 0x0080_ffff;
export const REFERENCE = 0x0001_0000;

const rangeList = (ranges: readonly Range[]): Buffer =>
  Buffer.concat(
    ranges.map(([lba, blocks]) => {
      const out = Buffer.alloc(16);
      out.writeBigUInt64BE(BigInt(lba), 0);
      out.writeUInt32BE(blocks, 8);
      return out;
    }),
  );

export interface Populate {
  readonly id?: number;
  readonly type?: number;
  readonly inactivity?: number;
  readonly immediate?: boolean;
}

export const populateList = (ranges: readonly Range[], of: Populate = {}): Buffer => {
  const head = Buffer.alloc(16);
  const list = rangeList(ranges);
  head.writeUInt16BE(14 + list.length, 0);
  head[2] = (of.type === undefined ? 0 : 2) | (of.immediate === true ? 1 : 0);
  head.writeUInt32BE(of.inactivity ?? 0, 4);
  head.writeUInt32BE(of.type ?? 0, 8);
  head.writeUInt16BE(list.length, 14);
  return Buffer.concat([head, list]);
};

export interface Write {
  readonly id?: number;
  readonly offset?: number;
  readonly remove?: boolean;
  readonly immediate?: boolean;
}

export const writeList = (token: Buffer, ranges: readonly Range[], of: Write = {}): Buffer => {
  const head = Buffer.alloc(536);
  const list = rangeList(ranges);
  head.writeUInt16BE(534 + list.length, 0);
  head[2] = (of.remove === true ? 2 : 0) | (of.immediate === true ? 1 : 0);
  head.writeBigUInt64BE(BigInt(of.offset ?? 0), 8);
  token.copy(head, 16);
  head.writeUInt16BE(list.length, 534);
  return Buffer.concat([head, list]);
};

/** 83h with a list identifier in bytes 6-9. */
export const tokenCdb = (action: number, id: number, length: number): Buffer => {
  const out = Buffer.alloc(16);
  out[0] = 0x83;
  out[1] = action;
  out.writeUInt32BE(id, 6);
  out.writeUInt32BE(length, 10);
  return out;
};

export const sendPopulate = (to: Commander, lun: number, out: Buffer, id = 1): Promise<Answer> =>
  to.send(lun, tokenCdb(0x10, id, out.length), { out });
export const sendWrite = (to: Commander, lun: number, out: Buffer, id = 2): Promise<Answer> =>
  to.send(lun, tokenCdb(0x11, id, out.length), { out });

export interface Told {
  readonly said: string;
  readonly action: number;
  readonly status: number;
  readonly counter: number;
  readonly completion: number;
  readonly units: number;
  readonly count: number;
  readonly segments: number;
  readonly sense: Buffer;
  /** ROD TOKEN DESCRIPTORS LENGTH. */
  readonly length: number;
  readonly tokens: readonly { readonly id: number; readonly token: Buffer }[];
}

/** RECEIVE ROD TOKEN INFORMATION, or with action 05h RECEIVE COPY STATUS(LID4), taken apart. */
export const information = async (to: Commander, id: number, lun = 0, action = 0x07): Promise<Told> => {
  const { said, data } = await to.send(lun, cdb84lid4(action, id, 1 << 20));
  if (said !== '') return { said } as Told;
  const at = 32 + data[13]!;
  const length = action === 0x07 ? data.readUInt32BE(at) : 0;
  if (data.readUInt32BE(0) + 4 !== data.length) throw new Error('AVAILABLE DATA is wrong');
  const tokens = [];
  for (let from = at + 4; from + 514 <= data.length; from += 514) {
    tokens.push({ id: data.readUInt16BE(from), token: Buffer.from(data.subarray(from + 2, from + 514)) });
  }
  return {
    said,
    action: data[4]!,
    status: data[5]!,
    counter: data.readUInt16BE(6),
    completion: data[12]!,
    units: data[15]!,
    count: Number(data.readBigUInt64BE(16)),
    segments: data.readUInt16BE(24),
    sense: data.subarray(32, 32 + data[14]!),
    length,
    tokens,
  };
};

/** POPULATE TOKEN and the token that it has made. */
export const populated = async (
  to: Commander,
  lun: number,
  ranges: readonly Range[],
  of: Populate = {},
): Promise<Buffer> => {
  const id = of.id ?? 1;
  const { said, status } = await sendPopulate(to, lun, populateList(ranges, of), id);
  if (status !== 0) throw new Error(`POPULATE TOKEN: ${said}, status ${status}`);
  const { tokens } = await information(to, id, lun);
  return tokens[0]!.token;
};

export interface RodSpec {
  readonly type?: number;
  readonly producer?: number;
  readonly lifetime?: number;
  readonly inactivity?: number;
  readonly makes?: boolean;
  readonly removes?: boolean;
  readonly offset?: number;
  readonly pdt?: number;
  readonly blockLength?: number;
}

/** A ROD CSCD descriptor (SPC-4 6.4.5.9). */
export const rodCscd = (of: RodSpec = {}): Buffer => {
  const out = Buffer.alloc(32);
  const type = of.type ?? DEFAULT;
  out[0] = 0xfe;
  out[1] = of.pdt ?? 0;
  out.writeUInt16BE(of.producer ?? (type === 0 ? 0xf800 : 0xffff), 4);
  out.writeUInt32BE(type, 8);
  out.writeUInt32BE(of.lifetime ?? 0, 12);
  out.writeUInt32BE(of.inactivity ?? 0, 16);
  out[22] = of.makes === true ? 1 : 0;
  out[23] = of.removes === true ? 1 : 0;
  out.writeUInt32BE(of.offset ?? 0, 24);
  out.writeUIntBE(of.blockLength ?? 0, 29, 3);
  return out;
};

/** Segment BEh. */
export const populateRanges = (to: number, ranges: readonly Range[], from = 0xffff): Buffer => {
  const list = rangeList(ranges);
  const head = Buffer.alloc(16);
  head[0] = 0xbe;
  head.writeUInt16BE(12 + list.length, 2);
  head.writeUInt16BE(from, 4);
  head.writeUInt16BE(to, 6);
  head[13] = 1;
  head.writeUInt16BE(list.length, 14);
  return Buffer.concat([head, list]);
};

/** Segment BFh. */
export const populateRange = (to: number, [lba, blocks]: Range, from = 0xffff): Buffer => {
  const out = Buffer.alloc(20);
  out[0] = 0xbf;
  out.writeUInt16BE(16, 2);
  out.writeUInt16BE(from, 4);
  out.writeUInt16BE(to, 6);
  out.writeBigUInt64BE(BigInt(lba), 8);
  out.writeUInt32BE(blocks, 16);
  return out;
};

export const ZERO_TOKEN = (() => {
  const out = Buffer.alloc(512);
  out.writeUInt32BE(0xffff_0001, 0);
  out.writeUInt16BE(0x01f8, 6);
  return out;
})();
