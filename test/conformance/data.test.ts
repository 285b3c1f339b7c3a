/** The data of commands, both ways, by clause of RFC 7143. */
import t, { type Test } from 'tap';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { type Initiator, type Told, lunField, read10, write10 } from '../harness/initiator.ts';
import { NONE, type Pdu } from '../harness/peer.ts';
import { pattern } from '../harness/random.ts';
import { TARGET, connect, logIn, startNode, startSan, turns } from '../harness/rig.ts';

const disks = [{ name: 'd0', memory: '64MiB' }];
const KIB = 1024;
const MIB = 1024 * KIB;

const read = (peer: Initiator, lba: number, bytes: number): Promise<Told> =>
  peer.command(0, read10(lba, bytes / 512), { read: bytes });

void t.test('RFC 7143 11.4.5: residuals', async t => {
  const san = await startSan(t, { disks, tapes: [{ name: 't0', memory: true }] });
  const peer = await logIn(t, san, { luns: [0, 1] });
  const data = pattern(8192, 4);
  t.equal((await peer.command(0, write10(0, 16), { write: data })).residual, '', 'an exact write');
  t.equal((await read(peer, 0, 8192)).residual, '', 'an exact read');

  const cases: readonly (readonly [string, Promise<Told>, string, string, number])[] = [
    ['a read of more than is asked for', peer.command(0, read10(0, 16), { read: 4096 }), 'O4096', '', 4096],
    ['a read cut inside a block', peer.command(0, read10(0, 16), { read: 1000 }), 'O7192', '', 1000],
    ['a read of less than is asked for', peer.command(0, read10(0, 2), { read: 4096 }), 'U3072', '', 1024],
    ['a read of nothing', peer.command(0, read10(0, 0), { read: 4096 }), 'U4096', '', 0],
    ['a read for which nothing is expected', peer.command(0, read10(0, 2)), 'O1024', '', 0],
    ['a read with EDTL 0', peer.command(0, read10(0, 2), { read: 0 }), 'O1024', '', 0],
    ['a command without data', peer.command(0, '00', { read: 100 }), 'U100', '', 0],
    ['and no expectation', peer.command(0, '00'), '', '', 0],
    ['a read that fails', peer.command(0, read10(0x7fff_0000, 2), { read: 1024 }), 'U1024', '5/2100', 0],
    ['INQUIRY', peer.command(0, '12 00 00 00 24 00', { read: 255 }), 'U219', '', 36],
    ['INQUIRY, short', peer.command(0, '12 00 00 00 24 00', { read: 5 }), 'O31', '', 5],
    ['a write of less than is offered', peer.command(0, write10(100, 2), { write: data }), 'U7168', '', 0],
    [
      'a write of more than is offered',
      peer.command(0, write10(200, 16), { write: data.subarray(0, 1024) }),
      'O7168',
      '',
      0,
    ],
    ['a write of nothing', peer.command(0, write10(0, 0), { write: data.subarray(0, 512) }), 'U512', '', 0],
    ['a write for which nothing is offered', peer.command(0, write10(0, 2)), 'O1024', '', 0],
    [
      'a write that fails',
      peer.command(0, write10(0x7fff_0000, 2), { write: data.subarray(0, 1024) }),
      'U1024',
      '5/2100',
      0,
    ],
    ['a command to no unit', peer.command(9, read10(0, 2), { read: 1024 }), 'U1024', '5/2500', 0],
    ['an unknown command', peer.command(0, 'c1', { write: data.subarray(0, 512) }), 'U512', '5/2000', 0],
  ];
  for (const [what, told, residual, said, length] of cases) {
    const answer = await told;
    t.equal(answer.residual, residual, `${what}: residual`);
    t.equal(answer.said, said, `${what}: sense`);
    t.equal(answer.data.length, length, `${what}: data`);
    t.equal(answer.response, 0, `${what}: 11.4.3: completed at target`);
    t.notOk(answer.last.opcode === Opcode.SCSI_RESPONSE && answer.last.flag('bidirectionalUnderflow'));
  }
  t.same((await read(peer, 100, 1024)).data, data.subarray(0, 1024), 'what fitted was written');
  t.same((await read(peer, 102, 512)).data, Buffer.alloc(512), 'and no more');
  t.same((await read(peer, 200, 1024)).data, data.subarray(0, 1024), 'what was offered was written');
  t.same((await read(peer, 202, 512)).data, Buffer.alloc(512), 'and no more');

  await peer.command(1, '0a 00 00 02 00', { write: data.subarray(0, 512) });
  await peer.command(1, '01');
  const long = await peer.command(1, '08 00 00 04 00', { read: 1024 });
  t.equal(long.said, '0/0000', 'a tape record shorter than the read: CHECK CONDITION with data');
  t.same(long.data, data.subarray(0, 512), '11.4: data and sense');
  t.equal(long.dataIns.length, 1);
  t.notOk(long.dataIns[0]!.flag('hasStatus'), '11.7.3: no status in Data-In but GOOD');
  t.ok(long.dataIns[0]!.flag('final'));
  t.equal(long.last.num('expDataSN'), 1, '11.4.8');
  t.equal(long.residual, 'U512');
});

