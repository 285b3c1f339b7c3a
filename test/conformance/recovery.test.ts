/** What is lost comes again: ErrorRecoveryLevel 1 and 2, by clause of RFC 7143. */
import type { Duplex } from 'node:stream';
import t, { type Test } from 'tap';
import type { Connection } from '../../lib/iscsi/connection.ts';
import { KEPT_BYTES, MOST_RETAINED_MS, SEQUENCE_TIMEOUT_MS } from '../../lib/iscsi/limits.ts';
import type { IscsiNode } from '../../lib/iscsi/node.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { Initiator, cdb16, lunField, read10, write10 } from '../harness/initiator.ts';
import { NONE, type Pdu } from '../harness/peer.ts';
import { Random, SEED, pattern } from '../harness/random.ts';
import { TARGET, clock, connect, startNode, turns, until } from '../harness/rig.ts';

const TUR = '00';
const base = {
  ErrorRecoveryLevel: '1',
  HeaderDigest: 'CRC32C',
  DataDigest: 'CRC32C',
  InitialR2T: 'Yes',
  ImmediateData: 'Yes',
  MaxBurstLength: '4096',
  MaxRecvDataSegmentLength: '1024',
  MaxOutstandingR2T: '2',
  MaxConnections: '4',
  DefaultTime2Retain: '20',
};

async function recovering(
  t: Test,
  node: IscsiNode,
  more: Readonly<Record<string, string>> = {},
): Promise<Initiator> {
  const peer = await connect(t, node).login({ target: TARGET, keys: { ...base, ...more } });
  peer.recovers = true;
  await peer.clear(0, 1);
  return peer;
}

const Snack = { DATA: 0, STATUS: 1, ACK: 2, R_DATA: 3 } as const;

function snack(
  peer: Initiator,
  type: number,
  begRun: number,
  runLength: number,
  { tag = NONE, transferTag = NONE, lun = 0 } = {},
): void {
  peer.send(Opcode.SNACK, {
    final: true,
    type,
    lun: lunField(lun),
    initiatorTaskTag: tag,
    targetTransferTag: transferTag,
    expStatSN: peer.expStatSN,
    begRun,
    runLength,
  });
}

const rejected = async (peer: Initiator): Promise<number> => (await peer.nextOf(Opcode.REJECT)).num('reason');

function header(peer: Initiator, cdb: Buffer, cmdSN: number, tag: number, write = 0): Buffer {
  const bytes = Buffer.alloc(48);
  bytes[0] = Opcode.SCSI_COMMAND;
  bytes[1] = 0x81 | (write > 0 ? 0x20 : 0);
  bytes.writeUInt32BE(tag, 16);
  bytes.writeUInt32BE(write, 20);
  bytes.writeUInt32BE(cmdSN, 24);
  bytes.writeUInt32BE(peer.expStatSN, 28);
  cdb.copy(bytes, 32);
  return bytes;
}

const numbersOf = (pdus: readonly Pdu[]): number[] => pdus.map(pdu => pdu.num('dataSN'));

void t.test('RFC 7143 7.8, 7.2.1: a header digest error at level 1', async t => {
  const { node } = startNode(t);
  const peer = await recovering(t, node);
  const { cmdSN } = peer;
  peer.sendHeader(header(peer, cdb16(TUR), cmdSN, 0x51), { headerDigest: 'wrong' });
  const data = pattern(512, 3);
  peer.sendHeader(header(peer, write10(9, 1), cmdSN + 1, 0x52, 512), { data });
  t.same(await peer.settled(), [], 'the PDU is dropped in silence, the next one waits for it');
  t.equal(peer.expCmdSN, cmdSN, 'which shows in ExpCmdSN');
  peer.sendHeader(header(peer, cdb16(TUR), cmdSN, 0x51));
  t.equal((await peer.next()).num('initiatorTaskTag'), 0x51, 'a retry plugs the hole');
  t.equal((await peer.next()).num('initiatorTaskTag'), 0x52);
  peer.sendHeader(header(peer, cdb16(TUR), cmdSN, 0x51));
  peer.sendHeader(header(peer, write10(9, 1), cmdSN + 1, 0x52, 512), { data });
  t.same(await peer.settled(), [], 'a retry of what came is ignored in silence');
  peer.cmdSN = cmdSN + 2;
  peer.sendHeader(header(peer, write10(9, 1), peer.cmdSN, 0x53, 512), { data, headerDigest: 'wrong' });
  t.same((await peer.command(0, read10(9, 1), { read: 512, immediate: true })).data, data, 'with data, too');
  for (let i = 0; i < 2; i++) {
    peer.sendHeader(header(peer, cdb16(TUR), peer.cmdSN, 0x53), { headerDigest: 'wrong' });
  }
  await peer.ended;
  t.pass('two in a row: its place in the stream is lost');
});

