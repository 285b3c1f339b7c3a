import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout, type Layout, type Fields } from '../../bytes/layout.ts';
import {
  controlExtensionPage,
  controlPage,
  disconnectReconnectPage,
  informationalExceptionsPage,
  type ModePage,
} from '../spc/mode-pages.ts';
import { type Elements, ElementType, rowOf } from './element.ts';

const PAGE_CODE = { ELEMENT_ADDRESSES: 0x1d, GEOMETRY: 0x1e, CAPABILITIES: 0x1f } as const;
const EXTENDED_CAPABILITIES = 0x41;

/** Element address assignment (SMC-3 7.3.4). */
const addressPage = layout(20, {
  transport: u16(2),
  transports: u16(4),
  storage: u16(6),
  storages: u16(8),
  importExport: u16(10),
  importExports: u16(12),
  dataTransfer: u16(14),
  dataTransfers: u16(16),
});

/** Transport geometry parameters (SMC-3 7.3.5): one robot, which does not turn cartridges round. */
const geometryPage = layout(4, { rotate: bit(2, 0), member: u8(3) });

/** Which elements there are to or from: in the four bits of a byte, by type. */
const types = (byte: number) => bits(byte, 0, 4);
const BIT: Readonly<Record<ElementType, number>> = {
  [ElementType.MEDIUM_TRANSPORT]: 0x1,
  [ElementType.STORAGE]: 0x2,
  [ElementType.IMPORT_EXPORT]: 0x4,
  [ElementType.DATA_TRANSFER]: 0x8,
};

/** Device capabilities (SMC-3 7.3.2). */
const capabilitiesPage = layout(20, {
  stores: types(2),
  autoClean: bit(3, 2),
  tagReader: bit(3, 1),
  smc2Fields: bit(3, 0),
  moveFromTransport: types(4),
  moveFromStorage: types(5),
  moveFromImportExport: types(6),
  moveFromDataTransfer: types(7),
  exchangeTransport: types(12),
  exchangeStorage: types(13),
  exchangeImportExport: types(14),
  exchangeDataTransfer: types(15),
});

/** Extended device capabilities (SMC-3 7.3.3): a person opens and closes the station, unless it is locked. */
const extendedPage = layout(20, {
  userCloses: bit(4, 2),
  userOpens: bit(4, 1),
  locksImportExport: bit(6, 1),
});

/** Nothing in these can be changed. */
function page<F extends Fields>(
  code: number,
  of: Layout<F>,
  fill: (bytes: Uint8Array, fields: Layout<F>) => void,
  subcode?: number,
): ModePage {
  const defaults = new Uint8Array(of.length);
  fill(defaults, of);
  if (subcode === undefined) defaults.set([code, of.length - 2]);
  else defaults.set([0x40 | code, subcode, 0, of.length - 4]);
  return {
    code,
    ...(subcode === undefined ? {} : { subcode }),
    defaults,
    changeable: new Uint8Array(of.length),
  };
}

export function changerModePages(elements: Elements): readonly ModePage[] {
  const count = (type: ElementType): number => elements.of(type).length;
  const stores = [ElementType.STORAGE, ElementType.IMPORT_EXPORT, ElementType.DATA_TRANSFER]
    .filter(type => count(type) > 0)
    .reduce((sum, type) => sum | BIT[type], 0);
  /** Between any two elements that there are. */
  const between = (type: ElementType): number => ((stores & BIT[type]) === 0 ? 0 : stores);
  return [
    disconnectReconnectPage,
    controlPage({ swp: false }),
    controlExtensionPage,
    informationalExceptionsPage,
    page(PAGE_CODE.ELEMENT_ADDRESSES, addressPage, (bytes, fields) => {
      const { MEDIUM_TRANSPORT, STORAGE, IMPORT_EXPORT, DATA_TRANSFER } = ElementType;
      fields.transport.set(bytes, rowOf(MEDIUM_TRANSPORT).first);
      fields.transports.set(bytes, count(MEDIUM_TRANSPORT));
      fields.storage.set(bytes, rowOf(STORAGE).first);
      fields.storages.set(bytes, count(STORAGE));
      fields.importExport.set(bytes, rowOf(IMPORT_EXPORT).first);
      fields.importExports.set(bytes, count(IMPORT_EXPORT));
      fields.dataTransfer.set(bytes, rowOf(DATA_TRANSFER).first);
      fields.dataTransfers.set(bytes, count(DATA_TRANSFER));
    }),
    page(PAGE_CODE.GEOMETRY, geometryPage, () => undefined),
    page(PAGE_CODE.CAPABILITIES, capabilitiesPage, (bytes, fields) => {
      fields.stores.set(bytes, stores);
      fields.tagReader.set(bytes, true);
      fields.smc2Fields.set(bytes, true);
      fields.moveFromStorage.set(bytes, between(ElementType.STORAGE));
      fields.moveFromImportExport.set(bytes, between(ElementType.IMPORT_EXPORT));
      fields.moveFromDataTransfer.set(bytes, between(ElementType.DATA_TRANSFER));
      fields.exchangeStorage.set(bytes, between(ElementType.STORAGE));
      fields.exchangeImportExport.set(bytes, between(ElementType.IMPORT_EXPORT));
      fields.exchangeDataTransfer.set(bytes, between(ElementType.DATA_TRANSFER));
    }),
    page(
      PAGE_CODE.CAPABILITIES,
      extendedPage,
      (bytes, fields) => {
        const station = count(ElementType.IMPORT_EXPORT) > 0;
        fields.userOpens.set(bytes, station);
        fields.userCloses.set(bytes, station);
        fields.locksImportExport.set(bytes, station);
      },
      EXTENDED_CAPABILITIES,
    ),
  ];
}
