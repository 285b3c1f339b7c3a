import { bit, bits, bytes, u16, u8 } from '../../../bytes/fields.ts';
import { layout } from '../../../bytes/layout.ts';
import { invalidFieldInParameterList, parameterListLengthError, writeProtected } from '../../sense.ts';
import type { Task } from '../../task.ts';
import type { TapeUnit } from '../tape-unit.ts';
import {
  ALGORITHM_INDEX,
  MOST_AUTHENTICATED_BYTES,
  MOST_UNAUTHENTICATED_BYTES,
  PLAIN_TEXT_KEY,
} from './capabilities.ts';
import { DecryptionMode, EncryptionMode, type EncryptionRequest, Scope } from './data-encryption.ts';
import { KEY_BYTES, type KeyAssociatedData } from './record-cipher.ts';
import { KadType } from './status-pages.ts';

/** Set data encryption (SSC-4 8.5.3.2). */
export const setDataEncryptionPage = layout(20, {
  pageCode: u16(0),
  pageLength: u16(2),
  scope: bits(4, 5, 3),
  lock: bit(4, 0),
  externalCheck: bits(5, 6, 2),
  rawReads: bits(5, 4, 2),
  supplemental: bit(5, 3),
  clearsOnDemount: bit(5, 2),
  clearsOnPreempt: bit(5, 1),
  clearsOnReservationLoss: bit(5, 0),
  encryption: u8(6),
  decryption: u8(7),
  algorithm: u8(8),
  keyFormat: u8(9),
  kadFormat: u8(10),
  reserved: bytes(11, 7),
  keyLength: u16(18),
});
const page = setDataEncryptionPage;

/** RDMC: by the algorithm's default, allowed, not allowed; 01b is reserved. */
const RawReads = { DEFAULT: 0b00, ALLOWED: 0b10, FORBIDDEN: 0b11 } as const;
/** CEEM: up to the drive, or never looked at; how a block came to be encrypted is not kept. */
const MOST_EXTERNAL_CHECK = 0b01;
/** KAD FORMAT: unspecified, a binary key name, an ASCII one. */
const MOST_KAD_FORMAT = 0x02;

const KAD_HEADER = 4;

const KAD_LIMITS: ReadonlyMap<number, number> = new Map([
  [KadType.UNAUTHENTICATED, MOST_UNAUTHENTICATED_BYTES],
  [KadType.AUTHENTICATED, MOST_AUTHENTICATED_BYTES],
]);

/** Descriptors in ascending order of their types, none twice (SSC-4 8.5.4). */
function keyAssociatedData(list: Buffer, from: number, format: number): KeyAssociatedData {
  const data = new Map<number, Uint8Array>();
  let last = -1;
  for (let at = from; at < list.length;) {
    if (list.length - at < KAD_HEADER) throw invalidFieldInParameterList(at);
    const type = list[at]!;
    const most = KAD_LIMITS.get(type);
    if (most === undefined || type <= last) throw invalidFieldInParameterList(at);
    last = type;
    if (list[at + 1] !== 0) throw invalidFieldInParameterList(at + 1);
    const length = list.readUInt16BE(at + 2);
    if (length > most || at + KAD_HEADER + length > list.length) throw invalidFieldInParameterList(at + 2);
    data.set(type, Uint8Array.from(list.subarray(at + KAD_HEADER, at + KAD_HEADER + length)));
    at += KAD_HEADER + length;
  }
  const none = new Uint8Array(0);
  return {
    format,
    authenticated: data.get(KadType.AUTHENTICATED) ?? none,
    unauthenticated: data.get(KadType.UNAUTHENTICATED) ?? none,
  };
}

function requireMeaning(unit: TapeUnit, task: Task, list: Buffer): void {
  if (page.externalCheck.get(list) > MOST_EXTERNAL_CHECK) throw invalidFieldInParameterList(5, 7);
  if (page.rawReads.get(list) === 0b01) throw invalidFieldInParameterList(5, 5);
  if (page.supplemental.get(list)) throw invalidFieldInParameterList(5, 3);
  // A condition that cannot come is asked for by mistake.
  if (page.clearsOnDemount.get(list) && !unit.loaded) throw invalidFieldInParameterList(5, 2);
  const reserved = unit.reservations.heldBy(task.nexus);
  if (page.clearsOnPreempt.get(list) && !reserved) throw invalidFieldInParameterList(5, 1);
  if (page.clearsOnReservationLoss.get(list) && !reserved) throw invalidFieldInParameterList(5, 0);
  if (page.encryption.get(list) > EncryptionMode.ENCRYPT) throw invalidFieldInParameterList(6);
  if (page.decryption.get(list) > DecryptionMode.MIXED) throw invalidFieldInParameterList(7);
}

