import { bit, bits, u16, u32, u8 } from '../../../bytes/fields.ts';
import { layout } from '../../../bytes/layout.ts';
import { KEY_BYTES } from './record-cipher.ts';

/** The one algorithm, AES-256 in Galois/counter mode with a tag of 128 bits (SPC-4 table of security algorithm codes). */
export const ALGORITHM_INDEX = 0x01;
const AES_256_GCM_128 = 0x0001_0014;

/** Key-associated data (SSC-4 8.5.4), as long as LTO drives keep them. */
export const MOST_UNAUTHENTICATED_BYTES = 32;
export const MOST_AUTHENTICATED_BYTES = 12;

/** LOGICAL BLOCK ENCRYPTION KEY FORMAT: in plain text. */
export const PLAIN_TEXT_KEY = 0x00;

const capabilities = layout(16, { external: bits(0, 2, 2), configuration: bits(0, 0, 2) });

/** Data encryption algorithm descriptor (SSC-4 8.5.2.4). */
const algorithm = layout(24, {
  index: u8(0),
  descriptorLength: u16(2),
  availableForMedium: bit(4, 7),
  supplementalKeys: bit(4, 6),
  authenticates: bit(4, 5),
  distinguishes: bit(4, 4),
  decrypts: bits(4, 2, 2),
  encrypts: bits(4, 0, 2),
  atPosition: bits(5, 6, 2),
  nonce: bits(5, 4, 2),
  kadFormats: bit(5, 3),
  tellsVolume: bit(5, 2),
  unauthenticatedFixed: bit(5, 1),
  authenticatedFixed: bit(5, 0),
  mostUnauthenticated: u16(6),
  mostAuthenticated: u16(8),
  keyLength: u16(10),
  decryptionData: bits(12, 6, 2),
  externalMode: bits(12, 4, 2),
  rawReads: bits(12, 1, 3),
  recordsMode: bit(12, 0),
  supplementalKeyCount: u16(14),
  securityAlgorithm: u32(20),
});

/** EXTDECC: nobody but an initiator sets parameters; CFG_P: who asks may. */
const NOT_EXTERNALLY = 0b01;
const CHANGEABLE = 0b01;
/** ENCRYPT_C, DECRYPT_C: in software. */
const IN_SOFTWARE = 0b01;
/** AVFCLP: valid for writing at the position there is. */
const VALID_HERE = 0b10;
/** NONCE_C: the drive makes it. */
const BY_THE_DRIVE = 0b01;
/** EEMC_C: external encryption mode is there. */
const EXTERNAL_MODE = 0b10;
/** RDMC_C: raw reads are allowed unless SET DATA ENCRYPTION says otherwise. */
const RAW_READS_BY_DEFAULT = 0b100;

/** Body of the data encryption capabilities page. */
export function encryptionCapabilities(mounted: boolean): Buffer {
  const head = Buffer.alloc(capabilities.length);
  capabilities.external.set(head, NOT_EXTERNALLY);
  capabilities.configuration.set(head, CHANGEABLE);
  const one = Buffer.alloc(algorithm.length);
  algorithm.index.set(one, ALGORITHM_INDEX);
  algorithm.descriptorLength.set(one, one.length - 4);
  algorithm.availableForMedium.set(one, mounted);
  algorithm.authenticates.set(one, true);
  algorithm.distinguishes.set(one, true);
  algorithm.decrypts.set(one, IN_SOFTWARE);
  algorithm.encrypts.set(one, IN_SOFTWARE);
  algorithm.atPosition.set(one, mounted ? VALID_HERE : 0);
  algorithm.nonce.set(one, BY_THE_DRIVE);
  algorithm.kadFormats.set(one, true);
  algorithm.mostUnauthenticated.set(one, MOST_UNAUTHENTICATED_BYTES);
  algorithm.mostAuthenticated.set(one, MOST_AUTHENTICATED_BYTES);
  algorithm.keyLength.set(one, KEY_BYTES);
  algorithm.externalMode.set(one, EXTERNAL_MODE);
  algorithm.rawReads.set(one, RAW_READS_BY_DEFAULT);
  algorithm.securityAlgorithm.set(one, AES_256_GCM_128);
  return Buffer.concat([head, one]);
}

const management = layout(12, {
  lock: bit(0, 0),
  clearsOnDemount: bit(1, 2),
  clearsOnPreempt: bit(1, 1),
  clearsOnReservationLoss: bit(1, 0),
  allNexuses: bit(3, 2),
  local: bit(3, 1),
  public: bit(3, 0),
});

/** Body of the data encryption management capabilities page (SSC-4 8.5.2.6). */
export function managementCapabilities(): Buffer {
  const body = Buffer.alloc(management.length);
  for (const can of [
    management.lock,
    management.clearsOnDemount,
    management.clearsOnPreempt,
    management.clearsOnReservationLoss,
    management.allNexuses,
    management.local,
    management.public,
  ]) {
    can.set(body, true);
  }
  return body;
}
