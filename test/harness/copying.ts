/** EXTENDED COPY lists, a target to copy in and a disk that can be held up: for tests of the copy manager. */
import { setImmediate as turn } from 'node:timers/promises';
import type { BlockBackend, Extent } from '../../lib/backends/block-backend.ts';
import type { TapeMedium } from '../../lib/backends/tape-medium.ts';
import type { MaybePromise } from '../../lib/bytes/maybe-promise.ts';
import { addCopyManager, type CopyManagerOptions } from '../../lib/copy-manager/copy-manager.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import type { LogicalUnit } from '../../lib/scsi-cmds/logical-unit.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { tape } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Answer, Commander } from './commands.ts';

export const MIB = 1024 * 1024;

/* A small generator of numbers: mulberry32. */
export const dice = (seed: number) => {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    below: (n: number) => Math.floor(next() * n),
    chance: (p: number) => next() < p,
    pick: <T>(from: readonly T[]): T => from[Math.floor(next() * from.length)]!,
    bytes: (n: number): Buffer => {
      const out = Buffer.alloc(n);
      for (let i = 0; i + 4 <= n; i += 4) out.writeUInt32LE(Math.floor(next() * 2 ** 32), i);
      for (let i = n - (n % 4); i < n; i++) out[i] = Math.floor(next() * 256);
      return out;
    },
  };
};

/* Building lists. */

export interface CscdSpec {
  pdt?: number;
  designator: Buffer;
  codeSet?: number;
  type?: number;
  association?: number;
  pad?: boolean;
  fixed?: boolean;
  blockLength?: number;
}

export const cscd = (of: CscdSpec): Buffer => {
  const out = Buffer.alloc(32);
  out[0] = 0xe4;
  out[1] = of.pdt ?? 0;
  out[4] = of.codeSet ?? 1;
  out[5] = ((of.association ?? 0) << 4) | (of.type ?? 3);
  out[7] = of.designator.length;
  of.designator.copy(out, 8);
  out[28] = (of.pad === true ? 4 : 0) | (of.fixed === true ? 1 : 0);
  out.writeUIntBE(of.blockLength ?? 0, 29, 3);
  return out;
};

export interface SegmentSpec {
  type: 0 | 1 | 2;
  from: number;
  to: number;
  cat?: boolean;
  dc?: boolean;
  /** STREAM DEVICE TRANSFER LENGTH. */
  sdtl?: number;
  blocks: number;
  /** LBA, or source LBA of 02h. */
  lba?: number;
  toLba?: number;
}

export const segment = (of: SegmentSpec): Buffer => {
  const out = Buffer.alloc(of.type === 2 ? 28 : 24);
  out[0] = of.type;
  out[1] = (of.dc === true ? 2 : 0) | (of.cat === true ? 1 : 0);
  out.writeUInt16BE(out.length - 4, 2);
  out.writeUInt16BE(of.from, 4);
  out.writeUInt16BE(of.to, 6);
  if (of.type === 2) {
    out.writeUInt16BE(of.blocks, 10);
    out.writeBigUInt64BE(BigInt(of.lba ?? 0), 12);
    out.writeBigUInt64BE(BigInt(of.toLba ?? 0), 20);
  } else {
    out.writeUIntBE(of.sdtl ?? 0, 9, 3);
    out.writeUInt16BE(of.blocks, 14);
    out.writeBigUInt64BE(BigInt(of.lba ?? 0), 16);
  }
  return out;
};

export const list = (
  cscds: readonly Buffer[],
  segments: readonly Buffer[],
  { id = 1, usage = 2, inline = 0 }: { id?: number; usage?: number; inline?: number } = {},
): Buffer => {
  const head = Buffer.alloc(16);
  const c = Buffer.concat(cscds);
  const s = Buffer.concat(segments);
  head[0] = id;
  head[1] = (usage << 3) | 1;
  head.writeUInt16BE(c.length, 2);
  head.writeUInt32BE(s.length, 8);
  head.writeUInt32BE(inline, 12);
  return Buffer.concat([head, c, s, Buffer.alloc(inline)]);
};

export const cdb83 = (length: number): Buffer => {
  const out = Buffer.alloc(16);
  out[0] = 0x83;
  out.writeUInt32BE(length, 10);
  return out;
};

export const cdb84 = (action: number, id = 0, allocation = 1024): Buffer => {
  const out = Buffer.alloc(16);
  out[0] = 0x84;
  out[1] = action;
  out[2] = id;
  out.writeUInt32BE(allocation, 10);
  return out;
};

/** A LID4 list (SPC-4 6.4.3). */
export const list4 = (
  cscds: readonly Buffer[],
  segments: readonly Buffer[],
  of: {
    id?: number;
    usage?: number;
    inline?: Buffer;
    immediate?: boolean;
    goodWithSense?: boolean;
    priority?: number;
  } = {},
): Buffer => {
  const head = Buffer.alloc(48);
  const c = Buffer.concat(cscds);
  const s = Buffer.concat(segments);
  const { id = 1, usage = 2, inline = Buffer.alloc(0), priority = 1 } = of;
  head[0] = 1;
  head[1] = (usage << 3) | priority;
  head[3] = 0x20;
  head[15] = (of.goodWithSense === true ? 2 : 0) | (of.immediate === true ? 1 : 0);
  head[16] = 0xff;
  head.writeUInt32BE(id, 20);
  head.writeUInt16BE(c.length, 42);
  head.writeUInt16BE(s.length, 44);
  head.writeUInt16BE(inline.length, 46);
  return Buffer.concat([head, c, s, inline]);
};

export const cdb83lid4 = (length: number): Buffer => {
  const out = cdb83(length);
  out[1] = 1;
  return out;
};