/** Throws what is wrong with the list before anything has changed. */
function requestOf(unit: TapeUnit, task: Task, list: Buffer): EncryptionRequest {
  requireMeaning(unit, task, list);
  const scope = page.scope.get(list);
  const encryption = page.encryption.get(list);
  const decryption = page.decryption.get(list);
  const encrypts = encryption === EncryptionMode.ENCRYPT;
  const needsKey = encrypts || decryption >= DecryptionMode.DECRYPT;
  const idle = encryption === EncryptionMode.DISABLE && decryption === DecryptionMode.DISABLE;
  if (!idle && page.algorithm.get(list) !== ALGORITHM_INDEX) throw invalidFieldInParameterList(8);
  if (needsKey && page.keyFormat.get(list) !== PLAIN_TEXT_KEY) throw invalidFieldInParameterList(9);
  if (page.kadFormat.get(list) > MOST_KAD_FORMAT) throw invalidFieldInParameterList(10);
  const reserved = page.reserved.get(list).findIndex(byte => byte !== 0);
  if (reserved >= 0) throw invalidFieldInParameterList(11 + reserved);
  const keyLength = page.keyLength.get(list);
  // A key that is not needed is not looked at: stenc sends one to turn encryption off.
  if (keyLength !== KEY_BYTES && (needsKey || keyLength !== 0)) throw invalidFieldInParameterList(18);
  const from = page.length + keyLength;
  if (from > list.length) throw invalidFieldInParameterList(18);
  if (!encrypts && list.length > from) throw invalidFieldInParameterList(from);
  return {
    scope,
    lock: page.lock.get(list),
    encryption,
    decryption,
    algorithm: idle ? 0 : ALGORITHM_INDEX,
    keyAssociatedData: keyAssociatedData(list, from, page.kadFormat.get(list)),
    key: needsKey ? Buffer.from(list.subarray(page.length, from)) : undefined,
    noRawReads: page.rawReads.get(list) === RawReads.FORBIDDEN,
    clearsOnDemount: page.clearsOnDemount.get(list),
    clearsOnPreempt: page.clearsOnPreempt.get(list),
    clearsOnReservationLoss: page.clearsOnReservationLoss.get(list),
  };
}

export function setDataEncryption(unit: TapeUnit, task: Task): void {
  const list = task.dataOut;
  if (list.length < page.length) throw parameterListLengthError();
  if (page.pageCode.get(list) !== SET_DATA_ENCRYPTION) throw invalidFieldInParameterList(0);
  if (page.pageLength.get(list) !== list.length - 4) throw invalidFieldInParameterList(2);
  const scope = page.scope.get(list);
  if (scope > Scope.ALL_I_T_NEXUS) throw invalidFieldInParameterList(4, 7);
  // A view that may only read has a key of its own, and not a say in how others write.
  if (scope === Scope.ALL_I_T_NEXUS && task.readOnly) throw writeProtected();
  if (scope === Scope.PUBLIC) {
    // All but SCOPE and LOCK is ignored.
    unit.encryption.set(task.nexus, {
      scope,
      lock: page.lock.get(list),
      encryption: EncryptionMode.DISABLE,
      decryption: DecryptionMode.DISABLE,
      algorithm: 0,
      key: undefined,
      keyAssociatedData: { format: 0, authenticated: new Uint8Array(0), unauthenticated: new Uint8Array(0) },
      noRawReads: false,
      clearsOnDemount: false,
      clearsOnPreempt: false,
      clearsOnReservationLoss: false,
    });
    return;
  }
  unit.encryption.set(task.nexus, requestOf(unit, task, list));
}

/** Page code of it, and of the data encryption capabilities. */
export const SET_DATA_ENCRYPTION = 0x0010;
