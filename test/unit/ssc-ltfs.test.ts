/**
 * LTFS: every command that mkltfs and ltfs send to a drive of IBM by the Linux sg driver, in the order of a format and a mount,
 * with the fields of the answers that they go by. The public sources of LTFS are where the list is from.
 */
import t, { type Test } from 'tap';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { personalityNamed } from '../../lib/scsi-cmds/ssc/personality.ts';
import type { Answer } from '../harness/commands.ts';
import { heard, hexOf as hex, record, TapeBench } from '../harness/tape-bench.ts';

const GB = 1_000_000_000;
const BLOCK = 512 * 1024;

class Ltfs {
  readonly b: TapeBench;

  constructor(name: string, mediaType: string, capacityBytes: number) {
    const personality = personalityNamed(name)!;
    const { vendor, product, revision = '1' } = personality;
    this.b = new TapeBench(memoryCartridge({ capacityBytes, mediaType, barcode: 'LTFS01L6' }), {
      personality,
      identity: identify('iqn.test:ltfs', 't0', { vendor, product, revision }),
    });
  }
  send(cdb: string, out?: Uint8Array): Promise<Answer> {
    return this.b.send(cdb, out);
  }
  async good(t: Test, cdb: string, what: string, out?: Uint8Array): Promise<Buffer> {
    const answer = await this.send(cdb, out);
    t.equal(heard(answer), '0', what);
    return answer.data;
  }
  /** MODE SENSE(10) with the length that LTFS asks for. */
  async sense(page: number, subpage: number, length: number): Promise<Buffer> {
    const answer = await this.send(`5a 00 ${hex(page, 2)} ${hex(subpage, 2)} 000000 ${hex(length, 4)} 00`);
    if (answer.status !== 0) throw new Error(`MODE SENSE(10): ${answer.said}`);
    const whole = Buffer.alloc(length);
    answer.data.copy(whole);
    return whole;
  }
  /** MODE SELECT(10) of what was read, as LTFS gives it back. */
  async select(list: Buffer): Promise<string> {
    list[0] = 0;
    list[1] = 0;
    return heard(await this.send(`55 10 0000000000 ${hex(list.length, 4)} 00`, list));
  }
  async position(): Promise<string> {
    const { data } = await this.send('34 06 00 00 00 00 00 00 00 00');
    return `${data.readUInt32BE(4)}:${data.readBigUInt64BE(8)} file ${data.readBigUInt64BE(16)}`;
  }
  locate(partition: number, object: number): Promise<string> {
    return this.b.say(`92 02 00 ${hex(partition, 2)} ${hex(object, 16)} 00 00 00 00`);
  }
  async attribute(id: number, length: number, partition = 0): Promise<Buffer | string> {
    const answer = await this.send(
      `8c 00 0000000000 ${hex(partition, 2)} ${hex(id, 4)} ${hex(length + 9, 8)} 00 00`,
    );
    return answer.status === 0 ? answer.data.subarray(4) : heard(answer);
  }
  async setAttribute(id: number, format: number, value: Buffer, partition = 0): Promise<string> {
    const list = Buffer.alloc(9 + value.length);
    list.writeUInt32BE(5 + value.length, 0);
    list.writeUInt16BE(id, 4);
    list[6] = format;
    list.writeUInt16BE(value.length, 7);
    value.copy(list, 9);
    return heard(
      await this.send(`8d 01 0000000000 ${hex(partition, 2)} 0000 ${hex(list.length, 8)} 00 00`, list),
    );
  }
  /** A parameter of a log page as `_parse_logPage` finds it. */
  async log(page: number, code: number): Promise<Buffer | undefined> {
    const { data } = await this.send(`4d 00 ${hex(0x40 | page, 2)} 00 00 00 00 ffff 00`);
    for (let at = 4; at < data.length; at += 4 + data[at + 3]!) {
      if (data.readUInt16BE(at) === code) return data.subarray(at + 4, at + 4 + data[at + 3]!);
    }
    return undefined;
  }
}

