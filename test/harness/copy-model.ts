/**
 * A model of what EXTENDED COPY does to disks and tapes: byte strings, lists of records, and the rules of SPC-4 5.17.7.2 and
 * 6.4.6, one segment after the other with nothing that runs at once. It was written from the standard's words; where the
 * copy manager and the model differ, one of them is wrong.
 */
import type { Stored } from './copying.ts';

export interface ModelDisk {
  readonly kind: 'block';
  readonly block: number;
  readonly data: Buffer;
}
export interface ModelTape {
  readonly kind: 'stream';
  readonly objects: Stored[];
  at: number;
}
export type ModelUnit = ModelDisk | ModelTape;

/** A CSCD descriptor: a unit seen with or without PAD. */
export interface ModelCscd {
  readonly lun: number;
  readonly pad: boolean;
  /** STREAM BLOCK LENGTH where FIXED = 1. */
  readonly fixed?: number;
}

/** A segment descriptor, its fields by the names of lib/initiator/copy-segments.ts. */
export interface ModelSegment {
  readonly code: number;
  readonly source: number;
  readonly destination: number;
  readonly cat: boolean;
  readonly values: Readonly<Record<string, number | boolean>>;
  /** Of 04h and 05h. */
  readonly data?: Buffer;
}

export interface Outcome {
  /** Sense key and code, or nothing. */
  readonly said: string;
  readonly segment: number | undefined;
  readonly information: number | undefined;
  /** SEGMENTS PROCESSED and TRANSFER COUNT. */
  readonly segments: number;
  readonly bytes: number;
  readonly held: Buffer;
}

export const NULL_BLOCK = 0xc000;
export const NULL_STREAM = 0xc001;

/** The null device of either kind. */
interface Nothing {
  readonly kind: 'block' | 'stream';
  readonly nothing: true;
}

interface End {
  readonly unit: ModelUnit | Nothing;
  readonly pad: boolean;
  /** Bytes of a block, 1 of a tape with records of any length: what INFORMATION counts. */
  readonly block: number;
  readonly fixed: number | undefined;
}

const diskOf = ({ unit }: End): ModelDisk | undefined => ('data' in unit ? unit : undefined);
const tapeOf = ({ unit }: End): ModelTape | undefined => ('objects' in unit ? unit : undefined);

class Stop extends Error {
  readonly said: string;
  readonly information: number | undefined;
  constructor(said: string, information?: number) {
    super(said);
    this.said = said;
    this.information = information;
  }
}

const NULL_PAD = true;
const UNREACHABLE = 'a/0804';
const FAILED = 'a/0d01';
const BEYOND = 'a/0d02';
const WRONG_TYPE = 'a/0d03';
const INEXACT = 'a/260a';
const WRONG_OPERATION = 'a/260c';

export class CopyModel {
  readonly units: readonly ModelUnit[];
  readonly cscds: readonly ModelCscd[];
  /** Residual source and residual destination data. */
  S = Buffer.alloc(0);
  D = Buffer.alloc(0);
  held = Buffer.alloc(0);
  bytes = 0;

  constructor(units: readonly ModelUnit[], cscds: readonly ModelCscd[]) {
    this.units = units;
    this.cscds = cscds;
  }

  run(segments: readonly ModelSegment[]): Outcome {
    let number = 0;
    try {
      for (const segment of segments) {
        this.segment(segment);
        number++;
      }
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      const { said, information } = error;
      return { said, segment: number, information, ...this.counts(number + 1) };
    }
    return { said: '', segment: undefined, information: undefined, ...this.counts(number) };
  }

  private counts(segments: number): Pick<Outcome, 'segments' | 'bytes' | 'held'> {
    return { segments, bytes: this.bytes, held: this.held };
  }

  private end(id: number): End {
    if (id === NULL_BLOCK)
      return { unit: { kind: 'block', nothing: true }, pad: NULL_PAD, block: 512, fixed: undefined };
    if (id === NULL_STREAM)
      return { unit: { kind: 'stream', nothing: true }, pad: NULL_PAD, block: 1, fixed: undefined };
    const cscd = this.cscds[id];
    if (cscd === undefined) throw new Stop(UNREACHABLE);
    const unit = this.units[cscd.lun]!;
    return {
      unit,
      pad: cscd.pad,
      fixed: cscd.fixed,
      block: unit.kind === 'block' ? unit.block : (cscd.fixed ?? 1),
    };
  }

