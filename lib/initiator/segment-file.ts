import { SEGMENT_ROWS, type SegmentRow } from './copy-segments.ts';
import { InitiatorError } from './initiator-error.ts';

/* A list of segment descriptors as it is written down: fields by name, ends by LUN. */

/** A LUN, or a device that is none, and how its CSCD describes it. */
export interface SegmentEnd {
  readonly lun: number | 'null block' | 'null stream';
  readonly pad: boolean;
  /** Length of a tape's records where all have the same; 0: of any length. */
  readonly fixed: number;
}

export interface WantedSegment {
  readonly row: SegmentRow;
  /** `segments[3]` */
  readonly where: string;
  readonly source: SegmentEnd | undefined;
  readonly destination: SegmentEnd | undefined;
  readonly values: Readonly<Record<string, number | boolean | bigint>>;
  readonly data: Buffer;
}

/** What is meant where the list says nothing. */
export interface SegmentDefaults {
  readonly source?: number | undefined;
  readonly destination?: number | undefined;
  readonly cat: boolean;
  readonly pad: boolean;
}

const NULLS = ['null block', 'null stream'] as const;
const MOST_LUN = 16_383;
const DATA_FORMS = "data is text, { hex: '00ff' } or { base64: 'AP8=' }";

const names = (words: readonly string[]): string => words.join(', ');
const show = (value: unknown): string => JSON.stringify(value) ?? String(value);
const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const wrong = (where: string, why: string): InitiatorError => new InitiatorError('usage', `${where}: ${why}`);

/**
 * A list of segments, or `{ segments: [...] }`, as a YAML or JSON reader gives it; `file` is for messages. Throws
 * InitiatorError `usage`: where, what is wrong, what would be right.
 */
export function parseSegments(content: unknown, file: string, defaults: SegmentDefaults): WantedSegment[] {
  const list = isGroup(content) && 'segments' in content ? content.segments : content;
  if (!Array.isArray(list) || list.length === 0) {
    throw wrong(
      file,
      'has no list of segments, such as "- { type: block image, source: 0, destination: 1 }"',
    );
  }
  return list.map((item, i) => parseSegment(item, `${file}: segments[${i}]`, defaults));
}

const COMMON = ['type', 'source', 'destination', 'data'];

function parseSegment(item: unknown, where: string, defaults: SegmentDefaults): WantedSegment {
  if (!isGroup(item)) throw wrong(where, `${show(item)} is no segment, which has a type and fields`);
  const row = rowOf(item.type, where);
  const fields = Object.keys(row.fields);
  const known = [
    'type',
    ...(row.source === undefined ? [] : ['source']),
    ...(row.destination === undefined ? [] : ['destination']),
    ...(row.data === undefined ? [] : ['data']),
    ...fields,
  ];
  const odd = Object.keys(item).find(key => !known.includes(key));
  if (odd !== undefined) {
    throw wrong(where, `a segment "${row.name}" has no ${show(odd)}; it has ${names(known)}`);
  }
  const missing = row.needs.find(key => item[key] === undefined);
  if (missing !== undefined) throw wrong(where, `a segment "${row.name}" needs ${missing}`);
  const values: Record<string, number | boolean | bigint> = {};
  if (defaults.cat && fields.includes('cat')) values.cat = true;
  for (const [key, value] of Object.entries(item)) {
    if (!COMMON.includes(key)) values[key] = valueOf(row, key, value, `${where}.${key}`);
  }
  const end = (role: 'source' | 'destination'): SegmentEnd | undefined =>
    row[role] === undefined
      ? undefined
      : endOf(item[role] ?? defaults[role], `${where}.${role}`, defaults.pad);
  return {
    row,
    where,
    source: end('source'),
    destination: end('destination'),
    values,
    data: row.data === undefined ? Buffer.alloc(0) : dataOf(item.data, `${where}.data`, row),
  };
}

