import { bit, bits, u16, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { type Element, ELEMENTS, ElementType } from './element.ts';
import { MOST_ELEMENT_TYPE } from './read-element-status.ts';
import { INCOMPATIBLE_MEDIUM } from './sense.ts';

const cdb = layout(16, {
  opcode: u8(0),
  serviceAction: bits(1, 0, 5),
  pageCode: u8(2),
  numberValid: bit(3, 5), // NEV
  cachedData: bit(3, 4),
  elementType: bits(3, 0, 4),
  startingAddress: u32(6),
  allocationLength: u32(10),
  numberOfElements: u8(14),
});

const Page = { SUPPORTED: 0x00, STATIC: 0x02, STATE: 0x03, ALL: 0x7f } as const;
const PAGES: readonly number[] = Object.values(Page);

const pageHeader = layout(8, { pageCode: u8(0), descriptorLength: u16(2), pageBytes: u32(4) });

/** Elements in a row that are alike: here all of a type are, and none of the bits that tell them apart is set. */
const staticInformation = layout(12, { firstAddress: u32(0), elements: u32(4), elementType: bits(8, 0, 4) });

const stateInformation = layout(8, {
  address: u32(0),
  elementType: bits(4, 0, 4),
  volumePresent: bits(5, 6, 2),
  imported: bits(5, 4, 2),
  operatorRequired: bit(5, 3),
  disabled: bit(5, 2),
  accessProhibited: bit(5, 1), // MTAP
  senseValid: bit(5, 0),
  code: u16(6),
});
/** VOLUME PRESENT and IMPORT: it is so, it is not. */
const YES = 0b01;
const NO = 0b10;

function page(code: number, descriptorLength: number, descriptors: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(pageHeader.length);
  const body = Buffer.concat(descriptors);
  pageHeader.pageCode.set(head, code);
  pageHeader.descriptorLength.set(head, descriptorLength);
  pageHeader.pageBytes.set(head, body.length);
  return Buffer.concat([head, body]);
}

/** One list for each element type that is wanted; its descriptors say how long they are. */
const supported = (type: number): Buffer =>
  page(
    Page.SUPPORTED,
    0,
    ELEMENTS.filter(row => type === ElementType.ALL || row.type === type).map(row =>
      Buffer.of(row.type, 0, 0, PAGES.length, ...PAGES),
    ),
  );

function statics(elements: readonly Element[]): Buffer {
  const descriptors = ELEMENTS.flatMap(({ type }) => {
    const of = elements.filter(element => element.type === type);
    if (of.length === 0) return [];
    const out = Buffer.alloc(staticInformation.length);
    staticInformation.firstAddress.set(out, of[0]!.address);
    staticInformation.elements.set(out, of.length);
    staticInformation.elementType.set(out, type);
    return [out];
  });
  return page(Page.STATIC, staticInformation.length, descriptors);
}

function states(unit: ChangerUnit, elements: readonly Element[]): Buffer {
  const descriptors = elements.map(element => {
    const { address, type, volume } = element;
    const out = Buffer.alloc(stateInformation.length);
    stateInformation.address.set(out, address);
    stateInformation.elementType.set(out, type);
    stateInformation.volumePresent.set(out, volume === undefined ? NO : YES);
    // IMPORT says who put it there: 01b a robot.
    stateInformation.imported.set(out, volume === undefined ? 0 : volume.byHand ? NO : YES);
    const station = type === ElementType.IMPORT_EXPORT && unit.stationOpen;
    stateInformation.operatorRequired.set(out, station);
    stateInformation.accessProhibited.set(out, !unit.accessible(element));
    if (volume?.problem !== undefined) {
      stateInformation.senseValid.set(out, true);
      stateInformation.code.set(out, INCOMPATIBLE_MEDIUM);
    }
    return out;
  });
  return page(Page.STATE, stateInformation.length, descriptors);
}

export const reportElementInformation = command<ChangerUnit>({
  name: 'REPORT ELEMENT INFORMATION', // SMC-3 6.11
  opcode: 0x9e,
  serviceAction: 0x10,
  cdb,
  access: 'read',
  ordering: 'free',
  run(unit, task) {
    const code = cdb.pageCode.get(task.cdb);
    const type = cdb.elementType.get(task.cdb);
    if (!PAGES.includes(code)) throw invalidFieldInCdb(2);
    if (type > MOST_ELEMENT_TYPE) throw invalidFieldInCdb(3, 3);
    const limit = cdb.numberValid.get(task.cdb) ? cdb.numberOfElements.get(task.cdb) : Infinity;
    const elements = unit.elements.from(type, cdb.startingAddress.get(task.cdb), limit);
    const pages = [
      ...(code === Page.SUPPORTED || code === Page.ALL ? [supported(type)] : []),
      ...(code === Page.STATIC || code === Page.ALL ? [statics(elements)] : []),
      ...(code === Page.STATE || code === Page.ALL ? [states(unit, elements)] : []),
    ];
    const data = Buffer.concat(pages);
    const allocation = cdb.allocationLength.get(task.cdb);
    task.good(data.subarray(0, Math.min(data.length, allocation)));
  },
});
