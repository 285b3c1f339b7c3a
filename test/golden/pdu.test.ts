/**
 * Every PDU of RFC 7143 clause 11 as bytes on the wire, written down by hand from the clause's picture: parsed, built
 * and mirrored by its layout, and cut by the framer however it arrives, with digests and without.
 */
import { PassThrough } from 'node:stream';
import t from 'tap';
import { crc32c } from '../../lib/bytes/crc32c.ts';
import type { Field } from '../../lib/bytes/fields.ts';
import { describe, reservedBit } from '../../lib/bytes/layout.ts';
import { Framer, type FramerSink } from '../../lib/iscsi/framer.ts';
import { formatText, parseText } from '../../lib/iscsi/login/text.ts';
import { Outbox } from '../../lib/iscsi/outbox.ts';
import { LAYOUTS } from '../../lib/iscsi/pdu/layouts.ts';
import { hexBytes } from '../harness/initiator.ts';
import { RawPeer, build } from '../harness/peer.ts';
import { Random, SEED, pattern } from '../harness/random.ts';
import { duplexPair } from '../harness/duplex.ts';
import { turns } from '../harness/rig.ts';

type Values = Readonly<Record<string, number | boolean | string>>;

interface Vector {
  readonly opcode: number;
  readonly clause: string;
  /** Basic header segment. */
  readonly header: string;
  readonly ahs?: string;
  readonly data?: Buffer;
  /** Bytes are hex. */
  readonly fields: Values;
}

const LUN = '0003000000000000';
const CDB = '2a00000012340000080000000000 0000'.replaceAll(' ', '');

