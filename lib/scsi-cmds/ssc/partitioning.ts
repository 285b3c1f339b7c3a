import { MAX_PARTITIONS } from '../../backends/tape-medium.ts';
import { bit, bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { invalidFieldInCdb, invalidFieldInParameterList } from '../sense.ts';
import type { ModePage } from '../spc/mode-pages.ts';
import type { TapeUnit } from './tape-unit.ts';

export const MEDIUM_PARTITION = 0x11;

/** Medium partition (SSC-4 8.3.4). */
const page = layout(16, {
  code: u8(0),
  pageLength: u8(1),
  mostAdditional: u8(2),
  additional: u8(3),
  /** FDP, SDP, IDP: as the drive sees fit, of one size each, as the sizes say. */
  fixed: bit(4, 7),
  select: bit(4, 6),
  initiator: bit(4, 5),
  sizeUnit: bits(4, 3, 2),
  onFormat: bit(4, 2),
  recognition: u8(5),
  exponent: bits(6, 0, 4),
  size0: u16(8),
  size1: u16(10),
  size2: u16(12),
  size3: u16(14),
});

const sizes = [page.size0, page.size1, page.size2, page.size3] as const;

/** PSUM: bytes, kilobytes, megabytes, or ten to the power of PARTITION UNITS. */
const BY_EXPONENT = 3;
/** A size of what the others leave. */
const THE_REST = 0xffff;
/** MEDIUM FORMAT RECOGNITION: format and partitions. */
const RECOGNISES_BOTH = 0x03;
/** Most that a size says, THE_REST being no size. */
const MOST_UNITS = 0xfffe;
/** A partition that nothing is said of beside that it shall be there: this part of the cartridge. */
const SMALLEST_SHARE = 1 / 32;

const unitOf = (bytes: Uint8Array): number =>
  page.sizeUnit.get(bytes) === BY_EXPONENT
    ? 10 ** page.exponent.get(bytes)
    : 1000 ** page.sizeUnit.get(bytes);

/** Units in which the largest partition is told well; LTO drives speak of gigabytes. */
function exponentFor(capacityBytes: number): number {
  for (const exponent of [9, 6, 3]) if (capacityBytes >= 50 * 10 ** exponent) return exponent;
  return 0;
}

/** Of a cartridge without a limit, what one of its kind holds. */
const capacityOf = (unit: TapeUnit): number =>
  unit.medium.label.capacityBytes || unit.density.capacityMb * 1_000_000;

function blank(): Uint8Array {
  const bytes = new Uint8Array(page.length);
  page.code.set(bytes, MEDIUM_PARTITION);
  page.pageLength.set(bytes, page.length - 2);
  page.mostAdditional.set(bytes, MAX_PARTITIONS - 1);
  page.sizeUnit.set(bytes, BY_EXPONENT);
  page.onFormat.set(bytes, true);
  page.recognition.set(bytes, RECOGNISES_BOTH);
  page.exponent.set(bytes, 9);
  return bytes;
}

/** The partitions that there are. */
function present(unit: TapeUnit): Uint8Array {
  const bytes = blank();
  if (!unit.loaded) return bytes;
  const { partitions } = unit.medium;
  const exponent = exponentFor(capacityOf(unit));
  page.additional.set(bytes, partitions.length - 1);
  page.exponent.set(bytes, exponent);
  partitions.forEach(({ capacityBytes }, i) => {
    const of = capacityBytes || capacityOf(unit);
    sizes[i]!.set(bytes, Math.min(MOST_UNITS, Math.floor(of / 10 ** exponent)));
  });
  return bytes;
}

function changeable(): Uint8Array {
  const mask = new Uint8Array(page.length);
  page.additional.set(mask, 0xff);
  for (const field of [page.fixed, page.select, page.initiator]) field.set(mask, true);
  page.sizeUnit.set(mask, 3);
  page.exponent.set(mask, 0x0f);
  for (const size of sizes) size.set(mask, 0xffff);
  return mask;
}

/** Throws what is wrong with what the page says of sizes; `at` is where the page lies in the list. */
function requireSizes(unit: TapeUnit, bytes: Uint8Array, at: number): void {
  let rest = false;
  let sum = 0;
  for (let i = 0; i <= page.additional.get(bytes); i++) {
    const size = sizes[i]!.get(bytes);
    if (size === 0 || (size === THE_REST && rest)) throw invalidFieldInParameterList(at + sizes[i]!.offset);
    if (size === THE_REST) rest = true;
    else sum += size * unitOf(bytes);
    const full = rest ? sum >= capacityOf(unit) : sum > capacityOf(unit);
    if (full) throw invalidFieldInParameterList(at + sizes[i]!.offset);
  }
}

/** What MODE SELECT leaves there is for the next FORMAT MEDIUM; the partitions that there are are told otherwise. */
export const mediumPartitionPage = (unit: TapeUnit): ModePage => ({
  code: MEDIUM_PARTITION,
  defaults: blank(),
  changeable: changeable(),
  // st brings as many sizes as partitions that it wants, two at most.
  shortest: page.size0.offset,
  current: stored => (wanted(stored) ? stored : present(unit)),
  check(bytes, at) {
    if (page.additional.get(bytes) >= MAX_PARTITIONS) throw invalidFieldInParameterList(at + 3);
    const ways = [page.fixed, page.select, page.initiator].filter(way => way.get(bytes)).length;
    if (ways > 1) throw invalidFieldInParameterList(at + 4, 7);
    const several = page.additional.get(bytes) > 0;
    if (several && page.initiator.get(bytes) && unit.loaded) requireSizes(unit, bytes, at);
  },
});

const wanted = (stored: Uint8Array): boolean =>
  page.fixed.get(stored) || page.select.get(stored) || page.initiator.get(stored);

/** One partition of all there is. */
export const wholeTape = (unit: TapeUnit): readonly number[] => [unit.medium.label.capacityBytes];

/** Capacities as the page asks for them; those that there are when it asks for none. */
export function partitionsAskedFor(unit: TapeUnit): readonly number[] {
  const bytes = unit.modePages.current(MEDIUM_PARTITION);
  const count = page.additional.get(bytes) + 1;
  if (!wanted(bytes)) return unit.medium.partitions.map(({ capacityBytes }) => capacityBytes);
  if (count === 1) return wholeTape(unit);
  const whole = capacityOf(unit);
  if (page.select.get(bytes)) return shares(whole, Math.floor(whole / count), count);
  if (page.fixed.get(bytes)) return shares(whole, Math.max(1, Math.floor(whole * SMALLEST_SHARE)), count);
  const said = sizes.slice(0, count).map(size => size.get(bytes));
  const given = said.map(size => (size === THE_REST ? 0 : size * unitOf(bytes)));
  const left = whole - given.reduce((sum, size) => sum + size, 0);
  // The cartridge may be another one than when the page came.
  if (left < 0 || (left === 0 && said.includes(THE_REST))) throw invalidFieldInCdb(2, 3);
  return given.map((size, i) => (said[i] === THE_REST ? left : size));
}

/** All but the first partition of one size, which may leave some bytes over. */
const shares = (whole: number, each: number, count: number): readonly number[] => [
  whole - each * (count - 1),
  ...Array.from({ length: count - 1 }, () => each),
];