for (const [name, mediaType, cartType, density, lbpMethod] of [
  ['ULT3580-TD6', 'LTO-6', 0x68, 0x5a, 1],
  ['ULT3580-TD7', 'LTO-7', 0x78, 0x5c, 2],
  ['ULT3580-TD8', 'LTO-8', 0x88, 0x5e, 2],
  ['ULT3580-TD8', 'LTO-7', 0x78, 0x5c, 2],
] as const) {
  void t.test(
    `LTFS on a ${name} with an ${mediaType} cartridge: INQUIRY, PERSISTENT RESERVE OUT, REPORT SUPPORTED OPERATION CODES, MODE SENSE(10), FORMAT MEDIUM, READ ATTRIBUTE, LOG SENSE`,
    async t => {
      const l = new Ltfs(name, mediaType, 100 * GB);
      const { b } = l;

      // sg_open
      for (let i = 0; i < 3 && (await b.say('00')) !== '0'; i++);
      const inquiry = await l.good(t, '12 00 00 00 60 00', 'INQUIRY');
      t.equal(inquiry.subarray(8, 32).toString(), `IBM     ${name.padEnd(16)}`, 'a pair that LTFS knows');
      t.equal(inquiry[0], 0x01);
      const serial = await l.good(t, '12 01 80 00 ff 00', 'serial number');
      t.ok(serial[3]! > 0);
      const rsoc = await l.good(
        t,
        'a3 0c 80 00 00 00 00 00 10 00 00 00',
        'REPORT SUPPORTED OPERATION CODES with RCTD',
      );
      const length = rsoc.readUInt32BE(0);
      t.ok(length < 4096, 'all of it in its 4 KiB');
      t.equal(length % 20, 0, 'each with a timeout');
      const timeouts = new Map<number, number>();
      for (let at = 4; at < 4 + length; at += 20) timeouts.set(rsoc[at]!, rsoc.readUInt32BE(at + 16));
      for (const opcode of [0x04, 0x08, 0x0a, 0x10, 0x19, 0x1b, 0x82, 0x8c, 0x8d, 0x91, 0x92]) {
        t.ok((timeouts.get(opcode) ?? 0) > 0, `a timeout for ${hex(opcode, 2)}`);
      }
      t.equal(heard(await l.send('5e 03 0000000000 0400 00')), '0', 'PERSISTENT RESERVE IN, full status');
      const key = Buffer.alloc(24);
      key.write('ltfskey!', 8);
      await l.good(
        t,
        '5f 06 00 00 00 00 00 00 18 00',
        'PERSISTENT RESERVE OUT, REGISTER AND IGNORE EXISTING KEY',
        key,
      );
      const reserve = Buffer.alloc(24);
      reserve.write('ltfskey!', 0);
      await l.good(t, '5f 01 03 00 00 00 00 00 18 00', 'RESERVE, exclusive access', reserve);
      await l.good(t, '1e 00 00 00 01 00', 'PREVENT ALLOW MEDIUM REMOVAL');

      // sg_load, sg_get_parameters
      await l.good(t, '1b 00 00 00 01 00', 'LOAD UNLOAD');
      t.equal(await l.position(), '0:0 file 0');
      const all = await l.sense(0x3f, 0, 0xff);
      t.equal(all[2], cartType, 'cartridge type');
      t.equal(all[8], density, 'density code');
      const configuration = await l.sense(0x10, 0, 32);
      t.equal(configuration[3]! & 0x80, 0, 'not write protected');
      t.ok((await l.good(t, '05 00 00 00 00 00', 'READ BLOCK LIMITS')).readUIntBE(1, 3) >= 1024 * 1024);

      // tape_format: a partition for the index, the rest for data
      const partition = await l.sense(0x11, 0, 28);
      t.equal(partition[17], 0x0e, 'the length of the page, of four sizes');
      t.equal(partition[18], 3, 'additional partitions');
      const wanted = Buffer.alloc(32);
      partition.copy(wanted, 0, 0, 28);
      wanted[19] = 1;
      wanted[20] = 0x20 | (wanted[20]! & 0x1f);
      wanted[22] = 0x09;
      wanted.writeUInt16BE(1, 24);
      wanted.writeUInt16BE(0xffff, 26);
      t.equal(await l.select(wanted), '0', 'MODE SELECT(10)');
      await l.good(t, '04 00 01 00 00 00', 'FORMAT MEDIUM');
      t.equal((await l.sense(0x3f, 0, 0xff))[2], cartType);

      // sg_remaining_capacity, sg_get_eod_status
      const capacity = (await l.log(0x17, 0x0202))!;
      t.same([capacity[0], capacity.readUInt32BE(4), capacity.readUInt32BE(12)], [7, 1000, 99_000]);
      const left = (await l.log(0x17, 0x0204))!;
      t.same([left.readUInt32BE(4), left.readUInt32BE(12)], [1000, 99_000]);
      t.equal((await l.log(0x17, 0x0203))!.length, 16, 'used capacity of two partitions');
      t.equal((await l.log(0x31, 0x0003))!.readUInt32BE(0), 953, 'MiB, as LTFS reads them of LTO-5');

      // tape_set_pews, tape_enable_append_only_mode
      const extension = await l.sense(0x10, 1, 48);
      t.equal(extension.readUInt16BE(0), 46, 'as long as LTFS has room for');
      extension[16]! &= 0x7f;
      extension.writeUInt16BE(476, 22);
      t.equal(await l.select(extension), '0', 'PEWS');
      t.equal((await l.sense(0x10, 1, 48)).readUInt16BE(22), 476);

      // _set_lbp
      const protection = await l.sense(0x0a, 0xf0, 48);
      t.equal(protection[16]! & 0x7f, 0x4a);
      for (const on of [true, false]) {
        protection[16]! &= 0x7f;
        protection[20] = on ? lbpMethod : 0;
        protection[21] = on ? 4 : 0;
        protection[22] = on ? 0xc0 : 0;
        t.equal(
          await l.select(Buffer.from(protection)),
          '0',
          `logical block protection ${on ? 'on' : 'off'}`,
        );
      }

      // sg_set_compression
      const compression = await l.sense(0x0f, 0, 32);
      compression[16]! &= 0x7f;
      compression[18]! |= 0x80;
      t.equal(await l.select(compression), '0');

      // labels and an index in both partitions
      for (const at of [1, 0]) {
        t.equal(await l.locate(at, 0), '0', `LOCATE(16) to partition ${at}`);
        t.equal(await b.write(record(80)), '0', 'WRITE(6): a VOL1 label');
        t.equal(await b.say('10 01 00 00 01 00'), '0', 'WRITE FILEMARKS(6), immediate');
        t.equal(await b.write(record(BLOCK)), '0', 'an LTFS label');
        t.equal(await b.filemarks(1), '0');
        t.equal(await b.filemarks(1), '0');
        t.equal(await b.write(record(3000)), '0', 'an index');
        t.equal(await b.filemarks(1), '0');
        t.equal(await l.position(), `${at}:7 file 4`);
      }

      // tape_set_cart_coherency
      const reference = (await l.attribute(0x0009, 4)) as Buffer;
      t.equal(reference.length, 9);
      const coherency = Buffer.alloc(70);
      coherency[0] = 8;
      coherency.writeBigUInt64BE(BigInt(reference.readUInt32BE(5)), 1);
      coherency.writeBigUInt64BE(1n, 9);
      coherency.writeBigUInt64BE(5n, 17);
      coherency.writeUInt16BE(43, 25);
      coherency.write('LTFS', 27);
      for (const at of [0, 1])
        t.equal(await l.setAttribute(0x080c, 0, coherency, at), '0', 'WRITE ATTRIBUTE');
      for (const [id, format, size] of [
        [0x0800, 1, 8],
        [0x0801, 1, 32],
        [0x0802, 1, 8],
        [0x0803, 2, 160],
        [0x0805, 0, 1],
        [0x0806, 1, 32],
        [0x080b, 1, 16],
        [0x1623, 0, 1],
        [0x0808, 2, 160],
      ] as const) {
        t.equal(
          await l.attribute(id, size),
          '5/2400',
          'not there yet: INVALID FIELD IN CDB, which LTFS knows',
        );
        t.equal(await l.setAttribute(id, format, Buffer.alloc(size, 0x41)), '0');
        const told = (await l.attribute(id, size)) as Buffer;
        t.same([told.readUInt16BE(0), told.readUInt16BE(3), told.length], [id, size, size + 5]);
      }

      // the mount: are the indexes those that were written last?
      await l.good(t, '1e 00 00 00 00 00', 'allow');
      await l.good(t, '1b 00 00 00 00 00', 'LOAD UNLOAD, unload');
      t.equal(await b.say('00'), '2/3a00');
      await l.good(t, '1b 00 00 00 01 00', 'load');
      for (const at of [0, 1]) {
        const kept = (await l.attribute(0x080c, 70, at)) as Buffer;
        const now = (await l.attribute(0x0009, 4)) as Buffer;
        t.equal(Number(kept.readBigUInt64BE(6)), now.readUInt32BE(5), 'the reference has not changed');
        t.equal(await l.locate(at, 0), '0');
        t.same((await b.read(BLOCK, { sili: true })).data, record(80), 'READ(6) with SILI');
        t.equal(await b.say('91 01 0000 0000000000000001 00 00 0000'), '0', 'SPACE(16), a filemark forward');
        t.same((await b.read(BLOCK, { sili: true })).data, record(BLOCK));
        t.equal(await b.say('91 03 0000 0000000000000000 00 00 0000'), '0', 'SPACE(16), end of data');
        t.equal(await l.position(), `${at}:7 file 4`);
        t.equal(await b.say('91 01 0000 fffffffffffffffe 00 00 0000'), '0', 'two filemarks back');
        t.equal(await b.say('91 01 0000 0000000000000001 00 00 0000'), '0');
        t.same((await b.read(BLOCK, { sili: true })).data, record(3000), 'the index');
        t.equal(heard(await b.read(BLOCK, { sili: true })), `0/0001 FM ${BLOCK}`);
        t.equal(heard(await b.read(BLOCK, { sili: true })), `8/0005 ${BLOCK}`, 'end of data');
      }

      // append-only mode, and writing over the old index
      t.equal(await b.say('1b 00 00 00 01 00'), '0');
      const append = await l.sense(0x10, 1, 48);
      append[16]! &= 0x7f;
      append[21] = (append[21]! & 0x0f) | 0x10;
      t.equal(await l.select(append), '0');
      t.equal(await l.locate(1, 5), '0');
      t.equal(await b.write(record(BLOCK)), `7/300c ${BLOCK}`);
      t.equal(await b.say('82 00 01 01 0000000000000005 000000 00'), '0', 'ALLOW OVERWRITE');
      t.equal(await b.write(record(BLOCK)), '0');
      const extended = await l.good(t, '34 08 00000000 00 0020 00', 'READ POSITION EXTENDED FORM');
      t.equal(extended.readBigUInt64BE(8), 6n);
      t.notSame(((await l.attribute(0x0009, 4)) as Buffer).readUInt32BE(5), reference.readUInt32BE(5));
      t.equal(await b.rewind(), '0');
      t.equal((await l.log(0x2e, 1))!.length, 1, 'TapeAlert');
      t.equal((await l.log(0x17, 0x0001))!.length > 0, true, 'cartridge health');
      t.equal(heard(await l.send('03 00 00 00 60 00')), '0', 'REQUEST SENSE');

      // unformat: one partition again
      await l.good(t, '1b 00 00 00 00 00', 'unload');
      append[21] &= 0x0f;
      t.equal(await l.select(append), '0');
      await l.good(t, '1b 00 00 00 01 00', 'load');
      const one = Buffer.alloc(32);
      (await l.sense(0x11, 0, 28)).copy(one);
      t.equal(one[19], 1);
      one[19] = 0;
      one[20] = 0x20 | (one[20]! & 0x1f);
      one[22] = 0x08;
      one.writeUInt32BE(0xffff0000, 24);
      t.equal(await l.select(one), '0');
      await l.good(t, '04 00 01 00 00 00', 'FORMAT MEDIUM');
      t.equal(b.unit.medium.partitions.length, 1);
      t.equal(await b.say('19 03'), '0', 'ERASE(6), long and immediate');
      t.equal(await b.say('0b 00 00 ffff 00'), '0', 'SET CAPACITY');
    },
  );
}

