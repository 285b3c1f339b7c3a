import type { BlockBackend } from '../../backends/block-backend.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import type { Log } from '../../log.ts';
import type { UnitState } from '../../state/unit-state.ts';
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
import { Attention } from '../unit-attention.ts';
import { blockCommands } from './block-commands.ts';
import { MAX_TRANSFER_BYTES, MAX_WRITE_SAME_BYTES } from './limits.ts';
import { diskLogPages } from './log-pages.ts';
import {
  cachingPage,
  diskHeader,
  readWriteErrorRecoveryPage,
  verifyErrorRecoveryPage,
  WCE,
} from './mode-pages.ts';
import { TEST_BYTES_PER_MINUTE, testDisk } from './self-test.ts';
import { blockLimits } from './vpd-b0.ts';
import { blockDeviceCharacteristics } from './vpd-b1.ts';
import { logicalBlockProvisioning } from './vpd-b2.ts';

export interface DiskOptions {
  readonly identity: Identity;
  readonly backend: BlockBackend;
  readonly log?: Log | undefined;
  readonly removable?: boolean | undefined;
  readonly state?: UnitState | undefined;
}

/** Physical blocks are of 4096 bytes, whatever the logical ones are. */
const PHYSICAL_BLOCK_BYTES = 4096;

/** A direct access block device (SBC-3): SPC and SBC over a block backend. */
export class DiskUnit extends LogicalUnit {
  readonly deviceType = DeviceType.DISK;
  readonly removable: boolean;
  readonly backend: BlockBackend;
  readonly blockSize: number;
  /** Logical blocks: the backend's size, at hand for every command. */
  blocks: number;
  /** LOGICAL BLOCKS PER PHYSICAL BLOCK EXPONENT. */
  readonly physicalExponent: number;
  readonly maxTransferBlocks: number;
  readonly maxWriteSameBlocks: number;
  readonly modePages: ModePages;
  readonly removal = new RemovalPrevention();
  /** WCE as it was when it was last looked at by a MODE SELECT. */
  #cached = true;
  /** The medium is in the unit; only a removable one can be out. */
  loaded = true;

  constructor({ identity, backend, log, removable = false, state }: DiskOptions) {
    super(identity, log, state);
    this.backend = backend;
    this.removable = removable;
    this.blockSize = backend.blockSize;
    this.blocks = Math.floor(backend.bytes / backend.blockSize);
    this.physicalExponent = Math.max(0, Math.log2(PHYSICAL_BLOCK_BYTES / backend.blockSize));
    this.maxTransferBlocks = MAX_TRANSFER_BYTES / backend.blockSize;
    this.maxWriteSameBlocks = MAX_WRITE_SAME_BYTES / backend.blockSize;
    this.modePages = new ModePages(
      [
        readWriteErrorRecoveryPage,
        disconnectReconnectPage,
        verifyErrorRecoveryPage,
        cachingPage,
        controlPage({ swp: true }),
        controlExtensionPage,
        informationalExceptionsPage,
      ],
      diskHeader(this),
      state,
    );
    this.commands.add(...primaryCommands);
    this.commands.add(...blockCommands);
    this.logs.add(...diskLogPages);
    addPages(this, ...primaryPages, blockLimits(this), blockDeviceCharacteristics, logicalBlockProvisioning);
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
  }

  /**
   * Another size, or with undefined the one that the medium has been given from outside; commands under way end first.
   * True when it changed: every nexus that sees the unit is told (SBC-3 4.7). Rejects with one sentence.
   */
  async resize(bytes?: number): Promise<boolean> {
    const { backend } = this;
    if (backend.resize === undefined) throw new Error(`the size of ${this.identity.name} cannot change`);
    const changed = await this.alone(async () => {
      await backend.resize!(bytes);
      const blocks = Math.floor(backend.bytes / this.blockSize);
      if (blocks === this.blocks) return false;
      this.blocks = blocks;
      this.recheckWaiting();
      return true;
    });
    if (changed) this.attention(Attention.CAPACITY_CHANGED);
    return changed;
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
    await this.state?.close();
    await this.backend.close();
  }
}

/** A disk ready to be put into a target device. */
export const disk = (options: DiskOptions): DiskUnit => new DiskUnit(options);
