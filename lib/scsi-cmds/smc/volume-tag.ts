import { bit, bits, bytes, u16, u24, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb, parameterListLengthError } from '../sense.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { elementStatus } from './element-status.ts';
import type { Element } from './element.ts';
import { MOST_ELEMENT_TYPE } from './read-element-status.ts';
import { outOfSequence } from './sense.ts';

/* A cartridge is looked for by its label: SEND VOLUME TAG asks, REQUEST VOLUME ELEMENT ADDRESS has the answer. */

/** What was found for a nexus and has not been told yet. */
export interface Translation {
  readonly action: number;
  elements: readonly Element[];
}

/** SEND ACTION CODE: where to look, and whether sequence numbers count. No cartridge has an alternate volume tag. */
const TRANSLATIONS: ReadonlyMap<number, { readonly primary: boolean; readonly sequence: boolean }> = new Map([
  [0x0, { primary: true, sequence: true }],
  [0x1, { primary: true, sequence: true }],
  [0x2, { primary: false, sequence: true }],
  [0x4, { primary: true, sequence: false }],
  [0x5, { primary: true, sequence: false }],
  [0x6, { primary: false, sequence: false }],
]);

const sendCdb = layout(12, {
  opcode: u8(0),
  elementType: bits(1, 0, 4),
  startingAddress: u16(2),
  action: bits(5, 0, 5),
  parameterListLength: u16(8),
});

/** Volume tag template (SMC-3 6.15). */
export const tagTemplate = layout(40, {
  identifier: bytes(0, 32),
  leastSequence: u16(34),
  mostSequence: u16(38),
});

/** Volume sequence numbers here. */
const SEQUENCE_NUMBER = 0;

/** `*` stands for whatever follows, `?` for one character. The template ends before blanks or a null. */
export function fits(template: Uint8Array, barcode: string): boolean {
  const text = Buffer.from(template).toString('latin1').replace(/\0.*$/s, '').trimEnd();
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '*') return true;
    if (i >= barcode.length || (text[i] !== '?' && text[i] !== barcode[i])) return false;
  }
  return text.length === barcode.length;
}

/** SMC-3 6.15. A label can be read and not be changed: the actions that assert or replace tags are refused. */
export const sendVolumeTag = command<ChangerUnit>({
  name: 'SEND VOLUME TAG',
  opcode: 0xb6,
  cdb: sendCdb,
  access: 'write',
  ordering: 'exclusive',
  tolerated: LUN_BITS,
  timeoutSeconds: 60,
  dataOut(_unit, { cdb }) {
    if (sendCdb.elementType.get(cdb) > MOST_ELEMENT_TYPE) throw invalidFieldInCdb(1, 3);
    if (!TRANSLATIONS.has(sendCdb.action.get(cdb))) throw invalidFieldInCdb(5, 4);
    const length = sendCdb.parameterListLength.get(cdb);
    if (length !== 0 && length !== tagTemplate.length) throw invalidFieldInCdb(8);
    return length;
  },
  run(unit, task) {
    const { cdb, dataOut } = task;
    if (dataOut.length < task.wantedOut) throw parameterListLengthError();
    if (dataOut.length === 0) return task.good(); // no template, nothing to look for, no error
    const action = sendCdb.action.get(cdb);
    const { primary, sequence } = TRANSLATIONS.get(action)!;
    const inRange =
      tagTemplate.leastSequence.get(dataOut) <= SEQUENCE_NUMBER &&
      SEQUENCE_NUMBER <= tagTemplate.mostSequence.get(dataOut);
    const template = tagTemplate.identifier.get(dataOut);
    const { elements } = unit;
    const wanted = elements.from(
      sendCdb.elementType.get(cdb),
      sendCdb.startingAddress.get(cdb),
      elements.all.length,
    );
    const found = wanted.filter(
      ({ volume }) =>
        volume !== undefined && primary && (inRange || !sequence) && fits(template, volume.barcode),
    );
    unit.translations.set(task.nexus.id, { action, elements: found });
    return task.good();
  },
});

const requestCdb = layout(12, {
  opcode: u8(0),
  volumeTags: bit(1, 4),
  elementType: bits(1, 0, 4),
  startingAddress: u16(2),
  numberOfElements: u16(4),
  allocationLength: u24(7),
});

/** SMC-3 6.14: each element that was found is told once. */
export const requestVolumeElementAddress = command<ChangerUnit>({
  name: 'REQUEST VOLUME ELEMENT ADDRESS',
  opcode: 0xb5,
  cdb: requestCdb,
  access: 'read',
  ordering: 'exclusive',
  tolerated: LUN_BITS,
  timeoutSeconds: 60,
  run(unit, task) {
    const { cdb } = task;
    const type = requestCdb.elementType.get(cdb);
    if (type > MOST_ELEMENT_TYPE) throw invalidFieldInCdb(1, 3);
    const translation = unit.translations.get(task.nexus.id);
    if (translation === undefined) throw outOfSequence();
    const from = requestCdb.startingAddress.get(cdb);
    const elements = translation.elements
      .filter(element => element.address >= from && (type === 0 || element.type === type))
      .slice(0, requestCdb.numberOfElements.get(cdb));
    const { data, totalIn, told } = elementStatus(unit, task, {
      elements,
      volumeTags: requestCdb.volumeTags.get(cdb),
      identifiers: false,
      allocationLength: requestCdb.allocationLength.get(cdb),
      sendAction: translation.action,
    });
    const gone = new Set(told);
    translation.elements = translation.elements.filter(element => !gone.has(element));
    return task.good(data, totalIn);
  },
});