void t.test('RFC 7143 7.8, 7.9, 7.1.4.1: Data-Out that is lost is asked for again', async t => {
  const { watch, sleep } = clock(t);
  const { node } = startNode(t);
  const peer = await recovering(t, node, { InitialR2T: 'No', FirstBurstLength: '4096' });
  const nextR2T = (): Promise<Pdu> => peer.nextOf(Opcode.R2T);
  const data = pattern(8192, 1);
  const start = async (): Promise<[number, Pdu, Pdu]> => {
    const tag = peer.start(0, write10(0, 16), { write: data });
    return [tag, await nextR2T(), await nextR2T()];
  };
  const send = (tag: number, r2t: Pdu, dataSN: number, wrong?: 'wrong'): void => {
    const from = r2t.num('bufferOffset') + dataSN * 1024;
    const length = r2t.num('desiredDataTransferLength');
    peer.dataOut(
      0,
      tag,
      r2t.num('targetTransferTag'),
      data.subarray(from, from + 1024),
      from,
      dataSN,
      (dataSN + 1) * 1024 === length,
      wrong === undefined ? {} : { dataDigest: wrong },
    );
  };
  const whole = (tag: number, r2t: Pdu): void => {
    for (let at = 0; at * 1024 < r2t.num('desiredDataTransferLength'); at++) send(tag, r2t, at);
  };
  const good = async (tag: number, what: string): Promise<void> => {
    const response = await peer.reply(tag);
    t.equal(response.num('status'), 0, what);
    t.same((await peer.command(0, read10(0, 16), { read: 8192 })).data, data);
    t.equal((await peer.command(0, write10(0, 16), { write: Buffer.alloc(8192) })).status, 0);
  };
  {
    const [tag, one, two] = await start();
    send(tag, one, 0);
    send(tag, one, 1, 'wrong');
    const again = await nextR2T();
    t.equal(await rejected(peer), 0x02, '11.17.1: data digest error');
    t.equal(again.num('bufferOffset'), 1024, 'from what is missing');
    t.equal(again.num('desiredDataTransferLength'), 3072, 'to the end of the sequence');
    t.equal(again.num('r2tSN'), 2, '11.8.2');
    t.not(again.num('targetTransferTag'), one.num('targetTransferTag'));
    send(tag, one, 2);
    send(tag, one, 3);
    whole(tag, two);
    t.same(await peer.settled(), [], 'the rest of the old sequence is dropped');
    whole(tag, again);
    await good(tag, 'a data digest error');
  }
  {
    const [tag, one, two] = await start();
    whole(tag, one);
    send(tag, two, 0);
    send(tag, two, 2);
    const again = await nextR2T();
    t.equal(again.num('bufferOffset'), 4096 + 1024, '7.9: a gap in DataSN');
    whole(tag, again);
    await good(tag, 'a gap in DataSN');
  }
  {
    const [tag, one, two] = await start();
    whole(tag, one);
    send(tag, two, 0);
    await peer.settled();
    sleep(SEQUENCE_TIMEOUT_MS + 1);
    watch();
    const again = await nextR2T();
    t.equal(again.num('bufferOffset'), 4096 + 1024, '7.1.4.1: a sequence that does not end');
    whole(tag, again);
    await good(tag, 'the end of a sequence');
  }
  for (const lost of [0, 1, 3]) {
    const tag = peer.start(0, write10(0, 16), { write: data, final: false, immediateBytes: 0 });
    for (let at = 0; at < 4; at++) {
      peer.dataOut(0, tag, NONE, data.subarray(at * 1024, at * 1024 + 1024), at * 1024, at, at === 3, {
        ...(at === lost ? { dataDigest: 'wrong' as const } : {}),
      });
    }
    const r2t = await nextR2T();
    t.equal(r2t.num('bufferOffset'), lost * 1024, `unsolicited Data-Out ${lost}`);
    const rest = await nextR2T();
    whole(tag, r2t);
    whole(tag, rest);
    t.equal((await peer.reply(tag)).num('status'), 0);
    t.same((await peer.command(0, read10(0, 16), { read: 8192, immediate: true })).data, data);
  }
  {
    const [tag, one] = await start();
    let r2t = one;
    for (let i = 0; ; i++) {
      send(tag, r2t, 0, 'wrong');
      const next = await peer.next(pdu => [Opcode.R2T, Opcode.SCSI_RESPONSE].includes(pdu.opcode as 0x31));
      if (next.opcode === Opcode.SCSI_RESPONSE) {
        t.equal(next.num('status'), 2);
        t.equal(next.data.readUInt16BE(14), 0x4705, '11.4.7.2: protocol service CRC error, in the end');
        t.ok(i > 8, `after ${i} attempts`);
        break;
      }
      r2t = next;
    }
  }
});

