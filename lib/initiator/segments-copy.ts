import { sendBackground, sendCopy } from './copy-command.ts';
import { type CopyEnd, copyEnd } from './copy-end.ts';
import { copyFailure } from './copy-failure.ts';
import { copyLimits } from './copy-limits.ts';
import { type Cscd, MOST_LID4_BYTES, parameterList } from './copy-list.ts';
import type { CopyOutcome, PreparedCopy } from './copy-outcome.ts';
import { encodeSegment, inlineSegment } from './copy-segments.ts';
import { InitiatorError } from './initiator-error.ts';
import { Status } from './scsi-error.ts';
import { readSense } from './sense.ts';
import type { SegmentEnd, WantedSegment } from './segment-file.ts';
import type { Session } from './session.ts';
import type { Unit } from './unit.ts';

export interface SegmentsRequest {
  /** LUN that EXTENDED COPY goes to. */
  readonly manager: number;
  readonly segments: readonly WantedSegment[];
  readonly lid4: boolean;
}

/** CSCD descriptor IDs that need no descriptor (SPC-4 6.4.6.1 table 148). */
const FIXED_IDS: Readonly<Record<string, number>> = { 'null block': 0xc000, 'null stream': 0xc001 };

interface Encoded {
  readonly cscds: readonly Cscd[];
  readonly segments: readonly Buffer[];
  readonly inline: Buffer;
}

/** A list of segments as it was written down, in one EXTENDED COPY. */
export class SegmentsCopy implements PreparedCopy {
  readonly kind: string;
  /** What a list writes only its segments know. */
  readonly bytes = undefined;
  readonly record = undefined;
  readonly #manager: Unit;
  readonly #encoded: Encoded;
  readonly #lid4: boolean;

  private constructor(manager: Unit, encoded: Encoded, lid4: boolean) {
    const { length } = encoded.segments;
    this.kind = `a list of ${length} segment${length === 1 ? '' : 's'}`;
    this.#manager = manager;
    this.#encoded = encoded;
    this.#lid4 = lid4;
  }

  /** Asks the LUNs and the copy manager. Rejects with InitiatorError `usage` when it cannot be done. */
  static async prepare(
    session: Session,
    { manager, segments, lid4 }: SegmentsRequest,
  ): Promise<SegmentsCopy> {
    const own = await copyEnd(session, manager);
    if (!own.copies) throw new InitiatorError('usage', `LUN ${manager} has no copy manager (3PC is not set)`);
    const limits = await copyLimits(own.unit);
    const ends = new Map<number, CopyEnd>([[manager, own]]);
    for (const { row, where, source, destination } of segments) {
      if (!limits.types.has(row.code)) {
        const code = row.code.toString(16).padStart(2, '0').toUpperCase();
        throw new InitiatorError(
          'usage',
          `${where}: this copy manager has no segments ${code}h, ${row.name}`,
        );
      }
      for (const end of [source, destination]) {
        if (typeof end?.lun !== 'number' || ends.has(end.lun)) continue;
        try {
          ends.set(end.lun, await copyEnd(session, end.lun));
        } catch (error) {
          if (!(error instanceof InitiatorError) || error.fault !== 'usage') throw error;
          throw new InitiatorError('usage', `${where}: ${error.message}`);
        }
      }
    }
    const encoded = encode(segments, ends);
    const listBytes = encoded.segments.reduce((sum, { length }) => sum + length, 0);
    if (segments.length > limits.maxSegments || (lid4 && listBytes > MOST_LID4_BYTES)) {
      throw new InitiatorError('usage', `${segments.length} segments are more than one EXTENDED COPY takes`);
    }
    return new SegmentsCopy(own.unit, encoded, lid4);
  }

  async run(
    onProgress: (bytes: number) => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<CopyOutcome> {
    const { session } = this.#manager;
    const [before, started] = [session.counters, performance.now()];
    const { result, status } = await sendCopy({
      unit: this.#manager,
      lid4: this.#lid4,
      list: listId => this.#list({ listId, lid4: this.#lid4 }),
      destinationBlockSize: 1,
      onProgress,
      signal,
    });
    const bytes = status?.bytes ?? 0;
    if (result.status !== Status.GOOD) {
      throw copyFailure(result, readSense(result.sense), { bytes, record: undefined, toTape: false });
    }
    const after = session.counters;
    return {
      blocks: undefined,
      bytes,
      padding: 0,
      leftOver: 0,
      stop: 'end of the list',
      segments: this.#encoded.segments.length,
      commands: 1,
      elapsedMs: performance.now() - started,
      carriedBytes: after.wireIn - before.wireIn + after.wireOut - before.wireOut,
    };
  }

  begin(): Promise<number> {
    return sendBackground(this.#manager, listId => this.#list({ listId, lid4: true, immediate: true }));
  }

  #list(header: Parameters<typeof parameterList>[0]): Buffer {
    const { cscds, segments, inline } = this.#encoded;
    return parameterList(header, cscds, segments, inline);
  }
}

/** One CSCD for each way in which a LUN is used: with PAD and without, as records of one length or of any. */
function encode(wanted: readonly WantedSegment[], ends: ReadonlyMap<number, CopyEnd>): Encoded {
  const cscds: Cscd[] = [];
  const ids = new Map<string, number>();
  const idOf = (end: SegmentEnd | undefined): number => {
    if (end === undefined) return 0;
    if (typeof end.lun === 'string') return FIXED_IDS[end.lun]!;
    const key = JSON.stringify([end.lun, end.pad, end.fixed]);
    const known = ids.get(key);
    if (known !== undefined) return known;
    const { type, designator, blockSize } = ends.get(end.lun)!;
    ids.set(key, cscds.length);
    cscds.push({ type, designator, blockSize: type === 'tape' ? end.fixed : blockSize, pad: end.pad });
    return cscds.length - 1;
  };
  const inline: Buffer[] = [];
  let inlineBytes = 0;
  const segments = wanted.map(({ row, source, destination, values, data }) => {
    const cscdIds = { source: idOf(source), destination: idOf(destination) };
    if (row.data !== 'inline') return encodeSegment(row, cscdIds, values, data);
    const segment = encodeSegment(row, cscdIds, values);
    inlineSegment.offset.set(segment, inlineBytes);
    inlineSegment.length.set(segment, data.length);
    // INLINE DATA OFFSET is a multiple of four (SPC-4 6.4.6.6).
    const padded = Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
    inline.push(padded);
    inlineBytes += padded.length;
    return segment;
  });
  return { cscds, segments, inline: Buffer.concat(inline) };
}
