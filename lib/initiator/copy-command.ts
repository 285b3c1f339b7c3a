import { randomInt } from 'node:crypto';
import type { CommandResult } from './command.ts';
import { type CopyStatus, copyStatus, copyStatusLid4 } from './copy-status.ts';
import { InitiatorError } from './initiator-error.ts';
import { ScsiError, Status } from './scsi-error.ts';
import { Key, readSense } from './sense.ts';
import { cdbOf, type Unit } from './unit.ts';

export interface CopyCommand {
  /** The copy manager. */
  readonly unit: Unit;
  /** EXTENDED COPY(LID4) rather than (LID1). */
  readonly lid4: boolean;
  /** The parameter list with that list identifier. */
  readonly list: (listId: number) => Buffer;
  /** For transfer counts that are told in blocks. */
  readonly destinationBlockSize: number;
  readonly onProgress: (bytes: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface CopyAnswer {
  readonly result: CommandResult;
  /** How far it came by the copy manager's own count, where it keeps one. */
  readonly status: CopyStatus | undefined;
}

const FIRST_POLL_MS = 100;
const POLL_MS = 150;
/** A copy may take as long as it takes; that it is alive is what its status says. */
export const COPY_TIMEOUT_MS = 2 ** 31 - 1;
/** List identifiers that are taken already, and unit attentions that come in between. */
export const MOST_TRIES = 8;
const OPERATION_IN_PROGRESS = 0x0016;

const extendedCopy = (lid4: boolean, length: number): Buffer => {
  const cdb = cdbOf(16, 0x83, lid4 ? 0x01 : 0x00);
  cdb.writeUInt32BE(length, 10);
  return cdb;
};

/** The command was not begun, and may be once more, with another list identifier. */
export function again({ status, sense }: CommandResult): boolean {
  const { key, code } = readSense(sense);
  return (
    status === Status.CHECK_CONDITION &&
    (key === Key.UNIT_ATTENTION || (key === Key.ILLEGAL_REQUEST && code === OPERATION_IN_PROGRESS))
  );
}

/** One EXTENDED COPY, with a list identifier that is free, and its progress while it runs. */
export async function sendCopy(command: CopyCommand): Promise<CopyAnswer> {
  const { unit, lid4, list, signal, destinationBlockSize } = command;
  for (let i = 0; ; i++) {
    const listId = randomInt(1, 256);
    const dataOut = list(listId);
    const watch = new AbortController();
    const watching = watched(command, listId, watch.signal);
    try {
      const options = { dataOut, timeoutMs: COPY_TIMEOUT_MS, ...(signal === undefined ? {} : { signal }) };
      const result = await unit.session.command(unit.lun, extendedCopy(lid4, dataOut.length), options);
      if (!again(result) || i === MOST_TRIES) {
        watch.abort();
        await watching;
        // LID4 counts in 64 bits; LID1 may have rounded. The LID1 one is read once, and the results are let go.
        const exact = await copyStatusLid4(unit, listId, destinationBlockSize).catch(() => undefined);
        const last = await copyStatus(unit, listId, destinationBlockSize).catch(() => undefined);
        return { result, status: exact ?? last };
      }
    } finally {
      watch.abort();
      await watching;
    }
  }
}

/**
 * One EXTENDED COPY(LID4) that goes on in the background (IMMED, SPC-4 6.4.3.6), with the lowest list identifier that
 * nothing is known of: so they can be found again. Gives it back. Rejects with ScsiError.
 */
export async function sendBackground(unit: Unit, list: (listId: number) => Buffer): Promise<number> {
  for (let [listId, tries] = [1, 0]; listId <= MOST_LISTED; listId++) {
    if ((await copyStatusLid4(unit, listId, 1)) !== undefined) continue;
    const dataOut = list(listId);
    const result = await unit.session.command(unit.lun, extendedCopy(true, dataOut.length), { dataOut });
    if (result.status === Status.GOOD) return listId;
    if (!again(result) || tries++ === MOST_TRIES) throw new ScsiError('the copy was not begun', result);
    listId--;
  }
  throw new InitiatorError(
    'target',
    `the list ids 1 to ${MOST_LISTED} of this nexus all have copies: give another --isid`,
  );
}

/** List identifiers that background copies get, from 1 on. */
export const MOST_LISTED = 64;

/** RECEIVE COPY STATUS on the same session and LUN, until it is over. A target that answers no more is given up. */
async function watched(
  { unit, destinationBlockSize, onProgress }: CopyCommand,
  listId: number,
  over: AbortSignal,
): Promise<void> {
  for (let waitMs = FIRST_POLL_MS; await pause(waitMs, over); waitMs = POLL_MS) {
    try {
      const status = await copyStatus(unit, listId, destinationBlockSize);
      if (status?.running === true && !over.aborted) onProgress(status.bytes);
    } catch (error) {
      if (error instanceof InitiatorError && error.fault === 'timeout') unit.session.destroy();
      return;
    }
  }
}

/** False: it is over. */
export const pause = (ms: number, over: AbortSignal): Promise<boolean> =>
  new Promise(resolve => {
    if (over.aborted) {
      resolve(false);
      return;
    }
    const ended = (): void => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      over.removeEventListener('abort', ended);
      resolve(true);
    }, ms);
    over.addEventListener('abort', ended, { once: true });
  });
