import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { invalidFieldInParameterList } from '../sense.ts';
import type { ModePage } from '../spc/mode-pages.ts';
import type { TapeUnit } from './tape-unit.ts';

export const DEVICE_CONFIGURATION = 0x10;

/** Device configuration (SSC-4 8.3.3). */
export const deviceConfiguration = layout(16, {
  code: u8(0),
  pageLength: u8(1),
  activePartition: u8(3),
  writeDelay: u16(6),
  objectIdentifiers: bit(8, 6),
  endOfDataGenerated: bit(10, 4),
  synchronizesAtEarlyWarning: bit(10, 3),
  softwareWriteProtect: bit(10, 2),
  compressionAlgorithm: u8(14),
});

/** LOIS, EEG, SEW; SEW and SWP may be changed, and WRITE DELAY TIME, which says nothing here: nothing waits to be written. */
export function deviceConfigurationPage(unit: TapeUnit): ModePage {
  const page = deviceConfiguration;
  const defaults = new Uint8Array(page.length);
  page.code.set(defaults, DEVICE_CONFIGURATION);
  page.pageLength.set(defaults, page.length - 2);
  page.objectIdentifiers.set(defaults, true);
  page.endOfDataGenerated.set(defaults, true);
  page.synchronizesAtEarlyWarning.set(defaults, true);
  const changeable = new Uint8Array(page.length);
  page.writeDelay.set(changeable, 0xffff);
  page.synchronizesAtEarlyWarning.set(changeable, true);
  page.softwareWriteProtect.set(changeable, true);
  return {
    code: DEVICE_CONFIGURATION,
    defaults,
    changeable,
    current(stored) {
      const now = stored.slice();
      page.activePartition.set(now, unit.loaded ? unit.medium.position.partition : 0);
      page.compressionAlgorithm.set(now, unit.compression ? 1 : 0);
      return now;
    },
  };
}

export const DEVICE_CONFIGURATION_EXTENSION = 0x01;

/** Device configuration extension (SSC-4 8.3.8). */
export const configurationExtension = layout(32, {
  code: u8(0),
  subcode: u8(1),
  pageLength: u16(2),
  writeMode: bits(5, 4, 4),
  shortErase: bits(5, 0, 4),
  /** PEWS, in megabytes. */
  earlyWarning: u16(6),
});

/** WRITE MODE: what is written may be written over, or only appended to. */
export const WriteMode = { OVERWRITE: 0, APPEND_ONLY: 1 } as const;

export function configurationExtensionPage(unit: TapeUnit): ModePage {
  const page = configurationExtension;
  const defaults = new Uint8Array(page.length);
  page.code.set(defaults, 0x40 | DEVICE_CONFIGURATION);
  page.subcode.set(defaults, DEVICE_CONFIGURATION_EXTENSION);
  page.pageLength.set(defaults, page.length - 4);
  const changeable = new Uint8Array(page.length);
  page.writeMode.set(changeable, 0x01);
  page.earlyWarning.set(changeable, 0xffff);
  return {
    code: DEVICE_CONFIGURATION,
    subcode: DEVICE_CONFIGURATION_EXTENSION,
    defaults,
    changeable,
    check(bytes, at) {
      const appends = page.writeMode.get(bytes) === WriteMode.APPEND_ONLY;
      if (appends === unit.appendOnly || !unit.loaded) return;
      // It begins with a whole tape, and ends with the cartridge.
      const { atBeginning, position } = unit.medium;
      if (!appends || !atBeginning || position.partition !== 0) throw invalidFieldInParameterList(at + 5, 7);
    },
  };
}
