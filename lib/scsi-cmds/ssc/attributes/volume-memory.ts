import { type MediumAttribute, type TapeMedium, WHOLE_MEDIUM } from '../../../backends/tape-medium.ts';
import type { MaybePromise } from '../../../bytes/maybe-promise.ts';
import type { Identity } from '../../identity.ts';
import type { ByteCounts } from '../statistics.ts';
import { AttributeFormat, AttributeId } from './identifiers.ts';

const uint = (bytes: number, value: number): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out.subarray(8 - bytes);
};
const binary = (id: number, value: Uint8Array): MediumAttribute => ({
  id,
  format: AttributeFormat.BINARY,
  readOnly: true,
  value,
});
const ascii = (id: number, value: string): MediumAttribute => ({
  id,
  format: AttributeFormat.ASCII,
  readOnly: true,
  value: Buffer.from(value, 'latin1'),
});

const bytesAt = (value: Buffer, at: number): number =>
  Math.min(Number(value.readBigUInt64BE(at)), MOST_COUNTED);

const LOADS = [
  AttributeId.DRIVE_AT_LAST_LOAD,
  AttributeId.DRIVE_AT_LOAD_BEFORE_1,
  AttributeId.DRIVE_AT_LOAD_BEFORE_2,
  AttributeId.DRIVE_AT_LOAD_BEFORE_3,
] as const;

/** Loads and bytes of one life, and then some. */
const MOST_COUNTED = 2 ** 52;
const MOST_REFERENCE = 0xffff_fffe;

/**
 * What a cartridge remembers of its loads while it is in the drive. It is written down before the first change of what is on
 * the tape after each time that somebody has looked at the volume change reference, and when the cartridge leaves.
 */
export class VolumeMemory {
  readonly #medium: TapeMedium;
  readonly #drive: string;
  readonly #mount: ByteCounts;
  readonly #before: readonly (Uint8Array | undefined)[];
  readonly #bytesBefore: { readonly written: number; readonly read: number };
  readonly #manufactured: string;
  readonly loadCount: number;
  initializations: number;
  /** VOLUME CHANGE REFERENCE: another one whenever what is on the tape may be another. */
  changeReference: number;
  /** Since it was last told, or the cartridge came, the reference has changed, and that is safe. */
  #noted = false;

  constructor(medium: TapeMedium, identity: Identity, mount: ByteCounts) {
    this.#medium = medium;
    this.#drive = identity.vendor.padEnd(8).slice(0, 8) + identity.serial.padEnd(32).slice(0, 32);
    this.#mount = mount;
    const number = (id: number): number => this.#number(id);
    this.loadCount = number(AttributeId.LOAD_COUNT) + 1;
    this.initializations = number(AttributeId.INITIALIZATION_COUNT);
    this.changeReference = number(AttributeId.VOLUME_CHANGE_REFERENCE) || 1;
    this.#before = LOADS.map(id => this.#value(id));
    const bytes = this.#value(AttributeId.BYTES_IN_LIFE);
    this.#bytesBefore =
      bytes?.length === 16
        ? { written: bytesAt(bytes, 0), read: bytesAt(bytes, 8) }
        : { written: 0, read: 0 };
    this.#manufactured =
      this.#value(AttributeId.MEDIUM_MANUFACTURE_DATE)?.toString('latin1') ??
      new Date().toISOString().slice(0, 10).replaceAll('-', '');
  }

  #value(id: number): Buffer | undefined {
    const value = this.#medium.attributes.get(WHOLE_MEDIUM, id)?.value;
    return value === undefined ? undefined : Buffer.from(value);
  }

  /** Whatever a cartridge says, it can be counted on from there. */
  #number(id: number): number {
    const value = [...(this.#value(id) ?? [])].reduce((sum, byte) => sum * 256 + byte, 0);
    return Math.min(value, MOST_COUNTED);
  }

  /** Bytes of records written and read in the life of the medium. */
  get bytesWritten(): number {
    return this.#bytesBefore.written + this.#mount.hostWritten;
  }

  get bytesRead(): number {
    return this.#bytesBefore.read + this.#mount.hostRead;
  }

  /** DEVICE VENDOR/SERIAL NUMBER at the last load and those before; this one is the last. */
  driveAt(loadsAgo: number): Uint8Array | undefined {
    return loadsAgo === 0 ? Buffer.from(this.#drive, 'latin1') : this.#before[loadsAgo - 1];
  }

  get manufactured(): string {
    return this.#manufactured;
  }

  /** Somebody knows the reference: the next change must make it another. */
  told(): void {
    this.#noted = false;
  }

  /** Before what is on the tape changes. */
  beforeChange(): MaybePromise<void> {
    if (this.#noted) return undefined;
    return this.#next();
  }

  async #next(): Promise<void> {
    this.changeReference = this.changeReference >= MOST_REFERENCE ? 1 : this.changeReference + 1;
    await this.save();
    this.#noted = true;
  }

  /** On the medium, durably. */
  save(): MaybePromise<void> {
    if (this.#medium.writeProtected) return undefined;
    const bytes = Buffer.concat([uint(8, this.bytesWritten), uint(8, this.bytesRead)]);
    return this.#medium.attributes.set(WHOLE_MEDIUM, [
      binary(AttributeId.LOAD_COUNT, uint(8, this.loadCount)),
      binary(AttributeId.INITIALIZATION_COUNT, uint(2, Math.min(this.initializations, 0xffff))),
      binary(AttributeId.VOLUME_CHANGE_REFERENCE, uint(4, this.changeReference)),
      ...LOADS.flatMap((id, i) => {
        const drive = this.driveAt(i);
        return drive === undefined ? [] : [ascii(id, Buffer.from(drive).toString('latin1'))];
      }),
      ascii(AttributeId.MEDIUM_MANUFACTURE_DATE, this.#manufactured),
      binary(AttributeId.BYTES_IN_LIFE, bytes),
    ]);
  }
}