/** 84h with a list identifier of 32 bits, and COPY OPERATION ABORT with `opcode` 83h. */
export const cdb84lid4 = (action: number, id = 0, allocation = 1024, opcode = 0x84): Buffer => {
  const out = Buffer.alloc(16);
  out[0] = opcode;
  out[1] = action;
  out.writeUInt32BE(id, 2);
  if (opcode === 0x84) out.writeUInt32BE(allocation, 10);
  return out;
};

export const copy4 = (to: Commander, lun: number, out: Buffer): Promise<Answer> =>
  to.send(lun, cdb83lid4(out.length), { out });

export const copy = (to: Commander, lun: number, out: Buffer): Promise<Answer> =>
  to.send(lun, cdb83(out.length), { out });

/* What fixed-format sense says. */
export const segmentOf = (answer: Answer): number => answer.sense.readUInt16BE(10);
export const informationOf = (answer: Answer): number | undefined =>
  (answer.sense[0]! & 0x80) === 0 ? undefined : answer.sense.readInt32BE(3);
/** `SD 12.3`: whose, byte, bit. */
export const pointerOf = (answer: Answer): string => {
  const flags = answer.sense[15]!;
  if ((flags & 0x80) === 0) return '';
  const bit = (flags & 8) === 0 ? '' : `.${flags & 7}`;
  return `${(flags & 0x20) === 0 ? 'list' : 'segment'} ${answer.sense.readUInt16BE(16)}${bit}`;
};
export const forwardedOf = (answer: Answer): { from: string; status: number; sense: Buffer } | undefined => {
  for (const [at, from] of [
    [8, 'source'],
    [9, 'destination'],
  ] as const) {
    const offset = answer.sense[at]!;
    if (offset > 0) return { from, status: answer.sense[offset]!, sense: answer.sense.subarray(offset + 1) };
  }
  return undefined;
};

/* A target to copy in. */

export const TARGET = 'iqn.2026-01.test:target';
export const identity = (name: string) => identify(TARGET, name, { product: 'TEST', revision: '1' });

export type Kind = { disk: BlockBackend } | { tape: TapeMedium };

export const rig = async (...parts: readonly (Kind | CopyManagerOptions)[]) => {
  const kinds = parts.filter((part): part is Kind => 'disk' in part || 'tape' in part);
  const options = parts.filter((part): part is CopyManagerOptions => !('disk' in part || 'tape' in part));
  const device = new TargetDevice(TARGET, absentUnit());
  const units: LogicalUnit[] = kinds.map((kind, lun) =>
    'disk' in kind
      ? disk({ identity: identity(`u${lun}`), backend: kind.disk })
      : tape({ identity: identity(`u${lun}`), medium: kind.tape }),
  );
  units.forEach((unit, lun) => device.add(lun, unit));
  const manager = addCopyManager(device, options[0]);
  const host = await new Commander(device).clear();
  const name = (lun: number, more: Partial<CscdSpec> = {}): Buffer =>
    cscd({ pdt: units[lun]!.deviceType, designator: units[lun]!.identity.naa, ...more });
  return { device, units, manager, host, name };
};

export const fill = async (backend: BlockBackend, data: Buffer): Promise<void> => {
  await backend.write(data, 0);
};
export const dump = async (backend: BlockBackend, bytes = backend.bytes, at = 0): Promise<Buffer> => {
  const out = Buffer.alloc(bytes);
  await backend.read(out, at);
  return out;
};

export type Stored = Buffer | 'filemark';

export const record = async (medium: TapeMedium, objects: readonly Stored[]): Promise<void> => {
  for (const object of objects) {
    if (object === 'filemark') await medium.writeFilemarks(1);
    else await medium.write(object);
  }
  await medium.rewind();
};
const whole = Buffer.alloc(9 * MIB);

/** All there is on the tape; the position stays. */
export const playback = async (medium: TapeMedium): Promise<Stored[]> => {
  const { object } = medium.position;
  await medium.rewind();
  const found: Stored[] = [];
  for (;;) {
    const next = await medium.read(whole);
    if (next.kind === 'end-of-data') break;
    found.push(next.kind === 'filemark' ? 'filemark' : Buffer.from(whole.subarray(0, next.length)));
  }
  await medium.locate(object);
  return found;
};

/** A disk that answers when told, fails where told, and counts what is under way. */
export class SlowDisk implements BlockBackend {
  readonly inner: BlockBackend;
  readonly readOnly = false;
  writes: number[] = [];
  underWay = 0;
  most = 0;
  failWriteAt = -1;
  pace: () => Promise<void> = () => turn();
  constructor(inner: BlockBackend) {
    this.inner = inner;
  }
  get bytes(): number {
    return this.inner.bytes;
  }
  get blockSize(): number {
    return this.inner.blockSize;
  }
  get mappedBytes(): number {
    return this.inner.mappedBytes;
  }
  async #slowly(work: () => MaybePromise<void>): Promise<void> {
    this.most = Math.max(this.most, ++this.underWay);
    await this.pace();
    try {
      await work();
    } finally {
      this.underWay--;
    }
  }
  read(into: Buffer, offset: number): Promise<void> {
    return this.#slowly(() => this.inner.read(into, offset));
  }
  write(from: Buffer, offset: number): Promise<void> {
    this.writes.push(offset);
    return this.#slowly(() => {
      if (offset === this.failWriteAt) throw new Error('this write was to fail');
      return this.inner.write(from, offset);
    });
  }
  flush(): MaybePromise<void> {
    return this.inner.flush();
  }
  unmap(offset: number, length: number): MaybePromise<void> {
    return this.inner.unmap(offset, length);
  }
  extent(offset: number, length: number): MaybePromise<Extent> {
    return this.inner.extent(offset, length);
  }
  close(): MaybePromise<void> {
    return this.inner.close();
  }
}
