import { type DataQueue, Hold, type Piece } from './data-queue.ts';
import type { Outcome, Sink, Source } from './end.ts';
import type { Errand } from './initiator.ts';
import { MAX_AHEAD_BYTES } from './limits.ts';
import type { CopyAbort } from './sense.ts';
import type { Share } from './turns.ts';

/** What a segment has the pump do (SPC-4 5.17.7.2). */
export interface PumpOrder {
  readonly source: Source;
  readonly sink: Sink;
  /** Source data and destination data, with what earlier segments left. */
  readonly sourceData: DataQueue;
  readonly destinationData: DataQueue;
  /** Bytes to process: to move from source data to destination data. */
  readonly process: number;
  /** The most bytes to write. */
  readonly limit: number;
  /** When all is processed, fill the destination data up to a whole-block transfer. */
  readonly pad: boolean;
  /** When all is processed, what comes behind it: the rest of a block that is changed in part. */
  readonly tail?: Piece;
  /** Bytes are about to be processed; for held data. */
  processed?(bytes: Buffer): void;
  /** So many more bytes are written, in order from the first. */
  wrote(bytes: number): void;
}

export interface PumpResult {
  /** Bytes written in order from the first. */
  readonly written: number;
  readonly abort: CopyAbort | undefined;
}

interface Reading {
  errand: Errand | undefined;
}

interface Writing {
  readonly piece: Piece;
  outcome: Outcome | undefined;
}

/**
 * Moves the data of one segment: reads run ahead of writes and both overlap, within MAX_AHEAD_BYTES. What a read brought
 * is what a write takes, in the same memory.
 */
export class Pump {
  readonly #order: PumpOrder;
  readonly #share: Share;
  readonly #finish: (result: PumpResult) => void;
  /** Resolves when the last command has ended; never rejects. */
  readonly result: Promise<PumpResult>;

  #toProcess: number;
  #padded: boolean;
  #limit: number;
  readonly #reads: Reading[] = [];
  readonly #writes: Writing[] = [];
  #readingBytes = 0;
  #writingBytes = 0;
  #commands = 0;
  #written = 0;
  #sourceAbort: CopyAbort | undefined;
  #sinkAbort: CopyAbort | undefined;
  #stopped = false;
  #finished = false;

  #turning = false;
  #again = false;
  #resting = false;

  constructor(order: PumpOrder, share: Share) {
    this.#order = order;
    this.#share = share;
    this.#toProcess = order.process;
    this.#padded = !order.pad && order.tail === undefined;
    this.#limit = order.limit;
    let finish!: (result: PumpResult) => void;
    this.result = new Promise(resolve => {
      finish = resolve;
    });
    this.#finish = finish;
  }

  start(): Promise<PumpResult> {
    this.#turn();
    return this.result;
  }

  /** No command is sent any more; `result` comes when those under way have ended. */
  stop(): void {
    this.#stopped = true;
    this.#turn();
  }

