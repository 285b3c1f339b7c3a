import { bits, bit, u24, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { invalidFieldInParameterList } from '../sense.ts';
import {
  controlExtensionPage,
  controlPage,
  disconnectReconnectPage,
  informationalExceptionsPage,
  type ModeHeader,
  type ModePage,
  modePage,
} from '../spc/mode-pages.ts';
import { dataProtectionPage } from './data-protection.ts';
import { configurationExtensionPage, deviceConfigurationPage } from './device-configuration.ts';
import { mediumConfigurationPage } from './medium-configuration.ts';
import { mediumPartitionPage } from './partitioning.ts';
import type { TapeUnit } from './tape-unit.ts';

/** DEVICE-SPECIFIC PARAMETER of the mode parameter header (SSC-4 8.3.1). */
const deviceSpecific = layout(1, {
  writeProtected: bit(0, 7),
  bufferedMode: bits(0, 4, 3),
  speed: bits(0, 0, 4),
});

/** Mode parameter block descriptor (SPC-4 7.5.6.2). */
const blockDescriptor = layout(8, {
  densityCode: u8(0),
  numberOfBlocks: u24(1),
  blockLength: u24(5),
});

/** DENSITY CODE of MODE SELECT: as it is by default, and as it is now (SSC-4 8.3.1). */
const DEFAULT_DENSITY = 0x00;
const SAME_DENSITY = 0x7f;

/** BUFFERED MODE: not buffered, buffered, and buffered but for what another nexus has written. */
export const BufferedMode = { NONE: 0, BUFFERED: 1, BY_NEXUS: 2 } as const;

export class TapeModeHeader implements ModeHeader {
  /** What the kernel's st asks for at every open. */
  readonly emptyPageZero = true;
  readonly #unit: TapeUnit;

  constructor(unit: TapeUnit) {
    this.#unit = unit;
  }

  get anyMediumType(): boolean {
    return this.#unit.personality.tellsMediumType;
  }

  /** Of LTO drives the generation and kind of the cartridge; others say nothing here. */
  get mediumType(): number {
    return this.#unit.mediumType;
  }

  deviceSpecific(): number {
    const byte = new Uint8Array(deviceSpecific.length);
    deviceSpecific.writeProtected.set(byte, this.#unit.writeProtected);
    deviceSpecific.bufferedMode.set(byte, this.#unit.bufferedMode);
    return byte[0]!;
  }

  descriptor(): Uint8Array {
    const out = new Uint8Array(blockDescriptor.length);
    if (this.#unit.loaded) blockDescriptor.densityCode.set(out, this.#unit.density.code);
    blockDescriptor.blockLength.set(out, this.#unit.blockLength);
    return out;
  }

  select(
    given: { deviceSpecific: number; descriptor: Uint8Array | undefined; long: boolean },
    at: { deviceSpecific: number; descriptor: number },
  ): () => boolean {
    const unit = this.#unit;
    const byte = Uint8Array.of(given.deviceSpecific);
    const bufferedMode = deviceSpecific.bufferedMode.get(byte);
    if (bufferedMode > BufferedMode.BY_NEXUS) throw invalidFieldInParameterList(at.deviceSpecific, 6);
    if (deviceSpecific.speed.get(byte) !== 0) throw invalidFieldInParameterList(at.deviceSpecific, 3);
    let { blockLength } = unit;
    if (given.descriptor !== undefined) {
      if (given.long) throw invalidFieldInParameterList(at.descriptor);
      const density = blockDescriptor.densityCode.get(given.descriptor);
      if (density !== DEFAULT_DENSITY && density !== SAME_DENSITY && !isDensityOf(unit, density)) {
        throw invalidFieldInParameterList(at.descriptor);
      }
      // The descriptor is for all blocks.
      if (blockDescriptor.numberOfBlocks.get(given.descriptor) !== 0) {
        throw invalidFieldInParameterList(at.descriptor + blockDescriptor.numberOfBlocks.offset);
      }
      blockLength = blockDescriptor.blockLength.get(given.descriptor);
      if (blockLength > unit.personality.mostBlockBytes) {
        throw invalidFieldInParameterList(at.descriptor + blockDescriptor.blockLength.offset);
      }
    }
    return () => {
      const changed = blockLength !== unit.blockLength || bufferedMode !== unit.bufferedMode;
      unit.blockLength = blockLength;
      unit.bufferedMode = bufferedMode;
      return changed;
    };
  }
}

/** The one of the cartridge; while there is none, any that the drive writes. */
const isDensityOf = ({ loaded, density, personality }: TapeUnit, code: number): boolean =>
  code === density.code || (!loaded && personality.writes.some(each => each.code === code));

export const DATA_COMPRESSION = 0x0f;

/** Data compression (SSC-4 8.3.2): DCE in bit 7 of byte 2, DCC in bit 6, DDE in bit 7 of byte 3. */
export const DCE = 0x80;
const DCC = 0x40;
const DDE = 0x80;
/** COMPRESSION ALGORITHM and DECOMPRESSION ALGORITHM: one that is the drive's own. */
const DEFAULT_ALGORITHM = 0x01;

const dataCompressionPage = (enabled: boolean): ModePage =>
  modePage(
    DATA_COMPRESSION,
    [
      ...[DCC | (enabled ? DCE : 0), DDE],
      ...[0, 0, 0, DEFAULT_ALGORITHM, 0, 0, 0, DEFAULT_ALGORITHM],
      ...[0, 0, 0, 0],
    ],
    [DCE],
  );

export const tapeModePages = (unit: TapeUnit): readonly ModePage[] => [
  modePage(0x01, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), // read-write error recovery, SSC-4 8.3.5
  disconnectReconnectPage,
  controlPage({ swp: true }),
  controlExtensionPage,
  dataProtectionPage,
  dataCompressionPage(unit.personality.compresses),
  deviceConfigurationPage(unit),
  configurationExtensionPage(unit),
  mediumPartitionPage(unit),
  informationalExceptionsPage,
  mediumConfigurationPage(unit),
];
