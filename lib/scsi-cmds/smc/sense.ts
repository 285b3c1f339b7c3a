import { CheckCondition, type FieldPointer, illegalRequest, SenseKey } from '../sense.ts';

/** What a media changer says beside GOOD (SPC-4 annex F, SMC-3 4.11). */

const inCdb = (byte: number): FieldPointer => ({ in: 'cdb', byte });

/** INVALID ELEMENT ADDRESS: there is none, or none of the type that is wanted. */
export const invalidElementAddress = (byte: number): CheckCondition => illegalRequest(0x2101, inCdb(byte));
/** MEDIUM DESTINATION ELEMENT FULL. */
export const destinationFull = (): CheckCondition => illegalRequest(0x3b0d);
/** MEDIUM SOURCE ELEMENT EMPTY. */
export const sourceEmpty = (): CheckCondition => illegalRequest(0x3b0e);
/** MEDIUM MAGAZINE NOT ACCESSIBLE: the import/export station is open. */
export const stationOpen = (): CheckCondition => illegalRequest(0x3b11);
/** COMMAND SEQUENCE ERROR. */
export const outOfSequence = (): CheckCondition => illegalRequest(0x2c00);
/** MEDIUM REMOVAL PREVENTED, by PREVENT ALLOW MEDIUM REMOVAL of the changer. */
export const removalPrevented = (): CheckCondition => illegalRequest(0x5302);
/** MEDIUM REMOVAL PREVENTED BY DATA TRANSFER ELEMENT. */
export const preventedByDrive = (): CheckCondition => illegalRequest(0x5303);

/** MEDIA LOAD OR EJECT FAILED: another program has the cartridge. */
export const loadFailed = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.MEDIUM_ERROR, code: 0x5300 });
/** UNLOAD TAPE FAILURE: what is in the drive could not be made safe, and stays there. */
export const unloadFailed = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.MEDIUM_ERROR, code: 0x5301 });
/** MECHANICAL POSITIONING ERROR: where things lie could not be kept, so that nothing was moved. */
export const notMoved = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.HARDWARE_ERROR, code: 0x1501 });

/** INCOMPATIBLE MEDIUM INSTALLED: of an element whose cartridge no drive can read. */
export const INCOMPATIBLE_MEDIUM = 0x3000;
