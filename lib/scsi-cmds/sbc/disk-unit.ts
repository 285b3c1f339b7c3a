import type { BlockBackend } from '../../backends/block-backend.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import type { Log } from '../../log.ts';
import type { UnitState } from '../../state/unit-state.ts';
import type { Command } from '../command.ts';
import type { Identity } from '../identity.ts';
import { DeviceType, LogicalUnit } from '../logical-unit.ts';
import type { Nexus } from '../nexus.ts';
import { senseOf } from '../medium-sense.ts';
import { type CheckCondition, mediumNotPresent } from '../sense.ts';
import {
  controlExtensionPage,
  controlPage,
  disconnectReconnectPage,
  informationalExceptionsPage,
  ModePages,
} from '../spc/mode-pages.ts';
import type { SelfTestRun } from '../spc/self-test.ts';
import { RemovalPrevention } from '../spc/removal-prevention.ts';
import { primaryCommands, primaryPages } from '../spc/primary.ts';
import { addPages } from '../spc/vpd.ts';
import type { Task } from '../task.ts';
import { Attention } from '../unit-attention.ts';
import { blockCommands } from './block-commands.ts';
import { CopyOnWrite } from './copy-on-write.ts';
import {
  MAX_ATOMIC_BYTES,
  MAX_TRANSFER_BYTES,
  MAX_WRITE_SAME_BYTES,
  OPERATION_BYTES_PER_SECOND,
} from './limits.ts';
import { diskLogPages } from './log-pages.ts';
import { MediumOperation, type MediumWork, mediumWork } from './medium-operation.ts';
import {
  cachingPage,
  diskHeader,
  readWriteErrorRecoveryPage,
  verifyErrorRecoveryPage,
  WCE,
} from './mode-pages.ts';
import type { ByteRange, PointInTime, Preservation } from './point-in-time.ts';
import { TEST_BYTES_PER_MINUTE, testDisk } from './self-test.ts';
import { provisioningLog, provisioningPage, Thresholds } from './thresholds.ts';
import { blockLimits } from './vpd-b0.ts';
import { blockDeviceCharacteristics } from './vpd-b1.ts';
import { logicalBlockProvisioning } from './vpd-b2.ts';
import { writeAtomics } from './write-atomic.ts';

export interface DiskOptions {
  readonly identity: Identity;
  readonly backend: BlockBackend;
  readonly log?: Log | undefined;
  readonly removable?: boolean | undefined;
  readonly state?: UnitState | undefined;
  /** 4096 unless told, also where the logical blocks are of 512 bytes (512e). */
  readonly physicalBlockSize?: number | undefined;
  /** How fast FORMAT UNIT and SANITIZE write; limits.ts says why there is a limit. */
  readonly operationBytesPerSecond?: number | undefined;
}

const PHYSICAL_BLOCK_BYTES = 4096;

/** A direct access block device (SBC-3): SPC and SBC over a block backend. */
export class DiskUnit extends LogicalUnit {
  readonly deviceType = DeviceType.DISK;
  readonly removable: boolean;
  /** The medium; while there are points in time of it, with what preserves them in front. */
  backend: BlockBackend;
  readonly blockSize: number;
  /** Logical blocks: the backend's size, at hand for every command. */
  blocks: number;
  /** LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT. */
  readonly physicalExponent: number;
  readonly maxTransferBlocks: number;
  readonly maxWriteSameBlocks: number;
  /** MAXIMUM ATOMIC TRANSFER LENGTH; 0 when the backend has no atomic writes. */
  readonly maxAtomicBlocks: number;
  readonly thresholds = new Thresholds(this);
  /** FORMAT UNIT or SANITIZE at work on the medium, or failed. */
  operation: MediumOperation | undefined;
  readonly operationBytesPerSecond: number;
  readonly modePages: ModePages;
  readonly removal = new RemovalPrevention();
  /** How often the medium has become another one: by FORMAT UNIT, SANITIZE or another size. */
  renewals = 0;
  readonly #preserved: CopyOnWrite;
  /** WCE as it was when it was last looked at by a MODE SELECT. */
  #cached = true;
  /** The medium is in the unit; only a removable one can be out. */
  loaded = true;

