import { join } from 'node:path';
import t from 'tap';
import { Provisioning } from '../../lib/scsi-cmds/sbc/lba-status.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { type Answer, Commander, nexus } from '../harness/commands.ts';
import { cdb, cdb32, hex, information, MiB, pattern, pointer, read, rig, write } from '../harness/disk.ts';
import { logIn, startSan } from '../harness/rig.ts';

void t.test('SBC-3 5.28: UNMAP', async t => {
  const { a, medium } = await rig();
  const list = (...ranges: [number, number][]): Buffer => {
    const out = Buffer.alloc(8 + 16 * ranges.length);
    out.writeUInt16BE(out.length - 2, 0);
    out.writeUInt16BE(16 * ranges.length, 2);
    ranges.forEach(([lba, blocks], i) => {
      out.writeBigUInt64BE(BigInt(lba), 8 + 16 * i);
      out.writeUInt32BE(blocks, 16 + 16 * i);
    });
    return out;
  };
  const unmap = (out: Buffer, length = out.length): Promise<Answer> => {
    const c = Buffer.alloc(10);
    c[0] = 0x42;
    c.writeUInt16BE(length, 7);
    return a.send(0, c, { out });
  };
  const data = pattern(32);
  await write(a, 0, data);
  t.equal((await unmap(list([3, 5], [20, 1]))).status, Status.GOOD);
  const left = Buffer.from(data);
  left.fill(0, 3 * 512, 8 * 512).fill(0, 20 * 512, 21 * 512);
  t.ok((await read(a, 0, 32)).data.equals(left), 'LBPRZ: unmapped blocks read as zero');
  t.strictSame(medium.unmaps, [
    [3 * 512, 5 * 512],
    [20 * 512, 512],
  ]);
  medium.unmaps = [];
  t.equal((await unmap(list([0, 1], [8192, 1]))).said, '5/2100');
  t.strictSame(medium.unmaps, [], 'nothing is unmapped when one descriptor is wrong');
  t.equal((await unmap(list([8192, 0]))).status, Status.GOOD, 'no blocks at the end');
  t.equal((await unmap(list())).status, Status.GOOD, 'no descriptors');
  t.equal((await unmap(Buffer.alloc(0))).status, Status.GOOD, 'no list');
  t.equal((await unmap(Buffer.alloc(7))).said, '5/1a00', 'less than a header');
  t.equal((await unmap(list([0, 1]).subarray(0, 20))).said, '5/1a00', 'fewer descriptors than it says');
  t.equal((await unmap(list([0, 1]), 24 + 16)).status, Status.GOOD, 'a longer list is no error');
  const full = Array.from({ length: 256 }, (_, i): [number, number] => [i, 1]);
  t.equal((await unmap(list(...full))).status, Status.GOOD);
  const over = await unmap(list(...full, [256, 1]));
  t.equal(over.said, '5/2600', 'more than MAXIMUM UNMAP BLOCK DESCRIPTOR COUNT');
  t.equal(pointer(over), 'list 2');
});

void t.test('SBC-3 5.28: UNMAP of much stops when it is aborted', async t => {
  const { a, medium, unit } = await rig({ bytes: 2 ** 40 });
  medium.late = true;
  const list = Buffer.alloc(24);
  list.writeUInt16BE(22, 0);
  list.writeUInt16BE(16, 2);
  list.writeUInt32BE(2 ** 31 - 1, 16);
  const answer = a.send(0, '42 00 00 00 00 00 00 00 18', { out: list });
  await new Promise<void>(resolve =>
    unit.abort(
      () => true,
      () => resolve(),
    ),
  );
  t.ok((await answer).aborted);
  t.strictSame(medium.unmaps, [[0, 256 * MiB]], 'after a step');
});

