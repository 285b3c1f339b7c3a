/**
 * Nonsense on the wire, from bytes to command descriptor blocks. SANLET_SEED runs it again. What must hold: no crash, no
 * error in the log, every command answered, memory bounded, and units that were not addressed unchanged.
 */
import t, { type Test } from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import type { Field } from '../../lib/bytes/fields.ts';
import { addCopyManager } from '../../lib/copy-manager/copy-manager.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { LAYOUTS } from '../../lib/iscsi/pdu/layouts.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { tape } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { IscsiNode } from '../../lib/iscsi/node.ts';
import { duplexPair } from '../harness/duplex.ts';
import { Initiator, cdb16, lunField, read10, write10 } from '../harness/initiator.ts';
import { NONE, build } from '../harness/peer.ts';
import { Random, SEED, pattern } from '../harness/random.ts';
import { shareMs } from './budget.ts';
import { TARGET, garbage, recorder, turns, until } from '../harness/rig.ts';

const EACH_MS = shareMs(0.15);
/** Fewer commands would say little. */
const LEAST_COMMANDS = 300;

/** Its share of the time; on a loaded machine longer, until it has done enough, but not for ever. */
function spell(enough: () => boolean): () => boolean {
  const end = performance.now() + EACH_MS;
  return () => performance.now() < (enough() ? end : end + 30_000);
}
const OTHER = 'iqn.2026-01.io.sanlet:other';
const GUARD = 3;
const MIB = 1 << 20;

interface Field_ extends Field<unknown> {
  readonly mask: readonly number[];
}

interface Rig {
  readonly node: IscsiNode;
  readonly device: TargetDevice;
  readonly errors: readonly string[];
  /** The units that nothing addresses are as they were, and still answer. */
  readonly intact: (t: Test) => Promise<void>;
}

async function rig(t: Test): Promise<Rig> {
  const { log, errors } = recorder();
  const make = (name: string): TargetDevice => {
    const device = new TargetDevice(name, absentUnit(log));
    const identity = (unit: string): ReturnType<typeof identify> =>
      identify(name, unit, { product: 'fuzz', revision: '0.1' });
    const backend = (): ReturnType<typeof memoryDisk> => memoryDisk({ bytes: 8 * MIB, blockSize: 512 });
    device.add(0, disk({ identity: identity('d0'), backend: backend(), log }));
    device.add(
      1,
      tape({ identity: identity('t1'), medium: memoryCartridge({ capacityBytes: 16 * MIB }), log }),
    );
    device.add(
      2,
      disk({
        identity: identity('d2'),
        backend: memoryDisk({ bytes: 8 * MIB, blockSize: 4096 }),
        removable: true,
        log,
      }),
    );
    device.add(GUARD, disk({ identity: identity('guard'), backend: backend(), log }));
    return device;
  };
  const device = make(TARGET);
  const other = make(OTHER);
  const copies = [addCopyManager(device), addCopyManager(other)];
  const node = new IscsiNode({ targets: [{ device }, { device: other }], log });
  const secret = pattern(MIB, 0x5ec);
  const logIn = async (target: string, lun: number): Promise<Initiator> => {
    const [ours, theirs] = duplexPair();
    node.handle(theirs);
    const peer = await new Initiator(ours).login({
      target,
      initiator: 'iqn.2026-01.test:guard',
      isid: '8000000000fe',
      keys: { MaxRecvDataSegmentLength: '1048576' },
    });
    return peer.clear(lun);
  };
  const guards = [
    [TARGET, GUARD],
    [OTHER, 0],
  ] as const;
  for (const [target, lun] of guards) {
    const peer = await logIn(target, lun);
    t.equal((await peer.command(lun, write10(0, 2048), { write: secret })).status, 0);
    await peer.logout();
  }
  t.teardown(async () => {
    await Promise.all(copies.map(each => each.stop()));
    await node.stop();
    await device.close();
    await other.close();
  });
  return {
    node,
    device,
    errors,
    intact: async t => {
      for (const [target, lun] of guards) {
        const peer = await logIn(target, lun);
        const { data, said } = await peer.command(lun, read10(0, 2048), { read: MIB });
        t.equal(said, '', `${target} LUN ${lun} answers`);
        t.ok(data.equals(secret), `${target} LUN ${lun} is unchanged`);
        await peer.logout();
      }
      t.same(errors, [], 'no error was logged');
      t.ok(await until(() => device.nexuses.size === 0), 'no nexus is left');
      t.same(
        device.units.map(([, unit]) => unit.tasks.length),
        device.units.map(() => 0),
        'no task is left',
      );
    },
  };
}

