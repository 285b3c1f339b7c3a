import { networkInterfaces } from 'node:os';
import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { addCopyManager } from '../../lib/copy-manager/copy-manager.ts';
import { MAX_ALIAS_LIST_BYTES } from '../../lib/copy-manager/limits.ts';
import type { PortalName } from '../../lib/copy-manager/cscd/descriptor.ts';
import { leadsTo } from '../../lib/iscsi/own-portals.ts';
import { IscsiNode } from '../../lib/iscsi/node.ts';
import { Initiator } from '../../lib/initiator/initiator.ts';
import { Unit } from '../../lib/initiator/unit.ts';
import { silent } from '../../lib/log.ts';
import { San } from '../../lib/san.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { encodeLun } from '../../lib/scsi-cmds/lun.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import {
  cdb83,
  copy,
  cscd,
  dice,
  dump,
  fill,
  identity,
  list,
  MIB,
  rig,
  segment,
  SlowDisk,
  TARGET,
} from '../harness/copying.ts';
import { Commander } from '../harness/commands.ts';
import { pointerOf } from '../harness/copying.ts';

interface PortalSpec {
  lun?: number;
  pdt?: number;
  address: readonly number[];
  port?: number;
  protocol?: number;
  luIdType?: number;
  extension?: number;
}

/** E5h for four bytes of address, EAh for sixteen. */
const byPortal = (of: PortalSpec): Buffer => {
  const { lun = 0, pdt = 0, address, port = 3260, protocol = 6, luIdType = 0, extension = 0xff } = of;
  const six = address.length === 16;
  const out = Buffer.alloc(six ? 64 : 32);
  out[0] = six ? 0xea : 0xe5;
  out[1] = (luIdType << 6) | pdt;
  encodeLun(lun, out, 4);
  out.set(address, 12);
  if (six) out[32] = extension;
  out.writeUInt16BE(port, six ? 36 : 22);
  out.writeUInt16BE(protocol, six ? 38 : 26);
  return out;
};

const V4 = [192, 0, 2, 7];
const V6 = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7];
const seg = (from: number, to: number): Buffer =>
  segment({ type: 2, from, to, blocks: 16, lba: 0, toLba: 4 });

void t.test(
  'SPC-4 7.6.3.8 and 7.6.3.9: iSCSI IPv4 and IPv6 CSCDs name LUNs behind our own portals',
  async t => {
    const [a, b] = [memoryDisk({ bytes: MIB }), memoryDisk({ bytes: MIB })];
    const asked: PortalName[] = [];
    const portals = (portal: PortalName): boolean => {
      asked.push(portal);
      return portal.port === 3260;
    };
    const { host, name } = await rig({ disk: a }, { disk: b }, { portals });
    const data = dice(1).bytes(8192);
    await fill(a, data);
    const done = async (cscds: Buffer[], from: number, to: number): Promise<void> => {
      await fill(b, Buffer.alloc(16_384));
      t.equal((await copy(host, 0, list(cscds, [seg(from, to)]))).said, '');
      t.ok((await dump(b, 8192, 2048)).equals(data));
    };
    await done([name(0), byPortal({ lun: 1, address: V4 })], 0, 1);
    t.strictSame(asked.at(-1), { host: '192.0.2.7', port: 3260 });
    await done([byPortal({ lun: 0, address: V6 }), name(1)], 0, 2);
    t.strictSame(asked.at(-1), { host: '2001:db8:0:0:0:0:0:7', port: 3260 });

    const told = async (destination: Buffer, to = 1): Promise<string> => {
      const answer = await copy(host, 0, list([name(0), destination], [seg(0, to)]));
      return `${answer.said} ${pointerOf(answer)}`.trim();
    };
    const nowhere = 'a/0804 list 48';
    t.equal(await told(byPortal({ lun: 1, address: V4, port: 3261 })), nowhere, 'not ours');
    t.equal(await told(byPortal({ lun: 5, address: V4 })), nowhere, 'not there');
    t.equal(await told(byPortal({ lun: 1, address: V4, protocol: 17 })), nowhere, 'not TCP');
    t.equal(await told(byPortal({ lun: 1, address: V6, luIdType: 1 })), nowhere, 'a proxy token');
    const wellKnown = byPortal({ lun: 1, address: V4 });
    wellKnown[4] = 0xc1;
    t.equal(await told(wellKnown), nowhere, 'no LUN of ours');
    t.equal(await told(byPortal({ lun: 1, address: V4, luIdType: 2 })), '5/2600 list 49.7');
    t.equal(await told(byPortal({ lun: 1, address: V4, pdt: 1 })), 'a/0d03 list 48');
    t.equal(await told(byPortal({ lun: 1, address: V6, extension: 0xfe })), 'a/2600 list 80');
    t.equal(await told(byPortal({ lun: 1, address: V6 }), 2), 'a/2600 segment 6', 'the half that extends it');
    t.equal(await told(byPortal({ lun: 1, address: V6 }), 3), 'a/0804 segment 6', 'no descriptor at all');
    t.equal(await told(byPortal({ lun: 1, address: V6 }).subarray(0, 32)), '5/1a00', 'half a descriptor');
  },
);

