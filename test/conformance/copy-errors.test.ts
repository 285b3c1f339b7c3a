/**
 * What EXTENDED COPY answers when it cannot do what it was asked for (SPC-4 5.17.7.3, 5.17.7.4), on the wire, in fixed and in
 * descriptor format sense. A row is a list and all that its sense has to say.
 */
import t, { type Test } from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { MediumError } from '../../lib/backends/medium-error.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { MAX_CSCDS, MAX_INLINE_BYTES, MAX_SEGMENTS } from '../../lib/copy-manager/limits.ts';
import { encodeSegment, segmentRow } from '../../lib/initiator/copy-segments.ts';
import { IscsiNode } from '../../lib/iscsi/node.ts';
import { silent } from '../../lib/log.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import type { Task } from '../../lib/scsi-cmds/task.ts';
import {
  type CscdSpec,
  cdb83,
  cdb83lid4,
  cdb84,
  cdb84lid4,
  dump,
  fill,
  list,
  list4,
  MIB,
  playback,
  record,
  rig,
  SlowDisk,
  type Stored,
  TARGET,
} from '../harness/copying.ts';
import type { Initiator, Told } from '../harness/initiator.ts';
import { pattern } from '../harness/random.ts';
import type { Pdu } from '../harness/peer.ts';
import { logIn, until } from '../harness/rig.ts';

/* LUNs: 0 and 1 disks of 512, 2 a disk of 4096, 3 and 4 tapes, the second of them short. */
const [DISK, OTHER, LARGE_BLOCKS, TAPE, SHORT] = [0, 1, 2, 3, 4] as const;
const LUNS = [DISK, OTHER, LARGE_BLOCKS, TAPE, SHORT];
/** CSCD descriptor IDs are the LUNs, and this is one that there is not. */
const NOBODY = 9;
const RUNNING = 77;

const IMAGE = pattern(4 * MIB, 3);
const NOTHING = Buffer.alloc(4 * MIB);

const ground = async (t: Test) => {
  const disks = [512, 512, 4096].map(blockSize => new SlowDisk(memoryDisk({ bytes: 4 * MIB, blockSize })));
  await fill(disks[0]!.inner, IMAGE);
  const tapes = [memoryCartridge(), memoryCartridge({ capacityBytes: 2 * MIB })];
  const made = await rig(...disks.map(disk => ({ disk })), ...tapes.map(tape => ({ tape })));
  const node = new IscsiNode({ targets: [{ device: made.device }], log: silent });
  t.teardown(() => node.stop());
  const peer = await logIn(t, node, { target: TARGET, luns: LUNS });
  const cscds = LUNS.map(lun => made.name(lun));
  const other = (): Promise<Initiator> =>
    logIn(t, node, { target: TARGET, initiator: 'iqn.2026-01.test:other', luns: LUNS });
  return { ...made, node, disks, tapes, peer, other, cscds, image: IMAGE };
};
type Ground = Awaited<ReturnType<typeof ground>>;

/** All that COPY ABORTED sense says (SPC-4 5.17.7.4, 4.5.2, 4.5.3). */
interface Said {
  said: string;
  /** SD and field pointer: `list 12`, `segment 6`, with BPV `list 1.4`; of the CDB `cdb 2`. */
  pointer?: string;
  segment?: number;
  information?: number;
  forwarded?: { from: 'source' | 'destination'; status: number; sense?: string };
}

const keyAndCode = (key: number, code: number): string =>
  `${(key & 0x0f).toString(16)}/${code.toString(16).padStart(4, '0')}`;

/** FM, EOM, ILI as letters. */
const marks = (byte: number): string =>
  ['FM', 'EOM', 'ILI'].filter((_, i) => (byte & (0x80 >> i)) !== 0).join(' ');

/** Forwarded sense in a word: `0/0001 FM`. */
const brief = (sense: Buffer): string => {
  if ((sense[0]! & 0x7f) === 0x70) {
    return `${keyAndCode(sense[2]!, sense.readUInt16BE(12))} ${marks(sense[2]!)}`.trim();
  }
  let flags = 0;
  for (const [type, body] of descriptors(sense)) if (type === 4) flags = body[3]!;
  return `${keyAndCode(sense[1]!, sense.readUInt16BE(2))} ${marks(flags)}`.trim();
};

function* descriptors(sense: Buffer): Generator<readonly [number, Buffer]> {
  for (let at = 8; at < 8 + sense[7]!; at += 2 + sense[at + 1]!) {
    yield [sense[at]!, sense.subarray(at, at + 2 + sense[at + 1]!)];
  }
}

const pointerOf = (key: number, flags: number, byte: number): string | undefined => {
  if ((flags & 0x80) === 0) return undefined;
  const where =
    key === 5 ? ((flags & 0x40) === 0 ? 'list' : 'cdb') : (flags & 0x20) === 0 ? 'list' : 'segment';
  return `${where} ${byte}${(flags & 8) === 0 ? '' : `.${flags & 7}`}`;
};

