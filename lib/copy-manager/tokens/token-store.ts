import type { LogicalUnit } from '../../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../../scsi-cmds/nexus.ts';
import { PreservationRoom } from '../../scsi-cmds/sbc/point-in-time.ts';
import type { TargetDevice } from '../../scsi-cmds/target-device.ts';
import {
  MAX_ENDED_TOKENS,
  MAX_POINTS_IN_TIME,
  MAX_POINTS_OF_NEXUS,
  MAX_PRESERVED_BYTES,
  MAX_PRESERVED_BYTES_OF_NEXUS,
  MAX_TOKEN_LIFETIME_S,
  MAX_TOKENS,
  MAX_TOKENS_OF_NEXUS,
  MIN_TOKEN_LIFETIME_S,
} from '../limits.ts';
import { CopyCode, refused } from '../sense.ts';
import type { Rod } from './rod.ts';
import { rodTypes, ZEROS } from './rod-types.ts';
import { isForeign, MANAGEMENT_TOKEN_BYTES, TOKEN_LENGTH, tokenLayout, TokenMint } from './token.ts';

/** How long a token is good, in seconds. */
export interface TokenTimes {
  /** MAX_TOKEN_LIFETIME_S unless told. */
  readonly lifetime?: number | undefined;
  /** Since it was made or last used; 0: however long. */
  readonly inactivity: number;
}

/** A token that is good, or was until a moment ago. */
class LivingToken {
  readonly id: bigint;
  readonly management: Buffer;
  readonly rod: Rod;
  /** Whoever made it; for the limit. */
  readonly nexusId: string;
  readonly endsAtMs: number;
  readonly lifetimeMs: number;
  readonly inactivityMs: number;
  lastUsedMs: number;
  users = 0;
  used = false;
  /** Ended, and let go by its last user. */
  ended = false;

  constructor(
    id: bigint,
    token: Buffer,
    rod: Rod,
    nexusId: string,
    nowMs: number,
    { lifetime, inactivity }: TokenTimes,
  ) {
    this.id = id;
    this.management = Buffer.from(token.subarray(0, MANAGEMENT_TOKEN_BYTES));
    this.rod = rod;
    this.nexusId = nexusId;
    this.lifetimeMs = Math.max(lifetime ?? MAX_TOKEN_LIFETIME_S, MIN_TOKEN_LIFETIME_S) * 1000;
    this.inactivityMs = inactivity * 1000;
    this.endsAtMs = nowMs + this.lifetimeMs;
    this.lastUsedMs = nowMs;
  }

  /** While it is used it is not idle. */
  get expiresAtMs(): number {
    const idle = this.inactivityMs === 0 || this.users > 0 ? Infinity : this.lastUsedMs + this.inactivityMs;
    return Math.min(this.endsAtMs, idle);
  }
}

/** A ROD that a token stands for, while a command works with it. */
export interface TokenUse {
  readonly rod: Rod;
  /** `remove`: the token is good no more (DEL_TKN). */
  end(remove: boolean): void;
}

interface EndedToken {
  readonly reason: Reason;
  readonly untilMs: number;
  /** That it was made from; whoever cannot address it is told nothing. */
  readonly unit: WeakRef<LogicalUnit>;
}

type Reason = typeof CopyCode.TOKEN_EXPIRED | typeof CopyCode.TOKEN_CANCELLED | typeof CopyCode.TOKEN_DELETED;