  get #halted(): boolean {
    return this.#stopped || this.#sinkAbort !== undefined;
  }

  /** Works until nothing can be done before some command ends. Never deep: one that ends at once is seen by the loop. */
  #turn(): void {
    if (this.#finished) return;
    if (this.#turning) {
      this.#again = true;
      return;
    }
    this.#turning = true;
    do {
      this.#again = false;
      this.#collectReads();
      this.#collectWrites();
      if (this.#share.over() && !this.#halted) {
        this.#rest();
        break;
      }
      this.#process();
      this.#startWrites();
      this.#startReads();
    } while (this.#again);
    this.#turning = false;
    this.#settle();
  }

  #rest(): void {
    if (this.#resting) return;
    this.#resting = true;
    this.#share.later(() => {
      this.#resting = false;
      this.#turn();
    });
  }

  #settle(): void {
    if (this.#finished || this.#commands > 0 || (this.#resting && !this.#halted)) return;
    this.#finished = true;
    this.#finish({ written: this.#written, abort: this.#sinkAbort ?? this.#sourceAbort });
  }

  /* Reading. */

  #startReads(): void {
    const { source, sourceData, destinationData } = this.#order;
    const depth = Math.min(source.depth, this.#share.depth);
    while (!this.#halted && this.#sourceAbort === undefined && this.#reads.length < depth) {
      const missing = this.#toProcess - sourceData.length - this.#readingBytes;
      if (missing <= 0) return;
      const bytes = source.next(missing);
      const held = sourceData.length + destinationData.length + this.#readingBytes + this.#writingBytes;
      // Beyond the bound only when nothing else would ever happen: a transfer that needs more than that.
      if (held + bytes > MAX_AHEAD_BYTES && this.#commands > 0) return;
      if (this.#share.over()) {
        this.#rest();
        return;
      }
      const reading: Reading = { errand: undefined };
      this.#reads.push(reading);
      this.#readingBytes += bytes;
      this.#commands++;
      source.read(bytes, errand => {
        this.#commands--;
        reading.errand = errand;
        this.#turn();
      });
    }
  }

  /** Reads that have ended become source data in the order in which they were sent. */
  #collectReads(): void {
    const { source, sourceData } = this.#order;
    while (this.#reads.length > 0) {
      const { errand } = this.#reads[0]!;
      if (errand === undefined) return;
      this.#reads.shift();
      this.#readingBytes -= errand.expectedIn;
      if (this.#halted || this.#sourceAbort !== undefined) {
        errand.release();
        continue;
      }
      const outcome = source.outcome(errand);
      this.#sourceAbort = outcome.abort;
      sourceData.link({
        bytes: errand.read.subarray(outcome.skipped ?? 0, (outcome.skipped ?? 0) + outcome.bytes),
        hold: new Hold(() => errand.release()),
      });
    }
  }

  #process(): void {
    const { sourceData, destinationData, sink } = this.#order;
    const bytes = Math.min(this.#toProcess, sourceData.length);
    if (bytes > 0) {
      for (const piece of sourceData.cut(bytes)) {
        this.#order.processed?.(piece.bytes);
        destinationData.join(piece);
      }
      this.#toProcess -= bytes;
    }
    if (this.#toProcess === 0 && !this.#padded) {
      this.#padded = true;
      if (this.#order.tail !== undefined) {
        destinationData.join(this.#order.tail);
        return;
      }
      const over = destinationData.length % sink.unit;
      if (over > 0) destinationData.pad(sink.unit - over);
    }
  }

  /* Writing. */

  /** Bytes that the next write takes; 0 when it has to wait for more. */
  #nextWrite(): number {
    const { sink, destinationData } = this.#order;
    const { unit, most } = sink;
    const ready = Math.min(destinationData.length, this.#limit, most);
    if (ready < unit) return 0;
    const { bytes, filling } = destinationData.front;
    const more = this.#toProcess > 0 && this.#sourceAbort === undefined;
    if (filling && more && bytes < most) return 0;
    const run = bytes >= unit ? Math.min(bytes, ready) : unit;
    return run - (run % unit);
  }

  #startWrites(): void {
    const { sink, destinationData } = this.#order;
    const depth = Math.min(sink.depth, this.#share.depth);
    while (!this.#halted && this.#writes.length < depth) {
      const bytes = this.#nextWrite();
      if (bytes === 0) return;
      if (this.#share.over()) {
        this.#rest();
        return;
      }
      const writing: Writing = { piece: destinationData.take(bytes), outcome: undefined };
      this.#limit -= bytes;
      this.#writes.push(writing);
      this.#writingBytes += bytes;
      this.#commands++;
      this.#share.spend(bytes);
      sink.write(writing.piece.bytes, errand => {
        this.#commands--;
        writing.outcome = sink.outcome(errand);
        errand.release();
        this.#turn();
      });
    }
  }

  /** Writes may end in any order; only what is written without a gap from the first counts. */
  #collectWrites(): void {
    while (this.#writes.length > 0) {
      const { piece, outcome } = this.#writes[0]!;
      if (outcome === undefined) return;
      this.#writes.shift();
      this.#writingBytes -= piece.bytes.length;
      piece.hold.release();
      if (this.#sinkAbort !== undefined) continue;
      this.#sinkAbort = outcome.abort;
      if (outcome.bytes > 0) {
        this.#written += outcome.bytes;
        this.#order.wrote(outcome.bytes);
      }
    }
  }
}