const forwardedFrom = (from: number, status: number, sense: Buffer): NonNullable<Said['forwarded']> => ({
  from: from === 1 ? 'source' : 'destination',
  status,
  ...(sense.length > 0 ? { sense: brief(sense) } : {}),
});

function fixedSense(sense: Buffer): Said {
  const key = sense[2]! & 15;
  const out: Said = { said: keyAndCode(key, sense.readUInt16BE(12)) };
  const pointer = pointerOf(key, sense[15]!, sense.readUInt16BE(16));
  if (pointer !== undefined) out.pointer = pointer;
  if (key === 0xa) out.segment = sense.readUInt16BE(10);
  if ((sense[0]! & 0x80) !== 0) out.information = sense.readInt32BE(3);
  for (const [at, from] of [
    [8, 1],
    [9, 2],
  ] as const) {
    const offset = sense[at]!;
    if (key === 0xa && offset > 0)
      out.forwarded = forwardedFrom(from, sense[offset]!, sense.subarray(offset + 1));
  }
  return out;
}

function descriptorSense(sense: Buffer): Said {
  const key = sense[1]! & 15;
  const out: Said = { said: keyAndCode(key, sense.readUInt16BE(2)) };
  for (const [type, body] of descriptors(sense)) {
    if (type === 0 && (body[2]! & 0x80) !== 0) out.information = Number(body.readBigInt64BE(4));
    if (type === 1) out.segment = body.readUInt16BE(6);
    if (type === 2) {
      const pointer = pointerOf(key, body[4]!, body.readUInt16BE(5));
      if (pointer !== undefined) out.pointer = pointer;
    }
    if (type === 0x0c) out.forwarded = forwardedFrom(body[2]! & 15, body[3]!, body.subarray(4));
  }
  return out;
}

/** A segment descriptor by the names of its fields. */
const segment = (
  code: number,
  from: number,
  to: number,
  values: Readonly<Record<string, number | boolean>> = {},
  data?: Buffer,
): Buffer => encodeSegment(segmentRow(code), { source: from, destination: to }, values, data);

const WELL = segment(0x02, DISK, OTHER, { blocks: 8, destinationLba: 7000 });
const FIRST_SEGMENT = 16 + 32 * LUNS.length;

const changed = (descriptor: Buffer, at: number, value: number): Buffer => {
  const out = Buffer.from(descriptor);
  out[at] = value;
  return out;
};

interface Row {
  readonly what: string;
  prepare?(g: Ground): Promise<unknown> | void;
  /** The whole list, or … */
  list?(g: Ground): Buffer;
  /** … segments in a LID1 list of all CSCDs. */
  segments?: readonly Buffer[];
  readonly lid4?: boolean;
  /** While the command runs. */
  during?(g: Ground): Promise<unknown>;
  /** What it says, also when it depends on what was written. */
  readonly says: Said | ((g: Ground) => Promise<Said>);
  after?(g: Ground, t: Test): Promise<unknown>;
  /** TRANSFER COUNT. */
  readonly bytes?: number | ((g: Ground) => Promise<number>);
}

/* SPC-4 5.17.7.3: before any segment is processed. */

const many = (count: number, one: Buffer): Buffer[] => Array.from({ length: count }, () => one);
const cscd0 = (g: Ground, more: Partial<CscdSpec>): Buffer => g.name(DISK, more);

/** A copy with list identifier 77 that has begun and does not end. */
const hold = async (g: Ground): Promise<void> => {
  let open!: () => void;
  const gate = new Promise<void>(resolve => {
    open = resolve;
  });
  g.disks[DISK]!.pace = () => gate;
  const out = list4(g.cscds, [WELL], { id: RUNNING, usage: 0, immediate: true });
  await g.peer.command(0, cdb83lid4(out.length), { write: out });
  release = () => {
    g.disks[DISK]!.pace = () => Promise.resolve();
    open();
  };
};
let release = (): void => {};