const vectors: readonly Vector[] = [
  {
    opcode: 0x00,
    clause: '11.18 NOP-Out',
    header:
      '40800000 00000005 00030000 00000000 a1a2a3a4 b1b2b3b4 00000011 00000022 00000000 00000000 00000000 00000000',
    data: Buffer.from('hello'),
    fields: {
      immediate: true,
      final: true,
      lun: LUN,
      initiatorTaskTag: 0xa1a2a3a4,
      targetTransferTag: 0xb1b2b3b4,
      cmdSN: 0x11,
      expStatSN: 0x22,
    },
  },
  {
    opcode: 0x01,
    clause: '11.3 SCSI Command, RFC 3720 B.4: READ(10)',
    header:
      '01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000',
    fields: {
      immediate: false,
      final: true,
      read: true,
      write: false,
      attribute: 0,
      lun: '0000000000000000',
      initiatorTaskTag: 0x14000000,
      expectedDataTransferLength: 0x400,
      cmdSN: 0x14,
      expStatSN: 0x18,
      cdb: '28000000000000000200000000000000',
    },
  },
  {
    opcode: 0x01,
    clause: '11.3 SCSI Command: WRITE(10) with immediate data, and 11.2.2 with an extended CDB',
    header: `41210000 03000010 00030000 00000000 00000007 00001000 fffffffe 00000001 ${CDB}`,
    ahs: '00090100 c0c1c2c3 c4c5c6c7',
    data: pattern(16, 1),
    fields: {
      immediate: true,
      final: false,
      read: false,
      write: true,
      attribute: 1,
      totalAhsLength: 3,
      dataSegmentLength: 16,
      lun: LUN,
      initiatorTaskTag: 7,
      expectedDataTransferLength: 4096,
      cmdSN: 0xffff_fffe,
      expStatSN: 1,
      cdb: CDB,
    },
  },
  {
    opcode: 0x02,
    clause: '11.5 Task Management Function Request: ABORT TASK',
    header:
      '42810000 00000000 00030000 00000000 00000008 00000007 00000101 00000202 00000303 00000404 00000000 00000000',
    fields: {
      immediate: true,
      function: 1,
      lun: LUN,
      initiatorTaskTag: 8,
      referencedTaskTag: 7,
      cmdSN: 0x101,
      expStatSN: 0x202,
      refCmdSN: 0x303,
      expDataSN: 0x404,
    },
  },
  {
    opcode: 0x03,
    clause: '11.12 Login Request: operational to full feature phase',
    header:
      '43870000 00000000 80123456 789a0102 00000001 00050000 00000001 00000000 00000000 00000000 00000000 00000000',
    data: Buffer.from('InitiatorName=iqn.1993-08.org.debian:01:abc\0SessionType=Discovery\0'),
    fields: {
      immediate: true,
      final: true,
      continue: false,
      currentStage: 1,
      nextStage: 3,
      versionMax: 0,
      versionMin: 0,
      isid: '80123456789a',
      tsih: 0x0102,
      cid: 5,
      initiatorTaskTag: 1,
      cmdSN: 1,
      expStatSN: 0,
    },
  },
  {
    opcode: 0x03,
    clause: '11.12 Login Request: security, continued, versions',
    header:
      '43400302 00000000 00023d00 00010000 00000001 00000000 00000001 00000000 00000000 00000000 00000000 00000000',
    data: Buffer.from('AuthMeth'),
    fields: {
      final: false,
      continue: true,
      currentStage: 0,
      nextStage: 0,
      versionMax: 3,
      versionMin: 2,
      isid: '00023d000001',
    },
  },
  {
    opcode: 0x04,
    clause: '11.10 Text Request',
    header:
      '04800000 00000000 00000000 00000000 00000009 ffffffff 00000003 00000004 00000000 00000000 00000000 00000000',
    data: Buffer.from('SendTargets=All\0'),
    fields: {
      immediate: false,
      final: true,
      continue: false,
      initiatorTaskTag: 9,
      targetTransferTag: 0xffff_ffff,
      cmdSN: 3,
      expStatSN: 4,
    },
  },
  {
    opcode: 0x05,
    clause: '11.7 SCSI Data-Out',
    header:
      '05800000 00000000 00030000 00000000 00000007 00000042 00000000 00000009 00000000 00000002 00002000 00000000',
    data: pattern(1021, 2),
    fields: {
      final: true,
      lun: LUN,
      initiatorTaskTag: 7,
      targetTransferTag: 0x42,
      expStatSN: 9,
      dataSN: 2,
      bufferOffset: 0x2000,
    },
  },
  {
    opcode: 0x06,
    clause: '11.14 Logout Request',
    header:
      '46810000 00000000 00000000 00000000 0000000a 00050000 0000000b 0000000c 00000000 00000000 00000000 00000000',
    fields: { immediate: true, reason: 1, initiatorTaskTag: 10, cid: 5, cmdSN: 11, expStatSN: 12 },
  },
  {
    opcode: 0x10,
    clause: '11.16 SNACK Request',
    header:
      '10830000 00000000 00030000 00000000 00000007 00000042 00000000 00000009 00000000 00000000 00000005 00000006',
    fields: {
      final: true,
      type: 3,
      lun: LUN,
      initiatorTaskTag: 7,
      targetTransferTag: 0x42,
      expStatSN: 9,
      begRun: 5,
      runLength: 6,
    },
  },
  {
    opcode: 0x20,
    clause: '11.19 NOP-In',
    header:
      '20800000 00000000 00030000 00000000 ffffffff 00000077 00000010 00000011 00000090 00000000 00000000 00000000',
    fields: {
      final: true,
      lun: LUN,
      initiatorTaskTag: 0xffff_ffff,
      targetTransferTag: 0x77,
      statSN: 0x10,
      expCmdSN: 0x11,
      maxCmdSN: 0x90,
    },
  },
  {
    opcode: 0x21,
    clause: '11.4 SCSI Response: CHECK CONDITION',
    header:
      '21820002 00000000 00000000 00000000 00000007 00000000 00000010 00000011 00000090 00000003 00000000 00000200',
    data: hexBytes('0012 700005000000000a00000000240000c00001'),
    fields: {
      final: true,
      underflow: true,
      overflow: false,
      bidirectionalOverflow: false,
      bidirectionalUnderflow: false,
      response: 0,
      status: 2,
      initiatorTaskTag: 7,
      snackTag: 0,
      statSN: 0x10,
      expCmdSN: 0x11,
      maxCmdSN: 0x90,
      expDataSN: 3,
      bidirectionalResidualCount: 0,
      residualCount: 0x200,
    },
  },
  {
    opcode: 0x21,
    clause: '11.4 SCSI Response: the other bits',
    header:
      '219c0108 00000000 00000000 00000000 00000007 01020304 00000010 00000011 00000090 00000003 0a0b0c0d 00000200',
    fields: {
      final: true,
      overflow: true,
      underflow: false,
      bidirectionalOverflow: true,
      bidirectionalUnderflow: true,
      response: 1,
      status: 8,
      snackTag: 0x01020304,
      bidirectionalResidualCount: 0x0a0b0c0d,
    },
  },
  {
    opcode: 0x22,
    clause: '11.6 Task Management Function Response',
    header:
      '2280ff00 00000000 00000000 00000000 00000008 00000000 00000010 00000011 00000090 00000000 00000000 00000000',
    fields: { final: true, response: 255, initiatorTaskTag: 8, statSN: 0x10, expCmdSN: 0x11, maxCmdSN: 0x90 },
  },
  {
    opcode: 0x23,
    clause: '11.13 Login Response',
    header:
      '23870000 00000000 80123456 789a0002 00000001 00000000 00000001 00000001 00000080 00000000 00000000 00000000',
    data: Buffer.from('MaxRecvDataSegmentLength=1048576\0'),
    fields: {
      final: true,
      continue: false,
      currentStage: 1,
      nextStage: 3,
      versionMax: 0,
      versionActive: 0,
      isid: '80123456789a',
      tsih: 2,
      initiatorTaskTag: 1,
      statSN: 1,
      expCmdSN: 1,
      maxCmdSN: 128,
      status: 0,
    },
  },
  {
    opcode: 0x23,
    clause: '11.13 Login Response: refused',
    header:
      '23000100 00000000 80123456 789a0000 00000001 00000000 00000000 00000001 00000001 0201abcd 00000000 00000000'.replace(
        'abcd',
        '0000',
      ),
    fields: { final: false, versionMax: 1, versionActive: 0, status: 0x0201 },
  },
  {
    opcode: 0x24,
    clause: '11.11 Text Response',
    header:
      '24400000 00000000 00000000 00000000 00000009 00000055 00000010 00000011 00000090 00000000 00000000 00000000',
    data: Buffer.from('TargetName=iqn.2026-01.io.sanlet:san\0TargetAdd'),
    fields: {
      final: false,
      continue: true,
      initiatorTaskTag: 9,
      targetTransferTag: 0x55,
      statSN: 0x10,
      expCmdSN: 0x11,
      maxCmdSN: 0x90,
    },
  },
  {
    opcode: 0x25,
    clause: '11.7 SCSI Data-In with status',
    header:
      '25830000 00000000 00000000 00000000 00000007 ffffffff 00000010 00000011 00000090 00000001 00001000 00000010',
    data: pattern(512, 3),
    fields: {
      final: true,
      acknowledge: false,
      overflow: false,
      underflow: true,
      hasStatus: true,
      status: 0,
      initiatorTaskTag: 7,
      targetTransferTag: 0xffff_ffff,
      statSN: 0x10,
      expCmdSN: 0x11,
      maxCmdSN: 0x90,
      dataSN: 1,
      bufferOffset: 0x1000,
      residualCount: 16,
    },
  },
  {
    opcode: 0x25,
    clause: '11.7 SCSI Data-In, the other bits',
    header:
      '25440018 00000000 00030000 00000000 00000007 00000001 00000000 00000011 00000090 00000000 00000000 00000000',
    data: pattern(3, 4),
    fields: {
      final: false,
      acknowledge: true,
      overflow: true,
      underflow: false,
      hasStatus: false,
      status: 0x18,
      lun: LUN,
    },
  },
  {
    opcode: 0x26,
    clause: '11.15 Logout Response',
    header:
      '26800200 00000000 00000000 00000000 0000000a 00000000 00000010 00000011 00000090 00000000 00020014 00000000',
    fields: {
      final: true,
      response: 2,
      initiatorTaskTag: 10,
      statSN: 0x10,
      expCmdSN: 0x11,
      maxCmdSN: 0x90,
      time2Wait: 2,
      time2Retain: 20,
    },
  },
  {
    opcode: 0x31,
    clause: '11.8 R2T',
    header:
      '31800000 00000000 00030000 00000000 00000007 00000042 00000010 00000011 00000090 00000001 00002000 00040000',
    fields: {
      final: true,
      lun: LUN,
      initiatorTaskTag: 7,
      targetTransferTag: 0x42,
      statSN: 0x10,
      expCmdSN: 0x11,
      maxCmdSN: 0x90,
      r2tSN: 1,
      bufferOffset: 0x2000,
      desiredDataTransferLength: 0x40000,
    },
  },
  {
    opcode: 0x32,
    clause: '11.9 Asynchronous Message',
    header:
      '32800000 00000000 00030000 00000000 ffffffff 00000000 00000010 00000011 00000090 02030001 00020003 00000000',
    fields: {
      final: true,
      lun: LUN,
      statSN: 0x10,
      expCmdSN: 0x11,
      maxCmdSN: 0x90,
      event: 2,
      vendorCode: 3,
      parameter1: 1,
      parameter2: 2,
      parameter3: 3,
    },
  },
  {
    opcode: 0x3f,
    clause: '11.17 Reject',
    header:
      '3f800900 00000000 00000000 00000000 ffffffff 00000000 00000010 00000011 00000090 00000006 00000000 00000000',
    data: hexBytes(
      '01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000',
    ),
    fields: {
      final: true,
      reason: 9,
      initiatorTaskTag: 0xffff_ffff,
      statSN: 0x10,
      expCmdSN: 0x11,
      maxCmdSN: 0x90,
      dataSN: 6,
    },
  },
];

