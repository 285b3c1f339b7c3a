import { closeSync, fdatasync, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import type { BigIntStats } from 'node:fs';
import { uptime } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { crc32c } from '../bytes/crc32c.ts';
import { ascii, bytes, u32, u64, u64big, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { syncDirectory } from '../state/directory.ts';
import { bootId } from '../state/process-identity.ts';
import { mediumError } from './file-channel.ts';

/**
 * Makes a write to an image atomic: it goes into a file beside the image first, and from there into the image once more when
 * that is opened and may have got only a part of it. One write to the image would not do: Linux looks for SIGKILL between
 * the pages of a write, and a device writes them back in any order.
 *
 * One record: a block of header and the data. It is on stable storage before the image is touched, and stays until the
 * image is. What comes of it when the image is opened:
 * - its checksum is wrong: the image had not been touched;
 * - it is pending: the image has a part of it, if nobody else has written there since;
 * - it is applied: the page cache has had all of it, and only after a loss of power is some of it missing. What was written
 *   over it since and not flushed may be lost with that, as after any loss of power.
 */

const MAGIC = 'SANLETAJ';
const DATA_AT = 4096;

const State = { NONE: 0, PENDING: 1, APPLIED: 2 } as const;

const header = layout(80, {
  magic: ascii(0, 8),
  state: u8(8),
  dataBytes: u32(12),
  offset: u64(16),
  device: u64big(24),
  inode: u64big(32),
  imageBytes: u64(40),
  boot: bytes(48, 16),
  dataChecksum: u32(64),
  checksum: u32(76),
});

const fdatasyncLater = promisify(fdatasync);
const ownBoot = (): Buffer => Buffer.from(bootId(), 'hex');

/** A record that was found. */
interface Found {
  readonly head: Buffer;
  readonly data: Buffer;
}

export class AtomicJournal {
  readonly #path: string;
  #file: number | undefined;
  readonly #head = Buffer.alloc(header.length);
  /** Counts records: a flush lets go only of the one that it covered. */
  #record = 0;

  constructor(path: string) {
    this.#path = path;
  }

  /** A record lies there whose image is not known to be on stable storage. */
  get held(): boolean {
    return header.state.get(this.#head) !== State.NONE;
  }

  get record(): number {
    return this.#record;
  }

  /**
   * What must be written to the image before it is used, undefined when there is nothing; `trusted`: nobody but us has
   * written to it since the process that left the record.
   */
  recover(image: BigIntStats, trusted: boolean): { offset: number; data: Buffer } | undefined {
    const found = this.#find(image);
    if (found === undefined) {
      this.#remove();
      return undefined;
    }
    const { head, data } = found;
    const boot = header.boot.get(head);
    const sameBoot = Buffer.compare(boot, ownBoot()) === 0;
    // Another program's write would be younger than this start of the machine, in which we have not had the image open.
    const startedMs = Date.now() - uptime() * 1000;
    const ours = sameBoot ? trusted : Number(image.mtimeMs) < startedMs;
    if (!ours) {
      this.#remove();
      return undefined;
    }
    head.copy(this.#head);
    this.#record++;
    if (sameBoot && header.state.get(head) === State.APPLIED) return undefined;
    return { offset: header.offset.get(head), data };
  }

  #find(image: BigIntStats): Found | undefined {
    try {
      this.#file = openSync(this.#path, 'r+');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const head = Buffer.alloc(header.length);
    if (readSync(this.#file, head, 0, head.length, 0) !== head.length) return undefined;
    if (header.magic.get(head) !== MAGIC || header.checksum.get(head) !== checksumOf(head)) return undefined;
    if (header.state.get(head) === State.NONE) return undefined;
    const length = header.dataBytes.get(head);
    const size = Number(image.size);
    const fits = header.offset.get(head) + length <= size && length <= size;
    if (!fits || header.imageBytes.get(head) !== size || header.inode.get(head) !== image.ino)
      return undefined;
    const data = Buffer.alloc(length);
    if (readSync(this.#file, data, 0, length, DATA_AT) !== length) return undefined;
    return header.dataChecksum.get(head) === crc32c(data) ? { head, data } : undefined;
  }

  /** The record is on stable storage when this is answered; there must be none before it. */
  async put(image: BigIntStats, offset: number, data: Buffer): Promise<void> {
    const head = this.#head;
    try {
      const made = this.#file === undefined;
      this.#file ??= openSync(this.#path, 'w+', 0o644);
      header.magic.set(head, MAGIC);
      header.state.set(head, State.PENDING);
      header.dataBytes.set(head, data.length);
      header.offset.set(head, offset);
      header.device.set(head, image.dev);
      header.inode.set(head, image.ino);
      header.imageBytes.set(head, Number(image.size));
      header.boot.set(head, ownBoot());
      header.dataChecksum.set(head, crc32c(data));
      this.#record++;
      this.#writeAll(data, DATA_AT);
      this.#writeHead();
      await fdatasyncLater(this.#file);
      if (made) await syncDirectory(dirname(this.#path));
    } catch (error) {
      await this.cancel();
      throw mediumError(error, offset, 'writing the journal of atomic writes');
    }
  }

  /** The write is answered as a failed one: the record must never come over what is written there afterwards. */
  async cancel(): Promise<void> {
    header.state.set(this.#head, State.NONE);
    if (this.#file === undefined) return;
    try {
      this.#writeHead();
      await fdatasyncLater(this.#file);
    } catch {
      this.#remove();
    }
  }

  /** The image has had all of it. */
  applied(): void {
    header.state.set(this.#head, State.APPLIED);
    this.#writeHead();
  }

  /** The image is on stable storage up to that record, which is then let go for good. */
  async release(record: number): Promise<void> {
    if (!this.held || record !== this.#record || header.state.get(this.#head) === State.PENDING) return;
    header.state.set(this.#head, State.NONE);
    this.#writeHead();
    await fdatasyncLater(this.#file!);
  }

  /** Takes the file away, unless it holds a record. */
  close(): void {
    if (this.held) {
      if (this.#file !== undefined) closeSync(this.#file);
      this.#file = undefined;
    } else this.#remove();
  }

  #remove(): void {
    if (this.#file === undefined) return;
    closeSync(this.#file);
    this.#file = undefined;
    unlinkSync(this.#path);
  }

  #writeHead(): void {
    header.checksum.set(this.#head, checksumOf(this.#head));
    this.#writeAll(this.#head, 0);
  }

  #writeAll(from: Buffer, at: number): void {
    for (let done = 0; done < from.length;)
      done += writeSync(this.#file!, from, done, from.length - done, at + done);
  }
}

const checksumOf = (head: Buffer): number => crc32c(head.subarray(0, header.checksum.offset));