const memory = (): number => process.memoryUsage().arrayBuffers / MIB;

t.comment(`SANLET_SEED=${SEED}`);

void t.test('random bytes', async t => {
  const { node, intact } = await rig(t);
  const random = new Random();
  const end = performance.now() + EACH_MS;
  let connections = 0;
  while (performance.now() < end) {
    const [ours, theirs] = duplexPair({ cut: 400, random });
    ours.on('error', () => {});
    ours.resume();
    node.handle(theirs);
    connections++;
    for (let i = random.below(6); i >= 0; i--) {
      const bytes = random.bytes(random.between(1, 3000));
      // Some of them look like a login, whose text is nonsense.
      if (random.chance(2)) {
        bytes[0] = 0x43;
        if (bytes.length >= 48) {
          bytes.writeUInt16BE(0, 2);
          bytes.writeUIntBE(bytes.length - 48, 4, 4);
          bytes[1] = random.pick([0x87, 0x04, 0x81, 0x00, 0x44]);
          if (random.chance(2)) Buffer.from('InitiatorName=iqn.x\0SessionType=Discovery\0').copy(bytes, 48);
        }
      }
      ours.write(bytes);
      await turns(1);
    }
    await turns(2);
    ours.destroy();
  }
  await intact(t);
  t.ok(connections > 30, `${connections} connections`);
});

/** Every field of a PDU at random, most of them near what would be right. */
function randomPdu(random: Random, peer: Initiator, tags: number[]): { header: Buffer; data: Buffer } {
  const opcode = random.chance(40)
    ? random.below(64)
    : random.pick([0x00, 0x01, 0x01, 0x01, 0x02, 0x04, 0x05, 0x05, 0x05, 0x06, 0x10]);
  const header = build(opcode);
  const known = LAYOUTS.get(opcode);
  if (known === undefined) random.bytes(48).copy(header, 1, 1);
  else {
    for (const [name, field] of Object.entries(known.layout) as [string, Field_][]) {
      if (typeof field !== 'object' || !('mask' in field) || name === 'opcode') continue;
      if (random.chance(3))
        random.bytes(field.bytes).forEach((byte, i) => {
          const mask = field.mask[i]!;
          header[field.offset + i] = (header[field.offset + i]! & ~mask) | (byte & mask);
        });
    }
  }
  header[0] = (opcode & 0x3f) | (random.chance(4) ? 0x40 : 0);
  header[4] = 0;
  if (!random.chance(20)) lunField(random.pick([0, 0, 1, 2, 9])).copy(header, 8);
  // The guard's LUN is not addressed, in any form.
  if (header[9] === GUARD) header[9] = 0;
  if (!random.chance(10)) header.writeUInt32BE(random.pick(tags), 16);
  if (opcode === Opcode.SCSI_COMMAND) {
    if (!random.chance(20))
      header.writeUInt32BE(random.pick([0, 512, 4096, 65536, random.below(1 << 20)]), 20);
    const transfer = random.pick([read10, write10])(random.below(16000), random.below(64));
    random.pick([transfer, transfer, random.bytes(16), Buffer.alloc(16)]).copy(header, 32);
    if (isThirdParty(header[32]!)) header[32] = 0;
  } else if (opcode === Opcode.DATA_OUT) {
    header.writeUInt32BE(random.pick([NONE, 1, 2, 3, random.below(200)]), 20);
    if (!random.chance(4)) header.writeUInt32BE(random.below(3), 36);
    if (!random.chance(4)) header.writeUInt32BE(random.pick([0, 512, 4096, 8192]), 40);
  } else if (opcode === Opcode.TEXT_REQUEST && random.chance(2)) header.writeUInt32BE(NONE, 20);
  else if (opcode === Opcode.TASK_MANAGEMENT_REQUEST && (header[1]! & 0x7f) >= 6 && !random.chance(10))
    header[1] = 0x85;
  if (opcode !== Opcode.DATA_OUT && !random.chance(6)) {
    header.writeUInt32BE((peer.expCmdSN + random.below(random.chance(8) ? 20 : 2)) >>> 0, 24);
  }
  const length = random.pick([0, 0, 0, 1, 48, 512, 512, 4096, random.below(10_000)]);
  const data =
    opcode === Opcode.TEXT_REQUEST && random.chance(2)
      ? Buffer.from(
          random.pick([
            'SendTargets=All\0',
            'SendTargets=\0',
            'MaxRecvDataSegmentLength=512\0',
            'a=b\0c',
            '=\0\0\0',
          ]),
        )
      : random.bytes(length);
  return { header, data };
}