void t.test('SBC-3 5.43, 5.44: WRITE SAME', async t => {
  const { a, medium } = await rig();
  const block = pattern(1, 3);
  const zeros = Buffer.alloc(512);
  for (const opcode of [0x41, 0x93]) {
    t.equal((await a.send(0, cdb(opcode, 10, 20), { out: block })).status, Status.GOOD);
    const found = (await read(a, 9, 22)).data;
    t.ok(found.subarray(0, 512).equals(zeros) && found.subarray(21 * 512).equals(zeros), 'no more than that');
    for (let i = 1; i <= 20; i++) t.ok(found.subarray(i * 512, (i + 1) * 512).equals(block));
    medium.unmaps = [];
    t.equal((await a.send(0, cdb(opcode, 10, 19, 0x08), { out: block })).status, Status.GOOD);
    t.strictSame(medium.unmaps, [], 'UNMAP with other data than zeros writes');
    t.equal((await a.send(0, cdb(opcode, 10, 20, 0x08), { out: zeros })).status, Status.GOOD);
    t.strictSame(medium.unmaps, [[5120, 20 * 512]], 'UNMAP');
    t.equal(medium.mappedBytes, 0);
    t.equal((await a.send(0, cdb(opcode, 10, 1), { out: zeros })).status, Status.GOOD);
    t.equal(medium.mappedBytes, 512, 'zeros without UNMAP are written');
    await a.send(0, cdb(opcode, 10, 1, 0x08), { out: zeros });
    t.equal(
      pointer(await a.send(0, cdb(opcode, 0, 1, 0x10), { out: zeros })),
      'cdb 1.4',
      'ANCHOR without UNMAP',
    );
    for (const bytes of [256, 1024, 0]) {
      t.equal(
        (await a.send(0, cdb(opcode, 0, 1), { out: Buffer.alloc(bytes) })).said,
        '5/0e03',
        `${bytes} bytes`,
      );
    }
    t.equal((await a.send(0, cdb(opcode, 8191, 2), { out: block })).said, '5/2100');
    t.equal(
      pointer(await a.send(0, cdb(opcode, 8000, 0), { out: block })),
      opcode === 0x41 ? 'cdb 7' : 'cdb 10',
      'WSNZ: 0 blocks is not up to the end',
    );
    t.ok((await read(a, 8191, 1)).data.equals(zeros));
  }
  await write(a, 0, block);
  t.equal((await a.send(0, cdb(0x93, 0, 1, 0x01))).status, Status.GOOD, 'NDOB');
  t.ok((await read(a, 0, 1)).data.equals(zeros));
  t.equal(
    pointer(await a.send(0, cdb(0x41, 0, 1, 0x01), { out: zeros })),
    'cdb 1.0',
    'WRITE SAME(10) has no NDOB',
  );

  const big = await rig({ bytes: 256 * MiB });
  const over = await big.a.send(0, cdb(0x93, 0, 32769), { out: zeros });
  t.equal(over.said, '5/2400', 'MAXIMUM WRITE SAME LENGTH');
  t.equal(pointer(over), 'cdb 10');
  big.medium.late = true;
  t.equal((await big.a.send(0, cdb(0x93, 5, 32768), { out: block })).status, Status.GOOD);
  t.equal(Math.max(...big.medium.writes), MiB, 'in steps');
  t.ok(
    (await big.a.send(0, cdb(0x88, 32768, 5))).data.equals(
      Buffer.concat([block, block, block, block, block]),
    ),
  );
  t.ok((await big.a.send(0, cdb(0x88, 32773, 1))).data.equals(zeros));
});

