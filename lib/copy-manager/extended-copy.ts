import { bits, u32, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import { type Command, command } from '../scsi-cmds/command.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { Task } from '../scsi-cmds/task.ts';
import { Job } from './job.ts';
import type { JobTable } from './job-table.ts';
import { MAX_PARAMETER_LIST_BYTES } from './limits.ts';
import { parseLid1 } from './parameter-list.ts';
import { validateSegments } from './segments/validate.ts';
import { CopyCode, refused } from './sense.ts';
import type { Turns } from './turns.ts';

const cdb = layout(16, { opcode: u8(0), serviceAction: bits(1, 0, 5), parameterListLength: u32(10) });

/** What the rows of one copy manager share. */
export interface Copying {
  readonly jobs: JobTable;
  readonly turns: Turns;
  /** It takes no more copies. */
  readonly stopping: boolean;
}

/** EXTENDED COPY(LID1) (SPC-4 6.5). */
export function extendedCopyLid1(copying: Copying): Command<LogicalUnit> {
  const jobOf = new WeakMap<Task, Job>();
  return command<LogicalUnit>({
    name: 'EXTENDED COPY(LID1)',
    opcode: 0x83,
    serviceAction: 0x00,
    cdb,
    access: 'write',
    // 84h is answered beside it, and its own commands to the same unit must not wait for it.
    ordering: 'free',
    timeoutSeconds: 3600,
    dataOut(_unit, task) {
      const length = cdb.parameterListLength.get(task.cdb);
      if (length > MAX_PARAMETER_LIST_BYTES) throw refused(CopyCode.LIST_LENGTH);
      return length;
    },
    async run(unit, task) {
      // SPC-4 6.5: no parameter list is no error.
      if (task.wantedOut === 0) return task.good();
      const { jobs, turns } = copying;
      const list = parseLid1(task.dataOut);
      validateSegments(list, unit.deviceType);
      jobs.requireUnused(task.nexus, list.listId);
      if (copying.stopping || jobs.full(task.nexus)) return task.end(Status.BUSY);
      const job = new Job(list, { device: unit.device!, nexus: task.nexus, unit, lun: task.lun }, turns);
      jobs.add(job);
      jobOf.set(task, job);
      await carryOut(job, unit, task, jobs);
    },
    aborting(_unit, task) {
      jobOf.get(task)?.abort();
    },
  });
}

/** The command ends after the last of the copy's own commands (SPC-4 5.17.4.6). */
async function carryOut(job: Job, unit: LogicalUnit, task: Task, jobs: JobTable): Promise<void> {
  try {
    const { status, facts } = await job.run();
    job.end(status, facts === undefined ? Buffer.alloc(0) : unit.encodeSense(facts));
    jobs.finished(job);
    if (facts === undefined) task.end(status);
    else unit.check(task, facts);
  } catch (error) {
    job.end(Status.CHECK_CONDITION, Buffer.alloc(0));
    jobs.finished(job);
    throw error;
  }
}
