import type { MaybePromise } from '../bytes/maybe-promise.ts';
import { CheckCondition, SenseKey } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import { Attribute, type Task } from '../scsi-cmds/task.ts';
import type { AliasLists } from './alias-list.ts';
import type { OwnPortals } from './cscd/resolve.ts';
import { CopyOperation, type Ending, type Origin } from './operation.ts';
import type { OperationTable } from './operation-table.ts';
import { CopyAbort, CopyCode, copyAborted } from './sense.ts';
import type { TokenStore } from './tokens/token-store.ts';
import type { Turns } from './turns.ts';

/** What the rows of one copy manager share. */
export interface Copying {
  readonly operations: OperationTable;
  readonly turns: Turns;
  readonly portals: OwnPortals;
  readonly aliases: AliasLists;
  readonly tokens: TokenStore;
  /** It takes no more copies. */
  readonly stopping: boolean;
}

const underway = new WeakMap<Task, CopyOperation>();

/** `aborting` of every row that originates copies. */
export const abortCopyOf = (task: Task): void => underway.get(task)?.abort();

/**
 * Makes a copy operation of a command whose parameter list has been found right, and carries it out: the command ends after
 * the last of the copy's own commands (SPC-4 5.17.4.6), or at once when it is to go on in the background. Throws what
 * the list identifier forbids; BUSY when there are too many.
 */
export function originate(
  copying: Copying,
  task: Task,
  origin: Omit<Origin, 'nexus' | 'unit'>,
  carryOut: (operation: CopyOperation) => Promise<Ending>,
): MaybePromise<void> {
  const unit = task.unit!;
  const { operations } = copying;
  const from: Origin = { ...origin, nexus: task.nexus, unit };
  operations.requireUnused(from);
  if (copying.stopping || operations.full(task.nexus)) return task.end(Status.BUSY);
  const operation = new CopyOperation(from);
  operations.add(operation);
  const begin = task.attribute === Attribute.ORDERED ? afterEarlier(carryOut) : carryOut;
  if (!operation.background) {
    underway.set(task, operation);
    return ended(copying, operation, begin).then(how => {
      endTask(task, operation, how);
      operation.told();
    });
  }
  unit.background.add(operation);
  task.good(); // from here on the task is another command's
  void ended(copying, operation, begin).then(({ failure }) => {
    operation.told();
    if (failure === undefined || failure instanceof CheckCondition) return;
    unit.log.error({ err: failure, unit: unit.identity.name }, 'background copy failed');
  });
  return undefined;
}

/**
 * A copy has no place in the task set, where its own commands would wait for it. ORDERED, it begins when those before it
 * have ended (SAM-5 8.9.3).
 */
const afterEarlier =
  (carryOut: (operation: CopyOperation) => Promise<Ending>) =>
  async (operation: CopyOperation): Promise<Ending> => {
    await operation.unit.alone(() => undefined);
    return operation.stopped ? { status: Status.TASK_ABORTED } : carryOut(operation);
  };

interface Ended {
  readonly ending: Ending;
  /** What was thrown, if that is how it ended. */
  readonly failure: unknown;
}

/** Never rejects. */
async function ended(
  { operations }: Copying,
  operation: CopyOperation,
  carryOut: (operation: CopyOperation) => Promise<Ending>,
): Promise<Ended> {
  const { unit } = operation;
  let ending: Ending;
  let failure: unknown;
  try {
    ending = await carryOut(operation);
  } catch (error) {
    failure = error;
    ending = { status: Status.CHECK_CONDITION, facts: factsOf(error) };
  }
  if (operation.stopped) ending = stoppedEnding(operation);
  unit.background.delete(operation);
  operation.end(ending.status, ending.facts === undefined ? Buffer.alloc(0) : unit.encodeSense(ending.facts));
  operations.finished(operation);
  return { ending, failure };
}

function endTask(task: Task, operation: CopyOperation, { ending, failure }: Ended): void {
  // A mistake of ours is logged where those of all commands are.
  if (failure !== undefined && !operation.stopped) task.fail(failure);
  else if (ending.facts === undefined) task.end(ending.status);
  else if (ending.status === Status.CHECK_CONDITION) task.unit!.check(task, ending.facts);
  else {
    task.sense = operation.sense;
    task.end(ending.status);
  }
}

const factsOf = (error: unknown): CheckCondition['facts'] =>
  error instanceof CheckCondition ? error.facts : { key: SenseKey.HARDWARE_ERROR, code: 0x4400 };

/** COPY OPERATION ABORT tells the command what befell it (SPC-4 6.3); other aborts leave it without a response. */
const stoppedEnding = ({ terminated, background, segmentsProcessed }: CopyOperation): Ending =>
  terminated && !background
    ? {
        status: Status.CHECK_CONDITION,
        facts: copyAborted(new CopyAbort(CopyCode.COMMANDS_CLEARED), Math.max(0, segmentsProcessed - 1)),
      }
    : { status: Status.TASK_ABORTED };