/** The header as it goes out: with its lengths, which the pictures above leave to the data. */
function headerOf({ header, ahs, data }: Vector): Buffer {
  const bytes = hexBytes(header);
  bytes[4] = ahs === undefined ? 0 : hexBytes(ahs).length / 4;
  bytes.writeUIntBE(data?.length ?? 0, 5, 3);
  return bytes;
}

const shown = (value: unknown): unknown =>
  value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;

void t.test('RFC 7143 11: each PDU parses, builds and mirrors', async t => {
  t.same(new Set(vectors.map(({ opcode }) => opcode)), new Set(LAYOUTS.keys()), 'every PDU has a vector');
  const set = new Map<string, number>();
  for (const vector of vectors) {
    const { layout, name } = LAYOUTS.get(vector.opcode)!;
    const fields = layout as unknown as Record<string, Field<unknown>>;
    const header = headerOf(vector);
    t.equal(header.length, 48, vector.clause);
    for (const [field, wanted] of Object.entries(vector.fields)) {
      t.equal(shown(fields[field]!.get(header)), wanted, `${vector.clause}: ${field}`);
      if (wanted !== 0 && wanted !== false) set.set(`${name}.${field}`, 1);
    }
    t.equal(reservedBit(layout.usage, header), undefined, `${vector.clause}: no bit is outside the fields`);
    const built = Buffer.alloc(48);
    for (const field of Object.values(fields)) {
      if (typeof field === 'object' && 'mask' in field) field.set(built, field.get(header));
    }
    t.same(built, header, `${vector.clause}: built from its fields it is the same`);
    const values = Object.fromEntries(
      Object.entries(vector.fields).map(([key, value]) => [
        key,
        typeof value === 'string' ? hexBytes(value) : value,
      ]),
    );
    const again = build(vector.opcode, values);
    for (const key of Object.keys(vector.fields)) {
      t.equal(shown(fields[key]!.get(again)), vector.fields[key], `${vector.clause}: ${key} alone`);
    }
    t.match(describe(layout, header), /initiatorTaskTag=/);
  }
  t.ok(set.size > 100, `${set.size} fields were seen with a value of their own`);
});