void t.test('SBC-3 4.7.4: what is anchored reads as zero and has its room', async t => {
  const { a, medium } = await rig({ allocationLimitBytes: 16 * 512 });
  const { MAPPED, DEALLOCATED, ANCHORED } = Provisioning;
  const list = (lba: number, blocks: number): Buffer => {
    const out = Buffer.alloc(24);
    out.writeUInt16BE(22, 0);
    out.writeUInt16BE(16, 2);
    out.writeUInt32BE(lba, 12);
    out.writeUInt32BE(blocks, 16);
    return out;
  };
  const zeros = Buffer.alloc(512);
  t.equal((await write(a, 2, pattern(2))).status, Status.GOOD);
  t.equal((await a.send(0, cdb(0x93, 0, 4, 0x19))).status, Status.GOOD, 'WRITE SAME(16), NDOB');
  t.equal((await a.send(0, cdb(0x41, 4, 2, 0x18), { out: zeros })).status, Status.GOOD, 'WRITE SAME(10)');
  t.equal((await a.send(0, cdb32(0x0d, 6, 1, 0x18), { out: zeros })).status, Status.GOOD, 'WRITE SAME(32)');
  t.equal(
    (await a.send(0, '42 01 00 00 00 00 00 00 18', { out: list(7, 1) })).status,
    Status.GOOD,
    'UNMAP with ANCHOR',
  );
  t.strictSame(await lbaStatus(a, 0), [
    [0, 8, ANCHORED],
    [8, 8184, DEALLOCATED],
  ]);
  t.ok((await read(a, 0, 8)).data.equals(Buffer.alloc(8 * 512)));
  t.equal(medium.mappedBytes, 8 * 512, 'it counts as used');
  t.equal((await write(a, 100, pattern(8))).status, Status.GOOD);
  const full = await a.send(0, cdb(0x93, 4, 8, 0x19));
  t.equal(full.said, '7/2707', 'SPACE ALLOCATION FAILED WRITE PROTECT');
  t.equal((await lbaStatus(a, 8))[0]![1], 92, 'and nothing of it is anchored');
  t.equal(
    (await write(a, 2, pattern(2, 9))).status,
    Status.GOOD,
    'a write finds the room of anchored blocks',
  );
  t.equal(
    (await a.send(0, cdb(0x93, 5, 1, 0x18), { out: pattern(1) })).status,
    Status.GOOD,
    'no zeros: data',
  );
  t.strictSame((await lbaStatus(a, 0)).slice(0, 5), [
    [0, 2, ANCHORED],
    [2, 2, MAPPED],
    [4, 1, ANCHORED],
    [5, 1, MAPPED],
    [6, 2, ANCHORED],
  ]);
  t.equal((await a.send(0, cdb(0x93, 0, 8, 0x09))).status, Status.GOOD);
  t.strictSame((await lbaStatus(a, 0))[0], [0, 100, DEALLOCATED], 'unmapped it has no room');
  t.equal(medium.mappedBytes, 8 * 512);
  const without = await rig();
  Object.defineProperty(without.medium, 'anchor', { value: undefined });
  t.equal((await without.a.send(0, '12 01 b2 00 ff 00')).data[5], 0xe4, 'ANC_SUP 0');
  t.equal(pointer(await without.a.send(0, cdb(0x93, 0, 1, 0x19))), 'cdb 1.4');
  t.equal(
    pointer(await without.a.send(0, '42 01 00 00 00 00 00 00 18', { out: list(0, 1) })),
    'cdb 1.0',
    'a medium that cannot',
  );
});

/** GET LBA STATUS(16): LBA, blocks and status of each descriptor. */
async function lbaStatus(a: Commander, lba: number): Promise<[number, number, number][]> {
  const { data } = await a.send(0, cdb(0x9e, lba, 0x1000, 0x12));
  const found: [number, number, number][] = [];
  for (let at = 8; at + 16 <= data.length; at += 16) {
    found.push([Number(data.readBigUInt64BE(at)), data.readUInt32BE(at + 8), data[at + 12]!]);
  }
  return found;
}

void t.test('SBC-4: REPORT TYPE of GET LBA STATUS(16) and GET LBA STATUS(32)', async t => {
  const { a } = await rig();
  await write(a, 10, pattern(5));
  await write(a, 100, pattern(1));
  await a.send(0, cdb(0x93, 15, 3, 0x19)); // anchored
  const told = async (c: Buffer): Promise<string> => {
    const { data, said, sense } = await a.send(0, c);
    if (said !== '') return `${said} cdb ${sense.readUInt16BE(16)}`;
    let found = `${data[7]! >> 1}${data[7]! & 1}`;
    for (let at = 8; at < data.length; at += 16) {
      found += ` ${data.readBigUInt64BE(at)}+${data.readUInt32BE(at + 8)}=${data[at + 12]}`;
    }
    return found;
  };
  const of = (type: number, lba = 0, room = 0x1000): Buffer => {
    const c = cdb(0x9e, lba, room, 0x12);
    c[14] = type;
    return c;
  };
  const of32 = (type: number, lba: number, scan: number, element = 0, room = 0x1000): Buffer => {
    const c = cdb32(0x12, lba, room, type);
    c.writeUInt32BE(scan, 20);
    c.writeUInt32BE(element, 24);
    return c;
  };
  t.equal(await told(of(0)), '31 0+10=1 10+5=0 15+3=2 18+82=1 100+1=0 101+8091=1', 'all, to the end');
  t.equal(await told(of(1)), '31 0+10=1 15+3=2 18+82=1 101+8091=1', 'not mapped');
  t.equal(await told(of(2)), '31 10+5=0 100+1=0', 'mapped');
  t.equal(await told(of(3)), '31 0+10=1 18+82=1 101+8091=1', 'deallocated');
  t.equal(await told(of(4)), '31 15+3=2', 'anchored');
  t.equal(await told(of(0x10)), '31', 'none that could not be read');
  t.equal(await told(of(5)), '5/2400 cdb 14');
  t.equal(await told(of(2, 0, 24)), '11 10+5=0', 'there is more than room');
  t.equal(await told(of32(0, 12, 10)), '21 12+3=0 15+3=2 18+4=1', 'SCAN LENGTH');
  t.equal(await told(of32(2, 20, 80)), '21', 'nothing in it');
  t.equal(await told(of32(2, 20, 0)), '31 100+1=0', 'without limit');
  t.equal(await told(of32(0, 8190, 100)), '31 8190+2=1', 'longer than the medium');
  t.equal(await told(of32(0, 8192, 1)), '5/2100 cdb 0');
  t.equal(await told(of32(0, 0, 1, 1)), '5/2400 cdb 24', 'ELEMENT IDENTIFIER');
  t.equal(await told(of32(0x11, 0, 1)), '5/2400 cdb 10');
});