void t.test('RFC 7143 11.7: Data-In', async t => {
  const san = await startSan(t, { disks });
  for (const [segment, burst] of [
    [512, 512],
    [512, 4096],
    [1024, 1536],
    [8192, 262144],
    [65536, 16384],
    [262144, 1048576],
    [16777215, 262144],
  ] as const) {
    const peer = await logIn(t, san, {
      keys: { MaxRecvDataSegmentLength: String(segment), MaxBurstLength: String(burst) },
    });
    const whole = pattern(256 * KIB, segment + burst);
    await peer.command(0, write10(0, 512), { write: whole });
    for (const bytes of [512, 4096, 65536, 256 * KIB]) {
      const { dataIns, data, last, residual } = await read(peer, 0, bytes);
      const name = `segment ${segment}, burst ${burst}, ${bytes} bytes`;
      t.same(data, whole.subarray(0, bytes), `${name}: the bytes`);
      t.equal(residual, '');
      let offset = 0;
      let inBurst = 0;
      const wrong: string[] = [];
      dataIns.forEach((pdu, i) => {
        inBurst += pdu.data.length;
        const end = offset + pdu.data.length === bytes;
        if (pdu.num('dataSN') !== i) wrong.push(`DataSN ${pdu.num('dataSN')} of PDU ${i}`);
        if (pdu.num('bufferOffset') !== offset) wrong.push(`offset ${pdu.num('bufferOffset')}`);
        if (pdu.data.length > segment) wrong.push('13.12: longer than a segment');
        if (inBurst > burst) wrong.push('13.13: longer than a burst');
        if (pdu.flag('final') !== (end || inBurst === burst)) wrong.push(`F at ${offset}`);
        if (pdu.flag('hasStatus') !== end) wrong.push(`S at ${offset}`);
        if (pdu.flag('acknowledge')) wrong.push('A at level 0');
        if (pdu.num('targetTransferTag') !== NONE) wrong.push('a transfer tag');
        if (inBurst === burst) inBurst = 0;
        offset += pdu.data.length;
      });
      t.same(wrong, [], name);
      t.equal(last.opcode, Opcode.DATA_IN, '11.7.3: the status comes with the last Data-In');
      t.equal(last.num('status'), 0);
    }
    peer.stream.destroy();
    await peer.ended;
  }
});

void t.test('RFC 7143 4.2.5.2, 13.10, 13.11, 13.13, 13.14, 13.17: writes by every agreement', async t => {
  const san = await startSan(t, { disks });
  const sizes = [512, 4096, 65536 + 512, MIB + 512, 4 * MIB];
  let salt = 0;
  for (const InitialR2T of ['Yes', 'No']) {
    for (const ImmediateData of ['Yes', 'No']) {
      for (const [FirstBurstLength, MaxBurstLength, segment] of [
        ['512', '512', 512],
        ['4096', '65536', 8192],
        ['65536', '65536', 65536],
        ['262144', '1048576', 262144],
      ] as const) {
        for (const MaxOutstandingR2T of ['1', '8']) {
          const keys = { InitialR2T, ImmediateData, FirstBurstLength, MaxBurstLength, MaxOutstandingR2T };
          const name = Object.values(keys).join(' ');
          const peer = connect(t, san);
          await peer.login({ target: TARGET, keys: { ...keys, MaxRecvDataSegmentLength: '262144' } });
          await peer.clear(0);
          for (const size of segment === 512 ? sizes.slice(0, 3) : sizes) {
            await writeAndCheck(t, peer, size, ++salt, segment, `${name}, ${size} bytes`);
          }
          peer.stream.destroy();
          await peer.ended;
        }
      }
    }
  }
});