const REFUSED: readonly Row[] = [
  {
    what: 'TOO MANY TARGET DESCRIPTORS',
    list: g => list(many(MAX_CSCDS + 1, g.cscds[0]!), [WELL]),
    says: { said: '5/2606', pointer: 'list 2' },
  },
  ...[0xe0, 0xeb, 0xff].map((type): Row => ({
    what: `UNSUPPORTED TARGET DESCRIPTOR TYPE CODE ${type.toString(16)}h`,
    list: g => list([g.cscds[0]!, changed(g.cscds[1]!, 0, type)], [WELL]),
    says: { said: '5/2607', pointer: 'list 48' },
  })),
  {
    what: 'TOO MANY SEGMENT DESCRIPTORS',
    list: g => list(g.cscds, many(MAX_SEGMENTS + 1, WELL)),
    says: { said: '5/2608', pointer: 'list 8' },
  },
  ...[0x17, 0x19, 0xc0].map((type): Row => ({
    what: `UNSUPPORTED SEGMENT DESCRIPTOR TYPE CODE ${type.toString(16)}h, behind a good one`,
    list: g => list(g.cscds, [WELL, changed(WELL, 0, type)]),
    says: { said: '5/2609', pointer: `list ${FIRST_SEGMENT + 28}` },
  })),
  {
    what: 'too long goes before too many',
    list: g => list(many(MAX_CSCDS + 1, g.cscds[0]!), many(MAX_SEGMENTS + 1, WELL)),
    says: { said: '5/1a00' },
  },
  {
    what: 'PARAMETER LIST LENGTH ERROR, a segment cut off',
    list: g => list(g.cscds, [WELL]).subarray(0, -1),
    says: { said: '5/1a00' },
  },
  {
    what: 'PARAMETER LIST LENGTH ERROR, less than a header',
    list: g => list(g.cscds, [WELL]).subarray(0, 15),
    says: { said: '5/1a00' },
  },
  {
    what: 'INLINE DATA LENGTH EXCEEDED',
    list: g => list(g.cscds, [WELL], { inline: MAX_INLINE_BYTES + 4 }),
    says: { said: '5/260b', pointer: 'list 12' },
  },
  {
    what: 'a reserved LU ID TYPE where it is used',
    list: g => {
      const portal = Buffer.alloc(32);
      portal.set([0xe5, 0x80]);
      return list([...g.cscds, portal], [WELL]);
    },
    says: { said: '5/2600', pointer: `list ${FIRST_SEGMENT + 1}.7` },
  },
  {
    what: 'a reserved LIST ID USAGE',
    list: g => list(g.cscds, [WELL], { usage: 1 }),
    says: { said: '5/2600', pointer: 'list 1.4' },
  },
  {
    what: 'LIST ID USAGE 11b with a list identifier',
    list: g => list(g.cscds, [WELL], { usage: 3, id: 1 }),
    says: { said: '5/2600', pointer: 'list 0' },
  },
  {
    what: 'LIST ID USAGE 11b and a segment that holds',
    list: g => list(g.cscds, [WELL, segment(0x0d, DISK, OTHER, { blocks: 1 })], { usage: 3, id: 0 }),
    says: { said: '5/2600', pointer: `list ${FIRST_SEGMENT + 28}` },
  },
  {
    what: 'FIXED without STREAM BLOCK LENGTH',
    list: g => list([...g.cscds, g.name(TAPE, { fixed: true })], [WELL]),
    says: { said: '5/2600', pointer: `list ${FIRST_SEGMENT + 29}` },
  },
  {
    what: 'STREAM BLOCK LENGTH without FIXED',
    list: g => list([...g.cscds, g.name(TAPE, { blockLength: 512 })], [WELL]),
    says: { said: '5/2600', pointer: `list ${FIRST_SEGMENT + 29}` },
  },
  {
    what: 'STREAM DEVICE TRANSFER LENGTH 0',
    segments: [segment(0x00, DISK, TAPE, { blocks: 1 })],
    says: { said: '5/2600', pointer: `list ${FIRST_SEGMENT + 9}` },
  },
  {
    what: 'a DESCRIPTOR LENGTH that is not the type’s',
    segments: [WELL, changed(segment(0x07, DISK, 0), 3, 0x0c), Buffer.alloc(4)],
    says: { said: '5/2600', pointer: `list ${FIRST_SEGMENT + 28 + 2}` },
  },
  {
    what: 'more embedded data than there is',
    segments: [changed(segment(0x05, 0, TAPE, { transferLength: 4 }, Buffer.from('abcd')), 13, 5)],
    says: { said: '5/2600', pointer: `list ${FIRST_SEGMENT + 12}` },
  },
  ...[0x00, 0x01, 0x03, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0b, 0x0c, 0x0e, 0x0f, 0x13].map((code): Row => ({
    what: `${code.toString(16)}h, a stream segment, between disks`,
    segments: [WELL, segment(code, DISK, OTHER, {}, code === 5 ? Buffer.alloc(4) : undefined)],
    says: { said: '5/2609', pointer: `list ${FIRST_SEGMENT + 28}` },
  })),
  {
    what: 'LID4 IMMED with G_SENSE',
    lid4: true,
    list: g => list4(g.cscds, [WELL], { immediate: true, goodWithSense: true }),
    says: { said: '5/2400' },
  },
  {
    what: 'LID4 IMMED with LIST ID USAGE 11b',
    lid4: true,
    list: g => list4(g.cscds, [WELL], { immediate: true, usage: 3, id: 0 }),
    says: { said: '5/2400' },
  },
  {
    what: 'LID4 PARAMETER LIST FORMAT',
    lid4: true,
    list: g => changed(list4(g.cscds, [WELL]), 0, 2),
    says: { said: '5/2600', pointer: 'list 0' },
  },
  {
    what: 'OPERATION IN PROGRESS, a list identifier in use',
    prepare: hold,
    lid4: true,
    list: g => list4(g.cscds, [WELL], { id: RUNNING }),
    says: { said: '5/0016' },
  },
  {
    what: 'a list identifier in use by the other format',
    prepare: hold,
    list: g => list(g.cscds, [WELL], { id: RUNNING }),
    says: { said: '5/2600' },
  },
];

