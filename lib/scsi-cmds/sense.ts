/**
 * Sense data: what a command says when it cannot say GOOD. A CheckCondition is a light object with no stack, thrown by
 * a command and caught in one place (logical-unit.ts), which encodes it in the format that the unit's control mode page
 * asks for.
 */

/** SPC-4 4.5.6. */
export const SenseKey = {
  NO_SENSE: 0x0,
  RECOVERED_ERROR: 0x1,
  NOT_READY: 0x2,
  MEDIUM_ERROR: 0x3,
  HARDWARE_ERROR: 0x4,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  DATA_PROTECT: 0x7,
  BLANK_CHECK: 0x8,
  VENDOR_SPECIFIC: 0x9,
  COPY_ABORTED: 0xa,
  ABORTED_COMMAND: 0xb,
  VOLUME_OVERFLOW: 0xd,
  MISCOMPARE: 0xe,
  COMPLETED: 0xf,
} as const;

/** A place in the CDB or the parameter list that a device server did not like (SPC-4 4.5.2.4.2). */
export interface FieldPointer {
  readonly in: 'cdb' | 'parameter-list';
  readonly byte: number;
  /** Most significant bit of the field; absent when the whole byte is meant. */
  readonly bit?: number;
}

/** Sense of a copy source or destination inside COPY ABORTED sense (SPC-4 4.5.2.6, 6.4.3.4). */
export interface ForwardedSense {
  readonly from: 'source' | 'destination';
  readonly status: number;
  readonly sense: Uint8Array;
}

export interface SenseFacts {
  readonly key: number;
  /** Additional sense code and qualifier in one number, 0x2400 for 24h/00h. */
  readonly code: number;
  /** INFORMATION; negative residuals of a tape go out in two's complement. Absent means VALID = 0. */
  readonly information?: number;
  /** COMMAND-SPECIFIC INFORMATION, 32 bits. */
  readonly commandSpecific?: number;
  readonly pointer?: FieldPointer;
  /** 0..65535, SPC-4 4.5.2.4.4. */
  readonly progress?: number;
  readonly filemark?: boolean;
  readonly endOfMedium?: boolean;
  readonly incorrectLength?: boolean;
  /** Of a command that was answered before: response code 71h or 73h (SPC-4 4.5.7). */
  readonly deferred?: boolean;
  /** Segment of an EXTENDED COPY that failed, with its forwarded sense. `segmentPointer` sets SD = 1: the pointer is
   * an offset in the segment descriptor (SPC-4 6.4.3.4). */
  readonly segment?: number;
  readonly segmentPointer?: boolean;
  readonly forwarded?: readonly ForwardedSense[];
}

export class CheckCondition {
  readonly facts: SenseFacts;
  constructor(facts: SenseFacts) {
    this.facts = facts;
  }
}

const illegal = (code: number, pointer?: FieldPointer): CheckCondition =>
  new CheckCondition(
    pointer === undefined
      ? { key: SenseKey.ILLEGAL_REQUEST, code }
      : { key: SenseKey.ILLEGAL_REQUEST, code, pointer },
  );

const at = (where: FieldPointer['in'], byte: number, bit?: number): FieldPointer =>
  bit === undefined ? { in: where, byte } : { in: where, byte, bit };

/* Named constructors, in the words of SPC-4 annex D. */
export const invalidOpcode = (): CheckCondition => illegal(0x2000);
export const invalidFieldInCdb = (byte: number, bit?: number): CheckCondition =>
  illegal(0x2400, at('cdb', byte, bit));
export const invalidFieldInParameterList = (byte: number, bit?: number): CheckCondition =>
  illegal(0x2600, at('parameter-list', byte, bit));
export const parameterListLengthError = (): CheckCondition => illegal(0x1a00);
export const lbaOutOfRange = (lba: number): CheckCondition =>
  new CheckCondition({ key: SenseKey.ILLEGAL_REQUEST, code: 0x2100, information: lba });
/** SAM-5 8.9: the ACA attribute where there is no ACA. */
export const invalidMessage = (): CheckCondition => illegal(0x4900);
export const unitNotSupported = (): CheckCondition => illegal(0x2500);
export const illegalRequest = (code: number, pointer?: FieldPointer): CheckCondition =>
  illegal(code, pointer);
export const mediumNotPresent = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.NOT_READY, code: 0x3a00 });
export const notReady = (code: number): CheckCondition =>
  new CheckCondition({ key: SenseKey.NOT_READY, code });
export const writeProtected = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.DATA_PROTECT, code: 0x2700 });
export const miscompare = (offset: number): CheckCondition =>
  new CheckCondition({ key: SenseKey.MISCOMPARE, code: 0x1d00, information: offset });
export const internalFailure = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.HARDWARE_ERROR, code: 0x4400 });
export const unitAttention = (code: number): CheckCondition =>
  new CheckCondition({ key: SenseKey.UNIT_ATTENTION, code });

const INFORMATION_MAX_FIXED = 0xffff_ffff;