const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** The ROD tokens of one target device (SPC-4 5.17.6): what they stand for, and how long. */
export class TokenStore {
  /** Memory for what is written under points in time. */
  readonly room = new PreservationRoom(MAX_PRESERVED_BYTES, MAX_POINTS_IN_TIME);
  /** Parts of it by nexus, as long as there are points in time of theirs. */
  readonly #rooms = new Map<string, PreservationRoom>();
  readonly #mint = new TokenMint();
  readonly #nowMs: () => number;
  /** In the order in which they were made. */
  readonly #living = new Map<bigint, LivingToken>();
  /** How and until when it is remembered, the longest ended first. */
  readonly #ended = new Map<bigint, EndedToken>();
  #timer: NodeJS.Timeout | undefined;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** The part of the room that one nexus may take: no other is left without. */
  roomOf({ id }: Nexus): PreservationRoom {
    for (const [other, { unused }] of this.#rooms) if (unused && other !== id) this.#rooms.delete(other);
    let room = this.#rooms.get(id);
    if (room === undefined) {
      room = new PreservationRoom(MAX_PRESERVED_BYTES_OF_NEXUS, MAX_POINTS_OF_NEXUS, this.room);
      this.#rooms.set(id, room);
    }
    return room;
  }

  get size(): number {
    this.#sweep();
    return this.#living.size;
  }

  /**
   * A token for what the ROD holds, which is the store's from now on. Throws INSUFFICIENT RESOURCES TO CREATE ROD TOKEN when the
   * nexus has too many that nobody has used yet, or all have too many.
   */
  add(rod: Rod, { name }: TargetDevice, nexus: Nexus, times: TokenTimes): Buffer {
    this.requireRoom(nexus);
    const { id, token } = this.#mint.make(rod, name);
    this.#living.set(id, new LivingToken(id, token, rod, nexus.id, this.#nowMs(), times));
    this.#arm();
    return token;
  }

  /** Of the nexus's tokens the oldest one that has been used and is idle gives way (SPC-4 5.17.6.7 b). */
  requireRoom(nexus: Nexus, count = 1): void {
    this.#sweep();
    const own = [...this.#living.values()].filter(({ nexusId }) => nexusId === nexus.id);
    const over = Math.max(own.length + count - MAX_TOKENS_OF_NEXUS, this.#living.size + count - MAX_TOKENS);
    if (over <= 0) return;
    const idle = own.filter(({ used, users }) => used && users === 0);
    if (idle.length < over) throw refused(CopyCode.NO_ROOM_FOR_TOKEN);
    for (const token of idle.slice(0, over)) this.#end(token, CopyCode.TOKEN_CANCELLED);
  }

  /**
   * The ROD of a token that came in a parameter list, at `byte` of it. Whoever uses it must be able to address the unit that it
   * was made from, which is looked at before anything is told of it. Throws INVALID TOKEN OPERATION.
   */
  use(token: Uint8Array, device: TargetDevice, nexus: Nexus, byte: number): TokenUse {
    this.#sweep();
    const invalid = (code: number): ReturnType<typeof refused> => refused(code, byte);
    const t = tokenLayout;
    if (t.tokenLength.get(token) !== TOKEN_LENGTH) throw invalid(CopyCode.TOKEN_LENGTH);
    const type = t.type.get(token);
    // What stands for zeros is known by its type alone, and only where it is asked for.
    if (rodTypes.get(type)?.tokenIn !== true || type === ZEROS)
      throw invalid(CopyCode.UNSUPPORTED_TOKEN_TYPE);
    const id = t.id.get(token);
    const living = this.#living.get(id);
    const ended = this.#ended.get(id);
    if (!this.#mint.knows(token)) {
      if (living !== undefined || ended !== undefined) throw invalid(CopyCode.TOKEN_CORRUPT);
      throw invalid(isForeign(token, device.name) ? CopyCode.REMOTE_TOKEN_USAGE : CopyCode.TOKEN_UNKNOWN);
    }
    const unit = living?.rod.unit ?? ended?.unit.deref();
    if (unit === undefined || !device.sees(nexus, unit)) throw invalid(CopyCode.TOKEN_UNKNOWN);
    if (living === undefined) throw invalid(ended!.reason);
    living.users++;
    living.used = true;
    let over = false;
    return {
      rod: living.rod,
      end: remove => {
        if (over) return;
        over = true;
        living.users--;
        living.lastUsedMs = this.#nowMs();
        if (remove && !living.ended) this.#end(living, CopyCode.TOKEN_DELETED);
        else if (living.ended && living.users === 0) living.rod.release();
        this.#arm();
      },
    };
  }

  /** ROD management tokens of what the nexus can address, for REPORT ALL ROD TOKENS. */
  known(device: TargetDevice, nexus: Nexus): Buffer[] {
    this.#sweep();
    return [...this.#living.values()]
      .filter(({ rod }) => device.sees(nexus, rod.unit))
      .map(({ management }) => management);
  }

  /** None is good any more. */
  clear(): void {
    for (const token of [...this.#living.values()]) this.#end(token, CopyCode.TOKEN_CANCELLED);
    this.#arm();
  }

  /** Ends what has expired, and what could not be preserved. */
  #sweep(): void {
    const now = this.#nowMs();
    for (const token of [...this.#living.values()]) {
      if (token.rod.lost) this.#end(token, CopyCode.TOKEN_CANCELLED);
      else if (token.expiresAtMs <= now) this.#end(token, CopyCode.TOKEN_EXPIRED);
    }
    for (const [id, { untilMs }] of this.#ended) {
      if (untilMs > now && this.#ended.size <= MAX_ENDED_TOKENS) break;
      this.#ended.delete(id);
    }
  }

  #end(token: LivingToken, reason: Reason): void {
    token.ended = true;
    this.#living.delete(token.id);
    const untilMs = this.#nowMs() + 2 * token.lifetimeMs;
    this.#ended.set(token.id, { reason, untilMs, unit: new WeakRef(token.rod.unit) });
    if (token.users === 0) token.rod.release();
  }

  /** What is preserved for a token is let go when it expires, whether or not anybody asks. */
  #arm(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    let first = Infinity;
    for (const { expiresAtMs } of this.#living.values()) first = Math.min(first, expiresAtMs);
    if (first === Infinity) return;
    const inMs = Math.min(Math.max(first - this.#nowMs(), 0) + 1, LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => {
      this.#sweep();
      this.#arm();
    }, inMs).unref();
  }
}