  private of(id: number, kind: 'block' | 'stream'): End {
    const end = this.end(id);
    if (end.unit.kind !== kind) throw new Stop(WRONG_OPERATION);
    return end;
  }

  private segment(segment: ModelSegment): void {
    const { code, source, destination, values, data = Buffer.alloc(0) } = segment;
    const v = (name: string): number => Number(values[name] ?? 0);
    const from = (kind: 'block' | 'stream'): End => this.of(source, kind);
    const to = (kind: 'block' | 'stream'): End => this.of(destination, kind);
    // 0Bh to 0Fh do what 00h to 03h and 06h do, and hold.
    const holds = code >= 0x0b && code <= 0x0f;
    const type = holds ? [0, 1, 2, 3, 6][code - 0x0b]! : code;
    switch (type) {
      case 0x00: {
        const src = from('block');
        this.move(segment, holds, {
          src,
          dst: to('stream'),
          process: v('blocks') * src.block,
          readAt: v('lba') * src.block,
          writeLength: v('transferLength'),
        });
        break;
      }
      case 0x01: {
        const src = from('stream');
        const dst = to('block');
        this.move(segment, holds, {
          src,
          dst,
          exactly: v('blocks') * dst.block,
          readLength: v('transferLength'),
          writeAt: v('lba') * dst.block,
        });
        break;
      }
      case 0x02: {
        const src = from('block');
        const dst = to('block');
        const amount =
          values['destinationCount'] === true
            ? { exactly: v('blocks') * dst.block }
            : { process: v('blocks') * src.block };
        const readAt = v('sourceLba') * src.block;
        this.move(segment, holds, { src, dst, ...amount, readAt, writeAt: v('destinationLba') * dst.block });
        break;
      }
      case 0x03:
        this.move(segment, holds, {
          src: from('stream'),
          dst: to('stream'),
          process: v('bytes'),
          readLength: v('sourceTransferLength'),
          writeLength: v('destinationTransferLength'),
        });
        break;
      case 0x04:
      case 0x05:
        this.given(segment, to('stream'), data, v('transferLength'));
        break;
      case 0x06:
        this.discard(segment, holds, from('stream'), v('bytes'), v('transferLength'));
        break;
      case 0x07:
        this.end(source);
        break;
      case 0x08: {
        const src = from('block');
        this.move(segment, holds, {
          src,
          dst: to('stream'),
          process: v('bytes'),
          readAt: v('lba') * src.block + v('offset'),
          writeLength: v('transferLength'),
        });
        break;
      }
      case 0x09: {
        const src = from('stream');
        const dst = to('block');
        this.move(segment, holds, {
          src,
          dst,
          exactly: v('bytes'),
          readLength: v('transferLength'),
          writeAt: v('lba') * dst.block + v('offset'),
          byByte: true,
        });
        break;
      }
      case 0x0a: {
        const src = from('block');
        const dst = to('block');
        this.move(segment, holds, {
          src,
          dst,
          exactly: v('bytes'),
          readAt: v('sourceLba') * src.block + v('sourceOffset'),
          writeAt: v('destinationLba') * dst.block + v('destinationOffset'),
          byByte: true,
        });
        break;
      }
      case 0x10:
        this.filemarks(to('stream'), v('count'));
        break;
      case 0x11:
        space(to('stream'), v('code'), (v('count') << 8) >> 8);
        break;
      case 0x12:
        locate(to('stream'), v('object'));
        break;
      case 0x13:
        this.tapeImage(from('stream'), to('stream'), v('filemarks'));
        break;
      case 0x16:
        this.blockImage(from('block'), to('block'), v('sourceLba'), v('destinationLba'), v('blocks'));
        break;
      default:
        throw new Error(`segment type ${code}`);
    }
  }