/** EXTENDED COPY could reach the guard by its name, by the wildest of chances. */
const isThirdParty = (opcode: number): boolean => opcode === 0x83;

void t.test('random PDUs', async t => {
  const { node, device, intact } = await rig(t);
  const random = new Random(SEED + 1);
  await garbage();
  const before = memory();
  let pdus = 0;
  let sessions = 0;
  let answers = 0;
  const enough = (): boolean => pdus > 1_000 && answers > 250;
  const goesOn = spell(enough);
  while (goesOn()) {
    const [ours, theirs] = duplexPair({ cut: 3000, random });
    node.handle(theirs);
    const peer = new Initiator(ours);
    await peer.login({
      ...(random.chance(10) ? {} : { target: TARGET }),
      isid: `8000000000${random.between(16, 18)}`,
      keys: {
        InitialR2T: random.pick(['Yes', 'No']),
        ImmediateData: random.pick(['Yes', 'No']),
        MaxBurstLength: random.pick(['512', '8192', '262144']),
        FirstBurstLength: random.pick(['512', '8192']),
        MaxOutstandingR2T: random.pick(['1', '8']),
        HeaderDigest: random.pick(['None', 'CRC32C']),
        DataDigest: random.pick(['None', 'CRC32C']),
      },
    });
    sessions++;
    const tags = [1, 2, 3, 4, random.below(1 << 30)];
    for (let i = 0; i < 400 && !peer.gone; i++) {
      const { header, data } = randomPdu(random, peer, tags);
      peer.sendHeader(header, {
        data,
        ...(random.chance(300) ? { headerDigest: 'wrong' as const } : {}),
        ...(random.chance(50) ? { dataDigest: 'wrong' as const } : {}),
        ...(random.chance(50) ? { ahs: random.bytes(4 * random.between(1, 8)) } : {}),
      });
      pdus++;
      if (random.chance(4)) await turns(1);
    }
    await turns(5);
    answers += peer.pdus.length;
    // One that was not dropped must still answer a ping.
    if (!peer.gone && !peer.pdus.some(pdu => pdu.opcode === Opcode.LOGOUT_RESPONSE)) {
      const answered = await Promise.race([
        peer.settled().then(
          () => true,
          () => peer.gone,
        ),
        peer.ended.then(() => true),
      ]);
      if (!answered) t.fail('a connection hangs');
    }
    const wrong = peer.violations.filter(what => !what.startsWith('StatSN'));
    if (wrong.length > 0) t.fail(wrong.join());
    ours.destroy();
  }
  t.ok(await until(() => device.nexuses.size === 0), 'every session has ended');
  await intact(t);
  await garbage();
  t.ok(memory() - before < 128 + 64, `${Math.round(memory() - before)} MiB more than before`);
  t.ok(enough(), `${sessions} sessions, ${pdus} PDUs, ${answers} answers`);
});