async function writeAndCheck(
  t: Test,
  peer: Initiator,
  size: number,
  salt: number,
  segment: number,
  name: string,
): Promise<void> {
  const data = pattern(size, salt);
  const told = await peer.command(0, write10(8, size / 512), { write: data, segment });
  const agreed = (key: string): number => Number(peer.agreed.get(key));
  const wrong: string[] = [];
  if (told.status !== 0 || told.residual !== '')
    wrong.push(`status ${told.status} ${told.said} ${told.residual}`);
  const first = Math.min(agreed('FirstBurstLength'), size);
  let offset = peer.initialR2T ? (peer.immediateData ? Math.min(first, segment) : 0) : first;
  told.r2ts.forEach((pdu, i) => {
    const length = pdu.num('desiredDataTransferLength');
    if (pdu.num('r2tSN') !== i) wrong.push(`R2TSN ${pdu.num('r2tSN')} of R2T ${i}`);
    if (pdu.num('bufferOffset') !== offset) wrong.push(`R2T at ${pdu.num('bufferOffset')} for ${offset}`);
    if (length > agreed('MaxBurstLength')) wrong.push(`R2T for ${length}`);
    if (pdu.num('targetTransferTag') === NONE) wrong.push('R2T without a tag');
    if (!lunField(0).equals(pdu.get('lun') as Uint8Array)) wrong.push('R2T without its LUN');
    offset += length;
  });
  if (offset !== size) wrong.push(`asked for ${offset} of ${size}`);
  if (told.last.num('expDataSN') !== told.r2ts.length) wrong.push('ExpDataSN');
  if (!(await read(peer, 8, size)).data.equals(data)) wrong.push('another thing is read back');
  t.same(wrong, [], name);
}

void t.test('RFC 7143 13.17: R2Ts that are out at once, and answered side by side', async t => {
  const san = await startSan(t, { disks });
  for (const [most, out] of [
    ['1', 1],
    ['3', 3],
    ['100', 8],
  ] as const) {
    const peer = await logIn(t, san, {
      keys: { MaxOutstandingR2T: most, MaxBurstLength: '65536', ImmediateData: 'No' },
    });
    const data = pattern(MIB, out);
    const tag = peer.start(0, write10(0, 2048), { write: data });
    const r2ts = await peer.settled();
    t.equal(r2ts.length, out, `MaxOutstandingR2T ${most}`);
    const bring = (pdu: Pdu): void => {
      const from = pdu.num('bufferOffset');
      peer.sequence(0, tag, pdu.num('targetTransferTag'), data, from, from + 65536, 8192);
    };
    // PDUs of several sequences mixed, each in its own order.
    if (out > 1) {
      const [a, b] = r2ts as [Pdu, Pdu];
      for (let at = 0; at < 65536; at += 16384) {
        for (const pdu of [a, b]) {
          const from = pdu.num('bufferOffset') + at;
          peer.dataOut(
            0,
            tag,
            pdu.num('targetTransferTag'),
            data.subarray(from, from + 16384),
            from,
            at / 16384,
            at === 49152,
          );
        }
      }
    } else bring(r2ts[0]!);
    for (const pdu of r2ts.slice(out > 1 ? 2 : 1)) bring(pdu);
    for (;;) {
      const pdu = await peer.next();
      if (pdu.opcode !== Opcode.R2T) {
        t.equal(pdu.num('status'), 0);
        break;
      }
      bring(pdu);
    }
    t.ok((await read(peer, 0, MIB)).data.equals(data), 'all of it in its place');
  }
});