  private move(
    { cat }: ModelSegment,
    holds: boolean,
    how: {
      src: End;
      dst: End;
      /** Bytes to be processed, or … */
      process?: number;
      /** … to be written. */
      exactly?: number;
      readAt?: number;
      readLength?: number;
      writeAt?: number;
      writeLength?: number;
      /** The range written begins and ends within blocks. */
      byByte?: boolean;
    },
  ): void {
    const { src, dst, exactly } = how;
    const process = how.process ?? Math.max(0, exactly! - this.D.length);
    const unit =
      how.byByte === true ? 1 : dst.unit.kind === 'block' ? dst.block : how.writeLength! * (dst.fixed ?? 1);
    const pads = !cat && dst.pad && exactly === undefined;
    const total = this.D.length + process;
    let whole = Math.floor(total / unit) * unit;
    if (pads && whole < total) whole += unit;
    const planned = Math.min(whole, exactly ?? Infinity);

    // Ranges beyond the medium come to light before anything moves.
    const missing = Math.max(0, process - this.S.length);
    const from = diskOf(src);
    const to = diskOf(dst);
    if (from !== undefined && missing > 0) {
      if (roundUp(how.readAt! + missing, src.block) > from.data.length) throw new Stop(BEYOND);
    }
    if (to !== undefined && planned > 0 && how.writeAt! + planned > to.data.length) throw new Stop(BEYOND);
    let stopped = '';
    if (missing > 0) {
      if (src.unit.kind === 'stream') stopped = this.readTape(src, how.readLength!, process);
      else if (from === undefined) stopped = UNREACHABLE;
      else this.readDisk(from, how.readAt!, missing);
    }
    const moved = Math.min(process, this.S.length);
    this.process(moved, holds);
    if (pads && moved === process) this.pad(unit);
    let ready = Math.min(Math.floor(this.D.length / unit) * unit, planned);
    // Of a range that ends within a block the last whole one is the last that can be written early.
    if (stopped !== '' && how.byByte === true && ready < planned) {
      const { writeAt } = how as { writeAt: number };
      ready = Math.max(0, Math.floor((writeAt + ready) / dst.block) * dst.block - writeAt);
    }
    const out = this.takeD(ready);
    if (to !== undefined) out.copy(to.data, how.writeAt);
    this.put(tapeOf(dst), out, dst.fixed ?? unit);
    // Whole blocks are written where the range begins and ends within them.
    const before = how.byByte === true ? how.writeAt! % dst.block : 0;
    this.bytes +=
      how.byByte === true ? (out.length > 0 ? roundUp(before + out.length, dst.block) : 0) : out.length;
    const left = out.length > 0 ? Math.ceil((planned - out.length) / dst.block) : undefined;
    if (stopped !== '') throw new Stop(stopped, left);
    this.residue(cat, src.pad, dst.pad, left);
  }

  private given({ cat }: ModelSegment, dst: End, data: Buffer, writeLength: number): void {
    const unit = writeLength * (dst.fixed ?? 1);
    this.D = Buffer.concat([this.D, data]);
    if (!cat && dst.pad) this.pad(unit);
    const out = this.takeD(Math.floor(this.D.length / unit) * unit);
    this.put(tapeOf(dst), out, dst.fixed ?? unit);
    this.bytes += out.length;
    // No source, and so no residual source data of its own: what there is stays.
    if (!cat && this.D.length > 0) throw new Stop(INEXACT, out.length > 0 ? 0 : undefined);
  }

  private discard({ cat }: ModelSegment, holds: boolean, src: End, bytes: number, readLength: number): void {
    const stopped = bytes > this.S.length ? this.readTape(src, readLength, bytes) : '';
    const moved = Math.min(bytes, this.S.length);
    if (holds) this.held = Buffer.concat([this.held, this.S.subarray(0, moved)]);
    this.S = this.S.subarray(moved);
    if (stopped !== '') throw new Stop(stopped);
    this.residue(cat, src.pad, false, undefined);
  }

  private filemarks(dst: End, count: number): void {
    const tape = tapeOf(dst);
    if (tape === undefined || count === 0) return;
    tape.objects.length = tape.at;
    for (; count > 0; count--) tape.objects[tape.at++] = 'filemark';
  }

  private tapeImage(src: End, dst: End, filemarks: number): void {
    const [from, to] = [tapeOf(src), tapeOf(dst)];
    if (from === undefined) throw new Stop(UNREACHABLE);
    const last = filemarks === 0 ? Infinity : filemarks;
    for (let inARow = 0; inARow < last;) {
      const next = from.objects[from.at];
      if (next === undefined) break;
      from.at++;
      inARow = next === 'filemark' ? inARow + 1 : 0;
      if (to !== undefined) {
        to.objects.length = to.at;
        to.objects[to.at++] = next;
      }
      if (next !== 'filemark') this.bytes += next.length;
    }
  }

