import { MediumError } from '../../backends/medium-error.ts';
import type { TapeMedium, TapeObject, TapePosition, TapeWriteOutcome } from '../../backends/tape-medium.ts';
import { after, type MaybePromise } from '../../bytes/maybe-promise.ts';
import type { Log } from '../../log.ts';
import type { UnitState } from '../../state/unit-state.ts';
import type { Identity } from '../identity.ts';
import { DeviceType, LogicalUnit } from '../logical-unit.ts';
import { senseOf } from '../medium-sense.ts';
import type { Nexus } from '../nexus.ts';
import { CheckCondition, mediumNotPresent, type SenseFacts, SenseKey } from '../sense.ts';
import { ModePages } from '../spc/mode-pages.ts';
import { RemovalPrevention } from '../spc/removal-prevention.ts';
import { addPages } from '../spc/vpd.ts';
import type { Task } from '../task.ts';
import type { Command } from '../command.ts';
import { Attention } from '../unit-attention.ts';
import { VolumeMemory } from './attributes/volume-memory.ts';
import { CONTROL, CONTROL_DATA_PROTECTION, dataProtection } from './data-protection.ts';
import type { Density } from './densities.ts';
import {
  configurationExtension,
  DEVICE_CONFIGURATION,
  DEVICE_CONFIGURATION_EXTENSION,
  deviceConfiguration,
  WriteMode,
} from './device-configuration.ts';
import { DataEncryption } from './encryption/data-encryption.ts';
import { BufferedMode, DATA_COMPRESSION, DCE, TapeModeHeader, tapeModePages } from './mode.ts';
import { MEDIUM_PARTITION } from './partitioning.ts';
import { compatibility, densityOn, GENERIC, type Personality } from './personality.ts';
import { BlockProtection } from './recording/block-protection.ts';
import { Recorder } from './recording/recorder.ts';
import { overwriteAttempted } from './sense.ts';
import { TapeStatistics } from './statistics.ts';
import { TapeAlerts } from './tape-alerts.ts';
import { addTapeCommands, tapePages } from './tape-commands.ts';
import { automationSerialNumber } from './vpd-serial-numbers.ts';

/** Where a position lies: before any warning, in the programmable early warning zone, or past early warning (SSC-4 4.2.4). */
export type Zone = 'free' | 'programmable' | 'early-warning';

const MEGABYTE = 1_000_000;
/** What tells a cartridge for WORM from one for data in MEDIUM TYPE. */
const WORM_TYPE = 0x04;

/** CANNOT WRITE MEDIUM - INCOMPATIBLE FORMAT. */
const cannotWrite = (): CheckCondition => new CheckCondition({ key: SenseKey.DATA_PROTECT, code: 0x3005 });
/** INCOMPATIBLE MEDIUM INSTALLED. */
const incompatible = (): CheckCondition => new CheckCondition({ key: SenseKey.MEDIUM_ERROR, code: 0x3000 });

export interface TapeDrive {
  readonly identity: Identity;
  readonly medium?: TapeMedium | undefined;
  readonly log?: Log | undefined;
  readonly state?: UnitState | undefined;
  /** Which drive it is taken for. */
  readonly personality?: Personality | undefined;
}

/**
 * A tape drive, with a cartridge in it or without. What it knows of SCSI beside its commands: the mode parameters of the
 * drive, whether the cartridge is loaded, and whether something written still has to be synchronised.
 */
export class TapeUnit extends LogicalUnit {
  readonly deviceType = DeviceType.TAPE;
  readonly removable = true;
  /** On the wire, by logical block protection. */
  override readonly protectsBlocks = true;
  readonly personality: Personality;
  readonly modePages: ModePages;
  readonly removal = new RemovalPrevention();
  readonly grain = 0;
  readonly blockProtection = new BlockProtection();
  readonly encryption: DataEncryption = new DataEncryption(this);
  readonly statistics = new TapeStatistics();
  readonly alerts = new TapeAlerts();
  readonly #recorder = new Recorder(this.statistics);
  /** Of the library that the drive is in. */
  #automationSerial: string | undefined;
  #memory: VolumeMemory | undefined;
  /** BLOCK LENGTH of the mode parameter block descriptor: the length in fixed mode; 0, variable only. */
  blockLength = 0;
  /** BUFFERED MODE: with 0 a write is on the medium before it is answered. */
  bufferedMode: number = BufferedMode.BUFFERED;