void t.test('RFC 7143 11.16: SNACK', async t => {
  const { node, gate } = startNode(t);
  const peer = await recovering(t, node);
  const data = pattern(10_240, 7);
  t.equal((await peer.command(0, write10(0, 20), { write: data, segment: 1024 })).status, 0);

  await t.test('11.16.1: Data-In, exact replicas', async t => {
    const dropped = new Set([2, 3, 9]);
    peer.lose = pdu => pdu.opcode === Opcode.DATA_IN && dropped.delete(pdu.num('dataSN'));
    const tag = peer.start(0, read10(0, 20), { read: 10_240 });
    const came = await peer.settled();
    t.same(numbersOf(came), [0, 1, 4, 5, 6, 7, 8], 'three are lost, one had the status');
    t.same(
      came.filter(pdu => pdu.flag('acknowledge')).map(pdu => pdu.num('dataSN')),
      [7],
      '11.7.2: A at the end of a burst (the first of them is lost)',
    );
    snack(peer, Snack.DATA, 2, 2, { tag });
    const again = [await peer.next(), await peer.next()];
    t.same(numbersOf(again), [2, 3]);
    t.ok(again[1]!.flag('final') && again[1]!.flag('acknowledge'), 'as they were');
    t.same(Buffer.concat(again.map(pdu => pdu.data)), data.subarray(2048, 4096));
    snack(peer, Snack.DATA, 9, 0, { tag });
    const last = await peer.next();
    t.ok(last.flag('hasStatus'), '11.16.7: 0 is all the rest, and the status with it');
    t.same(last.data, data.subarray(9216));
    snack(peer, Snack.DATA, 9, 2, { tag });
    t.equal(await rejected(peer), 0x04, '11.16: what was not sent');
    snack(peer, Snack.DATA, 0, 0, { tag });
    t.equal(await rejected(peer), 0x04, '11.16: what ExpStatSN has acknowledged');
    t.equal((await peer.command(0, TUR)).status, 0);
  });

  await t.test('11.16.2: DataACK', async t => {
    peer.lose = pdu => pdu.opcode === Opcode.DATA_IN && pdu.flag('hasStatus');
    const tag = peer.start(0, read10(0, 20), { read: 10_240 });
    const came = await peer.settled();
    peer.lose = undefined;
    const asked = came.find(pdu => pdu.flag('acknowledge'))!;
    t.equal(asked.num('dataSN'), 3);
    t.same(asked.get('lun'), lunField(0), '11.7.4: with the LUN');
    const transferTag = asked.num('targetTransferTag');
    t.not(transferTag, NONE);
    snack(peer, Snack.ACK, 4, 0, { transferTag });
    t.same(await peer.settled(), [], 'it is not answered');
    snack(peer, Snack.DATA, 3, 1, { tag });
    t.equal(await rejected(peer), 0x04, 'what is acknowledged is not sent again');
    snack(peer, Snack.ACK, 3, 0, { transferTag });
    t.equal(await rejected(peer), 0x08, '11.17.1: invalid data ACK');
    snack(peer, Snack.ACK, 4, 0, { transferTag: transferTag + 77 });
    t.equal(await rejected(peer), 0x08);
    snack(peer, Snack.DATA, 0, 0, { tag });
    t.same(numbersOf(await peer.settled()), [4, 5, 6, 7, 8, 9], '11.16.6: 0 and 0 are all the others');
  });

  await t.test('Status', async t => {
    peer.lose = pdu => pdu.opcode === Opcode.SCSI_RESPONSE || pdu.opcode === Opcode.NOP_IN;
    const from = peer.expStatSN;
    const tag = peer.start(0, '0300 0000 ff 00');
    peer.start(0, cdb16('ff'));
    const nop = peer.newTag();
    const ping = { immediate: true, final: true, targetTransferTag: NONE };
    peer.send(
      Opcode.NOP_OUT,
      { ...ping, initiatorTaskTag: nop, cmdSN: peer.cmdSN, expStatSN: peer.expStatSN },
      pattern(40),
    );
    await turns(20);
    peer.lose = undefined;
    t.equal(peer.expStatSN, from);
    snack(peer, Snack.STATUS, from + 1, 1);
    const response = await peer.next();
    t.equal(response.num('statSN'), from + 1, 'with the StatSN that it had');
    t.equal(response.data.readUInt16BE(14), 0x2000, 'and the sense data');
    snack(peer, Snack.STATUS, 0, 0);
    const rest = [await peer.next(), await peer.next(), await peer.next()];
    t.same(
      rest.map(pdu => [pdu.opcode, pdu.num('statSN')]),
      [
        [Opcode.SCSI_RESPONSE, from],
        [Opcode.SCSI_RESPONSE, from + 1],
        [Opcode.NOP_IN, from + 2],
      ],
      '11.16.6: all that is not acknowledged',
    );
    t.equal(rest[0]!.num('initiatorTaskTag'), tag);
    t.same(rest[2]!.data, pattern(40), 'other responses, too');
    await peer.settled();
    snack(peer, Snack.STATUS, from, 1);
    t.equal(await rejected(peer), 0x04, 'not what is acknowledged');
    snack(peer, Snack.STATUS, peer.expStatSN + 5, 1);
    t.equal(await rejected(peer), 0x04, 'nor what was not sent');
    await peer.command(0, TUR);
    peer.lose = pdu => pdu.opcode === Opcode.DATA_IN && pdu.flag('hasStatus');
    peer.start(0, read10(0, 4), { read: 2048 });
    await peer.settled();
    peer.lose = undefined;
    snack(peer, Snack.STATUS, peer.expStatSN, 1);
    const last = await peer.next();
    t.equal(last.num('dataSN'), 1, 'a status in a Data-In comes with it, alone');
    t.ok(last.flag('hasStatus'));
    t.same(await peer.settled(), []);
  });

  await t.test('R2T', async t => {
    const bytes = pattern(12_288, 2);
    peer.lose = pdu => pdu.opcode === Opcode.R2T;
    const tag = peer.start(0, write10(0, 24), { write: bytes });
    t.same(await peer.settled(), []);
    peer.lose = undefined;
    snack(peer, Snack.DATA, 1, 1, { tag });
    t.equal((await peer.next()).num('r2tSN'), 1);
    snack(peer, Snack.DATA, 0, 0, { tag });
    const both = [await peer.next(), await peer.next()];
    t.same(
      both.map(pdu => [pdu.num('r2tSN'), pdu.num('bufferOffset')]),
      [
        [0, 0],
        [1, 4096],
      ],
    );
    snack(peer, Snack.DATA, 2, 1, { tag });
    t.equal(await rejected(peer), 0x04, 'not sent yet');
    for (const r2t of both) {
      const from = r2t.num('bufferOffset');
      peer.sequence(0, tag, r2t.num('targetTransferTag'), bytes, from, from + 4096, 1024);
    }
    const third = await peer.next();
    t.equal(third.num('r2tSN'), 2);
    snack(peer, Snack.DATA, 0, 1, { tag });
    t.equal(await rejected(peer), 0x04, 'one that was answered');
    peer.sequence(0, tag, third.num('targetTransferTag'), bytes, 8192, 12_288, 1024);
    t.equal((await peer.reply(tag)).num('status'), 0);
    t.same((await peer.command(0, read10(0, 24), { read: 12_288 })).data, bytes);
    snack(peer, Snack.DATA, 0, 0, { tag: 0x7777_7777 });
    t.equal(await rejected(peer), 0x04, 'of a task that is not there');
    snack(peer, 9, 0, 0);
    t.equal(await rejected(peer), 0x09, 'of a type that is not there');
    t.equal((await peer.command(0, write10(0, 20), { write: data, segment: 1024 })).status, 0);
  });

  await t.test('11.16.3: R-Data, in other segments', async t => {
    peer.lose = pdu => pdu.opcode === Opcode.DATA_IN && (pdu.num('dataSN') === 4 || pdu.flag('hasStatus'));
    const tag = peer.start(0, read10(0, 20), { read: 10_240 });
    const asked = (await peer.settled()).find(pdu => pdu.flag('acknowledge'))!;
    peer.lose = undefined;
    snack(peer, Snack.ACK, 4, 0, { transferTag: asked.num('targetTransferTag') });
    await peer.ask({ MaxRecvDataSegmentLength: '512' });
    const { expStatSN } = peer;
    snack(peer, Snack.DATA, 4, 1, { tag });
    t.equal(await rejected(peer), 0x03, 'replicas would be too long: SNACK reject');
    snack(peer, Snack.R_DATA, 0, 0, { tag, transferTag: 0xbeef });
    const told = await peer.finish(tag, 0);
    t.same(
      numbersOf(told.dataIns),
      [4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
      'from the first unacknowledged',
    );
    t.same(told.data, data.subarray(4096));
    t.equal(told.last.opcode, Opcode.SCSI_RESPONSE, 'the status in a response of its own …');
    t.equal(told.last.num('snackTag'), 0xbeef, '… with the SNACK tag …');
    t.ok(told.last.num('statSN') < expStatSN || told.last.num('statSN') === expStatSN, '… and its StatSN');
    t.equal(told.last.num('expDataSN'), 16);
    await peer.ask({ MaxRecvDataSegmentLength: '1024' });
    gate.shut = true;
    const late = peer.start(1, read10(0, 2), { read: 1024 });
    await until(() => gate.waiting === 1);
    snack(peer, Snack.R_DATA, 0, 0, { tag: late, lun: 1, transferTag: 0xcafe });
    await peer.settled();
    gate.open();
    const response = await peer.finish(late, 1);
    t.equal(response.last.num('snackTag'), 0xcafe, 'also when nothing was sent before');
  });
  t.equal((await peer.command(0, TUR)).status, 0);
});

void t.test(
  'RFC 7143 4.2.2.2: what is kept for a SNACK is bounded, and goes when it is acknowledged',
  async t => {
    const { watch, sleep } = clock(t);
    const { node } = startNode(t);
    const peer = await recovering(t, node, {
      MaxRecvDataSegmentLength: '1048576',
      MaxBurstLength: '1048576',
    });
    const stuck = peer.expStatSN;
    const acknowledge = (expStatSN: number): void => {
      peer.recovers = false;
      peer.violations.length = 0;
      peer.expStatSN = expStatSN;
    };
    const before = process.memoryUsage().arrayBuffers;
    const MIB = 1 << 20;
    const count = 3 * (KEPT_BYTES / MIB);
    const first = peer.start(0, read10(0, 2048), { read: MIB });
    await peer.finish(first, 0);
    let last = first;
    for (let i = 1; i < count; i++) {
      acknowledge(stuck);
      last = peer.start(0, read10(0, 2048), { read: MIB });
      await peer.finish(last, 0);
      for (const pdu of peer.pdus) (pdu as { data: Buffer }).data = Buffer.alloc(0);
    }
    const held = process.memoryUsage().arrayBuffers - before;
    t.ok(held < 3 * KEPT_BYTES, `${held / MIB} MiB for ${count} MiB that were not acknowledged`);
    acknowledge(stuck);
    snack(peer, Snack.DATA, 0, 0, { tag: first });
    t.equal(await rejected(peer), 0x03, '11.17.1: SNACK reject, the data is gone');
    acknowledge(stuck);
    snack(peer, Snack.DATA, 0, 0, { tag: last });
    const again = await peer.next();
    t.equal(again.num('initiatorTaskTag'), last, 'the latest is there');
    sleep(6_000);
    watch();
    const ping = await peer.nextOf(Opcode.NOP_IN);
    t.equal(ping.num('initiatorTaskTag'), NONE, '11.19: it is asked for an acknowledgement');
    peer.violations.length = 0;
  },
);

void t.test('RFC 7143 7.2.2: allegiance reassignment', async t => {
  const { node, device, gate } = startNode(t);
  const level2 = { ErrorRecoveryLevel: '2' };
  const reassign = async (peer: Initiator, tag: number, { lun = 0, expDataSN = 0 } = {}): Promise<number> => {
    const own = peer.newTag();
    peer.send(Opcode.TASK_MANAGEMENT_REQUEST, {
      immediate: true,
      final: true,
      function: 8,
      lun: lunField(lun),
      initiatorTaskTag: own,
      referencedTaskTag: tag,
      cmdSN: peer.cmdSN,
      expStatSN: peer.expStatSN,
      expDataSN,
    });
    return (await peer.nextOf(Opcode.TASK_MANAGEMENT_RESPONSE)).num('response');
  };
  const join = async (leader: Initiator, cid: number, segment = '2048'): Promise<Initiator> => {
    const keys = { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C', MaxRecvDataSegmentLength: segment };
    const peer = await connect(t, node).join(leader, cid, { keys });
    peer.recovers = true;
    return peer;
  };
  const one = await recovering(t, node, level2);
  const data = pattern(10_240, 9);
  t.equal((await one.command(0, write10(0, 20), { write: data, segment: 1024 })).status, 0);
  const two = await join(one, 1);

  // On connection 1: a read that was answered in part, a write that waits, a read at the medium, and a lost status.
  two.lose = pdu => pdu.opcode === Opcode.DATA_IN && pdu.num('dataSN') >= 2;
  const partly = two.start(0, read10(0, 20), { read: 10_240 });
  t.same(numbersOf(await two.settled()), [0, 1]);
  two.lose = pdu => pdu.opcode === Opcode.SCSI_RESPONSE;
  const unheard = two.start(0, cdb16('ff'));
  await two.settled();
  const bytes = pattern(12_288, 4);
  const write = two.start(0, write10(100, 24), { write: bytes });
  const r2t = await two.nextOf(Opcode.R2T);
  const early = bytes.subarray(0, 1024);
  two.dataOut(0, write, r2t.num('targetTransferTag'), early, 0, 0, false);
  gate.shut = true;
  const running = two.start(1, read10(0, 2), { read: 1024 });
  await until(() => gate.waiting === 1);
  await two.settled();
  t.equal(await reassign(one, partly), 3, '11.6.1: still allegiant to a live connection');
  t.equal(await reassign(one, write), 3);
  two.stream.destroy();
  await turns(20);
  t.equal(await reassign(one, write), 3, 'or to one that was not logged out');
  t.equal(await reassign(one, partly), 3);
  t.equal(device.units[0]![1].tasks.length, 1, 'the tasks go on');
  one.send(Opcode.LOGOUT_REQUEST, {
    immediate: true,
    final: true,
    reason: 2,
    cid: 1,
    initiatorTaskTag: one.newTag(),
    cmdSN: one.cmdSN,
    expStatSN: two.expStatSN,
  });
  const out = await one.nextOf(Opcode.LOGOUT_RESPONSE);
  t.same([out.num('response'), out.num('time2Wait'), out.num('time2Retain')], [0, 0, 20], '11.15.4');
  gate.open();
  await until(() => device.units[1]![1].tasks.length === 0);
  const three = await join(one, 2, '512');
  t.equal(await reassign(three, partly, { expDataSN: 2 }), 0);
  const told = await three.finish(partly, 0);
  t.equal(told.dataIns[0]!.num('dataSN'), 2, '11.5.6: from ExpDataSN on');
  t.equal(told.dataIns[0]!.data.length, 512, 'in segments of the new connection');
  t.same(told.data, data.subarray(4096));
  t.equal(told.status, 0);
  t.equal(await reassign(three, unheard), 0);
  const sense = await three.finish(unheard, 0);
  t.equal(sense.said, '5/2000', 'a status that did not arrive');
  t.equal(await reassign(three, running, { lun: 1 }), 0);
  t.same((await three.finish(running, 1)).data.length, 1024, 'one that ended in between');
  t.equal(await reassign(three, write, { expDataSN: 1 }), 0);
  const done = await three.finish(write, 0, bytes, 1024);
  t.equal(done.status, 0);
  t.equal(done.r2ts[0]!.num('bufferOffset'), 1024, 'a write goes on where it was');
  t.equal(done.r2ts[0]!.num('r2tSN'), 1, 'with the R2TSN that is expected');
  t.same((await three.command(0, read10(100, 24), { read: 12_288 })).data, bytes);
  t.equal(await reassign(three, 0x5555_5555), 1, '11.6.1: no such task');
  t.equal(one.maxCmdSN - one.expCmdSN > 100, true);

  // Reinstatement logs the old connection out (6.3.4), ExpStatSN in the Login Request tells what came (11.12.9).
  const heard = three.start(0, TUR);
  await three.reply(heard);
  three.lose = () => true;
  const missed = three.start(0, TUR);
  await turns(20);
  const { expStatSN } = three;
  const four = connect(t, node);
  four.expStatSN = expStatSN;
  await four.join(one, 2, { keys: { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' } });
  four.recovers = true;
  await three.ended;
  t.equal(await reassign(four, missed), 0);
  t.equal((await four.reply(missed)).num('status'), 0);
  t.equal(await reassign(four, heard), 1, 'what was acknowledged is gone');

  // A Logout that closes a lost connection ends its tasks.
  const dropped = four.start(0, write10(0, 24), { write: bytes });
  await four.nextOf(Opcode.R2T);
  four.stream.destroy();
  await turns(20);
  t.equal(device.units[0]![1].tasks.length, 1);
  t.equal((await one.logout(1, 2)).num('response'), 0);
  t.equal(device.units[0]![1].tasks.length, 0);
  t.equal(await reassign(one, dropped), 1);
  t.equal((await one.logout(2, 2)).num('response'), 1, '11.15.1: CID not found');

  // The connection's own Logout for recovery leaves the session without one, and it comes back.
  const kept = one.start(0, write10(0, 24), { write: bytes });
  await one.nextOf(Opcode.R2T);
  t.equal((await one.logout(2, 0)).num('response'), 0);
  await one.ended;
  const five = await join(one, 0);
  t.equal(await reassign(five, kept), 0);
  t.equal((await five.finish(kept, 0, bytes, 1024)).status, 0);
});

void t.test('RFC 7143 13.15, 13.16: tasks of a lost connection end when their time is over', async t => {
  const { node, device } = startNode(t);
  const short = { ErrorRecoveryLevel: '2', DefaultTime2Retain: '1', DefaultTime2Wait: '0' };
  const one = await recovering(t, node, short);
  const two = await connect(t, node).join(one, 1);
  two.start(0, write10(0, 24), { write: pattern(12_288) });
  await two.nextOf(Opcode.R2T);
  two.stream.destroy();
  await turns(20);
  t.equal(device.units[0]![1].tasks.length, 1);
  t.ok(await until(() => device.units[0]![1].tasks.length === 0));
  t.equal((await one.command(0, TUR)).status, 0, 'the session goes on');
  t.equal((await one.logout(2, 1)).num('response'), 1, 'and does not know the connection any more');
  const none = await recovering(t, node, { ...short, DefaultTime2Retain: '0' });
  const other = await connect(t, node).join(none, 1);
  other.start(0, write10(0, 24), { write: pattern(12_288) });
  await other.nextOf(Opcode.R2T);
  other.stream.destroy();
  t.ok(await until(() => device.units[0]![1].tasks.length === 0, 900), '0: at once');
});

/** One command of the initiator below. */
interface Io {
  readonly tag: number;
  readonly cmdSN: number;
  cid: number;
  readonly lba: number;
  readonly blocks: number;
  /** What a write brings; a read compares with it. */
  readonly data: Buffer;
  readonly writes: boolean;
  readonly pieces: Map<number, Pdu>;
  readonly r2ts: Set<number>;
  readonly r2tSNs: Set<number>;
  status: Pdu | undefined;
  statusBy: Initiator | undefined;
  reassign: boolean;
  idle: number;
}

/**
 * An initiator at level 2 over two connections of which PDUs get lost both ways, and which break. It does what RFC 7143
 * lets it do about that, and nothing else.
 */
class Survivor {
  readonly peers: Initiator[] = [];
  readonly ios = new Set<Io>();
  readonly counts = { lost: 0, spoilt: 0, cuts: 0, snacks: 0, retries: 0, reassigned: 0 };
  readonly problems: string[] = [];
  readonly #t: Test;
  readonly #node: IscsiNode;
  readonly #random: Random;
  readonly #read: number[] = [];
  #expCmdSN = 0;
  #maxCmdSN = 0;
  #turns = 0;

  constructor(t: Test, node: IscsiNode, random: Random) {
    this.#t = t;
    this.#node = node;
    this.#random = random;
  }

  async connect(cid: number): Promise<void> {
    const old = this.peers[cid];
    const leader = this.peers[0];
    const peer = connect(this.#t, this.#node);
    if (old !== undefined) {
      peer.expStatSN = old.expStatSN;
      for (const io of this.ios) if (io.cid === cid && io.status !== undefined) this.#unheard(io);
    }
    if (leader === undefined) {
      await peer.login({ target: TARGET, keys: { ...base, ErrorRecoveryLevel: '2', InitialR2T: 'No' } });
    } else {
      const { HeaderDigest, DataDigest, MaxRecvDataSegmentLength } = base;
      await peer.join(leader, cid, { keys: { HeaderDigest, DataDigest, MaxRecvDataSegmentLength } });
    }
    peer.recovers = true;
    this.peers[cid] = peer;
    this.#read[cid] = peer.pdus.length;
    this.#learn(peer);
    if (leader === undefined) await peer.clear(0, 1);
    this.#read[cid] = peer.pdus.length;
    this.#learn(peer);
    const random = this.#random;
    peer.lose = () => random.chance(25) && ++this.counts.lost > 0;
    peer.spoils = () => {
      if (!random.chance(25)) return undefined;
      this.counts.spoilt++;
      return random.pick(['header', 'data'] as const);
    };
    peer.acknowledges = pdu => {
      const io = this.#io(pdu.num('initiatorTaskTag'));
      return io === undefined || io.writes || this.#missing(io, pdu).length === 0;
    };
    for (const io of this.ios) {
      if (io.cid !== cid || old === undefined) continue;
      io.idle = 0;
      if (((this.#expCmdSN - io.cmdSN) | 0) > 0) {
        // What is not in order is not acknowledged, and comes again.
        const upTo = this.#contiguous(io);
        for (const dataSN of io.pieces.keys()) if (dataSN >= upTo) io.pieces.delete(dataSN);
        io.reassign = true;
        this.#reassign(io);
      } else this.#send(io);
    }
  }

  #unheard(io: Io): void {
    io.status = undefined;
    io.statusBy = undefined;
  }

  #io(tag: number): Io | undefined {
    for (const io of this.ios) if (io.tag === tag) return io;
    return undefined;
  }

  get room(): boolean {
    return ((this.#maxCmdSN - this.peers[0]!.cmdSN) | 0) >= 0;
  }

  start(lba: number, data: Buffer, writes: boolean): Io {
    const peer = this.peers[0]!;
    const io: Io = {
      tag: peer.newTag(),
      cmdSN: peer.cmdSN,
      cid: this.#random.below(2),
      lba,
      blocks: data.length / 512,
      data,
      writes,
      pieces: new Map(),
      r2ts: new Set(),
      r2tSNs: new Set(),
      status: undefined,
      statusBy: undefined,
      reassign: false,
      idle: 0,
    };
    peer.cmdSN = (peer.cmdSN + 1) >>> 0;
    this.ios.add(io);
    this.#send(io);
    return io;
  }

  #send({ tag, cmdSN, cid, lba, blocks, data, writes }: Io): void {
    const peer = this.peers[cid]!;
    if (peer.gone) return;
    if (!writes) {
      peer.start(0, read10(lba, blocks), { read: data.length, tag, cmdSN });
      return;
    }
    const immediateBytes = Math.min(data.length, tag % 3 === 0 ? 0 : 1024);
    const more = tag % 2 === 0 ? Math.min(data.length, 3072) - immediateBytes : 0;
    peer.start(0, write10(lba, blocks), { write: data, tag, cmdSN, immediateBytes, final: more <= 0 });
    if (more > 0) peer.sequence(0, tag, NONE, data, immediateBytes, immediateBytes + more, 1024);
  }

  #reassign({ tag, cid, writes, r2tSNs, ...io }: Io): void {
    const peer = this.peers[cid]!;
    let expDataSN = this.#contiguous(io);
    if (writes) for (expDataSN = 0; r2tSNs.has(expDataSN);) expDataSN++;
    peer.send(Opcode.TASK_MANAGEMENT_REQUEST, {
      immediate: true,
      final: true,
      function: 8,
      lun: lunField(0),
      initiatorTaskTag: 0x8000_0000 + tag,
      referencedTaskTag: tag,
      cmdSN: peer.cmdSN,
      expStatSN: peer.expStatSN,
      expDataSN,
    });
    this.counts.reassigned++;
  }

  #contiguous({ pieces }: Pick<Io, 'pieces'>): number {
    let count = 0;
    while (pieces.has(count)) count++;
    return count;
  }

  /** DataSNs that have not come, up to the end of the data. */
  #missing(io: Io, also?: Pdu): number[] {
    const came = new Map(io.pieces);
    if (also?.opcode === Opcode.DATA_IN) came.set(also.num('dataSN'), also);
    const most = Math.ceil(io.data.length / 1024);
    return Array.from({ length: most }, (_, dataSN) => dataSN).filter(dataSN => !came.has(dataSN));
  }

  #learn(peer: Initiator): void {
    if (((peer.expCmdSN - this.#expCmdSN) | 0) > 0 || this.#expCmdSN === 0) this.#expCmdSN = peer.expCmdSN;
    if (((peer.maxCmdSN - this.#maxCmdSN) | 0) > 0 || this.#maxCmdSN === 0) this.#maxCmdSN = peer.maxCmdSN;
  }

  /** One turn: takes what came, recovers what stands still. Gives what is done. */
  async turn(): Promise<Io[]> {
    for (const [cid, peer] of this.peers.entries()) {
      for (; this.#read[cid]! < peer.pdus.length; this.#read[cid]!++)
        this.#take(peer, peer.pdus[this.#read[cid]!]!);
      this.#learn(peer);
      // One break is sure to come, others as it happens.
      if (++this.#turns === 100 || this.#random.chance(200)) {
        peer.stream.destroy();
        this.counts.cuts++;
      }
      if (peer.gone) await this.connect(cid);
    }
    for (const io of this.ios) if (++io.idle > 40) this.#recover(io);
    const done = [...this.ios].filter(
      io => io.status !== undefined && (io.writes || this.#missing(io).length === 0),
    );
    for (const io of done) {
      this.ios.delete(io);
      if (io.status!.num('status') !== 0) this.problems.push(`status of ${io.tag}: ${io.status!.toString()}`);
      for (const [dataSN, pdu] of io.pieces) {
        const at = pdu.num('bufferOffset');
        if (!pdu.data.equals(io.data.subarray(at, at + pdu.data.length)))
          this.problems.push(`data of ${io.tag}, DataSN ${dataSN}`);
      }
      io.statusBy!.took(io.status!.num('statSN'));
    }
    return done;
  }

  #take(peer: Initiator, pdu: Pdu): void {
    const tag = pdu.num('initiatorTaskTag');
    if (pdu.opcode === Opcode.NOP_IN && tag === NONE) {
      const transferTag = pdu.num('targetTransferTag');
      const numbers = { cmdSN: peer.cmdSN, expStatSN: peer.expStatSN };
      peer.send(Opcode.NOP_OUT, {
        immediate: true,
        final: true,
        initiatorTaskTag: NONE,
        targetTransferTag: transferTag,
        ...numbers,
      });
    }
    if (pdu.opcode === Opcode.TASK_MANAGEMENT_RESPONSE) {
      const io = this.#io(tag - 0x8000_0000);
      // 3: an answer before this one was lost, and it is ours already.
      if (io !== undefined && [0, 3].includes(pdu.num('response'))) io.reassign = false;
      else if (io !== undefined) this.problems.push(`reassignment: ${pdu.toString()}`);
    }
    const io = this.#io(tag);
    if (io === undefined || this.peers[io.cid] !== peer) return;
    io.idle = 0;
    if (pdu.opcode === Opcode.R2T) {
      io.r2tSNs.add(pdu.num('r2tSN'));
      const transferTag = pdu.num('targetTransferTag');
      if (io.r2ts.has(transferTag)) return;
      io.r2ts.add(transferTag);
      const from = pdu.num('bufferOffset');
      peer.sequence(0, tag, transferTag, io.data, from, from + pdu.num('desiredDataTransferLength'), 1024);
    } else if (pdu.opcode === Opcode.DATA_IN || pdu.opcode === Opcode.SCSI_RESPONSE) {
      if (pdu.opcode === Opcode.DATA_IN) io.pieces.set(pdu.num('dataSN'), pdu);
      if (pdu.opcode === Opcode.SCSI_RESPONSE || pdu.flag('hasStatus')) {
        io.status = pdu;
        io.statusBy = peer;
      }
      if (
        pdu.opcode === Opcode.DATA_IN &&
        pdu.flag('acknowledge') &&
        this.#contiguous(io) > pdu.num('dataSN')
      ) {
        snack(peer, Snack.ACK, this.#contiguous(io), 0, { transferTag: pdu.num('targetTransferTag') });
      }
    }
  }

  #recover(io: Io): void {
    const peer = this.peers[io.cid]!;
    io.idle = 0;
    if (peer.gone) return;
    if (io.reassign) this.#reassign(io);
    else if (((this.#expCmdSN - io.cmdSN) | 0) <= 0) {
      this.counts.retries++;
      this.#send(io);
    } else {
      this.counts.snacks++;
      const missing = this.#missing(io);
      if (!io.writes && missing.length > 0 && this.#random.chance(2)) {
        snack(peer, Snack.DATA, missing[0]!, 1, { tag: io.tag });
      } else snack(peer, Snack.DATA, 0, 0, { tag: io.tag });
      if (io.status === undefined) snack(peer, Snack.STATUS, 0, 0);
    }
  }
}

void t.test('RFC 7143 7.1.4, 7.1.5: lost PDUs and broken connections lose no data at level 2', async t => {
  t.comment(`SANLET_SEED=${SEED}`);
  const random = new Random();
  const { watch, sleep } = clock(t);
  const { node } = startNode(t);
  const survivor = new Survivor(t, node, random);
  await survivor.connect(0);
  await survivor.connect(1);
  const BLOCKS = 32;
  const model = Buffer.alloc(12 * BLOCKS * 512);
  const workers = Array.from({ length: 12 }, (_, i) => ({
    from: i * BLOCKS,
    left: 20,
    io: undefined as Io | undefined,
  }));
  let turnsLeft = 60_000;
  for (; workers.some(({ left, io }) => left > 0 || io !== undefined) && turnsLeft > 0; turnsLeft--) {
    for (const worker of workers) {
      if (worker.io !== undefined || worker.left === 0 || !survivor.room) continue;
      worker.left--;
      const at = random.below(BLOCKS);
      const blocks = random.between(1, BLOCKS - at);
      const from = (worker.from + at) * 512;
      const writes = random.chance(2);
      const data = writes
        ? pattern(blocks * 512, random.below(1e6))
        : model.subarray(from, from + blocks * 512);
      worker.io = survivor.start(worker.from + at, data, writes);
      if (writes) data.copy(model, from);
    }
    for (const io of await survivor.turn()) workers.find(worker => worker.io === io)!.io = undefined;
    await turns(1);
    if (turnsLeft % 100 === 0) {
      sleep(SEQUENCE_TIMEOUT_MS + 1);
      watch();
    }
    if (survivor.problems.length > 0) break;
  }
  t.same(survivor.problems, []);
  t.ok(turnsLeft > 0, `all of it ended: ${60_000 - turnsLeft} turns, ${JSON.stringify(survivor.counts)}`);
  for (const [what, count] of Object.entries(survivor.counts)) t.ok(count > 0, `${what}: ${count}`);
  const clean = await connect(t, node).login({ target: TARGET, isid: '800000000009' });
  await clean.clear(0);
  for (let i = 0; i < 12; i++) {
    const { data } = await clean.command(0, read10(i * BLOCKS, BLOCKS), { read: BLOCKS * 512 });
    t.ok(
      data.equals(model.subarray(i * BLOCKS * 512, (i + 1) * BLOCKS * 512)),
      `what was written is there, ${i}`,
    );
  }
});

void t.test('RFC 7143 13.15: nothing is kept longer than the target would have it', async t => {
  const { node, device } = startNode(t);
  const long = { ErrorRecoveryLevel: '2', DefaultTime2Retain: '20', DefaultTime2Wait: '3600' };
  const one = await recovering(t, node, long);
  t.equal(one.agreed.get('DefaultTime2Wait'), '3600', 'the larger one holds');
  const two = await connect(t, node).join(one, 1);
  two.start(0, write10(0, 24), { write: pattern(12_288) });
  await two.nextOf(Opcode.R2T);
  const real = globalThis.setTimeout;
  const asked: number[] = [];
  globalThis.setTimeout = ((run: () => void, ms: number) => {
    asked.push(ms);
    return real(run, ms > 5_000 ? 1 : ms);
  }) as typeof setTimeout;
  t.teardown(() => {
    globalThis.setTimeout = real;
  });
  two.stream.destroy();
  t.ok(await until(() => device.units[0]![1].tasks.length === 0, 2_000), 'a write holds its place no longer');
  t.equal(Math.max(...asked), MOST_RETAINED_MS);
});

void t.test('RFC 7143 11.16, 11.19: what is sent again or echoed is counted and cut', async t => {
  const { node } = startNode(t);
  const served: { stream?: Duplex; connection?: Connection | undefined } = {};
  const peer = await recovering(t, {
    handle: (stream: Duplex) => {
      served.stream = stream;
      served.connection = node.handle(stream);
    },
  } as IscsiNode);
  const bytes = Buffer.alloc(256 * 1024, 7);
  peer.send(
    Opcode.NOP_OUT,
    { immediate: true, final: true, initiatorTaskTag: 9, expStatSN: peer.expStatSN },
    bytes,
  );
  t.equal((await peer.reply(9)).data.length, 1024);
  const echo = served.connection!.kept!.entries.at(-1)!.data!;
  t.ok(echo.buffer.byteLength <= 64 * 1024, 'a cut echo does not keep the whole ping');

  const tag = peer.start(0, write10(0, 24), { write: pattern(12_288) });
  await peer.nextOf(Opcode.R2T);
  await turns(10);
  peer.stream.pause();
  for (let i = 0; i < 2_000; i++) snack(peer, Snack.DATA, 0, 0, { tag });
  t.ok(await until(() => served.stream!.isPaused(), 2_000), 'R2Ts that are not taken stop the reading');
  t.ok(served.connection!.outbox.bytes < 64 * 1024);
  peer.stream.resume();
  t.ok(await until(() => !served.stream!.isPaused(), 2_000));
  t.equal(await peer.manage(1, { tag }), 0);
});