void t.test('SBC-3 5.4: GET LBA STATUS(16)', async t => {
  const { a, unit } = await rig();
  const status = async (lba: number, length = 0x1000): Promise<[number, number, number][]> => {
    const c = cdb(0x9e, lba, length, 0x12);
    const { data } = await a.send(0, c);
    const found: [number, number, number][] = [];
    for (let at = 8; at + 16 <= data.length; at += 16) {
      found.push([Number(data.readBigUInt64BE(at)), data.readUInt32BE(at + 8), data[at + 12]!]);
    }
    if (data.readUInt32BE(0) !== 4 + 16 * found.length) throw new Error('PARAMETER DATA LENGTH');
    return found;
  };
  t.strictSame(await status(0), [[0, 8192, 1]], 'deallocated');
  await write(a, 10, pattern(5));
  t.strictSame(await status(0), [
    [0, 10, 1],
    [10, 5, 0],
    [15, 8177, 1],
  ]);
  t.strictSame(await status(12), [
    [12, 3, 0],
    [15, 8177, 1],
  ]);
  t.strictSame(await status(0, 24), [[0, 10, 1]], 'room for one');
  t.strictSame(await status(0, 40), [
    [0, 10, 1],
    [10, 5, 0],
  ]);
  t.strictSame(await status(8191), [[8191, 1, 1]]);
  t.equal((await a.send(0, cdb(0x9e, 8192, 24, 0x12))).said, '5/2100');
  const extent = unit.backend.extent.bind(unit.backend);
  unit.backend.extent = (offset, length) => extent(offset, Math.min(length, 512));
  t.strictSame(
    await status(12),
    [
      [12, 3, 0],
      [15, 8177, 1],
    ],
    'a medium that tells it in pieces',
  );
  const huge = await rig({ bytes: 8 * 2 ** 40 });
  const { data } = await huge.a.send(0, cdb(0x9e, 0, 0x1000, 0x12));
  t.equal(data.readUInt32BE(16), 0xffff_ffff, 'no more than the count holds');
  t.equal(data.length, 24);
});

void t.test('SBC-4 4.7.3.6: a write that finds no room', async t => {
  const { a, medium } = await rig({ allocationLimitBytes: 8 * 512 });
  t.equal((await write(a, 100, pattern(8))).status, Status.GOOD);
  const full = await write(a, 106, pattern(4));
  t.equal(full.said, '7/2707', 'SPACE ALLOCATION FAILED WRITE PROTECT');
  t.equal(information(full), 108, 'the first block without room');
  t.ok((await read(a, 100, 8)).data.equals(pattern(8)), 'and nothing of it is written');
  t.equal((await write(a, 100, pattern(8, 2))).status, Status.GOOD, 'what is mapped may be written');
  t.equal((await a.send(0, cdb(0x93, 200, 8), { out: pattern(1) })).said, '7/2707', 'WRITE SAME');
  t.equal((await a.send(0, cdb(0x93, 100, 4, 0x09))).status, Status.GOOD, 'unmapping makes room');
  t.equal((await write(a, 200, pattern(4))).status, Status.GOOD);
  t.equal(medium.mappedBytes, 8 * 512);
});