void t.test(
  'RFC 7143 11.7 and 7.9: data that is not what was agreed ends the task, not the session',
  async t => {
    const san = await startSan(t, { disks });
    const UNEXPECTED = 'b/0c0c';
    const AMOUNT = 'b/0c0d';
    const PHASE = 'b/4b00';
    const data = pattern(16 * KIB, 3);
    const solicited: readonly (readonly [
      string,
      string,
      (peer: Initiator, tag: number, ttt: number) => void,
    ])[] = [
      ['a wrong TTT', UNEXPECTED, (peer, tag, ttt) => peer.dataOut(0, tag, ttt + 100, data, 0, 0, true)],
      [
        'no TTT under InitialR2T=Yes',
        UNEXPECTED,
        (peer, tag) => peer.dataOut(0, tag, NONE, data, 0, 0, true),
      ],
      ['DataSN 1 first', PHASE, (peer, tag, ttt) => peer.dataOut(0, tag, ttt, data, 0, 1, true)],
      [
        'DataSN 0 twice',
        PHASE,
        (peer, tag, ttt) => {
          peer.dataOut(0, tag, ttt, data.subarray(0, 8192), 0, 0, false);
          peer.dataOut(0, tag, ttt, data.subarray(8192), 8192, 0, true);
        },
      ],
      [
        'a wrong offset',
        AMOUNT,
        (peer, tag, ttt) => peer.dataOut(0, tag, ttt, data.subarray(0, 512), 512, 0, false),
      ],
      [
        'an offset far outside',
        AMOUNT,
        (peer, tag, ttt) => peer.dataOut(0, tag, ttt, data.subarray(0, 512), 0xffff_fe00, 0, false),
      ],
      [
        'more than was asked for',
        AMOUNT,
        (peer, tag, ttt) => peer.dataOut(0, tag, ttt, pattern(16 * KIB + 512), 0, 0, true),
      ],
      [
        'F too early',
        AMOUNT,
        (peer, tag, ttt) => peer.dataOut(0, tag, ttt, data.subarray(0, 8192), 0, 0, true),
      ],
      ['no F at the end', AMOUNT, (peer, tag, ttt) => peer.dataOut(0, tag, ttt, data, 0, 0, false)],
    ];
    for (const [what, said, wrong] of solicited) {
      const peer = await logIn(t, san, { keys: { ImmediateData: 'No' } });
      const before = (await read(peer, 0, 16 * KIB)).data;
      const tag = peer.start(0, write10(0, 32), { write: data });
      const r2t = await peer.nextOf(Opcode.R2T);
      wrong(peer, tag, r2t.num('targetTransferTag'));
      const told = await peer.finish(tag, 0);
      t.equal(told.status, 2, `${what}: CHECK CONDITION`);
      t.equal(told.said, said, `${what}: 11.4.7.2`);
      t.equal(told.residual, 'U16384', `${what}: nothing was moved`);
      peer.dataOut(0, tag, r2t.num('targetTransferTag'), data, 0, 0, true);
      t.same(await peer.settled(), [], `${what}: data that comes after is dropped in silence`);
      t.ok((await read(peer, 0, 16 * KIB)).data.equals(before), `${what}: nothing was written`);
      peer.stream.destroy();
      await peer.ended;
    }
    interface Unsolicited {
      readonly what: string;
      readonly said: string;
      readonly keys: Record<string, string>;
      readonly run: (peer: Initiator) => number;
    }
    const start = (peer: Initiator, immediateBytes: number, final: boolean, bytes = 16 * KIB): number =>
      peer.start(0, write10(0, 32), { write: data, expect: bytes, immediateBytes, final });
    const No = { InitialR2T: 'No', FirstBurstLength: '8192' };
    const cases: readonly Unsolicited[] = [
      {
        what: '13.10: F=0 under InitialR2T=Yes',
        said: UNEXPECTED,
        keys: {},
        run: peer => start(peer, 512, false),
      },
      {
        what: '13.11: immediate data under ImmediateData=No',
        said: UNEXPECTED,
        keys: { ImmediateData: 'No' },
        run: peer => start(peer, 512, true),
      },
      {
        what: '13.14: immediate data longer than FirstBurstLength',
        said: AMOUNT,
        keys: No,
        run: peer => start(peer, 8704, true),
      },
      {
        what: '11.3: immediate data longer than EDTL',
        said: AMOUNT,
        keys: No,
        run: peer => start(peer, 1024, true, 512),
      },
      {
        what: '13.14: unsolicited data longer than FirstBurstLength',
        said: AMOUNT,
        keys: No,
        run: peer => {
          const tag = start(peer, 4096, false);
          peer.dataOut(0, tag, NONE, data.subarray(4096, 12288), 4096, 0, true);
          return tag;
        },
      },
      {
        what: '11.7: no F where FirstBurstLength ends',
        said: AMOUNT,
        keys: No,
        run: peer => {
          const tag = start(peer, 4096, false);
          peer.dataOut(0, tag, NONE, data.subarray(4096, 8192), 4096, 0, false);
          return tag;
        },
      },
      {
        what: 'unsolicited data at a wrong offset',
        said: AMOUNT,
        keys: No,
        run: peer => {
          const tag = start(peer, 4096, false);
          peer.dataOut(0, tag, NONE, data.subarray(0, 512), 0, 0, true);
          return tag;
        },
      },
      {
        what: 'unsolicited DataSN',
        said: PHASE,
        keys: No,
        run: peer => {
          const tag = start(peer, 4096, false);
          peer.dataOut(0, tag, NONE, data.subarray(4096, 4608), 4096, 3, true);
          return tag;
        },
      },
      {
        what: 'a TTT before any was given',
        said: UNEXPECTED,
        keys: No,
        run: peer => {
          const tag = start(peer, 4096, false);
          peer.dataOut(0, tag, 5, data.subarray(4096, 4608), 4096, 0, true);
          return tag;
        },
      },
    ];
    for (const { what, said, keys, run } of cases) {
      const peer = await logIn(t, san, { keys });
      const before = (await read(peer, 0, 16 * KIB)).data;
      const told = await peer.finish(run(peer), 0);
      t.equal(told.said, said, what);
      t.same(await peer.settled(), [], `${what}: the session goes on`);
      t.ok((await read(peer, 0, 16 * KIB)).data.equals(before), `${what}: nothing was written`);
      peer.stream.destroy();
      await peer.ended;
    }
    const peer = await logIn(t, san);
    peer.dataOut(0, 0x5555, NONE, data, 0, 0, true);
    peer.dataOut(0, 0x5555, 3, data, 0, 0, false);
    t.same(await peer.settled(), [], 'Data-Out of no task is dropped in silence');
    const reading = peer.start(0, read10(0, 1), { read: 512, final: false });
    t.equal((await peer.finish(reading, 0)).said, UNEXPECTED, '11.3: a read has F');
    peer.send(
      Opcode.SCSI_COMMAND,
      {
        final: true,
        read: true,
        write: true,
        lun: lunField(0),
        initiatorTaskTag: 77,
        expectedDataTransferLength: 512,
        cmdSN: peer.cmdSN++,
        cdb: read10(0, 1),
      },
      { ahs: Buffer.from('0005020000000800', 'hex') },
    );
    const both = await peer.finish(77, 0);
    t.equal(both.said, 'b/0e03', 'bidirectional: INVALID FIELD IN COMMAND INFORMATION UNIT');
    t.ok(both.last.flag('underflow'));
    t.equal(both.last.num('residualCount'), 512, '11.4.5: what was not written');
    t.ok(both.last.flag('bidirectionalUnderflow'));
    t.equal(both.last.num('bidirectionalResidualCount'), 2048, 'and what was not read');
    const plain = await peer.command(0, read10(0, 1), { read: 512 });
    t.notOk(plain.last.opcode === Opcode.SCSI_RESPONSE, 'the task that is used again is another');
    const none = await peer.command(0, 'ff');
    t.notOk(none.last.flag('bidirectionalUnderflow'));
  },
);

