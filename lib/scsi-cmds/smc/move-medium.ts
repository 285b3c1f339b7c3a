import { bit, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb } from '../sense.ts';
import { LUN_BITS } from '../spc/allocation.ts';
import type { ChangerUnit } from './changer-unit.ts';
import { type Element, ElementType, type Volume } from './element.ts';
import {
  destinationFull,
  invalidElementAddress,
  preventedByDrive,
  sourceEmpty,
  stationOpen,
} from './sense.ts';

/** MEDIUM TRANSPORT ELEMENT ADDRESS 0 is the default one (SMC-3 6.5). */
const DEFAULT_TRANSPORT = 0;
const MINUTES = 60;

export function requireTransport(unit: ChangerUnit, address: number): void {
  if (address === DEFAULT_TRANSPORT) return;
  if (unit.elements.at(address)?.type !== ElementType.MEDIUM_TRANSPORT) throw invalidElementAddress(2);
}

/** An element that holds cartridges: the robot is none (device capabilities mode page). `byte` of the CDB names it. */
export function placeAt(unit: ChangerUnit, address: number, byte: number): Element {
  const element = unit.elements.at(address);
  if (element === undefined || element.type === ElementType.MEDIUM_TRANSPORT) {
    throw invalidElementAddress(byte);
  }
  return element;
}

/** What the robot can take from there. */
export function volumeIn(unit: ChangerUnit, element: Element): Volume {
  if (element.type === ElementType.IMPORT_EXPORT && unit.stationOpen) throw stationOpen();
  if (element.volume === undefined) throw sourceEmpty();
  if (element.drive?.removal.prevented === true) throw preventedByDrive();
  return element.volume;
}

export function requireRoom(unit: ChangerUnit, element: Element): void {
  if (element.type === ElementType.IMPORT_EXPORT && unit.stationOpen) throw stationOpen();
  if (element.volume !== undefined) throw destinationFull();
}

/** Vendor-specific bits of CONTROL, in which mtx says how far a station is to be pushed out (`eepos`): here they are all the same. */
const MOVE_TOLERATED = Uint8Array.of(...LUN_BITS, ...new Uint8Array(9), 0xc0);

const moveCdb = layout(12, {
  opcode: u8(0),
  transport: u16(2),
  source: u16(4),
  destination: u16(6),
  invert: bit(10, 0),
});

/** SMC-3 6.5. A cartridge that is in a drive and loaded is unloaded, unless an initiator of the drive prevents it. */
export const moveMedium = command<ChangerUnit>({
  name: 'MOVE MEDIUM',
  opcode: 0xa5,
  cdb: moveCdb,
  access: 'write',
  ordering: 'exclusive',
  writes: true,
  tolerated: MOVE_TOLERATED,
  timeoutSeconds: 10 * MINUTES,
  async run(unit, task) {
    const { cdb } = task;
    if (moveCdb.invert.get(cdb)) throw invalidFieldInCdb(10, 0);
    requireTransport(unit, moveCdb.transport.get(cdb));
    const from = placeAt(unit, moveCdb.source.get(cdb), moveCdb.source.offset);
    const to = placeAt(unit, moveCdb.destination.get(cdb), moveCdb.destination.offset);
    const volume = volumeIn(unit, from);
    if (from !== to) {
      requireRoom(unit, to);
      await unit.carry([{ volume, from, to }], () => task.aborted);
    }
    task.good();
  },
});

const exchangeCdb = layout(12, {
  opcode: u8(0),
  transport: u16(2),
  source: u16(4),
  firstDestination: u16(6),
  secondDestination: u16(8),
  invertFirst: bit(10, 1),
  invertSecond: bit(10, 0),
});

/**
 * SMC-3 6.2: the source's cartridge goes to the first destination, and the one that is there to the second, which may be
 * the source.
 */
export const exchangeMedium = command<ChangerUnit>({
  name: 'EXCHANGE MEDIUM',
  opcode: 0xa6,
  cdb: exchangeCdb,
  access: 'write',
  ordering: 'exclusive',
  writes: true,
  tolerated: LUN_BITS,
  timeoutSeconds: 20 * MINUTES,
  async run(unit, task) {
    const { cdb } = task;
    if (exchangeCdb.invertFirst.get(cdb)) throw invalidFieldInCdb(10, 1);
    if (exchangeCdb.invertSecond.get(cdb)) throw invalidFieldInCdb(10, 0);
    requireTransport(unit, exchangeCdb.transport.get(cdb));
    const at = (field: typeof exchangeCdb.source): Element => placeAt(unit, field.get(cdb), field.offset);
    const source = at(exchangeCdb.source);
    const first = at(exchangeCdb.firstDestination);
    const second = at(exchangeCdb.secondDestination);
    // Nothing can be where it goes.
    if (first === source) throw invalidFieldInCdb(exchangeCdb.firstDestination.offset);
    const coming = volumeIn(unit, source);
    const going = volumeIn(unit, first);
    if (second !== source) requireRoom(unit, second);
    await unit.carry(
      [
        { volume: coming, from: source, to: first },
        { volume: going, from: first, to: second },
      ],
      () => task.aborted,
    );
    task.good();
  },
});

const positionCdb = layout(10, { opcode: u8(0), transport: u16(2), destination: u16(4), invert: bit(8, 0) });

/** SMC-3 6.7: the robot has no way to go. */
export const positionToElement = command<ChangerUnit>({
  name: 'POSITION TO ELEMENT',
  opcode: 0x2b,
  cdb: positionCdb,
  access: 'write',
  ordering: 'exclusive',
  tolerated: LUN_BITS,
  timeoutSeconds: 5 * MINUTES,
  run(unit, task) {
    const { cdb } = task;
    if (positionCdb.invert.get(cdb)) throw invalidFieldInCdb(8, 0);
    requireTransport(unit, positionCdb.transport.get(cdb));
    if (unit.elements.at(positionCdb.destination.get(cdb)) === undefined) throw invalidElementAddress(4);
    task.good();
  },
});