  private blockImage(src: End, dst: End, sourceLba: number, destinationLba: number, blocks: number): void {
    const [from, to] = [diskOf(src), diskOf(dst)];
    if (src.block !== dst.block) throw new Stop(WRONG_TYPE);
    if (from === undefined) throw new Stop(UNREACHABLE);
    const ahead = from.data.length / from.block - sourceLba;
    const room = to === undefined ? Infinity : to.data.length / to.block - destinationLba;
    if (ahead < 0 || room < 0) throw new Stop(BEYOND);
    const most = Math.min(ahead, room, blocks === 0 ? Infinity : blocks);
    const at = sourceLba * src.block;
    const out = Buffer.from(from.data.subarray(at, at + most * src.block));
    if (to !== undefined) out.copy(to.data, destinationLba * dst.block);
    this.bytes += out.length;
  }

  /** Whole blocks, the first from the byte where the range begins. */
  private readDisk({ data, block }: ModelDisk, at: number, missing: number): void {
    this.S = Buffer.concat([this.S, data.subarray(at, roundUp(at + missing, block))]);
  }

  /** Whole reads, SILI = 0, until there is enough; what stopped them. */
  private readTape(src: End, readLength: number, wanted: number): string {
    const tape = tapeOf(src);
    if (tape === undefined) return UNREACHABLE;
    while (this.S.length < wanted) {
      for (let part = src.fixed === undefined ? 1 : readLength; part > 0; part--) {
        const next = tape.objects[tape.at];
        if (next === undefined) return FAILED;
        tape.at++;
        if (next === 'filemark') return FAILED;
        if (src.fixed === undefined ? next.length > readLength : next.length !== src.fixed) return FAILED;
        this.S = Buffer.concat([this.S, next]);
      }
    }
    return '';
  }

  private process(bytes: number, holds: boolean): void {
    const moved = this.S.subarray(0, bytes);
    this.S = this.S.subarray(bytes);
    this.D = Buffer.concat([this.D, moved]);
    if (holds) this.held = Buffer.concat([this.held, moved]);
  }

  private pad(unit: number): void {
    const rest = this.D.length % unit;
    if (rest > 0) this.D = Buffer.concat([this.D, Buffer.alloc(unit - rest)]);
  }

  private takeD(bytes: number): Buffer {
    const out = this.D.subarray(0, bytes);
    this.D = this.D.subarray(bytes);
    return Buffer.from(out);
  }

  private put(tape: ModelTape | undefined, out: Buffer, length: number): void {
    if (tape === undefined || out.length === 0) return;
    tape.objects.length = tape.at;
    for (let at = 0; at < out.length; at += length) {
      tape.objects[tape.at++] = Buffer.from(out.subarray(at, at + length));
    }
  }

  /** SPC-4 5.17.7.2 table 116, when what could be padded has been. */
  private residue(cat: boolean, srcPad: boolean, dstPad: boolean, left: number | undefined): void {
    if (cat) return;
    if (dstPad ? this.D.length > 0 : !srcPad && this.S.length + this.D.length > 0)
      throw new Stop(INEXACT, left);
    if (srcPad) this.S = Buffer.alloc(0);
    if (srcPad && !dstPad) this.D = Buffer.alloc(0);
  }
}

const roundUp = (n: number, unit: number): number => Math.ceil(n / unit) * unit;

/** SPACE (SSC-4 7.9). */
function space(end: End, code: number, count: number): void {
  const tape = tapeOf(end);
  if (tape === undefined) throw new Stop(UNREACHABLE);
  if (code === 3) {
    tape.at = tape.objects.length;
    return;
  }
  const step = Math.sign(count);
  for (let left = Math.abs(count); left > 0;) {
    const next = tape.objects[step > 0 ? tape.at : tape.at - 1];
    if (next === undefined) throw new Stop(FAILED);
    tape.at += step;
    if (code === 0 && next === 'filemark') throw new Stop(FAILED);
    if (code === 0 || next === 'filemark') left--;
  }
}

function locate(end: End, object: number): void {
  const tape = tapeOf(end);
  if (tape === undefined) throw new Stop(UNREACHABLE);
  tape.at = Math.min(object, tape.objects.length);
  if (object > tape.objects.length) throw new Stop(FAILED);
}