void t.test('RFC 7143 11.3: less unsolicited data than could come is asked for', async t => {
  const san = await startSan(t, { disks });
  const peer = await logIn(t, san, {
    keys: { InitialR2T: 'No', FirstBurstLength: '65536', MaxBurstLength: '65536' },
  });
  const data = pattern(128 * KIB, 1);
  for (const [immediate, more] of [
    [0, 0],
    [512, 0],
    [0, 512],
    [100, 412],
    [8192, 8192],
    [8192, 65536 - 8192],
  ] as const) {
    const told = await peer.command(0, write10(0, 256), { write: data, unasked: { immediate, more } });
    t.equal(told.status, 0);
    t.equal(told.r2ts[0]!.num('bufferOffset'), immediate + more, `${immediate} + ${more}`);
    t.ok((await read(peer, 0, 128 * KIB)).data.equals(data));
    await peer.command(0, write10(0, 256), { write: Buffer.alloc(128 * KIB) });
  }
  // More is offered than the CDB asks for: the rest of it comes and goes nowhere.
  const tag = peer.start(0, write10(0, 1), {
    write: data.subarray(0, 65536),
    immediateBytes: 512,
    final: false,
  });
  peer.sequence(0, tag, NONE, data, 512, 65536, 8192);
  const told = await peer.finish(tag, 0);
  t.equal(told.residual, 'U65024');
  t.same(await peer.settled(), []);
  t.same((await read(peer, 0, 1024)).data, Buffer.concat([data.subarray(0, 512), Buffer.alloc(512)]));
});

