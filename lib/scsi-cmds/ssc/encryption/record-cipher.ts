import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import { ascii, bit, bytes, u32, u8 } from '../../../bytes/fields.ts';
import { layout } from '../../../bytes/layout.ts';
import { MAX_BLOCK_BYTES } from '../limits.ts';

/**
 * An encrypted record as it lies on the medium: this header, authenticated key-associated data, unauthenticated ones, the
 * ciphertext and the tag of AES-256-GCM. With them it is what raw reads and external encryption pass through.
 */
const header = layout(32, {
  version: u8(0),
  noRawReads: bit(1, 0),
  compressed: bit(1, 1),
  authenticatedBytes: u8(2),
  unauthenticatedBytes: u8(3),
  kadFormat: u8(4),
  mark: ascii(5, 3),
  /** Bytes of the record as the initiator wrote it. */
  recordBytes: u32(8),
  keyCheck: bytes(12, 8),
  nonce: bytes(20, 12),
});

const VERSION = 1;
/** Other bytes than those of an encrypted record are hardly taken for one. */
const MARK = 'TDE';
const CIPHER = 'aes-256-gcm';
export const KEY_BYTES = 32;
const TAG_BYTES = 16;
const KEY_CHECK_BYTES = 8;

/** The most that encryption adds to a record. */
export const SEAL_BYTES = header.length + TAG_BYTES;

/** Key-associated data (SSC-4 8.5.4): what names the key of a record, and whether it is vouched for by it. */
export interface KeyAssociatedData {
  readonly format: number;
  readonly authenticated: Uint8Array;
  readonly unauthenticated: Uint8Array;
}

/** What can be said of an encrypted record without its key. */
export interface SealedRecord extends KeyAssociatedData {
  readonly noRawReads: boolean;
  readonly compressed: boolean;
  readonly length: number;
}

/** Tells a wrong key from a damaged record; nobody finds the key by it. */
export const keyCheckOf = (key: Buffer): Buffer =>
  createHmac('sha256', key).update('record key').digest().subarray(0, KEY_CHECK_BYTES);

/** What the tag vouches for beside the record: the header and the authenticated data. */
const vouched = (sealed: Buffer): Buffer =>
  sealed.subarray(0, header.length + header.authenticatedBytes.get(sealed));

const bodyAt = (sealed: Buffer): number =>
  header.length + header.authenticatedBytes.get(sealed) + header.unauthenticatedBytes.get(sealed);

export function seal(
  record: Buffer,
  key: Buffer,
  keyCheck: Buffer,
  as: KeyAssociatedData & { noRawReads: boolean; compressed: boolean; length: number },
): Buffer {
  const { authenticated, unauthenticated } = as;
  const start = header.length + authenticated.length + unauthenticated.length;
  const sealed = Buffer.alloc(start + record.length + TAG_BYTES);
  header.version.set(sealed, VERSION);
  header.mark.set(sealed, MARK);
  header.noRawReads.set(sealed, as.noRawReads);
  header.compressed.set(sealed, as.compressed);
  header.authenticatedBytes.set(sealed, authenticated.length);
  header.unauthenticatedBytes.set(sealed, unauthenticated.length);
  header.kadFormat.set(sealed, as.format);
  header.recordBytes.set(sealed, as.length);
  header.keyCheck.set(sealed, keyCheck);
  header.nonce.set(sealed, randomBytes(12));
  sealed.set(authenticated, header.length);
  sealed.set(unauthenticated, header.length + authenticated.length);
  const cipher = createCipheriv(CIPHER, key, header.nonce.get(sealed));
  cipher.setAAD(vouched(sealed));
  cipher.update(record).copy(sealed, start);
  cipher.final();
  cipher.getAuthTag().copy(sealed, start + record.length);
  return sealed;
}

/** Undefined: these bytes are no encrypted record. */
export function inspect(sealed: Buffer): SealedRecord | undefined {
  if (sealed.length < header.length + TAG_BYTES) return undefined;
  if (header.version.get(sealed) !== VERSION || header.mark.get(sealed) !== MARK) return undefined;
  const start = bodyAt(sealed);
  if (sealed.length < start + TAG_BYTES + 1) return undefined;
  const length = header.recordBytes.get(sealed);
  if (length === 0 || length > MAX_BLOCK_BYTES) return undefined;
  const compressed = header.compressed.get(sealed);
  // Who brings a sealed record may have made it up: what it says must be what is there.
  if (!compressed && length !== sealed.length - start - TAG_BYTES) return undefined;
  const middle = header.length + header.authenticatedBytes.get(sealed);
  return {
    noRawReads: header.noRawReads.get(sealed),
    compressed,
    length,
    format: header.kadFormat.get(sealed),
    authenticated: Uint8Array.from(sealed.subarray(header.length, middle)),
    unauthenticated: Uint8Array.from(sealed.subarray(middle, start)),
  };
}

/** The record's own key. */
export const fits = (sealed: Buffer, keyCheck: Buffer): boolean =>
  keyCheck.equals(header.keyCheck.get(sealed));

/** Undefined when the record is not what was sealed. */
export function open(sealed: Buffer, key: Buffer): Buffer | undefined {
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv(CIPHER, key, header.nonce.get(sealed), { authTagLength: TAG_BYTES });
  decipher.setAAD(vouched(sealed));
  decipher.setAuthTag(sealed.subarray(end));
  const record = decipher.update(sealed.subarray(bodyAt(sealed), end));
  try {
    decipher.final();
    return record;
  } catch {
    return undefined;
  }
}