void t.test('SPC-4 6.4.5.1: every other CSCD type is 26/07', async t => {
  const { host, name } = await rig({ disk: memoryDisk({ bytes: MIB }) });
  for (const type of [0xe0, 0xe1, 0xe2, 0xe3, 0xe7, 0xe8, 0xe9, 0xeb, 0xec, 0xfd, 0xff]) {
    const odd = Buffer.alloc(64);
    odd[0] = type;
    t.equal((await copy(host, 0, list([name(0), odd], [seg(0, 0)]))).said, '5/2607', type.toString(16));
  }
});

void t.test('RFC 7143 4.4.1: which portals lead to a target', t => {
  const device = new TargetDevice(TARGET, absentUnit());
  const node = new IscsiNode({ log: silent, targets: [{ device, rules: undefined, groups: [1] }] as never });
  const at = (host: string, port = 3260): boolean => leadsTo(node, TARGET, { host, port });
  const own = Object.values(networkInterfaces()).flatMap(listed => listed ?? []);
  const [v4, v6] = ['IPv4', 'IPv6'].map(family => own.find(each => each.family === family)?.address);
  const portal = (host: string, more: object = {}): void => {
    node.portals.splice(0, 1, { host, port: 3260, group: 1, ...more });
  };
  portal('127.0.0.1');
  t.ok(at('127.0.0.1'));
  t.notOk(at('127.0.0.1', 3261));
  t.notOk(at('127.0.0.1', 0), 'port 0 is no port');
  t.notOk(at('127.0.0.2'));
  portal('localhost', { bound: '127.0.0.1' });
  t.ok(at('127.0.0.1'));
  portal('2001:db8::7');
  t.ok(at('2001:db8:0:0:0:0:0:7'));
  t.notOk(at('2001:db8:0:0:0:0:0:8'));
  portal('0.0.0.0');
  if (v4 !== undefined) t.ok(at(v4), 'an address of this machine');
  if (v6 !== undefined) t.notOk(at(v6), 'IPv4 only');
  t.notOk(at('192.0.2.7'), 'of another machine');
  portal('::');
  if (v4 !== undefined) t.ok(at(v4));
  if (v6 !== undefined) t.ok(at(v6));
  portal('10.9.8.7', { advertise: { host: '192.0.2.7', port: 0 } });
  t.ok(at('192.0.2.7'), 'as it is advertised');
  portal('127.0.0.1', { group: 2 });
  t.notOk(at('127.0.0.1'), 'a portal group that does not lead there');
  void node.stop();
  t.end();
});

