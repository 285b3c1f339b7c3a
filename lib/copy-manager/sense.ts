import { CheckCondition, type ForwardedSense, SenseKey, type SenseFacts } from '../scsi-cmds/sense.ts';

/** Additional sense codes of third-party copy (SPC-4 5.17.7.3, 5.17.7.4). */
export const CopyCode = {
  OPERATION_IN_PROGRESS: 0x0016,
  INFORMATION_AVAILABLE: 0x0020,
  UNREACHABLE: 0x0804,
  DEVICE_FAILURE: 0x0d01,
  NOT_REACHABLE: 0x0d02,
  INCORRECT_DEVICE_TYPE: 0x0d03,
  UNDERRUN: 0x0d04,
  OVERRUN: 0x0d05,
  LIST_LENGTH: 0x1a00,
  UNSUPPORTED_TOKEN_TYPE: 0x2301,
  REMOTE_TOKEN_USAGE: 0x2302,
  TOKEN_UNKNOWN: 0x2304,
  TOKEN_CORRUPT: 0x2305,
  TOKEN_EXPIRED: 0x2307,
  TOKEN_CANCELLED: 0x2308,
  TOKEN_DELETED: 0x2309,
  TOKEN_LENGTH: 0x230a,
  INVALID_FIELD_IN_CDB: 0x2400,
  INVALID_FIELD: 0x2600,
  TOO_MANY_CSCDS: 0x2606,
  UNSUPPORTED_CSCD: 0x2607,
  TOO_MANY_SEGMENTS: 0x2608,
  UNSUPPORTED_SEGMENT: 0x2609,
  INEXACT_SEGMENT: 0x260a,
  INLINE_LENGTH: 0x260b,
  INVALID_OPERATION: 0x260c,
  COMMANDS_CLEARED: 0x2f02,
  INSUFFICIENT_RESOURCES: 0x5503,
  NO_ROOM_FOR_ROD: 0x550c,
  NO_ROOM_FOR_TOKEN: 0x550d,
} as const;

/** Where the trouble lies: a byte of the parameter list (SD = 0) or of the segment descriptor (SD = 1). */
export interface CopyPointer {
  readonly in: 'list' | 'segment';
  readonly byte: number;
  readonly bit?: number;
}

/** Why a copy stopped once its segments were being processed: what COPY ABORTED sense is made of. */
export class CopyAbort {
  readonly code: number;
  readonly pointer: CopyPointer | undefined;
  readonly forwarded: ForwardedSense | undefined;

  constructor(code: number, pointer?: CopyPointer, forwarded?: ForwardedSense) {
    this.code = code;
    this.pointer = pointer;
    this.forwarded = forwarded;
  }
}

/** A field pointer has 16 bits; a place further on is left unsaid. */
const POINTER_MAX = 0xffff;

const pointerFacts = (pointer: CopyPointer | undefined): Partial<SenseFacts> => {
  if (pointer === undefined || pointer.byte > POINTER_MAX) return {};
  const where = { in: 'parameter-list' as const, byte: pointer.byte };
  return {
    pointer: pointer.bit === undefined ? where : { ...where, bit: pointer.bit },
    segmentPointer: pointer.in === 'segment',
  };
};

/** SPC-4 5.17.7.4. `residual` only when the segment has written something. */
export const copyAborted = (abort: CopyAbort, segment: number, residual?: number): SenseFacts => ({
  key: SenseKey.COPY_ABORTED,
  code: abort.code,
  segment,
  ...pointerFacts(abort.pointer),
  ...(residual === undefined ? {} : { information: residual }),
  ...(abort.forwarded === undefined ? {} : { forwarded: [abort.forwarded] }),
});

/** Refused before any segment is processed (SPC-4 5.17.7.3): ILLEGAL REQUEST, INFORMATION not valid. */
export const refused = (code: number, byte?: number, bit?: number): CheckCondition => {
  const facts = { key: SenseKey.ILLEGAL_REQUEST, code };
  if (byte === undefined || byte > POINTER_MAX) return new CheckCondition(facts);
  const where = { in: 'parameter-list' as const, byte };
  return new CheckCondition({ ...facts, pointer: bit === undefined ? where : { ...where, bit } });
};

/** What a tape says about a read or write, whatever the format of its sense. */
export interface StreamSense {
  readonly key: number;
  readonly filemark: boolean;
  readonly endOfMedium: boolean;
  readonly incorrectLength: boolean;
  /** Signed residual; undefined when it is not valid. */
  readonly information: number | undefined;
}

const NOTHING: StreamSense = {
  key: 0,
  filemark: false,
  endOfMedium: false,
  incorrectLength: false,
  information: undefined,
};

const flags = (byte: number): Pick<StreamSense, 'filemark' | 'endOfMedium' | 'incorrectLength'> => ({
  filemark: (byte & 0x80) !== 0,
  endOfMedium: (byte & 0x40) !== 0,
  incorrectLength: (byte & 0x20) !== 0,
});

/** SPC-4 4.5.2 and 4.5.3. */
export function readStreamSense(sense: Buffer): StreamSense {
  const format = (sense[0] ?? 0) & 0x7f;
  if (format === 0x70 && sense.length >= 8) {
    const valid = (sense[0]! & 0x80) !== 0;
    return {
      key: sense[2]! & 0x0f,
      ...flags(sense[2]!),
      information: valid ? sense.readInt32BE(3) : undefined,
    };
  }
  if (format !== 0x72 || sense.length < 8) return NOTHING;
  let found: StreamSense = { ...NOTHING, key: sense[1]! & 0x0f };
  for (let at = 8; at + 2 <= sense.length; at += 2 + sense[at + 1]!) {
    if (at + 2 + sense[at + 1]! > sense.length) break;
    if (sense[at] === 0x00) {
      const valid = (sense[at + 2]! & 0x80) !== 0;
      found = { ...found, information: valid ? Number(sense.readBigInt64BE(at + 4)) : undefined };
    } else if (sense[at] === 0x04) found = { ...found, ...flags(sense[at + 3]!) };
  }
  return found;
}