/* SPC-4 5.17.7.4: when segments are processed. WELL goes first, so that the failing one has number 1. */

const beyond = (code: number, from: number, to: number, values: Record<string, number>, at: number): Row => ({
  what: `${code.toString(16)}h beyond the end of a disk, byte ${at}`,
  segments: [WELL, segment(code, from, to, values)],
  says: { said: 'a/0d02', segment: 1, pointer: `segment ${at}` },
  bytes: 4096,
  after: async (g, t) => {
    t.ok((await dump(g.disks[OTHER]!.inner, 3 * MIB)).equals(Buffer.alloc(3 * MIB)), 'nothing was moved');
    t.same(await playback(g.tapes[0]!), []);
  },
});
const END = (4 * MIB) / 512;
const transferLength = 512;

/** Commands of a LUN by operation code end as told. */
const instead =
  (lun: number, opcode: number, run: (task: Task) => void) =>
  (g: Ground): void => {
    const { commands } = g.units[lun]!;
    commands.add({ ...commands.byCode(opcode)!, run: (_unit: never, task: Task) => run(task) });
  };
const [READ16, WRITE16, READ6] = [0x88, 0x8a, 0x08];

const whole = segment(0x02, DISK, OTHER, { blocks: 8000 });
const recorded =
  (...objects: readonly Stored[]) =>
  (g: Ground): Promise<void> =>
    record(g.tapes[0]!, objects);
const block = (fill: string, length = 4096): Buffer => Buffer.alloc(length, fill);
/** 16 KiB from the tape in records of up to 4096. */
const fromTape = segment(0x01, TAPE, OTHER, { transferLength: 4096, blocks: 32 });
const onOther = async (g: Ground, t: Test, wanted: Buffer): Promise<void> => {
  const zeros = Buffer.alloc(MIB);
  wanted.copy(zeros);
  t.ok(
    (await dump(g.disks[OTHER]!.inner, MIB)).equals(zeros),
    'what was told as written is there, and no more',
  );
};
/** Bytes that came from the first disk, from their beginning on, and those of WELL. */
const copied = async (g: Ground): Promise<number> => {
  const there = await dump(g.disks[OTHER]!.inner, 7000 * 512);
  let blocks = 0;
  while (
    there.subarray(blocks * 512, ++blocks * 512).equals(g.image.subarray((blocks - 1) * 512, blocks * 512))
  );
  return 4096 + (blocks - 1) * 512;
};
/** Bytes on the short tape. */
const onShort = async (g: Ground): Promise<number> =>
  (await playback(g.tapes[1]!)).reduce((sum, one) => sum + one.length, 0);
const toShort = segment(0x00, DISK, SHORT, { transferLength: 65536, blocks: 8192 });
const tapeFailure = (sense: string, from: 'source' | 'destination' = 'source'): Said['forwarded'] => ({
  from,
  status: Status.CHECK_CONDITION,
  sense,
});
const atTape = `list ${16 + 32 * TAPE}`;