/** By name, or by code as `13h`. */
function rowOf(type: unknown, where: string): SegmentRow {
  const text = typeof type === 'string' ? type.toLowerCase() : '';
  const code = /^[0-9a-f]{2}h$/.test(text) ? Number.parseInt(text, 16) : undefined;
  const row = SEGMENT_ROWS.find(each => each.name === text || each.code === code);
  if (row !== undefined) return row;
  throw wrong(
    `${where}.type`,
    `${show(type)} is no segment type; these are: ${names(SEGMENT_ROWS.map(each => each.name))}, or codes such as 13h`,
  );
}

function valueOf(row: SegmentRow, key: string, value: unknown, where: string): number | boolean | bigint {
  const field = row.fields[key]!;
  const probe = Buffer.alloc(row.bytes);
  const kind = typeof field.get(probe);
  if (kind === 'boolean') {
    if (typeof value !== 'boolean') throw wrong(where, `${show(value)} is not true or false`);
    return value;
  }
  const most = field.mask.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n);
  const least = key === 'count' && row.name === 'space' ? -(most + 1n) / 2n : 0n;
  const number = wholeOf(value);
  if (number === undefined || number < least || number > most) {
    throw wrong(where, `${show(value)} is no whole number from ${least} to ${most}`);
  }
  if (kind === 'bigint') return number;
  if (number > BigInt(Number.MAX_SAFE_INTEGER)) throw wrong(where, `${show(value)} is more than 2^53 - 1`);
  return Number(number);
}

/** A number, or text such as `0xffffffffffffffff` for what JSON numbers cannot tell. */
function wholeOf(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  if (typeof value === 'bigint') return value;
  return typeof value === 'string' && /^(0x[0-9a-f]{1,16}|[0-9]{1,20})$/i.test(value)
    ? BigInt(value)
    : undefined;
}

const END_FORMS = `an end is a LUN, ${NULLS.map(name => show(name)).join(' or ')}, or { lun: 0, pad: true, fixed: 512 }`;

function endOf(value: unknown, where: string, pad: boolean): SegmentEnd {
  if (value === undefined) throw wrong(where, `names no LUN; ${END_FORMS}`);
  const { lun, ...more } = isGroup(value) ? value : { lun: value };
  const odd = Object.keys(more).find(key => key !== 'pad' && key !== 'fixed');
  if (odd !== undefined) throw wrong(where, `an end has no ${show(odd)}; ${END_FORMS}`);
  const { pad: padded = pad, fixed = 0 } = more as { pad?: unknown; fixed?: unknown };
  if (typeof padded !== 'boolean') throw wrong(`${where}.pad`, `${show(padded)} is not true or false`);
  if (typeof fixed !== 'number' || !Number.isInteger(fixed) || fixed < 0 || fixed > 0xff_ffff) {
    throw wrong(`${where}.fixed`, `${show(fixed)} is no length of records, 1 to 16777215 bytes`);
  }
  const nothing = NULLS.find(name => name === lun);
  if (nothing !== undefined) return { lun: nothing, pad: false, fixed: 0 };
  if (typeof lun !== 'number' || !Number.isInteger(lun) || lun < 0 || lun > MOST_LUN) {
    throw wrong(where, `${show(lun)} is no LUN; ${END_FORMS}`);
  }
  return { lun, pad: padded, fixed };
}

function dataOf(value: unknown, where: string, row: SegmentRow): Buffer {
  const bytes = bytesOf(value);
  if (bytes === undefined) throw wrong(where, `${show(value)} is no data; ${DATA_FORMS}`);
  const most = row.data === 'inline' ? 0xffff : 0xf000;
  if (bytes.length > most) throw wrong(where, `${bytes.length} bytes are more than the ${most} of a segment`);
  return bytes;
}

function bytesOf(value: unknown): Buffer | undefined {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (!isGroup(value) || Object.keys(value).length !== 1) return undefined;
  const { hex, base64 } = value;
  if (typeof hex === 'string' && /^([0-9a-f]{2})*$/i.test(hex)) return Buffer.from(hex, 'hex');
  return typeof base64 === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(base64)
    ? Buffer.from(base64, 'base64')
    : undefined;
}