interface Seen {
  header: Buffer;
  ahs: Buffer | undefined;
  data: Buffer;
  digestFailed: boolean;
}

/** A framer that lands each data segment in a buffer of its own. */
function framer(digests: { header: boolean; data: boolean }): {
  framer: Framer;
  seen: Seen[];
  broken: string[];
} {
  const seen: Seen[] = [];
  const broken: string[] = [];
  let into = Buffer.alloc(0);
  const sink: FramerSink = {
    land(_header, _ahs, length) {
      into = Buffer.alloc(length + 7);
      made.into = into;
      made.at = 7;
    },
    pdu(header, ahs, length, digestFailed) {
      seen.push({
        header: Buffer.from(header),
        ahs: ahs === undefined ? undefined : Buffer.from(ahs),
        data: length > 0 ? Buffer.from(into.subarray(7)) : Buffer.alloc(0),
        digestFailed,
      });
    },
    spoilt: () => false,
    broken: why => broken.push(why),
  };
  const made = new Framer(sink, 1 << 20);
  made.headerDigest = digests.header;
  made.dataDigest = digests.data;
  return { framer: made, seen, broken };
}

void t.test('RFC 7143 11.2 and 13.1: all of them, however they arrive', async t => {
  t.comment(`SANLET_SEED=${SEED}`);
  const random = new Random();
  for (const header of [false, true]) {
    for (const data of [false, true]) {
      const [stream] = duplexPair();
      const peer = new RawPeer(stream);
      peer.headerDigest = header;
      peer.dataDigest = data;
      const wire = Buffer.concat(
        vectors.map(each =>
          peer.bytes(headerOf(each), {
            ...(each.ahs === undefined ? {} : { ahs: hexBytes(each.ahs) }),
            ...(each.data === undefined ? {} : { data: each.data }),
          }),
        ),
      );
      const wanted = vectors.map(each => ({
        header: headerOf(each),
        ahs: each.ahs === undefined ? undefined : hexBytes(each.ahs),
        data: each.data ?? Buffer.alloc(0),
        digestFailed: false,
      }));
      const cuts: readonly (readonly [string, () => number])[] = [
        ['whole', () => wire.length],
        ['byte by byte', () => 1],
        ['47 bytes', () => 47],
        ['49 bytes', () => 49],
        ...Array.from({ length: 5 }, () => ['randomly cut', () => random.between(1, 700)] as const),
      ];
      for (const [how, next] of cuts) {
        const { framer: made, seen, broken } = framer({ header, data });
        for (let at = 0; at < wire.length;) {
          const length = next();
          made.push(Buffer.from(wire.subarray(at, at + length)));
          at += length;
        }
        t.same(seen, wanted, `digests ${header}/${data}, ${how}`);
        t.same(broken, []);
      }
      // The outbox makes the same bytes; headers with an AHS are the initiator's.
      const out = new PassThrough({ highWaterMark: 1 << 20 });
      const outbox = new Outbox(out);
      outbox.headerDigest = header;
      outbox.dataDigest = data;
      const ours = vectors.filter(({ ahs }) => ahs === undefined);
      for (const each of ours) {
        const reused = outbox.header();
        headerOf(each).copy(reused);
        outbox.push(reused, each.data);
      }
      outbox.flush();
      await turns(2);
      const made = out.read() as Buffer;
      const same = Buffer.concat(
        ours.map(each => peer.bytes(headerOf(each), each.data === undefined ? {} : { data: each.data })),
      );
      t.same(made, same, `digests ${header}/${data}: generated`);
    }
  }
});

