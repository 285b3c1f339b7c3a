/** Wireshark's dissectors on our traffic: no PDU of any kind is malformed to them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { MAX_SEGMENTS } from '../../lib/copy-manager/limits.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { list, segment, cscd } from '../harness/copying.ts';
import { connect, startSan, TARGET } from '../harness/rig.ts';
import { type Initiator, read10, write10 } from '../harness/initiator.ts';
import { Capture } from '../harness/pcap.ts';
import { pattern } from '../harness/random.ts';
import { missing, run } from './programs.ts';

const CHAP = {
  user: 'shark',
  secret: 'a secret of some length',
  mutual: { user: 'san', secret: 'another secret here' },
};
/** Warnings that are about what tshark does not know, and no others in the same packet. */
const UNKNOWN_TO_IT = /^(?:(?:Unknown Page|Unknown serv_action \d+)(?:,|$))+$/;
const LUNS = { disk: 0, other: 1, tape: 2 } as const;

async function tshark(file: string, ...args: readonly string[]): Promise<string> {
  const ran = await run('tshark', ['-n', '-r', file, '-d', 'tcp.port==3260,iscsi', ...args], 60_000);
  // As root it says so on stderr, and that is all.
  if (ran.code !== 0) throw new Error(`tshark: ${ran.stderr}`);
  return ran.stdout;
}

