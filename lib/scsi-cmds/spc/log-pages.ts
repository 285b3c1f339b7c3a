import { Writer } from '../../bytes/cursor.ts';
import type { LogicalUnit } from '../logical-unit.ts';

/** FORMAT AND LINKING of a log parameter (SPC-4 7.3.2.2.2). */
const BOUNDED_COUNTER = 0x00;
const UNBOUNDED_COUNTER = 0x02;
const BINARY_LIST = 0x03;

/** A log parameter as it stands when it is asked for (SPC-4 7.3.2.2). */
export interface LogParameter {
  readonly code: number;
  /** The parameter control byte: FORMAT AND LINKING and its neighbours. */
  readonly control: number;
  readonly value: Uint8Array;
  /** LOG SELECT may bring another cumulative value of the same length. Absent: it may only bring the one that stands. */
  readonly set?: (value: Uint8Array) => void;
}

/**
 * A log page: a row. What it tells of a unit is built when it is asked for. Threshold values of a counter are all ones,
 * which none reaches, and its default cumulative value is 0; a list is the same whatever PAGE CONTROL says.
 */
export interface LogPage<U extends LogicalUnit> {
  readonly code: number;
  readonly subcode?: number;
  /** In ascending order of parameter codes. */
  parameters(unit: U): readonly LogParameter[];
  /** LOG SELECT with PCR: counters back to their default values. Absent: there are none that can be. */
  reset?(unit: U): void;
}

/** Typed identity: lets a page be written as a literal with its unit's type checked. */
export const logPage = <U extends LogicalUnit>(row: LogPage<U>): LogPage<U> => row;

const u64 = (value: number): Buffer => {
  const out = Buffer.alloc(8);
  out.writeBigUInt64BE(BigInt(value));
  return out;
};

/** A counter of 8 bytes, that stops at its end; one with `set` can be set by LOG SELECT. */
export const counter = (code: number, value: number, set?: (value: number) => void): LogParameter => ({
  code,
  control: BOUNDED_COUNTER,
  value: u64(value),
  ...(set === undefined
    ? {}
    : { set: (bytes: Uint8Array) => set(Number(Buffer.from(bytes).readBigUInt64BE())) }),
});

/** Several counters of 8 bytes in one parameter (SPC-4, general statistics and performance). */
export const counters = (code: number, ...values: readonly number[]): LogParameter => ({
  code,
  control: UNBOUNDED_COUNTER,
  value: Buffer.concat(values.map(u64)),
});

/** What is no counter: a list parameter of bytes. */
export const binary = (code: number, ...bytes: readonly number[]): LogParameter => ({
  code,
  control: BINARY_LIST,
  value: Uint8Array.from(bytes),
});

/** PC of LOG SENSE and LOG SELECT (SPC-4 6.7, 6.8). */
export const LogControl = {
  THRESHOLD: 0,
  CUMULATIVE: 1,
  DEFAULT_THRESHOLD: 2,
  DEFAULT_CUMULATIVE: 3,
} as const;

const isCounter = (parameter: LogParameter): boolean => (parameter.control & 0x01) === 0;

/** What PAGE CONTROL asks for of a parameter. */
export function valueOf(parameter: LogParameter, control: number): Uint8Array {
  if (control === LogControl.CUMULATIVE || !isCounter(parameter)) return parameter.value;
  const { length } = parameter.value;
  return control === LogControl.DEFAULT_CUMULATIVE
    ? new Uint8Array(length)
    : new Uint8Array(length).fill(0xff);
}

/** Stands for all subpages; as a page's own subcode, for the list of them. */
export const ALL_LOG_SUBPAGES = 0xff;
const SUPPORTED = 0x00;
const DS = 0x80;
const SPF = 0x40;

type Row = LogPage<never>;

/** The log pages of one unit. Pages 00h, and FFh of every page code, are made of the others (SPC-4 7.3.16). */
export class LogPages {
  readonly #pages: Row[] = [];

  add<U extends LogicalUnit>(...pages: readonly LogPage<U>[]): void {
    this.#pages.push(...(pages as unknown as Row[]));
    this.#pages.sort((a, b) => a.code - b.code || (a.subcode ?? 0) - (b.subcode ?? 0));
  }

  find(code: number, subcode: number): Row | undefined {
    return this.#pages.find(page => page.code === code && (page.subcode ?? 0) === subcode);
  }

  /** Whether there is any page of this code. */
  has(code: number): boolean {
    return code === SUPPORTED || this.#pages.some(page => page.code === code);
  }

  /** The pages that LOG SELECT names when it brings no list (SPC-4 6.7): 00h/00h all of them, FFh all subpages. */
  named(code: number, subcode: number): readonly Row[] {
    if (code === SUPPORTED && subcode === 0) return this.#pages;
    return this.#pages.filter(
      page => page.code === code && (subcode === ALL_LOG_SUBPAGES || (page.subcode ?? 0) === subcode),
    );
  }

  /** What a list of pages and subpages says: the body of 00h/00h, 00h/FFh and xxh/FFh; undefined for any other. */
  list(code: number, subcode: number): Buffer | undefined {
    const codes = [SUPPORTED, ...new Set(this.#pages.map(page => page.code))];
    if (code === SUPPORTED && subcode === 0) return Buffer.from(codes);
    if (subcode !== ALL_LOG_SUBPAGES || !codes.includes(code)) return undefined;
    const out = new Writer();
    for (const each of code === SUPPORTED ? codes : [code]) {
      if (each === SUPPORTED) out.uint(1, SUPPORTED).uint(1, 0);
      for (const page of this.named(each, ALL_LOG_SUBPAGES)) out.uint(1, each).uint(1, page.subcode ?? 0);
      out.uint(1, each).uint(1, ALL_LOG_SUBPAGES);
    }
    return out.done();
  }
}

/** A log page with its header (SPC-4 7.3.2.1). Nothing is ever saved, so that pages with parameters have DS. */
export function framed(
  code: number,
  subcode: number,
  body: Uint8Array,
  saves: 'no-parameters' | 'none',
): Buffer {
  const header = Buffer.of((saves === 'none' ? DS : 0) | (subcode === 0 ? 0 : SPF) | code, subcode, 0, 0);
  header.writeUInt16BE(body.length, 2);
  return Buffer.concat([header, body]);
}