void t.test('a San tells its copy managers of its portals', async t => {
  await using san = await San.start({
    disks: [
      { name: 'a', memory: '1M' },
      { name: 'b', memory: '1M' },
    ],
  });
  const port = Number(san.portal.split(':').at(-1));
  await using session = await Initiator.login({ port, target: san.iqn });
  const unit = new Unit(session, 0);
  await unit.awaitReady();
  await new Unit(session, 1).awaitReady();
  const out = (at: number): Buffer =>
    list(
      [
        byPortal({ address: [127, 0, 0, 1], port: at }),
        byPortal({ lun: 1, address: [127, 0, 0, 1], port: at }),
      ],
      [seg(0, 1)],
    );
  await unit.run('EXTENDED COPY', cdb83(out(port).length), { dataOut: out(port) });
  const other = port === 3260 ? 3261 : 3260;
  await t.rejects(unit.run('EXTENDED COPY', cdb83(out(other).length), { dataOut: out(other) }), /08\/04/);
});

/** An alias entry; without a name it is removed. */
const aliasEntry = (value: number, name?: string, format = 0, more: Buffer = Buffer.alloc(0)): Buffer => {
  const text = Buffer.from(name ?? '');
  const padded = Buffer.alloc(name === undefined ? 0 : (Math.floor(text.length / 4) + 1) * 4);
  text.copy(padded);
  const out = Buffer.concat([Buffer.alloc(16), padded, more]);
  out.writeBigUInt64BE(BigInt(value), 0);
  out[8] = name === undefined ? 0x80 : 5;
  out[11] = format;
  out.writeUInt16BE(out.length - 16, 14);
  return out;
};

const byAlias = (value: number, lun: number): Buffer => {
  const out = Buffer.alloc(32);
  out[0] = 0xe6;
  encodeLun(lun, out, 4);
  out.writeBigUInt64BE(BigInt(value), 12);
  return out;
};

void t.test('SPC-4 6.2, 6.30, 6.4.5.7: CHANGE ALIASES, REPORT ALIASES and CSCDs by alias', async t => {
  const slow = new SlowDisk(memoryDisk({ bytes: MIB }));
  const [a, b] = [memoryDisk({ bytes: MIB }), slow];
  const { host, device, name } = await rig({ disk: a }, { disk: b });
  const other = await new Commander(device).clear();
  const data = dice(2).bytes(8192);
  await fill(a, data);
  const change = async (entries: readonly Buffer[], by = host, lun = 0, header = 8): Promise<string> => {
    const out = Buffer.concat([Buffer.alloc(header), ...entries]);
    const cdb = Buffer.alloc(12);
    cdb.set([0xa4, 0x0b]);
    cdb.writeUInt32BE(out.length, 6);
    return (await by.send(lun, cdb, { out })).said;
  };
  const report = async (by = host, lun = 0): Promise<Buffer> =>
    (await by.send(lun, 'a3 0b 00 00 00 00 00 00 ff ff 00 00')).data;
  const copied = async (value: number, lun = 1): Promise<string> =>
    (await copy(host, 0, list([name(0), byAlias(value, lun)], [seg(0, 1)]))).said;

  t.equal((await report()).toString('hex'), '0000000400000000');
  t.equal(await copied(7), 'a/0804', 'no such alias');
  const address = Buffer.from('c00002070000 0cbc 0000 0006'.replaceAll(' ', ''), 'hex');
  const first = aliasEntry(7, TARGET.toUpperCase());
  const second = aliasEntry(8, TARGET, 1, address);
  t.equal(await change([first, second, aliasEntry(9, 'iqn.2026-01.test:other')]), '');
  const told = await report();
  t.equal(told.readUInt32BE(0), told.length - 4);
  t.equal(told.readUInt16BE(6), 3);
  t.ok(told.subarray(8, 8 + first.length).equals(first));
  t.equal(await copied(7), '');
  t.ok((await dump(b, 8192, 2048)).equals(data));
  t.equal(await copied(8), '', 'with an address');
  t.equal(await copied(9), 'a/0804', 'another target');
  t.equal(await copied(7, 3), 'a/0804', 'no such LUN');
  t.equal((await report(other)).length, 8, 'each nexus has its own');
  t.equal((await report(host, 1)).length, 8, 'at each unit');
  t.equal(await change([aliasEntry(7), aliasEntry(9), aliasEntry(1)]), '');
  t.equal((await report()).readUInt16BE(6), 1);
  t.equal(await copied(7), 'a/0804', 'it is gone');

  t.equal(await change([first.subarray(0, 20)]), '5/1a00');
  t.equal(await change([], host, 0, 7), '5/1a00');
  const odd = aliasEntry(1, TARGET);
  odd[15]! -= 1;
  t.equal(await change([odd]), '5/2600');
  const reserved = aliasEntry(1, TARGET);
  reserved[8] = 0x10;
  t.equal(await change([aliasEntry(8), reserved]), '5/2600');
  t.equal((await report()).readUInt16BE(6), 1, 'nothing of a list that is wrong');
  t.equal(await change(Array.from({ length: 65 }, (_, i) => aliasEntry(i, 'x'))), '5/5503');
  t.equal(await change([aliasEntry(1, 'x'.repeat(600))]), '5/5503');
  t.equal(await change([aliasEntry(1, 'x'.repeat(65_000)), aliasEntry(2, 'x'.repeat(65_000))]), '5/5503');

  let go = (): void => undefined;
  const held = new Promise<void>(resolve => (go = resolve));
  slow.pace = () => held;
  const running = copied(8);
  await new Promise(resolve => setImmediate(resolve));
  t.equal(await change([aliasEntry(8)]), '5/0016', 'a copy uses it');
  t.equal(await change([aliasEntry(8)], other), '', 'not that of another nexus');
  t.equal(await change([]), '', 'no entries');
  go();
  t.equal(await running, '');
  await new Promise<void>(resolve => device.unit(host.nexus, 0).reset(resolve));
  await host.clear();
  t.equal((await report()).length, 8, 'a reset of the unit has cleared it');
});

