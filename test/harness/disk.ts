/** A disk in process over a medium that is watched, and the words to talk to it. */
import type { BlockBackend } from '../../lib/backends/block-backend.ts';
import type { MediumError } from '../../lib/backends/medium-error.ts';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk, type DiskOptions, type DiskUnit } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Answer, Commander } from './commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';
export const MiB = 1 << 20;

/** A memory disk that counts, and that answers late when told to. */
export class Watched implements BlockBackend {
  readonly #disk: BlockBackend;
  readonly bytes: number;
  readonly blockSize: number;
  readOnly = false;
  late = false;
  flushes = 0;
  reads: number[] = [];
  writes: number[] = [];
  unmaps: [number, number][] = [];
  closed = 0;
  failure: MediumError | undefined;

  readonly allocationLimitBytes: number | undefined;
  readonly writeAtomic?: (from: Buffer, offset: number) => void | Promise<void>;

  constructor(bytes: number, blockSize: number, allocationLimitBytes?: number, atomic = true) {
    if (atomic) this.writeAtomic = (from, offset) => this.write(from, offset);
    this.#disk = memoryDisk({ bytes, blockSize, allocationLimitBytes });
    this.allocationLimitBytes = allocationLimitBytes;
    this.bytes = bytes;
    this.blockSize = blockSize;
  }

  #do<T>(verb: () => T | Promise<T>): T | Promise<T> {
    const { failure } = this;
    if (!this.late) {
      if (failure !== undefined) throw failure;
      return verb();
    }
    return new Promise<void>(resolve => setImmediate(resolve)).then(() => {
      if (failure !== undefined) throw failure;
      return verb();
    });
  }

  read(into: Buffer, offset: number): void | Promise<void> {
    this.reads.push(into.length);
    return this.#do(() => this.#disk.read(into, offset));
  }

  write(from: Buffer, offset: number): void | Promise<void> {
    this.writes.push(from.length);
    return this.#do(() => this.#disk.write(from, offset));
  }

  flush(): void | Promise<void> {
    return this.#do(() => {
      this.flushes++;
    });
  }

  unmap(offset: number, length: number): void | Promise<void> {
    this.unmaps.push([offset, length]);
    return this.#do(() => this.#disk.unmap(offset, length));
  }

  anchor(offset: number, length: number): void | Promise<void> {
    return this.#do(() => this.#disk.anchor!(offset, length));
  }

  extent(offset: number, length: number): ReturnType<BlockBackend['extent']> {
    return this.#do(() => this.#disk.extent(offset, length));
  }

  get mappedBytes(): number {
    return this.#disk.mappedBytes;
  }

  close(): void {
    this.closed++;
  }
}

export interface Rig {
  device: TargetDevice;
  unit: DiskUnit;
  medium: Watched;
  a: Commander;
}

type RigOptions = Partial<Omit<DiskOptions, 'identity' | 'backend'>> & {
  readonly bytes?: number;
  readonly blockSize?: number;
  readonly allocationLimitBytes?: number;
  /** One that another unit had before. */
  readonly medium?: Watched;
};

export async function rig(with_: RigOptions = {}): Promise<Rig> {
  const device = new TargetDevice(TARGET, absentUnit());
  const { bytes = 4 * MiB, blockSize = 512, allocationLimitBytes, medium: given, ...options } = with_;
  const medium = given ?? new Watched(bytes, blockSize, allocationLimitBytes);
  const unit = disk({
    identity: identify(TARGET, 'd0', { product: 'disk', revision: '0.1' }),
    backend: medium,
    ...options,
  });
  device.add(0, unit);
  const a = await new Commander(device).clear();
  return { device, unit, medium, a };
}

export function pointer({ sense }: Answer): string {
  if ((sense[15]! & 0x80) === 0) return '';
  const bit = (sense[15]! & 0x08) === 0 ? '' : `.${sense[15]! & 0x07}`;
  return `${(sense[15]! & 0x40) === 0 ? 'list' : 'cdb'} ${sense.readUInt16BE(16)}${bit}`;
}

export const information = ({ sense }: Answer): number | undefined =>
  (sense[0]! & 0x80) === 0 ? undefined : sense.readUInt32BE(3);

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** A CDB of 32 bytes with its flags, which are those of byte 1 elsewhere, in byte 10 (SPC-4 4.2.3). */
export function cdb32(serviceAction: number, lba: number, blocks: number, flags = 0): Buffer {
  const out = Buffer.alloc(32);
  out[0] = 0x7f;
  out[7] = 0x18;
  out.writeUInt16BE(serviceAction, 8);
  out[10] = flags;
  out.writeBigUInt64BE(BigInt(lba), 12);
  out.writeUInt32BE(blocks, 28);
  return out;
}

/** A CDB of the 10, 12 or 16-byte shape (SPC-4 4.2.5). */
export function cdb(opcode: number, lba: number, blocks: number, flags = 0): Buffer {
  const size = opcode >= 0xa0 ? 12 : opcode >= 0x80 ? 16 : 10;
  const out = Buffer.alloc(size);
  out[0] = opcode;
  out[1] = flags;
  if (size === 16) {
    out.writeBigUInt64BE(BigInt(lba), 2);
    out.writeUInt32BE(blocks, 10);
  } else {
    out.writeUInt32BE(lba, 2);
    if (size === 12) out.writeUInt32BE(blocks, 6);
    else out.writeUInt16BE(blocks, 7);
  }
  return out;
}

/** Blocks that differ from each other and from those of another seed. */
export function pattern(blocks: number, seed = 1, blockSize = 512): Buffer {
  const out = Buffer.alloc(blocks * blockSize);
  for (let i = 0; i < out.length; i += 4)
    out.writeUInt32BE((Math.imul(i + seed * 7919, 2654435761) ^ seed) >>> 0, i);
  return out;
}

export const read = (a: Commander, lba: number, blocks: number): Promise<Answer> =>
  a.send(0, cdb(0x28, lba, blocks));
export const write = (a: Commander, lba: number, data: Buffer): Promise<Answer> =>
  a.send(0, cdb(0x2a, lba, data.length / 512), { out: data });

/** Hex digits that are written apart for the reader. */
export const run = (apart: string): string => apart.replaceAll(' ', '');