void t.test(
  'LTFS: programmable early warning in the index partition, then early warning, then the end',
  async t => {
    const l = new Ltfs('ULT3580-TD6', 'LTO-6', 60_000_000);
    const { b } = l;
    await b.a.clear();
    const off = await l.sense(0x0f, 0, 32);
    off[16]! &= 0x7f;
    off[18]! &= 0x7e;
    t.equal(await l.select(off), '0');
    const wanted = Buffer.alloc(32);
    (await l.sense(0x11, 0, 28)).copy(wanted);
    t.equal(wanted[22], 6, 'megabytes, of so small a cartridge');
    wanted[19] = 1;
    wanted[20]! |= 0x20;
    wanted.writeUInt16BE(10, 24);
    wanted.writeUInt16BE(0xffff, 26);
    t.equal(await l.select(wanted), '0');
    t.equal(await b.say('04 00 01 00 00 00'), '0');
    const extension = await l.sense(0x10, 1, 48);
    extension[16]! &= 0x7f;
    extension.writeUInt16BE(5, 22);
    t.equal(await l.select(extension), '0');
    const said = new Set<string>();
    for (let i = 0; i < 25; i++) said.add((await b.write(record(BLOCK))).replace(/ \d+$/, ''));
    t.same([...said], ['0', '0/0007 EOM', '0/0002 EOM', 'd/0002 EOM']);
  },
);
