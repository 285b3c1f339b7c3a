/** EXTENDED COPY lists on a target of disks and tapes, and on the model of one: what differs. */
import { createHash } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import type { BlockBackend } from '../../lib/backends/block-backend.ts';
import type { TapeMedium } from '../../lib/backends/tape-medium.ts';
import type { MaybePromise } from '../../lib/bytes/maybe-promise.ts';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { HELD_DATA_BYTES } from '../../lib/copy-manager/limits.ts';
import { encodeSegment, inlineSegment, segmentRow, segmentStart } from '../../lib/initiator/copy-segments.ts';
import type { Answer } from './commands.ts';
import { CopyModel, type ModelCscd, type ModelSegment, type ModelUnit } from './copy-model.ts';
import {
  cdb84,
  cdb84lid4,
  copy,
  copy4,
  dice,
  informationOf,
  list,
  list4,
  rig,
  SlowDisk,
  segmentOf,
  type Stored,
} from './copying.ts';

/** Of the drive in fixed mode. */
export const FIXED = 600;
export type Dice = ReturnType<typeof dice>;

const ZEROS = Buffer.alloc(4096);

/** Bytes of which pieces are taken. */
const POOL = dice(1).bytes(1 << 20);
export const piece = (d: Dice, length: number): Buffer => {
  const at = d.below(POOL.length - length);
  return POOL.subarray(at, at + length);
};

/* LUNs 0 to 2: disks of 512, 4096 and 512; 3 and 4: tapes; 5 and 6: tapes with fixed blocks. */
export const DISKS = [0, 1, 2] as const;
export const TAPES = [3, 4] as const;
export const FIXED_TAPES = [5, 6] as const;

export interface Ground {
  readonly disks: readonly Buffer[];
  readonly tapes: readonly { readonly objects: readonly Stored[]; readonly at: number }[];
}

/** Media in memory answer at once. */
const now = <T>(answer: MaybePromise<T>): T => {
  if (answer instanceof Promise) throw new Error('a medium in memory that is late');
  return answer;
};

function fillTape(medium: TapeMedium, objects: readonly Stored[]): void {
  for (const object of objects) now(object === 'filemark' ? medium.writeFilemarks(1) : medium.write(object));
}

const record = Buffer.alloc(1 << 16);

/** All there is on the tape; the position stays. */
function onTape(medium: TapeMedium): Stored[] {
  const { object } = medium.position;
  now(medium.rewind());
  const found: Stored[] = [];
  for (;;) {
    const next = now(medium.read(record));
    if (next.kind === 'end-of-data') break;
    found.push(next.kind === 'filemark' ? 'filemark' : Buffer.from(record.subarray(0, next.length)));
  }
  now(medium.locate(object));
  return found;
}

/** A disk that answers after some turns of the event loop, in any order. */
function late(disk: BlockBackend, turns: () => number): BlockBackend {
  const slow = new SlowDisk(disk);
  slow.pace = async () => {
    for (let left = turns(); left > 0; left--) await turn();
  };
  return slow;
}