void t.test('tshark finds nothing malformed', { skip: missing('tshark') }, async t => {
  const directory = mkdtempSync(join(tmpdir(), 'sanlet-tshark-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  const capture = new Capture(join(directory, 'traffic.pcap'));
  const san = await startSan(t, {
    disks: [
      { name: 'd0', memory: '64MiB' },
      { name: 'd1', memory: '64MiB' },
    ],
    tapes: [{ name: 't0', memory: true }],
    chap: CHAP,
  });
  const ends: (() => void)[] = [];
  const open = (): Initiator => {
    const { faults, back, ...connection } = capture.connection();
    ends.push(() => connection.end());
    return connect(t, san, faults, back);
  };

  const finder = await open().login({});
  t.ok((await finder.ask({ SendTargets: 'All' })).pairs.length > 0);
  await finder.logout();

  const digests = { HeaderDigest: 'CRC32C,None', DataDigest: 'CRC32C,None' };
  const agreements: readonly Readonly<Record<string, string>>[] = [
    { InitialR2T: 'Yes', ImmediateData: 'No' },
    { InitialR2T: 'No', ...digests },
  ];
  for (const keys of agreements) {
    const peer = await open().login({ target: TARGET, chap: CHAP, keys });
    await peer.clear(LUNS.disk, LUNS.other, LUNS.tape);
    const good = async (
      lun: number,
      cdb: string | Uint8Array,
      options: Parameters<Initiator['command']>[2] = {},
    ): Promise<Buffer> => {
      const { status, said, data } = await peer.command(lun, cdb, options);
      const name = typeof cdb === 'string' ? cdb : Buffer.from(cdb).toString('hex');
      t.equal(status, 0, `${name} on LUN ${lun} ${said}`);
      return data;
    };
    for (const lun of Object.values(LUNS)) {
      await good(lun, '12 00 00 00 ff 00', { read: 255 });
      const pages = await good(lun, '12 01 00 00 ff 00', { read: 255 });
      for (const page of pages.subarray(4)) {
        // It takes every B0h for the Block Limits page, which a tape's is not.
        if (lun === LUNS.tape && page === 0xb0) continue;
        await good(lun, Buffer.of(0x12, 1, page, 4, 0, 0), { read: 1024 });
      }
      await good(lun, '1a 00 3f 00 ff 00', { read: 255 });
      await good(lun, '5a 00 3f 00 00 00 00 02 00 00', { read: 512 });
      await good(lun, 'a3 0c 00 00 00 00 00 00 20 00 00 00', { read: 8192 });
    }
    await good(LUNS.disk, 'a0 00 00 00 00 00 00 00 10 00 00 00', { read: 4096 });
    await good(LUNS.disk, '25', { read: 8 });
    await good(LUNS.disk, '9e 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00', { read: 32 });
    const data = pattern(256 * 512, 7);
    await good(LUNS.disk, write10(8, 256), { write: data });
    t.ok((await good(LUNS.disk, read10(8, 256), { read: data.length })).equals(data));
    await good(LUNS.disk, '42 00 00 00 00 00 00 00 18 00', {
      write: Buffer.from('001600100000000000000000000000080000000800000000', 'hex'),
    });
    await good(LUNS.disk, '9e 12 00 00 00 00 00 00 00 08 00 00 00 60 00 00', { read: 96 });
    await good(LUNS.disk, '35 00 00 00 00 00 00 00 00 00');
    // PERSISTENT RESERVE: REGISTER, RESERVE, READ KEYS and READ FULL STATUS, CLEAR.
    const keyed = (key: bigint, service: bigint): Buffer => {
      const out = Buffer.alloc(24);
      out.writeBigUInt64BE(key, 0);
      out.writeBigUInt64BE(service, 8);
      return out;
    };
    await good(LUNS.disk, '5f 00 00 00 00 00 00 00 18 00', { write: keyed(0n, 0xabcn) });
    await good(LUNS.disk, '5f 01 01 00 00 00 00 00 18 00', { write: keyed(0xabcn, 0n) });
    for (const action of ['00', '01', '02', '03']) {
      await good(LUNS.disk, `5e ${action} 00 00 00 00 00 02 00 00`, { read: 512 });
    }
    await good(LUNS.disk, '5f 03 00 00 00 00 00 00 18 00', { write: keyed(0xabcn, 0n) });
    // A disk to another inside the target, in the list that every tool sends.
    const name = async (lun: number): Promise<Buffer> => {
      const page = await good(lun, '12 01 83 04 00 00', { read: 1024 });
      for (let at = 4; at < page.length; at += 4 + page[at + 3]!) {
        if ((page[at + 1]! & 0x3f) === 3) return page.subarray(at + 4, at + 4 + page[at + 3]!);
      }
      throw new Error('no NAA designator');
    };
    const both = await Promise.all([LUNS.disk, LUNS.other].map(name));
    const copy = list(
      both.map(designator => cscd({ designator, blockLength: 512 })),
      [segment({ type: 2, from: 0, to: 1, blocks: 128, lba: 8 })],
    );
    const cdb = Buffer.alloc(16);
    cdb[0] = 0x83;
    cdb.writeUInt32BE(copy.length, 10);
    await good(LUNS.disk, cdb, { write: copy });
    await good(LUNS.disk, '84 03 00 00 00 00 00 00 00 00 00 00 04 00 00 00', { read: 1024 });
    await good(LUNS.disk, '84 00 01 00 00 00 00 00 00 00 00 00 04 00 00 00', { read: 1024 });
    // The tape: records and a filemark out and in, positions, a short read, the end.
    await good(LUNS.tape, '05 00 00 00 00 00', { read: 6 });
    await good(LUNS.tape, '01 00 00 00 00 00');
    await good(LUNS.tape, '0a 00 00 40 00 00', { write: data.subarray(0, 16_384) });
    await good(LUNS.tape, '10 00 00 00 01 00');
    await good(LUNS.tape, '01 00 00 00 00 00');
    await good(LUNS.tape, '08 00 00 40 00 00', { read: 16_384 });
    for (const form of ['00', '06', '08']) await good(LUNS.tape, `34 ${form}`, { read: 32 });
    t.match(
      (await peer.command(LUNS.tape, '08 00 00 40 00 00', { read: 16_384 })).said,
      '0/0001',
      'a filemark',
    );
    t.match(
      (await peer.command(LUNS.tape, '08 00 00 40 00 00', { read: 16_384 })).said,
      '8/0005',
      'the end of data',
    );
    await good(LUNS.tape, '44 00 00 00 00 00 00 02 00 00', { read: 512 });
    t.equal((await peer.command(LUNS.disk, read10(0x0fff_ffff, 1), { read: 512 })).said, '5/2100');
    t.equal(await peer.manage(5, { lun: LUNS.other }), 0, 'LOGICAL UNIT RESET');
    t.equal(await peer.manage(1, { tag: 0x7777, lun: 0, refCmdSN: peer.cmdSN + 500 }), 1, 'no such task');
    // An operation code that nobody has, which gets a Reject.
    peer.send(Opcode.SNACK, { initiatorTaskTag: 0xffff_ffff, type: 3 });
    await peer.settled();
    await peer.logout();
  }
  for (const end of ends) end();

  const decoded = await tshark(capture.file, '-Y', 'iscsi', '-T', 'fields', '-e', 'iscsi.opcode');
  const opcodes = new Set(
    decoded
      .split(/[\s,]+/)
      .filter(Boolean)
      .map(Number),
  );
  for (const [name, opcode] of Object.entries({
    'Login Response': 0x23,
    'Text Response': 0x24,
    'SCSI Response': 0x21,
    'Data-In': 0x25,
    'Logout Response': 0x26,
    R2T: 0x31,
    'Task Management Response': 0x22,
  })) {
    t.ok(opcodes.has(opcode), `${name} was decoded`);
  }
  const fields = async (...names: readonly string[]): Promise<string[]> => {
    const printed = await tshark(
      capture.file,
      ...['-Y', names[0]!, '-T', 'fields', ...names.flatMap(name => ['-e', name])],
    );
    return printed.split('\n').filter(line => line !== '');
  };
  const segment02 = await fields(
    ...['scsi.extcopy.seg_desc_type', 'scsi.extcopy.seg_desc_src_id', 'scsi.extcopy.seg_desc_dest_id'],
    'scsi.extcopy.seg_desc_list_len',
  );
  t.strictSame(
    [...new Set(segment02)],
    ['2\t0x0000\t0x0001\t28'],
    'it reads the EXTENDED COPY(LID1) list as we do',
  );
  t.strictSame(
    [...new Set(await fields('scsi.recv_copy.max_seg_desc_count'))],
    [String(MAX_SEGMENTS)],
    'and RECEIVE COPY OPERATING PARAMETERS',
  );
  const wrong = await tshark(
    capture.file,
    ...['-Y', '_ws.malformed || _ws.expert.severity>=6291456'],
    ...['-T', 'fields', '-e', 'frame.number', '-e', '_ws.col.Info', '-e', '_ws.expert.message'],
  );
  const told = wrong.split('\n').filter(line => line !== '' && !UNKNOWN_TO_IT.test(line.split('\t').at(-1)!));
  t.same(told, [], 'nothing is malformed, nothing is worth a warning');
});
