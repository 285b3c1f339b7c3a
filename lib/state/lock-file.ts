import { randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readdirSync, rmdirSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isRunning, ownIdentity } from './process-identity.ts';
import type { ProcessIdentity } from './process-identity.ts';

/**
 * A lock that dies with its process.
 *
 * Node has no flock, and one lock file cannot be taken over from a dead holder without a race: between reading that it
 * is stale and removing it, someone else may have put a fresh one there. So a lock is a directory of claims. Each opener
 * creates a claim whose name is his own and never used again, then looks who else is there: of two, the later one to
 * look sees the other. A dead process's claim may be removed by anyone at any time, since it cannot come back. All that a
 * claim says is in its name, so that it is never seen half written.
 *
 * It guards against other processes on this machine. Another pid namespace (a container) that shares the directory sees
 * a foreign claim as dead: a container that was killed must be able to start again without a human.
 */
export interface Lock {
  /** Tells which file is being used, so that this process finds it again under another hard link. Throws when it does. */
  identify(device: bigint | number, inode: bigint | number): void;
  /** Idempotent. */
  release(): void;
}

export interface LockOptions {
  /** What is being locked, for the message. */
  readonly medium: string;
  /** The directory of claims; made when missing and removed when empty. */
  readonly path: string;
  /** Readers share; anyone else is alone. */
  readonly shared: boolean;
}

/** The medium is open elsewhere. */
export class InUseError extends Error {
  override readonly name = 'InUseError';
  readonly pid: number;

  constructor(medium: string, pid: number) {
    super(`${medium} is in use by process ${pid}`);
    this.pid = pid;
  }
}

/** Contenders that start at the same moment wait this long for each other to settle it. */
const CONTEST_LIMIT_MS = 2000;
const CONTEST_PAUSE_MS = 2;

interface Claim extends ProcessIdentity {
  readonly name: string;
  readonly shared: boolean;
}

/** A claim's name: w or r, pid, start of the process, boot, and a nonce. */
const CLAIM = /^(?<kind>[wr])-(?<pid>\d+)-(?<start>\d+)-(?<boot>[0-9a-f]{32})-[0-9a-f]{16}$/;
/** Beside a claim whose owner has won: who sees it need not wait. */
const HELD = 'held-';

function parseClaim(name: string): Claim | undefined {
  const { kind, pid, start, boot } = CLAIM.exec(name)?.groups ?? {};
  if (kind === undefined || pid === undefined || start === undefined || boot === undefined) return undefined;
  return { name, shared: kind === 'r', pid: Number(pid), start, boot };
}

function ignoring(codes: readonly string[], work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!codes.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}

/** Claims of processes that still run; those of dead ones are removed on the way. */
function liveClaims(path: string, names: readonly string[]): Claim[] {
  const claims = names.map(parseClaim).filter(claim => claim !== undefined);
  return claims.filter(claim => {
    if (isRunning(claim)) return true;
    withdraw(path, claim.name);
    return false;
  });
}

function withdraw(path: string, name: string): void {
  // A read-only lock directory keeps its dead claims; they stay dead.
  const harmless = ['ENOENT', 'EACCES', 'EPERM', 'EROFS'];
  ignoring(harmless, () => unlinkSync(join(path, HELD + name)));
  ignoring(harmless, () => unlinkSync(join(path, name)));
}

function create(path: string, name: string): void {
  for (;;) {
    mkdirSync(path, { recursive: true });
    try {
      closeSync(openSync(join(path, name), 'wx', 0o644));
      return;
    } catch (error) {
      // The holder before us may remove the empty directory just now.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}

function abandon(path: string, name: string): void {
  withdraw(path, name);
  ignoring(['ENOENT', 'ENOTEMPTY', 'EEXIST', 'EACCES', 'EPERM', 'EROFS', 'EBUSY'], () => rmdirSync(path));
}

type Verdict = { readonly outcome: 'won' | 'wait' | 'yield' | 'lost'; readonly pid: number };

/** Who else wants it, and what follows from that. */
function judge(path: string, own: Claim): Verdict {
  const names = readdirSync(path);
  const rivals = liveClaims(path, names).filter(
    claim => claim.name !== own.name && !(claim.shared && own.shared),
  );
  const [first] = rivals;
  if (first === undefined) return { outcome: 'won', pid: own.pid };
  const holder = rivals.find(claim => names.includes(HELD + claim.name));
  if (holder !== undefined) return { outcome: 'lost', pid: holder.pid };
  // Of those that contend at the same moment the one with the least name stays.
  return { outcome: rivals.every(rival => own.name < rival.name) ? 'wait' : 'yield', pid: first.pid };
}

/** Waits only while others contend at the same moment. Rejects with InUseError when the medium is open elsewhere. */
export async function acquireLock({ medium, path, shared }: LockOptions): Promise<Lock> {
  const giveUpAt = Date.now() + CONTEST_LIMIT_MS;
  const { pid, start, boot } = ownIdentity();
  const name = `${shared ? 'r' : 'w'}-${pid}-${start}-${boot}-${randomBytes(8).toString('hex')}`;
  const own: Claim = { name, shared, pid, start, boot };
  let standing = false;
  for (;;) {
    if (!standing) create(path, name);
    standing = true;
    const verdict = judge(path, own);
    if (verdict.outcome === 'won') break;
    if (verdict.outcome !== 'wait') {
      abandon(path, name);
      standing = false;
    }
    if (verdict.outcome === 'lost' || Date.now() > giveUpAt) {
      if (standing) abandon(path, name);
      throw new InUseError(medium, verdict.pid);
    }
    await delay(CONTEST_PAUSE_MS);
  }
  closeSync(openSync(join(path, HELD + name), 'wx', 0o644));
  return hold({ medium, path, shared }, name);
}

/** Throws InUseError when a lock is held there; takes nothing and may be asked of a directory that we cannot write. */
export function refuseIfLocked({ medium, path, shared }: LockOptions): void {
  let names: string[] = [];
  ignoring(['ENOENT', 'ENOTDIR', 'EACCES'], () => {
    names = readdirSync(path);
  });
  const holder = liveClaims(path, names).find(claim => !(claim.shared && shared));
  if (holder !== undefined) throw new InUseError(medium, holder.pid);
}

/** Files that this process has open as media, by device and inode: how many share them, or that one has them alone. */
const openHere = new Map<string, { sharers: number; shared: boolean }>();

function hold({ medium, path, shared }: LockOptions, name: string): Lock {
  let file: string | undefined;
  let held = true;
  return {
    identify: (device, inode) => {
      const key = `${device}:${inode}`;
      const there = openHere.get(key);
      if (there !== undefined && !(there.shared && shared)) throw new InUseError(medium, process.pid);
      openHere.set(key, { sharers: (there?.sharers ?? 0) + 1, shared });
      file = key;
    },
    release: () => {
      if (!held) return;
      held = false;
      if (file !== undefined) leave(file);
      abandon(path, name);
    },
  };
}

function leave(file: string): void {
  const there = openHere.get(file);
  if (there === undefined) return;
  if (there.sharers > 1) there.sharers--;
  else openHere.delete(file);
}
