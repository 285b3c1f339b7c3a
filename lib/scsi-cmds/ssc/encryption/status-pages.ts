import { Writer } from '../../../bytes/cursor.ts';
import { bit, bits, u16, u32, u64, u8 } from '../../../bytes/fields.ts';
import { layout } from '../../../bytes/layout.ts';
import type { Task } from '../../task.ts';
import { ENCRYPTED, isCompressed } from '../recording/coding.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { ALGORITHM_INDEX } from './capabilities.ts';
import { DecryptionMode, NO_ENCRYPTION, Scope } from './data-encryption.ts';
import { fits, inspect, type KeyAssociatedData } from './record-cipher.ts';

/** KEY DESCRIPTOR TYPE (SSC-4 8.5.4). */
export const KadType = { UNAUTHENTICATED: 0x00, AUTHENTICATED: 0x01 } as const;

/** AUTHENTICATED: not told, not vouched for, nobody has tried. */
const Authenticated = { NOT_TOLD: 0, NOT_COVERED: 1, NOT_TRIED: 2 } as const;

function put(out: Writer, type: number, authenticated: number, data: Uint8Array): void {
  if (data.length > 0) out.uint(1, type).uint(1, authenticated).uint(2, data.length).put(data);
}

function descriptors(data: KeyAssociatedData, ofRecord: boolean): Buffer {
  const out = new Writer();
  const { NOT_TOLD, NOT_COVERED, NOT_TRIED } = Authenticated;
  put(out, KadType.UNAUTHENTICATED, ofRecord ? NOT_COVERED : NOT_TOLD, data.unauthenticated);
  put(out, KadType.AUTHENTICATED, ofRecord ? NOT_TRIED : NOT_TOLD, data.authenticated);
  return Buffer.from(out.done());
}

const status = layout(20, {
  nexusScope: bits(0, 5, 3),
  scope: bits(0, 0, 3),
  encryption: u8(1),
  decryption: u8(2),
  algorithm: u8(3),
  instance: u32(4),
  noRawReads: bit(8, 0),
  kadFormat: u8(9),
  supplementalKeys: u16(10),
});

/** Body of the data encryption status page (SSC-4 8.5.2.7): what holds for the nexus that asks. */
export function encryptionStatus(unit: TapeUnit, { nexus }: Task): Buffer {
  const set = unit.encryption.of(nexus);
  const { encryption, decryption, algorithm, keyAssociatedData, noRawReads, scope } = set ?? NO_ENCRYPTION;
  const body = Buffer.alloc(status.length);
  status.nexusScope.set(body, unit.encryption.scopeOf(nexus));
  status.scope.set(body, set === undefined ? Scope.PUBLIC : scope);
  status.encryption.set(body, encryption);
  status.decryption.set(body, decryption);
  status.algorithm.set(body, algorithm);
  status.instance.set(body, unit.encryption.instanceOf(nexus));
  status.noRawReads.set(body, noRawReads);
  status.kadFormat.set(body, keyAssociatedData.format);
  return Buffer.concat([body, descriptors(keyAssociatedData, false)]);
}

/** COMPRESSION STATUS and ENCRYPTION STATUS (SSC-4 8.5.2.8). */
const Compression = { UNKNOWN: 0, NO_BLOCK: 2, NOT_COMPRESSED: 3, COMPRESSED: 4 } as const;
const Encryption = { NO_BLOCK: 2, NOT_ENCRYPTED: 3, READABLE: 5, UNREADABLE: 6 } as const;

const nextBlock = layout(12, {
  object: u64(0),
  compression: bits(8, 4, 4),
  encryption: bits(8, 0, 4),
  algorithm: u8(9),
  noRawReads: bit(10, 0),
  kadFormat: u8(11),
});

/** Body of the next block encryption status page: what lies at the position, which stays where it is. */
export async function nextBlockStatus(unit: TapeUnit, { nexus }: Task): Promise<Buffer> {
  const { medium } = unit;
  const body = Buffer.alloc(nextBlock.length);
  nextBlock.object.set(body, medium.position.object);
  const next = await medium.peek();
  if (next.kind !== 'record') {
    nextBlock.compression.set(body, Compression.NO_BLOCK);
    nextBlock.encryption.set(body, Encryption.NO_BLOCK);
    return body;
  }
  const compressed = isCompressed(next.coding) ? Compression.COMPRESSED : Compression.NOT_COMPRESSED;
  nextBlock.compression.set(body, compressed);
  if ((next.coding & ENCRYPTED) === 0) {
    nextBlock.encryption.set(body, Encryption.NOT_ENCRYPTED);
    return body;
  }
  const sealed = Buffer.alloc(next.storedBytes);
  try {
    await medium.read(sealed);
  } finally {
    await medium.spaceRecords(-1); // also over one that is damaged, which a READ has to come upon
  }
  const record = inspect(sealed);
  if (record === undefined) {
    nextBlock.encryption.set(body, Encryption.UNREADABLE);
    return body;
  }
  const { decryption, keyCheck } = unit.encryption.of(nexus) ?? NO_ENCRYPTION;
  const readable =
    (decryption === DecryptionMode.DECRYPT || decryption === DecryptionMode.MIXED) &&
    keyCheck !== undefined &&
    fits(sealed, keyCheck);
  if (!readable) nextBlock.compression.set(body, Compression.UNKNOWN);
  nextBlock.encryption.set(body, readable ? Encryption.READABLE : Encryption.UNREADABLE);
  nextBlock.algorithm.set(body, ALGORITHM_INDEX);
  nextBlock.noRawReads.set(body, record.noRawReads);
  nextBlock.kadFormat.set(body, record.format);
  return Buffer.concat([body, descriptors(record, true)]);
}
