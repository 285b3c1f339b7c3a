import { setImmediate as nextTurn } from 'node:timers/promises';
import { crc32c } from '../../bytes/crc32c.ts';
import type { FileChannel } from '../file-channel.ts';
import { CARTRIDGE_BLOCK_BYTES } from './cartridge-block.ts';
import { FILEMARK, FRAME_BYTES, frame, isFrame } from './frame.ts';
import { ObjectIndex } from './object-index.ts';
import type { LogEnd } from './tape-log.ts';

/** What is read at a time while frames are small or records are verified. */
const WINDOW_BYTES = 256 * 1024;
/** What is read for the header alone when the records between are long. */
const GLANCE_BYTES = 4096;
const LONG_RECORD_BYTES = 64 * 1024;
/** The loop gets a turn after so many reads. */
const READS_A_TURN = 32;

/** A file seen through a buffer that moves forward. */
class Window {
  readonly size: number;
  readonly #channel: FileChannel;
  readonly #buffer = Buffer.allocUnsafeSlow(WINDOW_BYTES);
  #start = 0;
  #length = 0;
  #reads = 0;

  constructor(channel: FileChannel, size: number) {
    this.#channel = channel;
    this.size = size;
  }

  /** A view of the bytes if they are in the buffer. */
  here(offset: number, length: number): Buffer | undefined {
    const at = offset - this.#start;
    return at >= 0 && at + length <= this.#length ? this.#buffer.subarray(at, at + length) : undefined;
  }

  /** Moves the buffer to `offset` and gives a view of `length` bytes there, which the file must have. */
  async moveTo(offset: number, length: number, ahead: number): Promise<Buffer> {
    this.#length = 0;
    const wanted = Math.min(Math.max(ahead, length), this.size - offset);
    await this.#channel.read(this.#buffer.subarray(0, wanted), offset);
    if (++this.#reads % READS_A_TURN === 0) await nextTurn();
    this.#start = offset;
    this.#length = wanted;
    return this.#buffer.subarray(0, length);
  }

  async checksum(offset: number, length: number): Promise<number> {
    let sum = 0;
    const end = offset + length;
    while (offset < end) {
      const piece = Math.min(end - offset, WINDOW_BYTES);
      sum = crc32c(this.here(offset, piece) ?? (await this.moveTo(offset, piece, WINDOW_BYTES)), sum);
      offset += piece;
    }
    return sum;
  }
}

export interface Recovered {
  readonly index: ObjectIndex;
  /** Checksum of the last header. */
  readonly chain: number;
  /** What is wrong before the synchronised point, where nothing may be: not a torn tail, but damage. */
  readonly damage: string | undefined;
}

export interface RecoveryOptions {
  readonly channel: FileChannel;
  readonly fileBytes: number;
  /** What the first frame is chained to. */
  readonly chain: number;
  /** How far the frames were on stable storage; undefined when that is unknown. */
  readonly syncPoint: LogEnd | undefined;
  /** How far the file was whole when it was closed; 0 when it was not. */
  readonly closedBytes: number;
}

/**
 * Walks the frames of a cartridge file and finds its end: the first place where no frame continues the chain, or a record
 * fails its checksum. Records that are known to have been on stable storage are not read here; reading them as tape
 * verifies them.
 */
export async function recover({
  channel,
  fileBytes,
  chain,
  syncPoint,
  closedBytes,
}: RecoveryOptions): Promise<Recovered> {
  const index = new ObjectIndex(CARTRIDGE_BLOCK_BYTES);
  const window = new Window(channel, fileBytes);
  // A file that has been cut before its synchronised point is a copy of a part: it has nothing to lose behind its end.
  const synchronised = syncPoint !== undefined && syncPoint.offset <= fileBytes ? syncPoint : undefined;
  const soundBytes = Math.max(synchronised?.offset ?? 0, closedBytes);
  let matched = synchronised === undefined;
  for (;;) {
    if (index.end === synchronised?.offset) matched = chain === synchronised.chain;
    const header = await nextFrame(window, index, chain, soundBytes);
    if (header === undefined) break;
    chain = frame.checksum.get(header);
    if (frame.type.get(header) === FILEMARK) index.addFilemark(FRAME_BYTES);
    else
      index.addRecord(
        FRAME_BYTES + frame.storedBytes.get(header),
        frame.payloadChecksum.get(header),
        frame.recordLength.get(header),
        frame.coding.get(header),
      );
  }
  const damage = matched
    ? undefined
    : `is damaged at byte ${index.end}, before the point up to which it was synchronised`;
  return { index, chain, damage };
}

/** The frame at the end of the index; undefined when there is none, or none that is whole. */
async function nextFrame(
  window: Window,
  index: ObjectIndex,
  chain: number,
  soundBytes: number,
): Promise<Buffer | undefined> {
  const offset = index.end;
  if (offset + FRAME_BYTES > window.size) return undefined;
  const inside =
    window.here(offset, FRAME_BYTES) ?? (await window.moveTo(offset, FRAME_BYTES, stride(index, soundBytes)));
  if (!isFrame(inside, { object: index.objects, file: index.filemarks, chain })) return undefined;
  const length = frame.storedBytes.get(inside);
  const end = offset + FRAME_BYTES + length;
  if (end > window.size) return undefined;
  if (end <= soundBytes || length === 0) return inside;
  const header = Buffer.from(inside);
  const checksum = await window.checksum(offset + FRAME_BYTES, length);
  return checksum === frame.payloadChecksum.get(header) ? header : undefined;
}

/** How much to read at once: all when it must be verified or frames lie close, else only a little. */
function stride(index: ObjectIndex, soundBytes: number): number {
  if (index.objects === 0 || index.end >= soundBytes) return WINDOW_BYTES;
  const last = index.end - index.offset(index.objects - 1);
  return last > LONG_RECORD_BYTES ? GLANCE_BYTES : WINDOW_BYTES;
}
