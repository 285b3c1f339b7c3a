import { ascii, bit, bits, u16, u24, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import type { Task } from '../task.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { type Element, ELEMENTS, ElementType, type Volume } from './element.ts';
import { INCOMPATIBLE_MEDIUM } from './sense.ts';

/** Element status data (SMC-3 6.10): a header, a page for each element type, a descriptor for each element. */

const header = layout(8, {
  firstAddress: u16(0),
  elements: u16(2),
  /** SEND ACTION CODE, of REQUEST VOLUME ELEMENT ADDRESS only. */
  sendAction: bits(4, 0, 5),
  reportBytes: u24(5),
});

const pageHeader = layout(8, {
  elementType: u8(0),
  primaryTags: bit(1, 7),
  descriptorLength: u16(2),
  descriptorBytes: u24(5),
});

/** What every descriptor begins with. */
const descriptor = layout(12, {
  address: u16(0),
  operatorRequired: bit(2, 7), // OIR
  importEnabled: bit(2, 5),
  exportEnabled: bit(2, 4),
  access: bit(2, 3),
  exception: bit(2, 2),
  imported: bit(2, 1), // IMPEXP
  full: bit(2, 0),
  code: u16(4),
  // Of SMC-2, for those who find a drive by it: the kernel's ch takes its own target for the rest of the address.
  lunValid: bit(6, 4),
  lun: bits(6, 0, 3),
  sourceValid: bit(9, 7),
  mediumType: bits(9, 0, 3),
  source: u16(10),
});

/** Primary volume tag information (SMC-3 6.10): the volume identifier, and a sequence number that is 0. */
const volumeTag = layout(36, { identifier: ascii(0, 32) });

/** What follows: an identification descriptor, empty unless DVCID asks for that of a drive. */
const identification = layout(4, { codeSet: bits(0, 0, 4), type: bits(1, 0, 4), identifierLength: u8(3) });
const ASCII = 2;
const T10_VENDOR_ID = 1;

/** MEDIUM TYPE. */
const DATA_MEDIUM = 1;
const CLEANING_MEDIUM = 2;
const WORM_MEDIUM = 4;
/** How labels of cleaning cartridges begin, by custom. */
const CLEANING = /^CLN/;

const mediumTypeOf = ({ barcode, worm }: Volume): number =>
  worm ? WORM_MEDIUM : CLEANING.test(barcode) ? CLEANING_MEDIUM : DATA_MEDIUM;

const MOST_LUN = 7; // it has three bits

export interface StatusRequest {
  /** By address. */
  readonly elements: readonly Element[];
  readonly volumeTags: boolean;
  readonly identifiers: boolean;
  readonly allocationLength: number;
  readonly sendAction?: number;
}

/** `data` goes to the initiator, and would be `totalIn` bytes if that expected more; `told` are the elements in those. */
export interface StatusData {
  readonly data: Buffer;
  readonly totalIn: number;
  readonly told: readonly Element[];
}

/**
 * Only whole headers and descriptors are within the allocation length (SMC-3 6.10); byte counts tell of all there is.
 * No more is built than the initiator takes.
 */
export function elementStatus(unit: ChangerUnit, task: Task, request: StatusRequest): StatusData {
  const { elements, allocationLength } = request;
  const pages = ELEMENTS.map(({ type }) => pageOf(type, request)).filter(page => page.elements.length > 0);
  const out = new Bounded(allocationLength, task.expectedIn);
  const head = Buffer.alloc(header.length);
  if (elements.length > 0) header.firstAddress.set(head, elements[0]!.address);
  header.elements.set(head, elements.length);
  header.sendAction.set(head, request.sendAction ?? 0);
  header.reportBytes.set(
    head,
    pages.reduce((sum, page) => sum + pageHeader.length + page.elements.length * page.descriptorLength, 0),
  );
  out.add(header.length, () => head);
  const told: Element[] = [];
  const luns = new Map(unit.device?.visible(task.nexus).map(([lun, each]) => [each, lun]));
  for (const page of pages) {
    out.add(pageHeader.length, () => headOf(page, request.volumeTags));
    for (const element of page.elements) {
      if (!out.add(page.descriptorLength, () => describe(unit, element, luns, request, page))) break;
      told.push(element);
    }
  }
  return { data: out.done(), totalIn: out.total, told };
}

interface Page {
  readonly type: ElementType;
  readonly elements: readonly Element[];
  readonly descriptorLength: number;
}

function pageOf(type: ElementType, { elements, volumeTags, identifiers }: StatusRequest): Page {
  const of = elements.filter(element => element.type === type);
  const longest = identifiers ? Math.max(0, ...of.map(element => identifierOf(element).length)) : 0;
  return {
    type,
    elements: of,
    descriptorLength:
      descriptor.length + (volumeTags ? volumeTag.length : 0) + identification.length + longest,
  };
}

function headOf({ type, elements, descriptorLength }: Page, volumeTags: boolean): Buffer {
  const out = Buffer.alloc(pageHeader.length);
  pageHeader.elementType.set(out, type);
  pageHeader.primaryTags.set(out, volumeTags);
  pageHeader.descriptorLength.set(out, descriptorLength);
  pageHeader.descriptorBytes.set(out, elements.length * descriptorLength);
  return out;
}

/** The T10 vendor ID based designator of a drive, with vendor, product and serial number (SPC-4 7.8.6.4). */
function identifierOf({ drive }: Element): string {
  if (drive === undefined) return '';
  const { vendor, product, serial } = drive.identity;
  return vendor.padEnd(8) + product.padEnd(16) + serial;
}

function describe(
  unit: ChangerUnit,
  element: Element,
  luns: ReadonlyMap<LogicalUnit, number>,
  { volumeTags, identifiers }: StatusRequest,
  { descriptorLength }: Page,
): Buffer {
  const { type, address, volume, drive } = element;
  const out = Buffer.alloc(descriptorLength);
  descriptor.address.set(out, address);
  descriptor.full.set(out, volume !== undefined);
  if (type === ElementType.IMPORT_EXPORT) {
    descriptor.importEnabled.set(out, true);
    descriptor.exportEnabled.set(out, true);
    descriptor.imported.set(out, volume?.byHand === true);
    descriptor.operatorRequired.set(out, unit.stationOpen);
  }
  if (type !== ElementType.MEDIUM_TRANSPORT) descriptor.access.set(out, unit.accessible(element));
  const lun = drive === undefined ? undefined : luns.get(drive);
  if (lun !== undefined && lun <= MOST_LUN) {
    descriptor.lunValid.set(out, true);
    descriptor.lun.set(out, lun);
  }
  if (volume !== undefined) {
    if (volume.problem !== undefined) {
      descriptor.exception.set(out, true);
      descriptor.code.set(out, INCOMPATIBLE_MEDIUM);
    }
    descriptor.mediumType.set(out, mediumTypeOf(volume));
    if (volume.source !== undefined) {
      descriptor.sourceValid.set(out, true);
      descriptor.source.set(out, volume.source);
    }
  }
  let at = descriptor.length;
  if (volumeTags) {
    if (volume !== undefined) volumeTag.identifier.set(out.subarray(at), volume.barcode);
    at += volumeTag.length;
  }
  const identifier = identifiers ? identifierOf(element) : '';
  if (identifier !== '') {
    const rest = out.subarray(at);
    identification.codeSet.set(rest, ASCII);
    identification.type.set(rest, T10_VENDOR_ID);
    identification.identifierLength.set(rest, identifier.length);
    rest.write(identifier, identification.length, 'latin1');
  }
  return out;
}

/** Pieces that are whole or not there. */
class Bounded {
  readonly #room: number;
  readonly #wanted: number;
  readonly #pieces: Buffer[] = [];
  #built = 0;
  #full = false;
  total = 0;

  constructor(room: number, wanted: number) {
    this.#room = room;
    this.#wanted = wanted;
  }

  /** False when it does not fit; nothing that comes later is taken then. */
  add(length: number, build: () => Buffer): boolean {
    this.#full ||= this.total + length > this.#room;
    if (this.#full) return false;
    this.total += length;
    if (this.#built < this.#wanted) {
      this.#pieces.push(build());
      this.#built += length;
    }
    return true;
  }

  done(): Buffer {
    return Buffer.concat(this.#pieces);
  }
}
