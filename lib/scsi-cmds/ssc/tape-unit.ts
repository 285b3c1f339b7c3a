import { MediumError } from '../../backends/medium-error.ts';
import type { TapeMedium, TapeWriteOutcome } from '../../backends/tape-medium.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import type { Log } from '../../log.ts';
import type { UnitState } from '../../state/unit-state.ts';
import type { Identity } from '../identity.ts';
import { DeviceType, LogicalUnit } from '../logical-unit.ts';
import { senseOf } from '../medium-sense.ts';
import type { Nexus } from '../nexus.ts';
import { mediumNotPresent, type SenseFacts } from '../sense.ts';
import { ModePages } from '../spc/mode-pages.ts';
import { RemovalPrevention } from '../spc/removal-prevention.ts';
import { addPages } from '../spc/vpd.ts';
import type { Task } from '../task.ts';
import { Attention } from '../unit-attention.ts';
import { type Density, LTO_6 } from './density.ts';
import { DATA_COMPRESSION, DCE, TapeModeHeader, tapeModePages } from './mode.ts';
import { addTapeCommands, tapePages } from './tape-commands.ts';

const BUFFERED = 1;

/**
 * A tape drive, with a cartridge in it or without. What it knows of SCSI beside its commands: the mode parameters of the
 * drive, whether the cartridge is loaded, and whether something written still has to be synchronised.
 */
export class TapeUnit extends LogicalUnit {
  readonly deviceType = DeviceType.TAPE;
  readonly removable = true;
  readonly modePages: ModePages = new ModePages(tapeModePages(this), new TapeModeHeader(this), this.state);
  readonly removal = new RemovalPrevention();
  readonly grain = 0;
  readonly density: Density = LTO_6;
  /** BLOCK LENGTH of the mode parameter block descriptor: the length in fixed mode; 0, variable only. */
  blockLength = 0;
  /** BUFFERED MODE: with 0 a write is on the medium before it is answered. */
  bufferedMode = BUFFERED;
  /** Bytes of records since the start. */
  readonly counters = { written: 0, read: 0 };

  #cartridge: TapeMedium | undefined;
  #loaded: boolean;
  /** Written to since it was last synchronised. */
  #dirty = false;

  constructor(identity: Identity, medium?: TapeMedium, log?: Log, state?: UnitState) {
    super(identity, log, state);
    this.#cartridge = medium;
    this.#loaded = medium !== undefined;
    addTapeCommands(this);
    addPages(this, ...tapePages);
  }

  /** The cartridge that is in the drive, loaded or not. */
  get cartridge(): TapeMedium | undefined {
    return this.#cartridge;
  }

  /** The cartridge can be read and written. */
  get loaded(): boolean {
    return this.#loaded;
  }

  /** The loaded cartridge; NOT READY when there is none. */
  get medium(): TapeMedium {
    this.requireMedium();
    return this.#cartridge!;
  }

  requireMedium(): void {
    if (!this.#loaded) throw mediumNotPresent();
  }

  requireCartridge(): void {
    if (this.#cartridge === undefined) throw mediumNotPresent();
  }

  get writeProtected(): boolean {
    return this.protection || this.#cartridge?.writeProtected === true || this.modePages.softwareWriteProtect;
  }

  /** DCE of the data compression mode page. */
  get compression(): boolean {
    return (this.modePages.current(DATA_COMPRESSION)[2]! & DCE) !== 0;
  }

  /** What trouble at the medium is as sense, for a command that has more to say of it. */
  explain(task: Task, error: unknown): SenseFacts {
    return senseOf(error, this.log, {
      unit: this.identity.name,
      command: task.command!.name,
      grain: this.grain,
      writing: task.command!.writes === true,
    }).facts;
  }

  write(from: Buffer): MaybePromise<TapeWriteOutcome> {
    this.#dirty = true;
    return this.#untilFull(() => this.medium.write(from));
  }

  writeFilemarks(count: number): MaybePromise<TapeWriteOutcome> {
    this.#dirty = true;
    return this.#untilFull(() => this.medium.writeFilemarks(count));
  }

  erase(): MaybePromise<void> {
    this.#dirty = true;
    return this.medium.erase();
  }

  /** A full file system is the end of the tape: the initiator can change cartridges, and nothing is lost. */
  #untilFull(write: () => MaybePromise<TapeWriteOutcome>): MaybePromise<TapeWriteOutcome> {
    const full = (error: unknown): TapeWriteOutcome => {
      if (!(error instanceof MediumError) || error.fault !== 'no-space') throw error;
      this.log.warn({ err: error, unit: this.identity.name }, 'no space for the tape: told as end of medium');
      return 'end-of-medium';
    };
    try {
      const outcome = write();
      return outcome instanceof Promise ? outcome.catch(full) : outcome;
    } catch (error) {
      return full(error);
    }
  }

  /** All that was written is on stable storage afterwards; nothing to do when it already is. */
  synchronize(): MaybePromise<void> {
    if (!this.#dirty) return undefined;
    const clean = (): void => {
      this.#dirty = false;
    };
    const work = this.#cartridge!.sync();
    if (work instanceof Promise) return work.then(clean);
    clean();
    return undefined;
  }

  /** Threads the cartridge and goes to its beginning. The other nexuses learn of it; `by` asked for it. */
  async load(by?: Nexus): Promise<void> {
    this.requireCartridge();
    await this.synchronize();
    await this.#cartridge!.rewind();
    if (this.#loaded) return;
    this.#loaded = true;
    this.attention(Attention.MEDIUM_MAY_HAVE_CHANGED, by);
  }

  /** Everything written is safe; the cartridge stays in the drive and is not ready. */
  async unload(): Promise<void> {
    if (!this.#loaded) return;
    await this.synchronize();
    await this.#cartridge!.rewind();
    this.#loaded = false;
  }

  /** A cartridge is put into the empty drive, by hand or by a robot, and loaded. */
  async insert(cartridge: TapeMedium): Promise<void> {
    if (this.#cartridge !== undefined) throw new Error(`${this.identity.name} has a cartridge`);
    this.#cartridge = cartridge;
    await this.load();
  }

  /** The cartridge is taken out; whoever takes it closes it. */
  async eject(): Promise<TapeMedium | undefined> {
    await this.unload();
    const cartridge = this.#cartridge;
    this.#cartridge = undefined;
    return cartridge;
  }

  override detach(nexus: Nexus): void {
    super.detach(nexus);
    this.removal.forget(nexus);
  }

  protected override onReset(): void {
    super.onReset();
    this.removal.reset();
    this.blockLength = 0;
    this.bufferedMode = BUFFERED;
  }

  /** What nobody asked to be synchronised stays in the page cache: a close does not wait for a disk. */
  async close(): Promise<void> {
    await this.state?.close();
    const cartridge = this.#cartridge;
    this.#cartridge = undefined;
    this.#loaded = false;
    await cartridge?.close();
  }
}

/** A tape drive with a cartridge in it, loaded. */
export const tape = (of: {
  identity: Identity;
  medium?: TapeMedium;
  log?: Log;
  state?: UnitState | undefined;
}): TapeUnit => new TapeUnit(of.identity, of.medium, of.log, of.state);
