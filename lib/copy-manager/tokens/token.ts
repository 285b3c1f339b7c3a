import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { bit, bits, bytes, u16, u32, u64, u64big, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { identify } from '../../scsi-cmds/identity.ts';
import type { DiskUnit } from '../../scsi-cmds/sbc/disk-unit.ts';
import { CSCD_SLOT_BYTES, cscdLayout } from '../cscd/descriptor.ts';
import { identification, identificationLayout } from '../cscd/identification.ts';
import type { Rod } from './rod.ts';

export const TOKEN_BYTES = 512;
/** ROD TOKEN LENGTH counts what follows it (SPC-4 5.17.6.5.1 table 113). */
export const TOKEN_LENGTH = TOKEN_BYTES - 8;
/** A ROD management token: header and body (SPC-4 5.17.6.4). */
export const MANAGEMENT_TOKEN_BYTES = 96;
const MAC_BYTES = 32;

/** Generic ROD token (SPC-4 5.17.6.5.1 table 112); the device type specific data is that of SBC-3 6.7. */
export const tokenLayout = layout(TOKEN_BYTES, {
  type: u32(0),
  tokenLength: u16(6),
  id: u64big(8),
  creator: bytes(16, CSCD_SLOT_BYTES),
  /** The lower half of 128 bits. */
  bytesRepresented: u64(56),
  blockLength: u32(96),
  blocksPerPhysicalExponent: bits(101, 0, 4),
  provisioning: bit(102, 7),
  readsZeros: bit(102, 6),
  targetDevice: bytes(128, 128),
  random: bytes(256, 224),
  mac: bytes(TOKEN_BYTES - MAC_BYTES, MAC_BYTES),
});

/* Designation descriptors (SPC-4 7.8.6.1). */
const LOGICAL_UNIT = 0;
const TARGET_DEVICE = 2;
const BINARY = 1;
const UTF8 = 3;
const NAA = 3;
const SCSI_NAME_STRING = 8;
const designation = layout(4, {
  codeSet: bits(0, 0, 4),
  association: bits(1, 4, 2),
  type: bits(1, 0, 4),
  designatorLength: u8(3),
});

/** Designation descriptor of the target device: its iSCSI name where there is room for it, otherwise an NAA made of that. */
function targetDevice(name: string): Buffer {
  const out = Buffer.alloc(tokenLayout.targetDevice.bytes);
  // SPC-4 7.8.6.11: ended by a null, and a multiple of four long.
  const string = Math.ceil((Buffer.byteLength(name) + 1) / 4) * 4;
  const fits = string <= out.length - designation.length;
  designation.codeSet.set(out, fits ? UTF8 : BINARY);
  designation.association.set(out, TARGET_DEVICE);
  designation.type.set(out, fits ? SCSI_NAME_STRING : NAA);
  const { naa } = identify(name, '', { product: '', revision: '' });
  designation.designatorLength.set(out, fits ? string : naa.length);
  (fits ? Buffer.from(name) : naa).copy(out, designation.length);
  return out;
}

/** The logical unit, as an Identification Descriptor CSCD names it (SPC-4 6.4.5.6). */
function creator({ identity, deviceType, blockSize }: DiskUnit): Buffer {
  const out = Buffer.alloc(CSCD_SLOT_BYTES);
  const f = identificationLayout;
  f.type.set(out, identification.code);
  cscdLayout.deviceType.set(out, deviceType);
  f.codeSet.set(out, BINARY);
  f.association.set(out, LOGICAL_UNIT);
  f.designatorType.set(out, NAA);
  f.designatorLength.set(out, identity.naa.length);
  f.designator.set(out, identity.naa);
  cscdLayout.blockLength.set(out, blockSize);
  return out;
}

/**
 * Makes the tokens of one target device and knows them again. The key is made anew at every start: nothing that was made
 * before it is taken for a token.
 */
export class TokenMint {
  readonly #key = randomBytes(32);
  #next = randomBytes(8).readBigUInt64BE() >> 16n;

  /** A token that cannot be guessed (SPC-4 5.17.6.5.1), and its identifier, which is given once. */
  make(rod: Rod, target: string): { readonly id: bigint; readonly token: Buffer } {
    const token = Buffer.alloc(TOKEN_BYTES);
    const id = this.#next++;
    const t = tokenLayout;
    t.type.set(token, rod.type.code);
    t.tokenLength.set(token, TOKEN_LENGTH);
    t.id.set(token, id);
    t.creator.set(token, creator(rod.unit));
    t.bytesRepresented.set(token, rod.bytes);
    t.blockLength.set(token, rod.blockBytes);
    t.blocksPerPhysicalExponent.set(token, rod.unit.physicalExponent);
    t.provisioning.set(token, true);
    t.readsZeros.set(token, true);
    t.targetDevice.set(token, targetDevice(target));
    t.random.set(token, randomBytes(t.random.bytes));
    t.mac.set(token, this.#mac(token));
    return { id, token };
  }

  /** Made here, every bit of it (SPC-4 5.17.6.5.2.2). */
  knows(token: Uint8Array): boolean {
    return timingSafeEqual(this.#mac(token), tokenLayout.mac.get(token));
  }

  #mac(token: Uint8Array): Buffer {
    return createHmac('sha256', this.#key).update(token.subarray(0, tokenLayout.mac.offset)).digest();
  }
}

/** It says of itself that another target device has made it. */
export function isForeign(token: Uint8Array, target: string): boolean {
  const named = tokenLayout.targetDevice.get(token);
  const length = designation.designatorLength.get(named);
  return (
    designation.association.get(named) === TARGET_DEVICE &&
    length > 0 &&
    length <= named.length - designation.length &&
    Buffer.compare(named, targetDevice(target)) !== 0
  );
}