/** Runs a list on a target and on the model; gives what differs, or nothing. */
export async function differs(
  ground: Ground,
  cscds: readonly ModelCscd[],
  segments: readonly ModelSegment[],
  how: {
    lun: number;
    format: 1 | 4;
    immediate?: boolean;
    /** Turns of the event loop that a disk takes for a command. */
    turns?: () => number;
  },
): Promise<{ readonly said: string; readonly difference: unknown }> {
  const backends = ground.disks.map((data, i) =>
    memoryDisk({ bytes: data.length, blockSize: [512, 4096, 512][i]! }),
  );
  const media = ground.tapes.map(() => memoryCartridge());
  const { host, name, manager } = await rig(
    ...backends.map(disk => ({ disk: how.turns === undefined ? disk : late(disk, how.turns) })),
    ...media.map(tape => ({ tape })),
  );
  for (const lun of FIXED_TAPES) {
    const block = Buffer.alloc(12);
    block[2] = 0x10;
    block[3] = 8;
    block.writeUIntBE(FIXED, 9, 3);
    await host.send(lun, '15 10 00 00 0c 00', { out: block });
  }
  const units: ModelUnit[] = [];
  for (const [i, backend] of backends.entries()) {
    for (let at = 0; at < backend.bytes; at += 4096) {
      const part = ground.disks[i]!.subarray(at, at + 4096);
      if (!part.equals(ZEROS)) now(backend.write(part, at));
    }
    units.push({ kind: 'block', block: backend.blockSize, data: Buffer.from(ground.disks[i]!) });
  }
  for (const [i, medium] of media.entries()) {
    const { objects, at } = ground.tapes[i]!;
    fillTape(medium, objects);
    now(medium.locate(at));
    units.push({ kind: 'stream', objects: [...objects], at });
  }
  const model = new CopyModel(units, cscds);
  const wanted = model.run(segments);

  const inline: Buffer[] = [];
  let inlineAt = 0;
  const encoded = segments.map(({ code, source, destination, cat, values, data }) => {
    const row = segmentRow(code);
    const all = row.fields['cat'] === undefined ? values : { ...values, cat };
    const out = encodeSegment(
      row,
      { source, destination },
      all,
      typeof row.data === 'object' ? data : undefined,
    );
    // CAT means nothing to the others.
    segmentStart.cat.set(out, cat);
    if (row.data === 'inline') {
      inlineSegment.offset.set(out, inlineAt);
      inlineSegment.length.set(out, data!.length);
      inline.push(data!, Buffer.alloc((4 - (data!.length % 4)) % 4));
      inlineAt += Math.ceil(data!.length / 4) * 4;
    }
    return out;
  });
  const ends = cscds.map(({ lun, pad, fixed }) =>
    name(lun, { pad, ...(fixed === undefined ? {} : { fixed: true, blockLength: fixed }) }),
  );
  const given = Buffer.concat(inline);
  let answer: Answer;
  if (how.format === 4) {
    answer = await copy4(
      host,
      how.lun,
      list4(ends, encoded, { id: 77, usage: 0, inline: given, immediate: how.immediate === true }),
    );
  } else {
    const out = list(ends, encoded, { id: 77, usage: 0, inline: given.length });
    given.copy(out, out.length - given.length);
    answer = await copy(host, how.lun, out);
  }
  await manager.operations.idle();

  const got: Record<string, unknown> = {};
  const want: Record<string, unknown> = { ...wanted, held: briefly(wanted.held) };
  if (how.format === 4) {
    const { data } = await host.send(how.lun, cdb84lid4(5, 77));
    const sense = data.subarray(32, 32 + data[14]!);
    got['said'] = sense.length > 0 ? `${(sense[2]! & 15).toString(16)}/${sense.toString('hex', 12, 14)}` : '';
    got['segment'] = sense.length > 0 ? sense.readUInt16BE(10) : undefined;
    got['information'] = sense.length > 0 && sense[0]! >= 0x80 ? sense.readUInt32BE(3) : undefined;
    got['segments'] = data.readUInt16BE(24);
    got['bytes'] = Number(data.readBigUInt64BE(16));
    got['status'] = data[5]!;
    want['status'] = wanted.said === '' ? 1 : 2;
    if (how.immediate !== true) {
      got['answered'] = answer.said;
      want['answered'] = wanted.said;
    }
    const held = (await host.send(how.lun, cdb84lid4(6, 77, 1 << 21))).data;
    const at = 32 + held[13]!;
    got['held'] = briefly(held.subarray(at + 4));
    // Of a copy that failed nothing held is told (SPC-4 6.21).
    if (wanted.said !== '') want['held'] = briefly(Buffer.alloc(0));
  } else {
    got['said'] = answer.said === '' && answer.status !== 0 ? `status ${answer.status}` : answer.said;
    got['segment'] = answer.said === '' ? undefined : segmentOf(answer);
    got['information'] = answer.said === '' ? undefined : informationOf(answer);
    const held = await host.send(how.lun, cdb84(1, 77, 1 << 21));
    got['held'] = briefly(held.data.subarray(4));
    const { data } = await host.send(how.lun, cdb84(0, 77));
    got['segments'] = data.readUInt16BE(5);
    got['bytes'] = data.readUInt32BE(8);
    got['status'] = data[4]! & 0x7f;
    want['status'] = wanted.said === '' ? 1 : 2;
  }
  for (const [i, backend] of backends.entries()) {
    const is = Buffer.alloc(backend.bytes);
    now(backend.read(is, 0));
    const to = (units[i] as { data: Buffer }).data;
    if (!is.equals(to)) got[`disk ${i} differs at`] = [...is].findIndex((byte, at) => byte !== to[at]);
  }
  for (const [i, medium] of media.entries()) {
    const to = units[3 + i] as { objects: Stored[]; at: number };
    const is = onTape(medium);
    const shape = (all: readonly Stored[]) =>
      all.map(one => (one === 'filemark' ? 'fm' : one.length)).join(' ');
    got[`tape ${i}`] = `${shape(is)} @${medium.position.object}`;
    want[`tape ${i}`] = `${shape(to.objects)} @${to.at}`;
    const alike = is.every((one, k) => same(one, to.objects[k]));
    if (!alike) got[`tape ${i} differs`] = true;
  }
  if (manager.running > 0) got['running'] = manager.running;
  const difference = differences(got, want);
  return { said: wanted.said, difference };
}