  constructor(options: DiskOptions) {
    const { identity, backend, log, removable = false, physicalBlockSize = PHYSICAL_BLOCK_BYTES } = options;
    super(identity, log, options.state);
    this.backend = backend;
    this.#preserved = new CopyOnWrite(backend, () => {
      this.backend = backend;
    });
    this.removable = removable;
    this.blockSize = backend.blockSize;
    this.blocks = Math.floor(backend.bytes / backend.blockSize);
    this.physicalExponent = Math.max(0, Math.log2(physicalBlockSize / backend.blockSize));
    this.maxTransferBlocks = MAX_TRANSFER_BYTES / backend.blockSize;
    this.maxWriteSameBlocks = MAX_WRITE_SAME_BYTES / backend.blockSize;
    this.maxAtomicBlocks = backend.writeAtomic === undefined ? 0 : MAX_ATOMIC_BYTES / backend.blockSize;
    this.operationBytesPerSecond = options.operationBytesPerSecond ?? OPERATION_BYTES_PER_SECOND;
    this.modePages = new ModePages(
      [
        readWriteErrorRecoveryPage,
        disconnectReconnectPage,
        verifyErrorRecoveryPage,
        cachingPage,
        controlPage({ swp: true }),
        controlExtensionPage,
        informationalExceptionsPage,
        provisioningPage,
      ],
      diskHeader(this),
      options.state,
    );
    this.commands.add(...primaryCommands);
    this.commands.add(...blockCommands);
    if (backend.writeAtomic !== undefined) this.commands.add(...writeAtomics);
    this.logs.add(...diskLogPages, provisioningLog);
    addPages(
      this,
      ...primaryPages,
      blockLimits(this),
      blockDeviceCharacteristics,
      logicalBlockProvisioning(this),
    );
    const unfinished = this.state?.read(mediumWork);
    if (unfinished !== undefined) this.#resume(unfinished);
  }

  /** A sanitize operation goes on; a format that was cut off, like one that failed, leaves nothing to be read (SBC-3 4.11, 4.31). */
  #resume(work: MediumWork): void {
    const failed = work.failed || work.kind === 'format';
    this.operation = new MediumOperation(this, { ...work, failed });
    if (!failed) this.operation.start();
  }

  /** What FORMAT UNIT or SANITIZE has to do is kept until it is done; undefined: there is nothing. */
  async keepWork(work: MediumWork | undefined): Promise<void> {
    await this.state?.save(mediumWork, work);
  }

  /** Size of the medium. */
  get bytes(): number {
    return this.blocks * this.blockSize;
  }

  get grain(): number {
    return this.blockSize;
  }

  get writeProtected(): boolean {
    return this.protection || this.backend.readOnly || this.modePages.softwareWriteProtect;
  }

  /** WCE: a write may be answered before it is stable. */
  get writeCache(): boolean {
    return (this.modePages.now(cachingPage)[2]! & WCE) !== 0;
  }

  /** What was answered while WCE was 1 is stable before WCE is 0. */
  override modesChanged(): MaybePromise<void> {
    const had = this.#cached;
    this.#cached = this.writeCache;
    return had && !this.writeCache ? this.backend.flush() : undefined;
  }

  requireMedium(): void {
    if (!this.loaded) throw mediumNotPresent();
    if (this.operation !== undefined) throw this.operation.refusal();
  }

  /** While FORMAT UNIT or SANITIZE is at work only what asks and changes nothing is answered (SBC-3 4.11.2, 4.31). */
  protected override requireReady(row: Command<never>): void {
    const { operation } = this;
    if (row.medium !== true && (operation === undefined || row.ordering === 'free')) return;
    if (this.loaded && operation?.mayBeMendedBy(row.name) === true) return;
    this.requireMedium();
  }

  /** Begins FORMAT UNIT or SANITIZE; the task ends with it, with IMMED when it is known not to be lost. Others are refused from now on. */
  begin(operation: MediumOperation, task: Task, immediate: boolean): void {
    this.operation = operation;
    this.#renew();
    operation.start(task, immediate);
    this.giveUpTurn(task);
  }

  /**
   * Another size, or with undefined the one that the medium has been given from outside; commands under way end first.
   * True when it changed: every nexus that sees the unit is told. Rejects with one sentence.
   */
  async resize(bytes?: number): Promise<boolean> {
    const { backend } = this;
    if (backend.resize === undefined) throw new Error(`the size of ${this.identity.name} cannot change`);
    const changed = await this.alone(async () => {
      if (this.operation !== undefined) throw new Error('it is being formatted or sanitized');
      await backend.resize!(bytes);
      const blocks = Math.floor(backend.bytes / this.blockSize);
      if (blocks === this.blocks) return false;
      this.blocks = blocks;
      this.#renew();
      this.recheckWaiting();
      return true;
    });
    if (changed) this.attention(Attention.CAPACITY_CHANGED);
    return changed;
  }

  /**
   * The ranges as they are between two commands, until it is released; `lost` from the start when there was no room to be
   * reserved. Rejects when the medium cannot be read now.
   */
  pointInTime(ranges: readonly ByteRange[], preservation: Preservation): Promise<PointInTime> {
    return this.alone(() => {
      this.requireMedium();
      this.backend = this.#preserved;
      return this.#preserved.take(ranges, preservation);
    });
  }

  #renew(): void {
    this.renewals++;
    this.#preserved.clear();
  }

  /** What a flush that fails means: something that was answered could not be written. Logged here. */
  flushFailure(error: unknown): CheckCondition {
    const command = 'SYNCHRONIZE CACHE';
    return senseOf(error, this.log, { unit: this.identity.name, command, grain: this.grain, writing: true });
  }

  override selfTest(run: SelfTestRun): Promise<void> {
    return testDisk(this, run);
  }

  override get selfTestMinutes(): number {
    return Math.ceil(this.bytes / TEST_BYTES_PER_MINUTE);
  }

  override detach(nexus: Nexus): void {
    super.detach(nexus);
    this.removal.forget(nexus);
  }

  protected override onReset(): void {
    super.onReset();
    this.removal.reset();
  }

  /** What nobody asked to be flushed stays in the page cache: a close does not wait for a disk. */
  async close(): Promise<void> {
    this.selfTests.stop();
    await this.operation?.stop();
    await this.state?.close();
    this.#preserved.clear();
    await this.backend.close();
  }
}

/** A disk ready to be put into a target device. */
export const disk = (options: DiskOptions): DiskUnit => new DiskUnit(options);