void t.test('SBC-4 4.7.3.8: logical block provisioning thresholds', async t => {
  const { a, device } = await rig({ bytes: 64 * MiB, allocationLimitBytes: 16 * MiB });
  const b = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  const log = async (): Promise<string> => hex((await a.send(0, '4d 00 4c 00 00 00 00 00 ff')).data);
  t.equal((await a.send(0, '12 01 b2 00 ff 00')).data[4], 11, 'THRESHOLD EXPONENT: sets of 1 MiB');
  t.equal(
    await log(),
    '8c000018000103080000001001000000000203080000000001000000',
    'log page 0Ch: available, used, of the unit alone',
  );
  const sensed = (await a.send(0, '5a 08 1c 02 00 00 00 00 ff')).data.subarray(8);
  t.equal(hex(sensed), '5c02001c' + '00'.repeat(12) + '00010000000000000102000000000000');
  /** Enables both: 4 sets left, 14 used. */
  const page = Buffer.from(sensed);
  page[16]! |= 0x80;
  page.writeUInt32BE(4, 20);
  page[24]! |= 0x80;
  page.writeUInt32BE(14, 28);
  const select = async (situa: number): Promise<void> => {
    page[0]! &= 0x7f;
    page[4] = situa;
    const list = Buffer.concat([Buffer.alloc(8), page]);
    const cdb = Buffer.from('55100000000000000000', 'hex');
    cdb[8] = list.length;
    t.equal((await a.send(0, cdb, { out: list })).status, Status.GOOD);
    await b.clear();
  };
  await select(0);
  const fill = (mib: number): Promise<Answer> =>
    a.send(0, cdb(0x2a, mib * 2048, 2048), { out: Buffer.alloc(MiB, 1) });
  for (let mib = 0; mib < 11; mib++) t.equal((await fill(mib)).status, Status.GOOD);
  t.equal((await a.send(0, '00')).status, Status.GOOD, 'five sets are left');
  t.equal((await fill(11)).status, Status.GOOD, 'the command that crosses a threshold is done');
  t.equal((await a.send(0, '00')).said, '6/3807', 'SITUA 0: everyone hears of it');
  t.equal((await b.send(0, '00')).said, '6/3807');
  await fill(12);
  t.equal((await a.send(0, '00')).status, Status.GOOD, 'once');
  await fill(13);
  t.equal((await a.send(0, '00')).said, '6/3807', 'the other threshold');
  await b.clear();
  for (const mib of [9, 10, 11, 12, 13]) await a.send(0, cdb(0x93, mib * 2048, 2048, 0x09));
  t.match(await log(), /^8c000018000103080000000701000000000203080000000901/);
  await select(1);
  for (const mib of [9, 10, 11]) await fill(mib);
  t.equal((await a.send(0, '00')).said, '6/3807', 'armed again, SITUA 1: the one whose command it was');
  t.equal((await b.send(0, '00')).status, Status.GOOD);
  page[17] = 2;
  const wrong = await a.send(0, '55 10 00 00 00 00 00 00 28', {
    out: Buffer.concat([Buffer.alloc(8), page]),
  });
  t.equal(wrong.said, '5/2600', 'which resource a threshold is of stays as it is');
});

void t.test('a San whose disks have room for less, and physical blocks of 512 bytes', async t => {
  const path = join(t.testdir(), 'd1.img');
  const san = await startSan(t, {
    disks: [
      { name: 'd0', memory: '64MiB', thin: '1MiB', physical: 512 },
      { name: 'd1', path, size: '64MiB', thin: '1MiB' },
    ],
  });
  const peer = await logIn(t, san, { luns: [0, 1] });
  for (const [lun, exponent] of [
    [0, 0],
    [1, 3],
  ] as const) {
    const mib = Buffer.alloc(MiB, 1);
    const put = (lba: number): Promise<{ status: number }> =>
      peer.command(lun, cdb(0x2a, lba, 2048), { write: mib });
    t.equal((await put(0)).status, Status.GOOD);
    t.equal((await put(2048)).status, Status.CHECK_CONDITION, 'no room');
    const capacity = (
      await peer.command(lun, Buffer.from('9e10000000000000000000000020', 'hex'), { read: 32 })
    ).data;
    t.equal(capacity[13]! & 0x0f, exponent);
  }
});
