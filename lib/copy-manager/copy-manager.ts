import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Command } from '../scsi-cmds/command.ts';
import type { DiskUnit } from '../scsi-cmds/sbc/disk-unit.ts';
import type { VpdPage } from '../scsi-cmds/spc/vpd.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import { AliasLists } from './alias-list.ts';
import { changeAliases, reportAliases } from './aliases.ts';
import { copyOperationAbort } from './copy-operation-abort.ts';
import type { OwnPortals } from './cscd/resolve.ts';
import { extendedCopyLid1, extendedCopyLid4 } from './extended-copy.ts';
import { receiveCopyOperatingParameters } from './operating-parameters.ts';
import { OperationTable } from './operation-table.ts';
import type { Copying } from './originate.ts';
import { receiveCopyData, receiveCopyFailureDetails, receiveCopyStatus } from './receive-copy-lid1.ts';
import { receiveCopyDataLid4, receiveCopyStatusLid4 } from './receive-copy-lid4.ts';
import { thirdPartyCopyPage } from './third-party-copy-page.ts';
import { populateToken } from './tokens/populate-token.ts';
import { receiveRodTokenInformation } from './tokens/receive-rod-token-information.ts';
import { reportAllRodTokens } from './tokens/report-all-rod-tokens.ts';
import { isDisk } from './tokens/rod.ts';
import { TokenStore } from './tokens/token-store.ts';
import { writeUsingToken } from './tokens/write-using-token.ts';
import { Turns } from './turns.ts';

export interface CopyManagerOptions {
  /** The copies' share of the event loop, where several targets have one together. */
  readonly turns?: Turns;
  /** The portals of the target, by which CSCD descriptors may name its units; none unless told. */
  readonly portals?: OwnPortals;
  /** Milliseconds since whenever, by which tokens expire. */
  readonly nowMs?: () => number;
}

/** The copy manager of one target device (SPC-4 5.17): what makes each of its units take EXTENDED COPY. */
export class CopyManager implements Copying {
  readonly operations = new OperationTable();
  readonly turns: Turns;
  readonly portals: OwnPortals;
  readonly aliases = new AliasLists();
  readonly tokens: TokenStore;
  readonly #rows: readonly Command<LogicalUnit>[];
  /** Only disks have them. */
  readonly #diskRows: readonly Command<DiskUnit>[];
  /** No third-party copy commands themselves, and so not on the page. */
  readonly #aliasRows: readonly Command<LogicalUnit>[];
  readonly #page: VpdPage;
  readonly #diskPage: VpdPage;
  #device: TargetDevice | undefined;
  #stopping = false;

  constructor({ turns = new Turns(), portals = () => false, nowMs }: CopyManagerOptions = {}) {
    this.portals = portals;
    this.turns = turns;
    this.tokens = new TokenStore(nowMs);
    this.#rows = [
      extendedCopyLid1(this),
      extendedCopyLid4(this),
      copyOperationAbort(this.operations),
      receiveCopyStatus(this.operations),
      receiveCopyOperatingParameters(),
      receiveCopyFailureDetails(this.operations),
      receiveCopyData(this.operations),
      receiveCopyStatusLid4(this.operations),
      receiveCopyDataLid4(this.operations),
      receiveRodTokenInformation(this.operations),
      reportAllRodTokens(this.tokens),
    ];
    this.#diskRows = [populateToken(this), writeUsingToken(this)];
    this.#aliasRows = [changeAliases(this.aliases, this.operations), reportAliases(this.aliases)];
    this.#page = thirdPartyCopyPage(this.#rows);
    this.#diskPage = thirdPartyCopyPage([...this.#rows, ...this.#diskRows]);
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /** Copies that run now. */
  get running(): number {
    return this.operations.running.size;
  }

  /** Is that of `device`, and makes way for its ordinary commands. */
  join(device: TargetDevice): void {
    this.#device = device;
    this.turns.attend(device);
    for (const [, unit] of device.units) this.equip(unit);
  }

  /** Gives a unit the 83h and 84h rows and those of aliases, VPD page 8Fh and the 3PC bit. */
  equip(unit: LogicalUnit): void {
    unit.commands.add(...this.#rows, ...this.#aliasRows);
    if (isDisk(unit)) unit.commands.add(...this.#diskRows);
    unit.vpd.set(this.#page.code, isDisk(unit) ? this.#diskPage : this.#page);
    unit.thirdPartyCopy = true;
  }

  /** Takes no more copies and stops those that run; resolves when none of their commands is under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const operation of this.operations.running) operation.abort();
    await this.operations.idle();
    if (this.#device !== undefined) this.turns.leave(this.#device);
    this.tokens.clear();
  }
}

/** Gives every unit of the device a copy manager; `equip` those that are added later. */
export function addCopyManager(device: TargetDevice, options: CopyManagerOptions = {}): CopyManager {
  const manager = new CopyManager(options);
  manager.join(device);
  return manager;
}