const ABORTED: readonly Row[] = [
  {
    what: 'UNREACHABLE COPY TARGET: a designator of nobody',
    list: g =>
      list(
        [...g.cscds, cscd0(g, { designator: Buffer.alloc(8, 0x35) })],
        [WELL, segment(0x02, DISK, 5, { blocks: 1 })],
      ),
    says: { said: 'a/0804', segment: 1, pointer: `list ${FIRST_SEGMENT}` },
    bytes: 4096,
  },
  {
    what: 'UNREACHABLE COPY TARGET: a source index outside the list, when the segment runs',
    segments: [WELL, segment(0x02, NOBODY, OTHER, { blocks: 1 })],
    says: { said: 'a/0804', segment: 1, pointer: 'segment 4' },
    bytes: 4096,
  },
  {
    what: 'UNREACHABLE COPY TARGET: a destination index outside the list',
    segments: [segment(0x00, DISK, NOBODY, { transferLength, blocks: 1 })],
    says: { said: 'a/0804', segment: 0, pointer: 'segment 6' },
  },
  {
    what: 'UNREACHABLE COPY TARGET: a read of the null device',
    segments: [segment(0x02, 0xc000, OTHER, { blocks: 1 })],
    says: { said: 'a/0804', segment: 0, pointer: 'segment 4' },
  },
  {
    what: 'the second half of a CSCD of 64 bytes',
    list: g => {
      const portal = Buffer.alloc(64);
      portal[0] = 0xea;
      portal[32] = 0xff;
      return list([...g.cscds, portal], [segment(0x02, DISK, 6, { blocks: 1 })]);
    },
    says: { said: 'a/2600', segment: 0, pointer: 'segment 6' },
  },
  {
    what: 'a CSCD of 64 bytes whose extension does not begin with FFh',
    list: g => {
      const portal = Buffer.alloc(64);
      portal[0] = 0xea;
      return list([...g.cscds, portal], [segment(0x02, DISK, 5, { blocks: 1 })]);
    },
    says: { said: 'a/2600', segment: 0, pointer: `list ${FIRST_SEGMENT + 32}` },
  },
  beyond(0x00, DISK, TAPE, { transferLength, blocks: 2, lba: END - 1 }, 14),
  beyond(0x00, DISK, TAPE, { transferLength, blocks: 2, lba: END }, 16),
  beyond(0x01, TAPE, OTHER, { transferLength, blocks: 2, lba: END - 1 }, 14),
  beyond(0x02, DISK, OTHER, { blocks: 2, sourceLba: END - 1 }, 10),
  beyond(0x02, DISK, OTHER, { blocks: 2, destinationLba: END - 1 }, 10),
  beyond(0x02, DISK, OTHER, { blocks: 2, destinationLba: END }, 20),
  beyond(0x08, DISK, TAPE, { transferLength, bytes: 600, lba: END - 1 }, 12),
  beyond(0x09, TAPE, OTHER, { transferLength, bytes: 600, lba: END - 1 }, 12),
  beyond(0x0a, DISK, OTHER, { bytes: 10, sourceLba: END - 1, sourceOffset: 510 }, 8),
  beyond(0x0a, DISK, OTHER, { bytes: 10, destinationLba: END, destinationOffset: 1 }, 20),
  beyond(0x0d, DISK, OTHER, { blocks: 2, sourceLba: END }, 12),
  beyond(0x16, DISK, OTHER, { sourceLba: END + 1 }, 8),
  {
    what: 'INCORRECT COPY TARGET DEVICE TYPE: INQUIRY says another',
    list: g => list([g.cscds[0]!, g.name(OTHER, { pdt: 5 })], [segment(0x02, 0, 1, { blocks: 1 })]),
    says: { said: 'a/0d03', segment: 0, pointer: 'list 48' },
  },
  {
    what: 'INCORRECT COPY TARGET DEVICE TYPE: 16h and block lengths that differ',
    segments: [segment(0x16, DISK, LARGE_BLOCKS)],
    says: { said: 'a/0d03', segment: 0, pointer: 'segment 6' },
  },
  {
    what: 'DISK BLOCK LENGTH that is not the disk’s',
    list: g =>
      list([g.cscds[0]!, g.name(OTHER, { blockLength: 4096 })], [segment(0x02, 0, 1, { blocks: 1 })]),
    says: { said: 'a/2600', segment: 0, pointer: 'list 77' },
  },
  {
    what: 'STREAM BLOCK LENGTH that is not the drive’s',
    list: g =>
      list(
        [g.cscds[0]!, g.name(TAPE, { fixed: true, blockLength: 512 })],
        [segment(0x00, 0, 1, { transferLength: 1, blocks: 1 })],
      ),
    says: { said: 'a/2600', segment: 0, pointer: 'list 77' },
  },
  ...[0x02, 0x0a, 0x0d, 0x16].map((code): Row => ({
    what: `INVALID OPERATION FOR COPY SOURCE OR DESTINATION: ${code.toString(16)}h to a tape`,
    segments: [segment(code, DISK, TAPE)],
    says: { said: 'a/260c', segment: 0, pointer: 'segment 6' },
  })),
  ...[0x10, 0x11, 0x12].map((code): Row => ({
    what: `INVALID OPERATION FOR COPY SOURCE OR DESTINATION: ${code.toString(16)}h, a disk`,
    segments: [WELL, segment(code, 0, OTHER)],
    says: { said: 'a/260c', segment: 1, pointer: 'segment 6' },
    bytes: 4096,
  })),
  {
    what: 'INVALID OPERATION FOR COPY SOURCE OR DESTINATION: 15h, a disk',
    segments: [segment(0x15, 0, OTHER)],
    says: { said: 'a/260c', segment: 0, pointer: 'segment 6' },
  },
  {
    what: 'INLINE DATA LENGTH EXCEEDED when 04h runs',
    lid4: true,
    list: g => {
      const out = segment(0x04, 0, TAPE, { transferLength: 4 });
      out.writeUInt32BE(12, 12);
      out.writeUInt32BE(8, 16);
      return list4(g.cscds, [WELL, out], { inline: Buffer.alloc(16) });
    },
    says: { said: 'a/260b', segment: 1, pointer: 'segment 12' },
    bytes: 4096,
  },
  {
    what: 'UNEXPECTED INEXACT SEGMENT, nothing written',
    segments: [segment(0x00, DISK, TAPE, { transferLength: 1000, blocks: 1 })],
    says: { said: 'a/260a', segment: 0 },
  },
  {
    what: 'UNEXPECTED INEXACT SEGMENT, all written that makes whole records',
    segments: [segment(0x00, DISK, TAPE, { transferLength: 1000, blocks: 4 })],
    says: { said: 'a/260a', segment: 0, information: 0 },
    bytes: 2000,
  },
  {
    what: 'the destination is write protected',
    prepare: g => {
      Object.defineProperty(g.disks[OTHER]!, 'readOnly', { value: true });
    },
    segments: [whole],
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: 'list 48',
      forwarded: { from: 'destination', status: 2, sense: '7/2700' },
    },
  },
  {
    what: 'the destination is reserved by another: a status and no sense',
    prepare: async g => {
      const holder = await g.other();
      const keys = Buffer.alloc(24);
      keys.writeBigUInt64BE(5n, 8);
      await holder.command(OTHER, '5f 00 00 00 00 00 00 00 18', { write: keys });
      keys.writeBigUInt64BE(5n, 0);
      const { status } = await holder.command(OTHER, '5f 01 01 00 00 00 00 00 18', { write: keys });
      if (status !== 0) throw new Error(`RESERVE: ${status}`);
    },
    segments: [whole],
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: 'list 48',
      forwarded: { from: 'destination', status: 0x18 },
    },
  },
  {
    what: 'the source has no medium',
    prepare: async g => {
      const { status } = await g.peer.command(TAPE, '1b 00 00 00 00');
      if (status !== 0) throw new Error('unload');
    },
    segments: [fromTape],
    says: { said: 'a/0d01', segment: 0, pointer: atTape, forwarded: tapeFailure('2/3a00') },
  },
  {
    what: 'the source fails in mid-copy: what was read before it is written',
    prepare: g => {
      const disk = g.disks[DISK]!;
      const read = disk.read.bind(disk);
      disk.read = (into, offset) =>
        offset === 2 * MIB
          ? Promise.reject(new MediumError('io', offset, 'was to fail'))
          : read(into, offset);
    },
    segments: [whole],
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: 'list 16',
      information: 8000 - 4096,
      forwarded: { from: 'source', status: 2, sense: '3/1100' },
    },
    bytes: 2 * MIB,
    after: async (g, t) => {
      const there = await dump(g.disks[OTHER]!.inner, 3 * MIB);
      t.ok(there.subarray(0, 2 * MIB).equals(g.image.subarray(0, 2 * MIB)));
      t.ok(there.subarray(2 * MIB).equals(Buffer.alloc(MIB)), 'and no more');
    },
  },
  {
    what: 'the destination fails in mid-copy: in order from the first byte',
    prepare: g => {
      g.disks[OTHER]!.failWriteAt = MIB;
    },
    segments: [whole],
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: 'list 48',
      information: 8000 - 2048,
      forwarded: { from: 'destination', status: 2, sense: '4/4400' },
    },
    bytes: MIB,
  },
  {
    what: 'COPY TARGET DEVICE DATA UNDERRUN, a READ that is GOOD and short',
    prepare: instead(DISK, READ16, task => task.good(Buffer.alloc(512))),
    segments: [whole],
    says: { said: 'a/0d04', segment: 0, pointer: 'list 16' },
  },
  {
    what: 'COPY TARGET DEVICE DATA OVERRUN, a READ that is GOOD and long',
    prepare: instead(TAPE, READ6, task => task.good(Buffer.alloc(8192))),
    segments: [fromTape],
    says: { said: 'a/0d05', segment: 0, pointer: atTape },
  },
  ...[Status.BUSY, Status.TASK_SET_FULL, Status.ACA_ACTIVE].map((status): Row => ({
    what: `the destination goes on with status ${status.toString(16)}h`,
    prepare: instead(OTHER, WRITE16, task => task.end(status)),
    segments: [whole],
    says: { said: 'a/0d01', segment: 0, pointer: 'list 48', forwarded: { from: 'destination', status } },
  })),
  {
    what: '07h: TEST UNIT READY fails, and its CSCD is a source',
    prepare: async g => {
      await g.peer.command(TAPE, '1b 00 00 00 00');
    },
    segments: [WELL, segment(0x07, TAPE, 0, { testUnitReady: true })],
    says: { said: 'a/0d01', segment: 1, pointer: atTape, forwarded: tapeFailure('2/3a00') },
    bytes: 4096,
  },
  {
    what: '14h: RESERVATION CONFLICT',
    segments: [segment(0x14, 0, OTHER, {})].map(one => changed(one, 15, 9)),
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: 'list 48',
      forwarded: { from: 'destination', status: 0x18 },
    },
  },
  {
    what: 'a filemark in mid-copy: what lies before it is written, in whole blocks',
    prepare: recorded(block('a'), block('b', 1000), 'filemark', block('c')),
    segments: [fromTape],
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: atTape,
      information: 32 - 9,
      forwarded: tapeFailure('0/0001 FM'),
    },
    bytes: 9 * 512,
    after: async (g, t) => {
      await onOther(g, t, Buffer.concat([block('a'), block('b', 512)]));
      t.equal(g.tapes[0]!.position.object, 3, 'behind the filemark');
    },
  },
  {
    what: 'a filemark at once: nothing was written, INFORMATION is not valid',
    prepare: recorded('filemark', block('a')),
    segments: [fromTape],
    says: { said: 'a/0d01', segment: 0, pointer: atTape, forwarded: tapeFailure('0/0001 FM') },
  },
  {
    what: 'end of data in mid-copy, BLANK CHECK',
    prepare: recorded(block('a')),
    segments: [fromTape],
    says: { said: 'a/0d01', segment: 0, pointer: atTape, information: 24, forwarded: tapeFailure('8/0005') },
    bytes: 4096,
    after: (g, t) => onOther(g, t, block('a')),
  },
  {
    what: 'a record longer than the transfer length: of it nothing is written',
    prepare: recorded(block('a'), block('b', 5000), block('c')),
    segments: [fromTape],
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: atTape,
      information: 24,
      forwarded: tapeFailure('0/0000 ILI'),
    },
    bytes: 4096,
    after: (g, t) => onOther(g, t, block('a')),
  },
  {
    what: '06h: a filemark, and nothing is ever written',
    prepare: recorded(block('a'), 'filemark'),
    segments: [segment(0x06, TAPE, 0, { transferLength: 4096, bytes: 9000 })],
    says: { said: 'a/0d01', segment: 0, pointer: atTape, forwarded: tapeFailure('0/0001 FM') },
  },
  {
    what: '11h over a filemark',
    prepare: recorded(block('a'), 'filemark', block('b')),
    segments: [WELL, segment(0x11, 0, TAPE, { code: 0, count: 2 })],
    says: { said: 'a/0d01', segment: 1, pointer: atTape, forwarded: tapeFailure('0/0001 FM', 'destination') },
    bytes: 4096,
  },
  {
    what: '12h behind the end of data',
    prepare: recorded(block('a')),
    segments: [WELL, segment(0x12, 0, TAPE, { object: 5 })],
    says: { said: 'a/0d01', segment: 1, pointer: atTape, forwarded: tapeFailure('8/0005', 'destination') },
    bytes: 4096,
  },
  {
    what: 'early warning at the destination ends it; what came with it is written and counts',
    segments: [toShort],
    says: async g => ({
      said: 'a/0d01',
      segment: 0,
      pointer: `list ${16 + 32 * SHORT}`,
      information: 4 * MIB - (await onShort(g)),
      forwarded: tapeFailure('0/0002 EOM', 'destination'),
    }),
    bytes: onShort,
    after: async (g, t) => {
      t.ok((await onShort(g)) > MIB);
    },
  },
  {
    what: 'no room at all at the destination',
    prepare: async g => {
      while ((await g.tapes[1]!.write(block('x', 65536))) !== 'end-of-medium');
    },
    segments: [toShort],
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: `list ${16 + 32 * SHORT}`,
      forwarded: tapeFailure('d/0002 EOM', 'destination'),
    },
  },
  {
    what: '13h: the destination ends, INFORMATION is 0',
    prepare: g => record(g.tapes[0]!, many(40, block('a', 65536))),
    segments: [segment(0x13, TAPE, SHORT)],
    says: {
      said: 'a/0d01',
      segment: 0,
      pointer: `list ${16 + 32 * SHORT}`,
      information: 0,
      forwarded: tapeFailure('0/0002 EOM', 'destination'),
    },
    bytes: onShort,
  },
  {
    what: 'a destination with fixed blocks is told of in its blocks',
    prepare: async g => {
      const mode = Buffer.from('000010080000000000000400', 'hex');
      await g.peer.command(SHORT, '15 10 00 00 0c 00', { write: mode });
    },
    list: g =>
      list(
        [g.cscds[0]!, g.name(SHORT, { fixed: true, blockLength: 1024 })],
        [segment(0x00, 0, 1, { transferLength: 64, blocks: 8192 })],
      ),
    says: async g => ({
      said: 'a/0d01',
      segment: 0,
      pointer: 'list 48',
      information: (4 * MIB - (await onShort(g))) / 1024,
      forwarded: tapeFailure('0/0002 EOM', 'destination'),
    }),
    bytes: onShort,
  },
  {
    what: 'COPY OPERATION ABORT of a copy in the foreground',
    prepare: g => {
      g.disks[OTHER]!.pace = () => new Promise(resolve => setTimeout(resolve, 5));
    },
    list: g => list(g.cscds, [WELL, segment(0x02, DISK, OTHER, { blocks: 7000 })], { id: 9, usage: 0 }),
    during: async g => {
      while (g.disks[OTHER]!.writes.length < 2) await new Promise(resolve => setImmediate(resolve));
      const tag = g.peer.start(0, cdb84lid4(0x1c, 9, 0, 0x83));
      const told = (): Pdu | undefined => g.peer.pdus.find(pdu => pdu.num('initiatorTaskTag') === tag);
      if (!(await until(() => told() !== undefined))) throw new Error('COPY OPERATION ABORT does not end');
      if (told()!.num('status') !== 0) throw new Error('COPY OPERATION ABORT');
      if (g.peer.pdus.indexOf(told()!) < g.peer.pdus.length - 1) throw new Error('the copy ends after it');
      if (g.disks[OTHER]!.underWay + g.disks[DISK]!.underWay > 0) throw new Error('I/O is under way');
    },
    says: { said: 'a/2f02', segment: 1 },
    bytes: copied,
  },
];