void t.test('RFC 3720 B.4: the digest of the READ(10) as it lies on the wire', async t => {
  const [stream] = duplexPair();
  const peer = new RawPeer(stream);
  peer.headerDigest = true;
  const wire = peer.bytes(headerOf(vectors[1]!));
  t.equal(wire.subarray(48).toString('hex'), '563a96d9');
  const { framer: made, seen, broken } = framer({ header: true, data: false });
  made.push(Buffer.concat([headerOf(vectors[1]!), hexBytes('563a96d9')]));
  t.equal(seen.length, 1);
  t.same(broken, []);
  t.equal(crc32c(headerOf(vectors[1]!)), 0xd9963a56);
});

void t.test('RFC 7143 7.8: every bit that turns is found', async t => {
  const random = new Random();
  const [stream] = duplexPair();
  const peer = new RawPeer(stream);
  peer.headerDigest = peer.dataDigest = true;
  const vector = vectors[2]!;
  const wire = peer.bytes(headerOf(vector), { ahs: hexBytes(vector.ahs!), data: pattern(29, 9) });
  const missed: string[] = [];
  for (let bit = 0; bit < wire.length * 8; bit++) {
    const spoilt = Buffer.from(wire);
    spoilt[bit >> 3]! ^= 1 << (bit & 7);
    const { framer: made, seen, broken } = framer({ header: true, data: true });
    const cut = random.between(1, wire.length - 1);
    made.push(spoilt.subarray(0, cut));
    made.push(spoilt.subarray(cut));
    const taken = seen.some(({ digestFailed }) => !digestFailed);
    if (taken) missed.push(`bit ${bit & 7} of byte ${bit >> 3}`);
    // Lengths that grow leave the framer waiting for more, which is no answer either.
    else if (bit >= 64 * 8 && broken.length === 0 && seen.length === 0) missed.push(`bit ${bit}: nothing`);
  }
  t.same(missed, []);
});

void t.test('RFC 7143 6.1: text, both ways', async t => {
  const wire = Buffer.from('SendTargets=All\0TargetAddress=[2001:db8::1]:3260,1\0Empty=\0Equals=a=b\0');
  const pairs = [
    { key: 'SendTargets', value: 'All' },
    { key: 'TargetAddress', value: '[2001:db8::1]:3260,1' },
    { key: 'Empty', value: '' },
    { key: 'Equals', value: 'a=b' },
  ];
  t.same(parseText(wire), pairs);
  t.same(formatText(pairs), wire);
  t.same(parseText(Buffer.concat([wire, Buffer.alloc(3)])), pairs, 'padding that was counted in');
  t.same(parseText(Buffer.alloc(0)), []);
});
