import { ATTENTION_MS, ATTENTIVE_SLICE_MS, CHUNK_BYTES, COMMANDS_AHEAD, SLICE_MS } from './limits.ts';

/** What ordinary commands go to: how many there have been. */
interface Attended {
  readonly commands: number;
}

/**
 * The copies' share of the event loop: together they work SLICE_MS a turn, one after the other, so that a copy between
 * media that answer at once holds up neither ordinary commands nor its own RECEIVE COPY STATUS.
 */
export class Turns {
  #began = 0;
  readonly #waiting: { readonly share: Share; readonly go: () => void }[] = [];
  /** Of the share that had the last turn. */
  #clock = 0;
  /** The one whose turn it is. */
  #turnOf: Share | undefined;
  readonly #attended = new Set<Attended>();
  /** Commands of all of those when they were last counted, and when there were more than before. */
  #commands = 0;
  #lately = -Infinity;
  /** Ordinary commands are coming: copies leave them room. */
  attentive = false;

  /** This turn's share is used up: whoever asks goes on by `later`. */
  over(): boolean {
    const now = performance.now();
    if (this.#began === 0) {
      this.#began = now;
      setImmediate(() => {
        this.#began = 0;
      });
    }
    this.#attend(now);
    return now - this.#began > (this.attentive ? ATTENTIVE_SLICE_MS : SLICE_MS);
  }

  /** Copies give way to the ordinary commands of `device` as well. */
  attend(device: Attended): void {
    this.#attended.add(device);
  }

  leave(device: Attended): void {
    this.#attended.delete(device);
  }

  #attend(now: number): void {
    let commands = 0;
    for (const device of this.#attended) commands += device.commands;
    if (commands !== this.#commands) this.#lately = now;
    this.#commands = commands;
    this.attentive = now - this.#lately < ATTENTION_MS;
  }

  /** A copy's part in them; PRIORITY as in the parameter list, 0 the highest (SPC-4 6.4.3.3). */
  share(priority: number): Share {
    return new Share(this, priority);
  }

  /** One that has had less waits for its turn, so that `share`, whose turn it is not, has to wait as well. */
  behind(share: Share): boolean {
    return share !== this.#turnOf && this.#waiting.some(other => other.share.used < share.used);
  }

  wait(share: Share, go: () => void): void {
    this.#waiting.push({ share, go });
    // One that has been away does not make up for it.
    share.used = Math.max(share.used, this.#clock);
    if (this.#waiting.length === 1) setImmediate(this.#next);
  }

  /** The one that has had the least for its weight goes on; the longest waiting among equals. */
  readonly #next = (): void => {
    let first = 0;
    for (let i = 1; i < this.#waiting.length; i++) {
      if (this.#waiting[i]!.share.used < this.#waiting[first]!.share.used) first = i;
    }
    const [next] = this.#waiting.splice(first, 1);
    if (this.#waiting.length > 0) setImmediate(this.#next);
    if (next === undefined) return;
    this.#clock = next.share.used;
    next.share.used += next.share.cost;
    this.#turnOf = next.share;
    next.go();
    this.#turnOf = undefined;
  };
}

/** One copy's part in the turns: a copy of priority p gets 1/(p+1) of what one of priority 0 gets beside it. */
export class Share {
  /** What one turn costs, and what all so far have cost. */
  readonly cost: number;
  used = 0;
  readonly #turns: Turns;

  constructor(turns: Turns, priority: number) {
    this.#turns = turns;
    this.cost = priority + 1;
  }

  /**
   * Commands that the copy may have under way on one disk: fewer when it is less urgent than ordinary ones, and few while
   * there are such, which would have to wait behind them for a thread of the pool.
   */
  get depth(): number {
    if (this.#turns.attentive && this.cost > 1) return 1;
    return Math.max(1, Math.ceil((2 * COMMANDS_AHEAD) / Math.max(2, this.cost)));
  }

  over(): boolean {
    return this.#turns.over() || this.#turns.behind(this);
  }

  /** What it moves outside of its turn counts: whose commands end first would have more otherwise. */
  spend(bytes: number): void {
    this.used += (this.cost * bytes) / CHUNK_BYTES;
  }

  /** Goes on in a later turn of the event loop. */
  later(go: () => void): void {
    this.#turns.wait(this, go);
  }

  /** For those who wait between segments. */
  async rest(): Promise<void> {
    if (this.over()) await new Promise<void>(resolve => this.later(resolve));
  }
}