const FORMATS = { fixed: fixedSense, descriptor: descriptorSense } as const;

for (const [format, parse] of Object.entries(FORMATS)) {
  for (const [clause, rows] of [
    ['SPC-4 5.17.7.3: EXTENDED COPY(LID1) and (LID4) refused', REFUSED],
    ['SPC-4 5.17.7.4: EXTENDED COPY(LID1) and (LID4) aborted', ABORTED],
  ] as const) {
    void t.test(`${clause}, ${format} format sense`, async t => {
      for (const row of rows) await t.test(row.what, t => answers(t, row, rows === REFUSED, format, parse));
    });
  }
}

async function answers(
  t: Test,
  row: Row,
  refused: boolean,
  format: string,
  parse: (sense: Buffer) => Said,
): Promise<void> {
  const g = await ground(t);
  Object.defineProperty(g.units[DISK]!, 'descriptorSense', { get: () => format === 'descriptor' });
  await row.prepare?.(g);
  const out = row.list?.(g) ?? list(g.cscds, row.segments!);
  const cdb = row.lid4 === true ? cdb83lid4(out.length) : cdb83(out.length);
  const asking = g.peer.command(0, cdb, { write: out });
  await row.during?.(g);
  const told = await asking;
  t.equal(told.status, Status.CHECK_CONDITION);
  t.equal(told.sense[0]! & 0x7f, format === 'fixed' ? 0x70 : 0x72);
  const says = typeof row.says === 'function' ? await row.says(g) : row.says;
  const got = parse(told.sense);
  // SPC-4 does not make clear where the number is in descriptor format: 0 is the same in all readings.
  if (format === 'descriptor' && says.segment !== undefined && says.segment > 0) {
    t.not(got.segment, undefined);
    got.segment = says.segment;
  }
  t.strictSame(sorted(got), sorted(says), 'sense');
  if (refused) {
    t.ok((await dump(g.disks[OTHER]!.inner)).equals(NOTHING), 'no segment was processed');
  } else {
    await counted(t, g, row, out, told);
  }
  await row.after?.(g, t);
  release();
}

