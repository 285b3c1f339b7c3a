import { senseName } from './sense-names.ts';

/** SPC-4 4.5.6, the ones that decide something here. */
export const Key = {
  NO_SENSE: 0x0,
  NOT_READY: 0x2,
  ILLEGAL_REQUEST: 0x5,
  UNIT_ATTENTION: 0x6,
  BLANK_CHECK: 0x8,
  COPY_ABORTED: 0xa,
  VOLUME_OVERFLOW: 0xd,
} as const;

/** Sense data, whichever format it came in (SPC-4 4.5.2 and 4.5.3). */
export interface Sense {
  readonly key: number;
  /** ASC and ASCQ in one number. */
  readonly code: number;
  /** INFORMATION, signed; undefined when it is not valid. */
  readonly information: number | undefined;
  readonly filemark: boolean;
  readonly endOfMedium: boolean;
  readonly incorrectLength: boolean;
  /** COPY ABORTED: the segment that failed, and what the source or destination had said (SPC-4 6.4.3.4). */
  readonly segment: number;
  readonly source: Sense | undefined;
  readonly destination: Sense | undefined;
}

const NONE: Sense = {
  key: 0,
  code: 0,
  information: undefined,
  filemark: false,
  endOfMedium: false,
  incorrectLength: false,
  segment: 0,
  source: undefined,
  destination: undefined,
};

/** Reads what there is of sense data; damaged or absent sense is NO SENSE. */
export function readSense(bytes: Buffer): Sense {
  return parse(bytes, true);
}

function parse(bytes: Buffer, nested: boolean): Sense {
  const format = (bytes[0] ?? 0) & 0x7f;
  if ((format === 0x70 || format === 0x71) && bytes.length >= 8) return fixed(bytes, nested);
  if ((format === 0x72 || format === 0x73) && bytes.length >= 8) return descriptors(bytes, nested);
  return NONE;
}

const flags = (byte: number): Pick<Sense, 'filemark' | 'endOfMedium' | 'incorrectLength'> => ({
  filemark: (byte & 0x80) !== 0,
  endOfMedium: (byte & 0x40) !== 0,
  incorrectLength: (byte & 0x20) !== 0,
});

function fixed(bytes: Buffer, nested: boolean): Sense {
  const [first, flagged] = [bytes[0]!, bytes[2]!];
  const key = flagged & 0x0f;
  // Bytes 8 and 9 say where the forwarded areas begin: a status byte, then sense. They run to the next area or the end.
  const area = (at: number): Sense | undefined => {
    const start = bytes[at] ?? 0;
    if (!nested || key !== Key.COPY_ABORTED || start < 18 || start >= bytes.length) return undefined;
    return parse(bytes.subarray(start + 1), false);
  };
  return {
    key,
    code: bytes.length >= 14 ? bytes.readUInt16BE(12) : 0,
    information: (first & 0x80) === 0 ? undefined : bytes.readInt32BE(3),
    ...flags(flagged),
    segment: key === Key.COPY_ABORTED && bytes.length >= 12 ? bytes.readUInt16BE(10) : 0,
    source: area(8),
    destination: area(9),
  };
}

function descriptors(bytes: Buffer, nested: boolean): Sense {
  let sense: Sense = { ...NONE, key: bytes[1]! & 0x0f, code: bytes.readUInt16BE(2) };
  for (let at = 8; at + 2 <= bytes.length; at += 2 + bytes[at + 1]!) {
    const body = bytes.subarray(at, at + 2 + bytes[at + 1]!);
    if (body.length < 2 + bytes[at + 1]!) break;
    sense = { ...sense, ...described(body, nested) };
  }
  return sense;
}

/** One sense data descriptor (SPC-4 4.5.2.1). */
function described(body: Buffer, nested: boolean): Partial<Sense> {
  switch (body[0]) {
    case 0x00:
      if (body.length < 12 || (body[2]! & 0x80) === 0) return {};
      return { information: Number(body.readBigInt64BE(4)) };
    case 0x01:
      // SPC-4 6.4.3.4 puts the segment in the third and fourth byte of the field; others put it into the last two.
      return body.length < 12 ? {} : { segment: body.readUInt16BE(6) || body.readUInt16BE(10) };
    case 0x04:
      return body.length < 4 ? {} : flags(body[3]!);
    case 0x0c: {
      if (!nested || body.length < 12) return {};
      const forwarded = parse(body.subarray(4), false);
      return (body[2]! & 0x0f) === 1 ? { source: forwarded } : { destination: forwarded };
    }
    default:
      return {};
  }
}

/** For messages: `copy aborted, 0D/01 (third party device failure) in segment 3; the source said: …`. */
export function describeSense(sense: Sense): string {
  const parts = [senseName(sense.key, sense.code)];
  if (sense.key === Key.COPY_ABORTED) parts[0] += ` in segment ${sense.segment}`;
  if (sense.source !== undefined) parts.push(`the source said: ${describeSense(sense.source)}`);
  if (sense.destination !== undefined)
    parts.push(`the destination said: ${describeSense(sense.destination)}`);
  return parts.join('; ');
}