function differences(
  got: Record<string, unknown>,
  want: Record<string, unknown>,
): Record<string, unknown> | undefined {
  const out: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(got), ...Object.keys(want)])) {
    if (got[key] !== want[key]) out[key] = { got: got[key], want: want[key] };
  }
  return Object.keys(out).length > 0 ? out : undefined;
}

/** Of held data the last is kept when it is more than the limit. */
const briefly = (held: Buffer): string => {
  const kept = held.subarray(Math.max(0, held.length - HELD_DATA_BYTES));
  return `${kept.length} ${createHash('sha1').update(kept).digest('hex')}`;
};

const same = (a: Stored, b: Stored | undefined): boolean =>
  a === 'filemark' || b === 'filemark' || b === undefined ? a === b : a.equals(b);

export const shown = (segments: readonly ModelSegment[]): unknown =>
  segments.map(({ data, ...rest }) => (data === undefined ? rest : { ...rest, data: data.length }));

/** Ends by kind: what a segment type may name. */
export const KINDS = {
  'disk of 512': { luns: [0, 2], stream: false },
  'disk of 4096': { luns: [1, 1], stream: false },
  tape: { luns: [3, 4], stream: true },
  'tape with fixed blocks': { luns: [5, 6], stream: true },
} as const;
export type Kind = keyof typeof KINDS;

export const SMALL = 16 * 4096;
/** Of many commands at once, with runs of zeros that a thin disk has no blocks for. */
export const LARGE = 1024 * 4096;

export const groundOf = (d: Dice, bytes: number, tape: (fixed: boolean) => Stored[]): Ground => ({
  disks: DISKS.map(() => {
    if (bytes === SMALL) return piece(d, bytes);
    const disk = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; at += 1 << 18) if (d.chance(0.4)) piece(d, 1 << 18).copy(disk, at);
    return disk;
  }),
  tapes: [...TAPES, ...FIXED_TAPES].map((_, i) => {
    const objects = tape(i >= 2);
    return { objects, at: d.below(Math.min(3, objects.length + 1)) };
  }),
});

/** What a segment runs between. */
interface Shape {
  /** Ends with fixed blocks. */
  readonly source: boolean;
  readonly destination: boolean;
  readonly large: boolean;
}

/** A value for each field of a segment descriptor that counts or points. */
const valueOf = (d: Dice, name: string, { source, destination, large }: Shape): number | boolean => {
  const times = large && d.chance(0.7) ? 1 + d.below(150) : 1;
  switch (name) {
    case 'blocks':
      return d.chance(0.1) ? 0 : 1 + d.below(times * (d.chance(0.7) ? 6 : 24));
    case 'bytes':
      return d.chance(0.1) ? 0 : 1 + d.below(times * (d.chance(0.6) ? 3000 : 20_000));
    case 'lba':
    case 'sourceLba':
    case 'destinationLba':
      return d.below(d.chance(0.9) ? 12 * times : 140 * times);
    case 'offset':
    case 'sourceOffset':
    case 'destinationOffset':
      return d.below(d.chance(0.7) ? 512 : 6000);
    case 'transferLength':
    case 'sourceTransferLength':
    case 'destinationTransferLength': {
      const of =
        name === 'sourceTransferLength'
          ? source
          : name === 'destinationTransferLength'
            ? destination
            : source || destination;
      return of ? 1 + d.below(4) : d.pick([4096, 4096, 512, 1000, 6000, 1 + d.below(9000)]);
    }
    case 'destinationCount':
      return d.chance(0.4);
    case 'count':
      return d.below(4);
    case 'code':
      return d.pick([0, 1, 3]);
    case 'object':
      return d.below(25);
    case 'filemarks':
      return d.below(3);
    default:
      return false;
  }
};

export const valuesOf = (d: Dice, code: number, shape: Shape): Record<string, number | boolean> => {
  const row = segmentRow(code);
  const values: Record<string, number | boolean> = {};
  for (const name of Object.keys(row.fields)) {
    if (name === 'cat' || name === 'testUnitReady') continue;
    values[name] = valueOf(d, name, shape);
  }
  // Within a field of 24 bits with a sign.
  if (code === 0x11 && d.chance(0.4)) values['count'] = 0xffffff - d.below(3);
  return values;
};

export const stored = (d: Dice, fixed: boolean): Stored[] =>
  Array.from({ length: d.below(16) }, () =>
    d.chance(0.06) ? 'filemark' : piece(d, fixed ? FIXED : d.chance(0.6) ? 4096 : 1 + d.below(6000)),
  );

export const MOVES = [0x00, 0x01, 0x02, 0x03, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x13, 0x16] as const;
export const GIVEN = [0x04, 0x05, 0x10, 0x11, 0x12] as const;
export const TAKEN = [0x06, 0x0f] as const;