const sorted = (said: Said): unknown =>
  Object.fromEntries(Object.entries(said).sort(([a], [b]) => (a < b ? -1 : 1)));

/** RECEIVE COPY STATUS and RECEIVE COPY FAILURE DETAILS of the copy that has just failed. */
async function counted(t: Test, g: Ground, row: Row, out: Buffer, told: Told): Promise<void> {
  const wanted = typeof row.bytes === 'function' ? await row.bytes(g) : (row.bytes ?? 0);
  if (row.lid4 === true) {
    const { data } = await g.peer.command(0, cdb84lid4(5, out.readUInt32BE(20)), { read: 1024 });
    t.equal(data[5], 2, 'completed with errors');
    t.equal(Number(data.readBigUInt64BE(16)), wanted, 'TRANSFER COUNT');
    t.ok(data.subarray(32, 32 + data[14]!).equals(told.sense), 'the same sense');
    return;
  }
  const details = await g.peer.command(0, cdb84(4, out[0]), { read: 1024 });
  t.ok(details.data.subarray(60).equals(told.sense), 'RECEIVE COPY FAILURE DETAILS(LID1): the same sense');
  const { data } = await g.peer.command(0, cdb84(0, out[0]), { read: 12 });
  t.equal(data[4], 2, 'completed with errors');
  t.equal(data.readUInt32BE(8), wanted, 'TRANSFER COUNT');
}

