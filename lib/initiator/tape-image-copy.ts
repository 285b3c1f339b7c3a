import { sendBackground, sendCopy } from './copy-command.ts';
import type { CopyEnd } from './copy-end.ts';
import { copyFailure } from './copy-failure.ts';
import { parameterList } from './copy-list.ts';
import type { CopyOutcome, PreparedCopy } from './copy-outcome.ts';
import { encodeSegment, segmentRow, SegmentType } from './copy-segments.ts';
import { Status } from './scsi-error.ts';
import { readSense } from './sense.ts';
import type { Unit } from './unit.ts';

/** Records and filemarks of a tape as they are, in one segment 13h (SPC-4 6.4.6.16). */
export class TapeImageCopy implements PreparedCopy {
  readonly kind = 'tape to tape';
  /** The tape knows. */
  readonly bytes = undefined;
  readonly record = undefined;
  readonly #manager: Unit;
  readonly #filemarks: number;
  readonly #lid4: boolean;
  readonly #ends: readonly [CopyEnd, CopyEnd];

  /** It ends behind so many filemarks in a row; 0: at the end of data. */
  constructor(manager: Unit, ends: readonly [CopyEnd, CopyEnd], filemarks: number, lid4: boolean) {
    this.#manager = manager;
    this.#ends = ends;
    this.#filemarks = filemarks;
    this.#lid4 = lid4;
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
      throw copyFailure(result, readSense(result.sense), { bytes, record: undefined, toTape: true });
    }
    const after = session.counters;
    return {
      blocks: undefined,
      bytes,
      padding: 0,
      leftOver: 0,
      // The segment ends well at either, and does not tell which it was.
      stop: this.#filemarks === 0 ? 'end of data' : 'filemarks or end of data',
      segments: 1,
      commands: 1,
      elapsedMs: performance.now() - started,
      carriedBytes: after.wireIn - before.wireIn + after.wireOut - before.wireOut,
    };
  }

  begin(): Promise<number> {
    return sendBackground(this.#manager, listId => this.#list({ listId, lid4: true, immediate: true }));
  }

  #list(header: Parameters<typeof parameterList>[0]): Buffer {
    const segment = encodeSegment(
      segmentRow(SegmentType.TAPE_IMAGE),
      { source: 0, destination: 1 },
      { filemarks: this.#filemarks },
    );
    return parameterList(header, this.#ends, [segment]);
  }
}