  /* Mode parameters that are asked for with every record, kept at hand. */
  /** DCE of the data compression mode page. */
  compression = false;
  /** WRITE MODE: what is written is only appended to. */
  appendOnly = false;
  /** SEW. */
  synchronizesAtEarlyWarning = true;
  /** PEWS in bytes. */
  #programmableBytes = 0;

  /** SWP of the device configuration mode page. */
  #softwareWriteProtect = false;

  #cartridge: TapeMedium | undefined;
  /** What the drive can do with the cartridge. */
  #can: 'writes' | 'reads' | 'nothing' = 'writes';
  #loaded: boolean;
  #closing: Promise<void> | undefined;
  /** There is a cartridge in the drive of which it can make nothing. */
  #unreadable = false;
  /** Written to since it was last synchronised. */
  #dirty = false;
  /** Nexus that wrote last. */
  #writer = '';
  /** ALLOW OVERWRITE: where, or that FORMAT MEDIUM may. */
  #overwritable: TapePosition | 'format' | undefined;

  constructor({ identity, medium, log, state, personality = GENERIC }: TapeDrive) {
    super(identity, log, state);
    this.personality = personality;
    this.#hold(medium);
    this.#loaded = medium !== undefined;
    this.modePages = new ModePages(tapeModePages(this), new TapeModeHeader(this), this.state);
    if (this.#loaded) this.#threaded();
    this.#look();
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
    if (!this.#loaded) throw this.#unreadable ? incompatible() : mediumNotPresent();
  }

  requireCartridge(): void {
    if (this.#cartridge === undefined) throw this.#unreadable ? incompatible() : mediumNotPresent();
  }

  /** What the loaded cartridge remembers. */
  get memory(): VolumeMemory {
    this.requireMedium();
    return this.#memory!;
  }

  get automationSerial(): string | undefined {
    return this.#automationSerial;
  }

  /** The drive is part of a library, whose serial number it tells (VPD page B3h). */
  inAutomation(serial: string): void {
    this.#automationSerial = serial;
    addPages(this, automationSerialNumber);
  }

  protected override requireReady(row: Command<never>): void {
    super.requireReady(row);
    if (row.medium !== true || this.#cartridge === undefined) return;
    if (this.#can === 'nothing') throw incompatible();
    if (row.writes === true && this.#can === 'reads') throw cannotWrite();
  }

  get writeProtected(): boolean {
    return (
      this.protection ||
      this.#cartridge?.writeProtected === true ||
      this.#can !== 'writes' ||
      this.modePages.softwareWriteProtect ||
      this.#softwareWriteProtect
    );
  }

  /** What is written on the cartridge, or would be. */
  get density(): Density {
    return densityOn(this.personality, this.#cartridge?.label.mediaType ?? '');
  }

  /** MEDIUM TYPE of the mode parameter header. */
  get mediumType(): number {
    if (!this.#loaded || !this.personality.tellsMediumType) return 0;
    return this.density.mediumType | (this.#cartridge!.label.worm ? WORM_TYPE : 0);
  }

  /** The position is in the programmable early warning zone, or behind it (SSC-4 4.2.4). */
  get pastProgrammableWarning(): boolean {
    if (this.#programmableBytes === 0) return false;
    const { leftBytes, earlyWarningBytes } = this.medium;
    return leftBytes < earlyWarningBytes + this.#programmableBytes;
  }

  get zone(): Zone {
    if (this.medium.pastEarlyWarning) return 'early-warning';
    return this.pastProgrammableWarning ? 'programmable' : 'free';
  }

  /** What is told to an initiator raises TapeAlert flags too. */
  override check(task: Task, facts: SenseFacts): void {
    this.alerts.note(facts);
    super.check(task, facts);
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

  write(from: Buffer, nexus: Nexus): MaybePromise<TapeWriteOutcome> {
    this.#requireAppend();
    const before = this.#beforeChange(nexus);
    return before instanceof Promise
      ? before.then(() => this.#record(from, nexus))
      : this.#record(from, nexus);
  }

  #record(from: Buffer, nexus: Nexus): MaybePromise<TapeWriteOutcome> {
    this.#dirty = true;
    const parameters = this.encryption.any ? this.encryption.of(nexus) : undefined;
    try {
      const outcome = this.#recorder.write(this.medium, from, this.compression, parameters);
      return outcome instanceof Promise ? outcome.catch((error: unknown) => this.#ended(error)) : outcome;
    } catch (error) {
      return this.#ended(error);
    }
  }

  /** The next object; of a record the bytes that fit are in `into`, as they were written. */
  read(into: Buffer, nexus: Nexus): MaybePromise<TapeObject> {
    return this.#recorder.read(
      this.medium,
      into,
      this.encryption.any ? this.encryption.of(nexus) : undefined,
    );
  }

  async writeFilemarks(count: number, nexus: Nexus): Promise<TapeWriteOutcome> {
    this.#requireAppend();
    await this.#beforeChange(nexus);
    this.#dirty = true;
    try {
      return await this.medium.writeFilemarks(count);
    } catch (error) {
      return this.#ended(error);
    }
  }

  erase(nexus: Nexus): MaybePromise<void> {
    this.#requireAppend();
    return after(this.#beforeChange(nexus), () => {
      this.#dirty = true;
      return this.medium.erase();
    });
  }

  #beforeChange(nexus: Nexus): MaybePromise<void> {
    const noted = this.memory.beforeChange();
    return noted instanceof Promise ? noted.then(() => this.#takeOver(nexus)) : this.#takeOver(nexus);
  }

  /** BUFFERED MODE 2: what another nexus has written is on the medium before this one writes. */
  #takeOver({ id }: Nexus): MaybePromise<void> {
    if (this.#writer === id) return undefined;
    const work =
      this.bufferedMode === BufferedMode.BY_NEXUS && this.#writer !== '' ? this.#save() : undefined;
    this.#writer = id;
    return work;
  }

  async format(capacities: readonly number[]): Promise<void> {
    if (this.appendOnly && this.#overwritable !== 'format') throw overwriteAttempted();
    await this.memory.beforeChange();
    await this.medium.format(capacities);
    await this.#erased();
  }

  async setCapacity(bytes: number): Promise<void> {
    if (this.appendOnly) throw overwriteAttempted();
    await this.memory.beforeChange();
    await this.medium.setCapacity(bytes);
    await this.#erased();
  }

  /** What MODE SELECT asked for in the way of partitions has been done, or was for what is no more. */
  async #erased(): Promise<void> {
    this.#dirty = false;
    this.forbidOverwrite();
    this.modePages.restore(MEDIUM_PARTITION);
    this.memory.initializations++;
    await this.memory.save();
  }

  allowOverwrite(where: TapePosition | 'format'): void {
    this.#overwritable = where;
  }

  /** The position changes other than by writing: what was allowed was for another one. */
  forbidOverwrite(): void {
    this.#overwritable = undefined;
  }

  /** Append-only mode (SSC-4 4.2.21): nothing that lies behind the position may go, unless that was allowed. */
  #requireAppend(): void {
    if (!this.appendOnly) return;
    const { position, end } = this.medium;
    if (position.object === end.object) return;
    const allowed = this.#overwritable;
    if (
      typeof allowed === 'object' &&
      allowed.object === position.object &&
      allowed.partition === position.partition
    ) {
      return;
    }
    throw overwriteAttempted();
  }

  /** A full file system is the end of the tape: the initiator can change cartridges, and nothing is lost. */
  #ended(error: unknown): TapeWriteOutcome {
    if (!(error instanceof MediumError) || error.fault !== 'no-space') throw error;
    this.log.warn({ err: error, unit: this.identity.name }, 'no space for the tape: told as end of medium');
    return 'end-of-medium';
  }

  /** All that was written is on stable storage afterwards; nothing to do when it already is. */
  synchronize(): MaybePromise<void> {
    return this.#dirty ? this.#save() : undefined;
  }

  #save(): MaybePromise<void> {
    return after(this.#cartridge!.sync(), () => {
      this.#dirty = false;
    });
  }

  /** Before the position changes other than by reading or writing. */
  leavePlace(): MaybePromise<void> {
    this.forbidOverwrite();
    return this.synchronize();
  }

  /** Threads the cartridge and goes to its beginning. The other nexuses learn of it; `by` asked for it. */
  async load(by?: Nexus): Promise<void> {
    this.requireCartridge();
    await this.leavePlace();
    await this.#cartridge!.changePartition(0);
    if (this.#loaded) return;
    this.#loaded = true;
    this.#threaded();
    this.attention(Attention.MEDIUM_MAY_HAVE_CHANGED, by);
  }

  #hold(cartridge: TapeMedium | undefined): void {
    this.#cartridge = cartridge;
    this.#can = compatibility(this.personality, cartridge?.label.mediaType ?? '');
  }

  #threaded(): void {
    this.statistics.loaded();
    this.#memory = new VolumeMemory(this.#cartridge!, this.identity, this.statistics.mount);
  }

  /** Everything written is safe; the cartridge stays in the drive and is not ready. */
  async unload(): Promise<void> {
    if (!this.#loaded) return;
    await this.leavePlace();
    await this.#remember();
    await this.#cartridge!.changePartition(0);
    this.#loaded = false;
    this.#memory = undefined;
    this.#writer = '';
    this.alerts.clear();
    this.encryption.demounted();
    this.modePages.restore(MEDIUM_PARTITION);
  }

  /** The cartridge learns of this load. That it cannot keeps nobody from taking it out. */
  async #remember(): Promise<void> {
    try {
      await this.#memory!.save();
    } catch (error) {
      this.log.warn({ err: error, unit: this.identity.name }, 'the cartridge could not be told of its load');
    }
  }

  /** A cartridge is put into the empty drive, by hand or by a robot, and loaded. */
  async insert(cartridge: TapeMedium): Promise<void> {
    if (this.#cartridge !== undefined) throw new Error(`${this.identity.name} has a cartridge`);
    this.#hold(cartridge);
    await this.load();
  }

  /** So is one that the drive cannot read: it is there, and nothing can be done with it but to take it out. */
  insertUnreadable(): void {
    if (this.#cartridge !== undefined) throw new Error(`${this.identity.name} has a cartridge`);
    this.#unreadable = true;
  }

  /** The cartridge is taken out; whoever takes it closes it. */
  async eject(): Promise<TapeMedium | undefined> {
    await this.unload();
    const cartridge = this.#cartridge;
    this.#hold(undefined);
    this.#unreadable = false;
    return cartridge;
  }

  override detach(nexus: Nexus): void {
    super.detach(nexus);
    this.removal.forget(nexus);
    this.encryption.forget(nexus);
  }

  protected override onReset(): void {
    super.onReset();
    this.removal.reset();
    this.blockLength = 0;
    this.bufferedMode = BufferedMode.BUFFERED;
    this.encryption.reset();
    this.forbidOverwrite();
    this.#look();
  }

  override reservationGone(how: 'preempted' | 'lost', theirs: (nexus: Nexus) => boolean): void {
    this.encryption.reservationGone(how, theirs);
  }

  override modesChanged(): void {
    this.#look();
  }

  #look(): void {
    const { modePages } = this;
    this.compression = (modePages.current(DATA_COMPRESSION)[2]! & DCE) !== 0;
    const configuration = modePages.current(DEVICE_CONFIGURATION);
    this.#softwareWriteProtect = deviceConfiguration.softwareWriteProtect.get(configuration);
    this.synchronizesAtEarlyWarning = deviceConfiguration.synchronizesAtEarlyWarning.get(configuration);
    const extension = modePages.current(DEVICE_CONFIGURATION, DEVICE_CONFIGURATION_EXTENSION);
    this.appendOnly = configurationExtension.writeMode.get(extension) === WriteMode.APPEND_ONLY;
    this.#programmableBytes = configurationExtension.earlyWarning.get(extension) * MEGABYTE;
    const page = modePages.current(CONTROL, CONTROL_DATA_PROTECTION);
    this.blockProtection.select(
      dataProtection.method.get(page),
      dataProtection.onWrite.get(page),
      dataProtection.onRead.get(page),
    );
  }

  /** What nobody asked to be synchronised stays in the page cache: a close does not wait for a disk. */
  close(): Promise<void> {
    // A drive of a library is closed with it and by its device, at the same time.
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.state?.close();
    const { hostWritten, hostRead } = this.statistics.mount;
    if (this.#loaded && hostWritten + hostRead > 0) await this.#remember();
    const cartridge = this.#cartridge;
    this.#hold(undefined);
    this.#loaded = false;
    this.encryption.reset();
    await cartridge?.close();
  }
}

/** A tape drive with a cartridge in it, loaded. */
export const tape = (of: TapeDrive): TapeUnit => new TapeUnit(of);