void t.test('random CDBs and parameter lists', async t => {
  const { node, device, intact, errors } = await rig(t);
  const random = new Random(SEED + 2);
  const [ours, theirs] = duplexPair();
  node.handle(theirs);
  const peer = await new Initiator(ours).login({
    target: TARGET,
    keys: { InitialR2T: 'No', FirstBurstLength: '262144', MaxRecvDataSegmentLength: '262144' },
  });
  await garbage();
  const before = memory();
  const statuses = new Map<string, number>();
  let commands = 0;
  const goesOn = spell(() => commands > LEAST_COMMANDS);
  while (goesOn() && errors.length === 0) {
    const lun = random.pick([0, 0, 1, 1, 1, 2, 9]);
    const unit = device.units.find(([number]) => number === lun)?.[1];
    const row = unit === undefined || random.chance(20) ? undefined : random.pick(unit.commands.all());
    const cdb = random.bytes(16);
    if (row !== undefined) {
      // The row's own fields at random, its reserved bits mostly zero.
      const { usage } = row.cdb;
      for (let i = 0; i < 16; i++) {
        if (!random.chance(100)) cdb[i]! &= usage[i] ?? 0;
        if (random.chance(2)) cdb[i] = 0;
      }
      cdb[0] = row.opcode;
      if (row.serviceAction !== undefined) {
        if (row.opcode === 0x7f) cdb.writeUInt16BE(row.serviceAction, 8);
        else cdb[1] = (cdb[1]! & 0xe0) | row.serviceAction;
      }
      // Keep most addresses and lengths inside the unit.
      if (random.chance(2)) for (let i = 2; i < 6; i++) cdb[i] = i < 4 ? 0 : cdb[i]!;
      if (random.chance(2)) for (const i of [6, 10, 11]) cdb[i] = 0;
    }
    const writes = row?.dataOut !== undefined ? !random.chance(8) : random.chance(8);
    const length = random.pick([0, 1, 8, 24, 28, 96, 255, 512, 4096, random.below(70_000)]);
    const write = random.bytes(length);
    if (random.chance(2)) for (let i = 0; i < length; i++) if (random.chance(2)) write[i] = 0;
    // Lengths in the parameter list that could be right.
    if (length >= 16 && length < 65_536 && random.chance(2))
      write.writeUInt16BE(length - 16, random.pick([0, 2, 8, 10]));
    const said = await peer
      .command(lun, cdb16(cdb), writes ? { write } : { read: length })
      .catch((error: Error) => {
        throw new Error(
          `${error.message}: ${cdb.toString('hex')} on LUN ${lun}, ${length} bytes, seed ${SEED}`,
        );
      });
    commands++;
    const key = `${said.status} ${said.said.split('/')[0] ?? ''}`;
    statuses.set(key, (statuses.get(key) ?? 0) + 1);
    // LOGICAL UNIT FAILED SELF-TEST is what a unit without its medium says.
    if (said.said.startsWith('4/') && said.said !== '4/3e03')
      t.fail(`HARDWARE ERROR for ${cdb.toString('hex')} on LUN ${lun}`);
  }
  if (errors.length > 0) t.comment(errors.join());
  ours.destroy();
  t.ok(await until(() => device.nexuses.size === 0));
  await intact(t);
  await garbage();
  t.ok(memory() - before < 128 + 64, `${Math.round(memory() - before)} MiB more than before`);
  t.ok(commands > LEAST_COMMANDS, `${commands} commands: ${JSON.stringify([...statuses])}`);
});
