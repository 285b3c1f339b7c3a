/** A tape library in process, and the words to talk to its changer. */
import type { TapeShelf } from '../../lib/backends/tape-shelf.ts';
import { MemoryShelf } from '../../lib/backends/tape/shelf-memory.ts';
import type { Log } from '../../lib/log.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { changer, type ChangerUnit } from '../../lib/scsi-cmds/smc/changer-unit.ts';
import { tape, type TapeUnit } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Answer, Commander } from './commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';

export interface LibraryRig {
  readonly device: TargetDevice;
  readonly drives: readonly TapeUnit[];
  readonly unit: ChangerUnit;
  readonly shelf: TapeShelf;
  /** LUN of the changer; the drives are at 0 and on. */
  readonly lun: number;
  readonly a: Commander;
}

/** The first address of each type. */
export const ROBOT = 0x0001;
export const DRIVE = 0x0100;
export const STATION = 0x0300;
export const SLOT = 0x0400;

/** Drives empty, `barcodes` in the first slots. */
export async function libraryRig(
  of: {
    drives?: number;
    slots?: number;
    ie?: number;
    barcodes?: readonly string[];
    shelf?: TapeShelf;
    log?: Log;
  } = {},
): Promise<LibraryRig> {
  const { drives: count = 2, slots = 5, ie = 2, barcodes = ['SAN001L6', 'SAN002L6', 'SAN003L6'] } = of;
  const identity = (name: string): ReturnType<typeof identify> =>
    identify(TARGET, name, { product: name.includes('-') ? 'TAPE' : 'LIBRARY', revision: '0.1' });
  const shelf = of.shelf ?? new MemoryShelf({ name: 'memory', capacityBytes: 16 << 20, mediaType: 'LTO-6' });
  if (of.shelf === undefined) for (const barcode of barcodes) await shelf.make(barcode);
  const log = of.log === undefined ? {} : { log: of.log };
  const drives = Array.from({ length: count }, (_, i) => tape({ identity: identity(`lib-d${i}`), ...log }));
  const unit = changer({ identity: identity('lib'), drives, slots, importExports: ie, shelf, ...log });
  await unit.begin();
  const device = new TargetDevice(TARGET, absentUnit());
  drives.forEach((drive, i) => device.add(i, drive));
  device.add(count, unit);
  return { device, drives, unit, shelf, lun: count, a: await new Commander(device).clear() };
}

const u16 = (value: number): number[] => [(value >> 8) & 0xff, value & 0xff];

export const moveCdb = (from: number, to: number, { robot = 0, flags = 0 } = {}): Buffer =>
  Buffer.of(0xa5, 0, ...u16(robot), ...u16(from), ...u16(to), 0, 0, flags, 0);

export const exchangeCdb = (
  source: number,
  first: number,
  second: number,
  { robot = 0, flags = 0 } = {},
): Buffer => Buffer.of(0xa6, 0, ...u16(robot), ...u16(source), ...u16(first), ...u16(second), flags, 0);

export interface StatusWanted {
  readonly type?: number;
  readonly from?: number;
  readonly count?: number;
  readonly tags?: boolean;
  readonly flags?: number;
  readonly allocation?: number;
  readonly opcode?: number;
}

export function statusCdb(wanted: StatusWanted = {}): Buffer {
  const { type = 0, from = 0, count = 0xffff, tags = true, flags = 0, allocation = 0xffff } = wanted;
  const cdb = Buffer.of(wanted.opcode ?? 0xb8, (tags ? 0x10 : 0) | type, ...u16(from), ...u16(count), flags);
  return Buffer.concat([cdb, Buffer.of(allocation >> 16, ...u16(allocation), 0, 0)]);
}

/** A descriptor of READ ELEMENT STATUS as words, such as `400 full access source=400 SAN001L6`. */
export function elements({ data }: Answer): string[] {
  const found: string[] = [];
  for (let page = 8; page + 8 <= data.length;) {
    const type = data[page]!;
    const tagged = (data[page + 1]! & 0x80) !== 0;
    const length = data.readUInt16BE(page + 2);
    const end = page + 8 + data.readUIntBE(page + 5, 3);
    for (let at = page + 8; at + length <= Math.min(end, data.length); at += length) {
      found.push(words(data.subarray(at, at + length), type, tagged));
    }
    page = end;
  }
  return found;
}

const FLAGS = ['full', 'by-hand', 'except', 'access', 'export', 'import', 'cmc', 'operator'];

function words(descriptor: Buffer, type: number, tagged: boolean): string {
  const flags = FLAGS.filter((_, bit) => (descriptor[2]! & (1 << bit)) !== 0);
  const said: string[] = [`${type}:${descriptor.readUInt16BE(0).toString(16)}`, ...flags];
  if (descriptor.readUInt16BE(4) !== 0) said.push(`code=${descriptor.readUInt16BE(4).toString(16)}`);
  if ((descriptor[6]! & 0x10) !== 0) said.push(`lun=${descriptor[6]! & 0x07}`);
  if ((descriptor[9]! & 0x80) !== 0) said.push(`source=${descriptor.readUInt16BE(10).toString(16)}`);
  if (tagged) {
    const tag = descriptor.subarray(12, 44).toString('latin1').replaceAll('\0', '').trimEnd();
    if (tag !== '') said.push(tag);
  }
  const rest = descriptor.subarray(tagged ? 48 : 12);
  if (rest[3]! > 0) said.push(`id=${rest.subarray(4, 4 + rest[3]!).toString('latin1')}`);
  return said.join(' ');
}

/** What is where: `400 SAN001L6`. */
export async function places({ a, lun }: LibraryRig): Promise<string[]> {
  return elements(await a.send(lun, statusCdb()))
    .filter(each => each.includes(' full'))
    .map(each => `${each.split(' ')[0]!.split(':')[1]!} ${each.split(' ').at(-1)!}`)
    .toSorted();
}

/** Where each cartridge is, by a model that knows nothing but the rules. */
export class LibraryModel {
  readonly places = new Map<number, string>();
  readonly all: readonly number[];
  constructor(all: readonly number[]) {
    this.all = all;
  }
  move(from: number, to: number): boolean {
    const what = this.places.get(from);
    if (!this.all.includes(from) || !this.all.includes(to) || what === undefined) return false;
    if (from === to) return true;
    if (this.places.has(to)) return false;
    this.places.delete(from);
    this.places.set(to, what);
    return true;
  }
  exchange(source: number, first: number, second: number): boolean {
    const [coming, going] = [this.places.get(source), this.places.get(first)];
    if (![source, first, second].every(each => this.all.includes(each)) || source === first) return false;
    if (coming === undefined || going === undefined) return false;
    if (second !== source && this.places.has(second)) return false;
    this.places.delete(source);
    this.places.set(first, coming);
    this.places.set(second, going);
    return true;
  }
  get told(): string[] {
    return [...this.places].map(([address, barcode]) => `${address.toString(16)} ${barcode}`).toSorted();
  }
}