function pointerBytes(facts: SenseFacts): readonly [number, number, number] | undefined {
  if (facts.pointer !== undefined) {
    const { pointer } = facts;
    const sksv = 0x80;
    // In COPY ABORTED the C/D place is SD: the pointer counts from the segment descriptor (SPC-4 6.4.3.4).
    const cd =
      facts.key === SenseKey.COPY_ABORTED
        ? facts.segmentPointer === true
          ? 0x20
          : 0
        : pointer.in === 'cdb'
          ? 0x40
          : 0;
    const bpv = pointer.bit === undefined ? 0 : 0x08 | pointer.bit;
    return [sksv | cd | bpv, (pointer.byte >> 8) & 0xff, pointer.byte & 0xff];
  }
  if (facts.progress !== undefined) return [0x80, (facts.progress >> 8) & 0xff, facts.progress & 0xff];
  return undefined;
}

const put32 = (into: Buffer, offset: number, value: number): void => {
  into.writeUInt32BE(value >>> 0, offset);
};

/** No sense data is longer (SPC-4 4.5.1). */
export const MOST_SENSE_BYTES = 252;

/** Fixed format, 18 bytes and what is forwarded (SPC-4 4.5.3). `deferred` gives 71h. */
export function encodeFixed(facts: SenseFacts): Buffer {
  const forwarded = facts.forwarded ?? [];
  let length = 18;
  for (const f of forwarded) length += 1 + f.sense.length;
  length = Math.min(length, MOST_SENSE_BYTES);
  const out = Buffer.alloc(length);
  out[0] = facts.deferred === true ? 0x71 : 0x70;
  out[2] =
    facts.key |
    (facts.filemark === true ? 0x80 : 0) |
    (facts.endOfMedium === true ? 0x40 : 0) |
    (facts.incorrectLength === true ? 0x20 : 0);
  if (facts.information !== undefined && facts.information <= INFORMATION_MAX_FIXED) {
    out[0] |= 0x80; // VALID
    put32(out, 3, facts.information);
  }
  out[7] = length - 8;
  if (facts.commandSpecific !== undefined) put32(out, 8, facts.commandSpecific);
  out.writeUInt16BE(facts.code, 12);
  const pointer = pointerBytes(facts);
  if (pointer !== undefined) out.set(pointer, 15);
  // SPC-4 6.4.3.4: bytes 8 and 9 say where the source's and the destination's status and sense begin, 10-11 the segment.
  if (facts.segment !== undefined) out.writeUInt16BE(facts.segment, 10);
  let offset = 18;
  for (const f of forwarded) {
    if (offset + 1 + f.sense.length > length) break;
    out[f.from === 'source' ? 8 : 9] = offset;
    out[offset] = f.status;
    out.set(f.sense, offset + 1);
    offset += 1 + f.sense.length;
  }
  return out;
}

/** Descriptor format (SPC-4 4.5.2). */
export function encodeDescriptor(facts: SenseFacts): Buffer {
  const parts: Buffer[] = [];
  if (facts.information !== undefined) {
    const d = Buffer.alloc(12);
    d[0] = 0x00;
    d[1] = 0x0a;
    d[2] = 0x80;
    d.writeBigInt64BE(BigInt(facts.information), 4);
    parts.push(d);
  }
  if (facts.commandSpecific !== undefined || facts.segment !== undefined) {
    const d = Buffer.alloc(12);
    d[0] = 0x01;
    d[1] = 0x0a;
    if (facts.commandSpecific !== undefined) put32(d, 8, facts.commandSpecific);
    // SPC-4 6.4.3.4 says the third and fourth bytes of the field; taken to the letter.
    if (facts.segment !== undefined) d.writeUInt16BE(facts.segment, 6);
    parts.push(d);
  }
  const pointer = pointerBytes(facts);
  if (pointer !== undefined) {
    const d = Buffer.alloc(8);
    d[0] = 0x02;
    d[1] = 0x06;
    d.set(pointer, 4);
    parts.push(d);
  }
  if (facts.filemark === true || facts.endOfMedium === true || facts.incorrectLength === true) {
    const d = Buffer.alloc(4);
    d[0] = 0x04; // stream commands, SSC-4 and SPC-4 4.5.2.1
    d[1] = 0x02;
    d[3] =
      (facts.filemark === true ? 0x80 : 0) |
      (facts.endOfMedium === true ? 0x40 : 0) |
      (facts.incorrectLength === true ? 0x20 : 0);
    parts.push(d);
  }
  for (const f of (facts.forwarded ?? []).slice(0, 2)) {
    const d = Buffer.alloc(4 + f.sense.length);
    d[0] = 0x0c;
    d[1] = 2 + f.sense.length;
    d[2] = f.from === 'source' ? 1 : 2;
    d[3] = f.status;
    d.set(f.sense, 4);
    parts.push(d);
  }
  const body = Buffer.concat(parts);
  const out = Buffer.alloc(8 + body.length);
  out[0] = facts.deferred === true ? 0x73 : 0x72;
  out[1] = facts.key;
  out.writeUInt16BE(facts.code, 2);
  out[7] = body.length;
  body.copy(out, 8);
  return out;
}

/** Key and code of encoded sense in either format; undefined when there is none. */
export function decodeSense(sense: Uint8Array): { key: number; code: number } | undefined {
  const format = (sense[0] ?? 0) & 0x7f;
  if (format === 0x70 || format === 0x71) {
    return { key: (sense[2] ?? 0) & 0x0f, code: ((sense[12] ?? 0) << 8) | (sense[13] ?? 0) };
  }
  if (format === 0x72 || format === 0x73) {
    return { key: (sense[1] ?? 0) & 0x0f, code: ((sense[2] ?? 0) << 8) | (sense[3] ?? 0) };
  }
  return undefined;
}