void t.test('a buffer that was given back takes no more data: two sessions, one pool', async t => {
  const { node } = startNode(t);
  const one = await logIn(t, node, { keys: { ImmediateData: 'No' } });
  const two = await logIn(t, node, { isid: '800000000002', keys: { ImmediateData: 'No' } });
  const bad = Buffer.alloc(65536, 0xbd);
  const good = pattern(65536, 6);
  const first = one.start(0, write10(0, 128), { write: bad });
  const r2t = await one.nextOf(Opcode.R2T);
  one.dataOut(0, first, r2t.num('targetTransferTag'), bad, 0, 0, true, { stopAt: 48 + 32768 });
  await turns(5);
  t.equal(await two.manage(5), 0, 'the task ends in the middle of its Data-Out');
  await two.clear(0);
  // The next write of that size gets the buffer; all but its end has come when the rest of the other one comes.
  const second = two.start(0, write10(1000, 128), { write: good });
  const asked = await two.nextOf(Opcode.R2T);
  const transferTag = asked.num('targetTransferTag');
  two.dataOut(0, second, transferTag, good, 0, 0, true, { stopAt: 48 + 65536 - 4 });
  await turns(5);
  one.rest();
  t.same(await one.settled(), [], 'dropped in silence');
  two.rest();
  t.equal((await two.finish(second, 0)).status, 0);
  t.ok((await read(two, 1000, 65536)).data.equals(good), 'no byte of one is in the other');
});

void t.test(
  'data that comes before its R2T goes nowhere, and is not taken for what was asked for',
  async t => {
    const { node, gate } = startNode(t);
    const peer = await logIn(t, node, {
      luns: [0, 1],
      keys: { ImmediateData: 'No', MaxRecvDataSegmentLength: '1048576' },
    });
    await peer.command(0, write10(0, 128), { write: Buffer.alloc(65536, 0x01) });
    gate.shut = true;
    // 64 MiB are out, so that the write waits; its first R2T will have the first tag that the session has not given yet.
    for (let i = 0; i < 4; i++) peer.start(1, read10(0, 32768), { read: 16 * MIB });
    const tag = peer.start(0, write10(0, 128), { write: Buffer.alloc(65536, 0x02) });
    t.same(await peer.settled(), [], 'no R2T yet');
    const data = Buffer.alloc(65536, 0x02);
    peer.dataOut(0, tag, 2, data, 0, 0, true, { stopAt: 48 + 1000 });
    await turns(5);
    gate.open();
    const r2t = await peer.nextOf(Opcode.R2T);
    t.equal(r2t.num('targetTransferTag'), 2, 'the tag was guessed');
    peer.rest();
    const told = await peer.finish(tag, 0);
    t.equal(told.said, 'b/0c0c', 'unexpected unsolicited data');
    t.ok((await read(peer, 0, 65536)).data.equals(Buffer.alloc(65536, 0x01)), 'nothing was written');
  },
);