void t.test(
  'SPC-4 6.20, 6.21, 6.23, 6.24, 6.25, 6.3: list identifiers of which nothing is known',
  async t => {
    const g = await ground(t);
    const refused = async (cdb: Buffer, read?: number): Promise<void> => {
      const told = await g.peer.command(0, cdb, read === undefined ? {} : { read });
      t.strictSame(
        fixedSense(told.sense),
        { said: '5/2400', pointer: 'cdb 2' },
        `${cdb[0]!.toString(16)}/${cdb[1]}`,
      );
    };
    for (const action of [0, 1, 4]) await refused(cdb84(action, 5), 1024);
    for (const action of [5, 6]) await refused(cdb84lid4(action, 5), 1024);
    await refused(cdb84lid4(0x1c, 5, 0, 0x83));

    let open!: () => void;
    const gate = new Promise<void>(resolve => {
      open = resolve;
    });
    g.disks[DISK]!.pace = () => gate;
    const out = list(g.cscds, [WELL], { id: 5, usage: 0 });
    const tag = g.peer.start(0, cdb83(out.length), { write: out, immediateBytes: out.length });
    while (g.disks[DISK]!.underWay === 0) await new Promise(resolve => setImmediate(resolve));
    const second = await g.other();
    const asked = await g.peer.command(0, cdb84(0, 5), { read: 12 });
    t.equal(asked.data[4], 0, 'RECEIVE COPY STATUS(LID1): in progress');
    for (const action of [1, 4]) await refused(cdb84(action, 5), 1024);
    const elsewhere = await second.command(0, cdb84(0, 5), { read: 12 });
    t.equal(elsewhere.said, '5/2400', 'and nothing to another nexus');
    open();
    t.equal((await g.peer.finish(tag, 0)).status, 0);
  },
);