void t.test('SPC-4 6.4.5.6: units are found by their NAA however long the name of the target is', async t => {
  const device = new TargetDevice(`iqn.2026-01.test:${'n'.repeat(206)}`, absentUnit());
  const [a, b] = [memoryDisk({ bytes: MIB }), memoryDisk({ bytes: MIB })];
  const units = [a, b].map((backend, lun) => disk({ identity: identity(`u${lun}`), backend }));
  units.forEach((unit, lun) => device.add(lun, unit));
  addCopyManager(device);
  const host = await new Commander(device).clear();
  const data = dice(1).bytes(8192);
  await fill(a, data);
  const cscds = units.map(({ identity: { naa } }) => cscd({ designator: naa }));
  t.equal((await copy(host, 0, list(cscds, [seg(0, 1)]))).said, '');
  t.ok((await dump(b, 8192, 2048)).equals(data));
});

void t.test('SPC-4 6.2.1: the longest CHANGE ALIASES, of the shortest entries, holds nobody up', async t => {
  const { host } = await rig({ disk: memoryDisk({ bytes: MIB }) });
  const count = Math.floor((MAX_ALIAS_LIST_BYTES - 8) / 16);
  const entries = Array.from({ length: count }, (_, i) => {
    const entry = Buffer.alloc(16);
    entry.writeBigUInt64BE(BigInt(i));
    entry[8] = 5;
    return entry;
  });
  const out = Buffer.concat([Buffer.alloc(8), ...entries]);
  const cdb = Buffer.alloc(12);
  cdb[0] = 0xa4;
  cdb[1] = 0x0b;
  cdb.writeUInt32BE(out.length, 6);
  let least = Infinity;
  for (let i = 0; i < 5; i++) {
    const began = performance.now();
    t.equal((await host.send(0, cdb, { out })).said, '5/5503');
    least = Math.min(least, performance.now() - began);
  }
  t.ok(least < 40, `${least} ms`);
});
