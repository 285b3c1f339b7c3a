import { bit, bits, bytes, type Field, u16, u24, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { Designator } from './identification.ts';

/** CSCD descriptors come in slots of 32 bytes; an extended one takes two (SPC-4 6.4.5.2). */
export const CSCD_SLOT_BYTES = 32;

/**
 * SPC-4 6.4.5.1 table 132. Bytes 28-31 are those of 6.4.5.3 for block devices (PAD, DISK BLOCK LENGTH) and of 6.4.5.4
 * for sequential-access devices (PAD, FIXED, STREAM BLOCK LENGTH).
 */
export const cscdLayout = layout(CSCD_SLOT_BYTES, {
  type: u8(0),
  luIdType: bits(1, 6, 2),
  deviceType: bits(1, 0, 5),
  relativeInitiatorPort: u16(2),
  parameters: bytes(4, 24),
  pad: bit(28, 2),
  fixed: bit(28, 0),
  blockLength: u24(29),
});

/** How a CSCD names its logical unit; one kind a family of descriptor types. */
export type Address =
  | { readonly kind: 'identification'; readonly designator: Designator }
  | {
      readonly kind: 'portal';
      /** As the requesting nexus addresses it; undefined where the field names none. */
      readonly lun: number | undefined;
      /** Undefined where it is no TCP portal. */
      readonly portal: PortalName | undefined;
    }
  | { readonly kind: 'alias'; readonly lun: number | undefined; readonly value: bigint }
  | RodAddress;

/** A ROD (SPC-4 6.4.5.9): one that segments populate, or that of a token in the inline data. */
export interface RodAddress {
  readonly kind: 'rod';
  /** 0: the token's. */
  readonly type: number;
  /** A token is to be made of it (R_TOKEN). */
  readonly makesToken: boolean;
  readonly lifetime: number;
  readonly inactivity: number;
  /** The token is good no more when the copy is over (DEL_TKN). */
  readonly removesToken: boolean;
  readonly tokenOffset: number;
}

/** A network portal as a CSCD names it: an address in digits. */
export interface PortalName {
  readonly host: string;
  readonly port: number;
}

/** A CSCD descriptor, decoded. */
export interface Cscd {
  /** Its first byte in the parameter list. */
  readonly offset: number;
  readonly deviceType: number;
  readonly pad: boolean;
  /** FIXED of a sequential-access device. */
  readonly fixed: boolean;
  /** DISK BLOCK LENGTH or STREAM BLOCK LENGTH. */
  readonly blockLength: number;
  readonly address: Address;
  /** The slot that extends it is not marked as one. */
  readonly torn: boolean;
}

/** DESCRIPTOR TYPE CODE of a slot that extends the one before it (SPC-4 6.4.5.2). */
export const EXTENSION = 0xff;

/** A CSCD descriptor type: a row of cscd/registry.ts. */
export interface CscdType {
  readonly code: number;
  readonly name: string;
  /** Slots that it takes. */
  readonly slots: 1 | 2;
  /** Where the second slot says that it is one. */
  readonly extension?: Field<number>;
  /** What it names. `offset` is for field pointers; throws INVALID FIELD IN PARAMETER LIST. */
  address(descriptor: Uint8Array, offset: number): Address;
}
