import { MOST_LISTED, pause } from './copy-command.ts';
import { tapeStop } from './copy-failure.ts';
import { abortCopy, type CopyState, type CopyStatusLid4, copyStatusLid4 } from './copy-status.ts';
import { InitiatorError } from './initiator-error.ts';
import { describeSense } from './sense.ts';
import type { Unit } from './unit.ts';

/** A copy of an I_T nexus, as RECEIVE COPY STATUS(LID4) tells of it. */
export interface KnownCopy {
  readonly listId: number;
  readonly state: CopyState;
  /** Written to destinations. */
  readonly bytes: number;
  /** The one under way included. */
  readonly segments: number;
  /** Why it is not done. */
  readonly why?: string;
}

/**
 * The copies of the unit's nexus that can be found: those with the list identifiers that `sendBackground` gives out, or
 * the one that is named. There is no command that tells which identifiers there are. Rejects with InitiatorError
 * `not-found` when nothing is known of the one that is named.
 */
export async function knownCopies(unit: Unit, listId?: number): Promise<KnownCopy[]> {
  const ids = listId === undefined ? Array.from({ length: MOST_LISTED }, (_, i) => i + 1) : [listId];
  const statuses = await Promise.all(ids.map(id => copyStatusLid4(unit, id, 1)));
  const found = ids.flatMap((id, i) => {
    const status = statuses[i];
    return status === undefined ? [] : [knownCopy(id, status)];
  });
  if (listId !== undefined && found.length === 0) throw unknown(listId);
  return found;
}

const unknown = (listId: number): InitiatorError =>
  new InitiatorError(
    'not-found',
    `nothing is known of a copy with list id ${listId} and that ISID: there was none, or the target has been started anew since, which ends every copy`,
  );

function knownCopy(listId: number, { state, bytes, segments, sense }: CopyStatusLid4): KnownCopy {
  const stop = sense?.source === undefined ? undefined : tapeStop(sense.source);
  const why =
    stop !== undefined
      ? `the tape came to a ${stop === 'filemark' ? stop : 'place with no more data'} before the copy had what it was to have`
      : sense === undefined
        ? undefined
        : describeSense(sense);
  return { listId, state, bytes, segments, ...(state === 'failed' && why !== undefined ? { why } : {}) };
}

/** Stops a copy; resolves when none of its commands is under way any more. Rejects when no such copy runs. */
export async function abortKnown(unit: Unit, listId: number): Promise<void> {
  if (await abortCopy(unit, listId)) return;
  const [known] = await knownCopies(unit, listId);
  throw new InitiatorError(
    'not-found',
    `the copy with list id ${listId} does not run: it is ${known!.state}`,
  );
}

const FOLLOW_MS = 500;

/** Asks again and again until no copy runs, or the signal says so. */
export async function followCopies(
  unit: Unit,
  listId: number | undefined,
  signal: AbortSignal,
  onStatus: (copies: readonly KnownCopy[]) => void,
): Promise<KnownCopy[]> {
  for (;;) {
    const copies = await knownCopies(unit, listId);
    onStatus(copies);
    if (copies.every(({ state }) => state !== 'running')) return copies;
    if (!(await pause(FOLLOW_MS, signal))) signal.throwIfAborted();
  }
}