void t.test(
  'RFC 7143 7.8: at level 0 lost data ends the write when all that is under way has come',
  async t => {
    const { node } = startNode(t);
    const data = pattern(64 * KIB, 5);
    const keys = {
      DataDigest: 'CRC32C',
      ImmediateData: 'No',
      MaxBurstLength: '16384',
      MaxOutstandingR2T: '4',
    };
    const peer = await logIn(t, node, { keys });
    const before = (await read(peer, 0, 64 * KIB)).data;
    const tag = peer.start(0, write10(0, 128), { write: data });
    const r2ts: Pdu[] = [];
    for (let i = 0; i < 4; i++) r2ts.push(await peer.nextOf(Opcode.R2T));
    const answer = (i: number, dataDigest?: 'wrong'): void => {
      const offset = r2ts[i]!.num('bufferOffset');
      const part = data.subarray(offset, offset + 16384);
      const spoilt = dataDigest === undefined ? {} : { dataDigest };
      peer.dataOut(
        0,
        tag,
        r2ts[i]!.num('targetTransferTag'),
        part.subarray(0, 8192),
        offset,
        0,
        false,
        spoilt,
      );
      peer.dataOut(0, tag, r2ts[i]!.num('targetTransferTag'), part.subarray(8192), offset + 8192, 1, true);
    };
    answer(0);
    answer(1, 'wrong');
    answer(2);
    const told = await peer.settled();
    t.same(
      told.map(pdu => pdu.opcode),
      [Opcode.REJECT],
      'the PDU is rejected, and a sequence is still under way',
    );
    answer(3);
    const end = await peer.finish(tag, 0);
    t.equal(end.said, 'b/4705', 'protocol service CRC error');
    t.equal(end.last.num('expDataSN'), 4, 'no R2T came since');
    t.ok((await read(peer, 0, 64 * KIB)).data.equals(before), 'nothing was written');

    const unasked = await logIn(t, node, {
      isid: '800000000002',
      keys: { DataDigest: 'CRC32C', InitialR2T: 'No', ImmediateData: 'No' },
    });
    const write = unasked.start(0, write10(0, 32), { write: data.subarray(0, 16384), final: false });
    unasked.dataOut(0, write, NONE, data.subarray(0, 8192), 0, 0, false, { dataDigest: 'wrong' });
    t.same(
      (await unasked.settled()).map(pdu => pdu.opcode),
      [Opcode.REJECT],
    );
    unasked.dataOut(0, write, NONE, data.subarray(8192, 16384), 8192, 1, true);
    t.equal((await unasked.finish(write, 0)).said, 'b/4705');
    // It was spoilt before the command had its turn.
    const { cmdSN } = unasked;
    const early = unasked.start(0, write10(0, 32), {
      write: data.subarray(0, 16384),
      final: false,
      cmdSN: cmdSN + 1,
    });
    unasked.dataOut(0, early, NONE, data.subarray(0, 8192), 0, 0, false, { dataDigest: 'wrong' });
    unasked.dataOut(0, early, NONE, data.subarray(8192, 16384), 8192, 1, true);
    await unasked.settled();
    const first = unasked.start(0, '00', { cmdSN });
    t.equal((await unasked.finish(first, 0)).status, 0);
    t.equal((await unasked.finish(early, 0)).said, 'b/4705');
    unasked.cmdSN = cmdSN + 2;
    t.ok((await read(unasked, 0, 64 * KIB)).data.equals(before), 'nothing was written');
  },
);

void t.test('SPC-4 7.5.8: D_SENSE holds for what the transport finds, too', async t => {
  const { node } = startNode(t);
  const peer = await logIn(t, node, { luns: [0, 1], keys: { InitialR2T: 'Yes' } });
  const page = Buffer.from([0, 0, 0, 0, 0x0a, 0x0a, 0x04, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
  t.equal((await peer.command(0, '15 10 00 00 10 00', { write: page })).status, 0);
  for (const [lun, format] of [
    [0, 0x72],
    [1, 0x70],
  ] as const) {
    const tag = peer.start(lun, write10(0, 8), { write: pattern(4096), final: false });
    const told = await peer.finish(tag, 0);
    t.equal(told.sense[0], format, `LUN ${lun}`);
    t.equal(told.said, 'b/0c0c');
  }
});

void t.test('memory: what comes early, and what is refused, is bounded', async t => {
  const { node } = startNode(t);
  const peer = await logIn(t, node, { keys: { InitialR2T: 'No' } });
  const before = process.memoryUsage().arrayBuffers;
  const { cmdSN } = peer;
  const sixteen = 16 * MIB;
  for (let i = 1; i < 128; i++) {
    peer.start(0, write10(0, 32768), {
      write: pattern(512),
      expect: sixteen,
      immediateBytes: 512,
      final: true,
      cmdSN: cmdSN + i,
    });
  }
  t.same(await peer.settled(), []);
  const early = process.memoryUsage().arrayBuffers - before;
  t.ok(early < 128 * 512 * KIB, `127 writes of 16 MiB that came early hold ${early >> 20} MiB`);
  peer.stream.destroy();
  await peer.ended;

  const mute = await logIn(t, node, { isid: '800000000002' });
  mute.stream.pause();
  let sent = 0;
  const bad = 75_000;
  while (sent < bad) {
    for (let i = 0; i < 100; i++, sent++) mute.start(0, read10(0, 1), { read: 512, final: false });
    await turns(2);
  }
  await turns(50);
  mute.stream.resume();
  await mute.settled();
  const answers = mute.pdus.filter(pdu => pdu.opcode === Opcode.SCSI_RESPONSE).length;
  t.ok(answers > 1000, 'commands that are refused are answered');
  t.ok(answers < 68_000, `but no more wait than there is credit for: ${answers} of ${bad}`);
  mute.violations.length = 0;
});
