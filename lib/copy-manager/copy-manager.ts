import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Command } from '../scsi-cmds/command.ts';
import type { VpdPage } from '../scsi-cmds/spc/vpd.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import { type Copying, extendedCopyLid1 } from './extended-copy.ts';
import { JobTable } from './job-table.ts';
import {
  receiveCopyFailureDetails,
  receiveCopyOperatingParameters,
  receiveCopyStatus,
} from './receive-copy.ts';
import { thirdPartyCopyPage } from './third-party-copy-page.ts';
import { Turns } from './turns.ts';

export interface CopyManagerOptions {
  /** The copies' share of the event loop, where several targets have one together. */
  readonly turns?: Turns;
}

/** The copy manager of one target device (SPC-4 5.17): what makes each of its units take EXTENDED COPY. */
export class CopyManager implements Copying {
  readonly jobs = new JobTable();
  readonly turns: Turns;
  readonly #rows: readonly Command<LogicalUnit>[];
  readonly #page: VpdPage;
  #stopping = false;

  constructor({ turns = new Turns() }: CopyManagerOptions = {}) {
    this.turns = turns;
    this.#rows = [
      extendedCopyLid1(this),
      receiveCopyStatus(this.jobs),
      receiveCopyOperatingParameters(),
      receiveCopyFailureDetails(this.jobs),
    ];
    this.#page = thirdPartyCopyPage(this.#rows);
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Copies that run now. */
  get running(): number {
    return this.jobs.running.size;
  }

  /** Gives a unit the 83h and 84h rows, VPD page 8Fh and the 3PC bit. */
  equip(unit: LogicalUnit): void {
    unit.commands.add(...this.#rows);
    unit.vpd.set(this.#page.code, this.#page);
    unit.thirdPartyCopy = true;
  }

  /** Takes no more copies and stops those that run; resolves when none of their commands is under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const job of this.jobs.running) job.abort();
    await this.jobs.idle();
  }
}

/** Gives every unit of the device a copy manager; `equip` those that are added later. */
export function addCopyManager(device: TargetDevice, options: CopyManagerOptions = {}): CopyManager {
  const manager = new CopyManager(options);
  for (const [, unit] of device.units) manager.equip(unit);
  return manager;
}
