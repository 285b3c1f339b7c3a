/** Logins made of the key table: right, at an edge, or nonsense; in pieces, in any order of stages. */
import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { KEYS, type KeyRow } from '../../lib/iscsi/login/keys.ts';
import { IscsiNode } from '../../lib/iscsi/node.ts';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { duplexPair } from '../harness/duplex.ts';
import { NONE, RawPeer } from '../harness/peer.ts';
import { Random, SEED } from '../harness/random.ts';
import { TARGET, garbage, recorder } from '../harness/rig.ts';
import { shareMs } from './budget.ts';

const MS = shareMs(0.2);
const MIB = 1 << 20;
const GUARDED = 'iqn.2026-01.io.sanlet:guarded';

const rows = [...KEYS.values()];

function valueOf(random: Random, row: KeyRow): string {
  if (random.chance(12)) {
    return random.pick([
      '',
      ',',
      'None,,CRC32C',
      '0x',
      '0b!',
      '-1',
      '1~2',
      '99999999999999999999',
      'Reject',
      'yes',
      '\u00ff',
    ]);
  }
  switch (row.kind) {
    case 'digest':
      return random.pick(['None', 'CRC32C', 'CRC32C,None', 'None,CRC32C', 'X-md5,None', 'CRC64']);
    case 'and':
    case 'or':
      return random.pick(['Yes', 'No', 'Yes,No']);
    case 'list':
    case 'constant':
      return random.pick(['RFC3720', 'No', 'FastAbort,RFC3720', '2048~65536']);
    default: {
      const { least, most } = row;
      const number = random.pick([
        least,
        most,
        least - 1,
        most + 1,
        random.between(least, Math.min(most, 100_000)),
      ]);
      return random.chance(4) ? `0x${Math.max(0, number).toString(16)}` : String(number);
    }
  }
}

const CHAP_KEYS = ['AuthMethod', 'CHAP_A', 'CHAP_N', 'CHAP_R', 'CHAP_I', 'CHAP_C'];

/** The text of one request. Right ones begin with who asks for what. */
function textOf(random: Random, first: boolean): Buffer {
  const pairs: string[] = [];
  if (first && !random.chance(12)) {
    pairs.push(
      `InitiatorName=${random.pick(['iqn.2026-01.test:fuzz', 'iqn.2026-01.test:fuzz', 'eui.0123456789abcdef', 'x'])}`,
    );
    const type = random.pick(['Normal', 'Normal', 'Discovery', 'Both']);
    pairs.push(`SessionType=${type}`);
    if (type !== 'Discovery' || random.chance(8)) {
      pairs.push(`TargetName=${random.pick([TARGET, TARGET, GUARDED, 'iqn.nobody'])}`);
    }
  }
  for (let i = random.below(8); i > 0; i--) {
    if (random.chance(5)) {
      const key = random.pick(CHAP_KEYS);
      pairs.push(
        `${key}=${random.pick(['None', 'CHAP,None', '5', '7,6,5', 'user', `0x${random.bytes(16).toString('hex')}`, '0bAAAA'])}`,
      );
    } else if (random.chance(20))
      pairs.push(random.pick(['X-com.example.key=1', 'Nothing', '=', `${'k'.repeat(64)}=1`]));
    else {
      const row = random.pick(rows);
      pairs.push(`${row.name}=${valueOf(random, row)}`);
    }
  }
  if (random.chance(40)) pairs.push(`X-long=${'x'.repeat(random.below(9_000))}`);
  const bytes = Buffer.from(pairs.map(pair => `${pair}\0`).join(''));
  if (random.chance(30) && bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
  return bytes;
}

t.comment(`SANLET_SEED=${SEED}`);

void t.test('RFC 7143 6: login texts from the key table', { timeout: MS + 60_000 }, async t => {
  const random = new Random(SEED + 3);
  const { log, errors } = recorder();
  const make = (name: string): TargetDevice => {
    const device = new TargetDevice(name, absentUnit(log));
    const identity = identify(name, 'd0', { product: 'fuzz', revision: '0.1' });
    device.add(0, disk({ identity, backend: memoryDisk({ bytes: MIB, blockSize: 512 }), log }));
    return device;
  };
  const [device, guarded] = [make(TARGET), make(GUARDED)];
  const chap = { user: 'user', secret: 'a secret that nobody guesses' };
  const node = new IscsiNode({ targets: [{ device }, { device: guarded, rules: [{ chap }] }], log });
  t.teardown(async () => {
    await node.stop();
    await Promise.all([device.close(), guarded.close()]);
  });
  await garbage();
  const before = process.memoryUsage().arrayBuffers;
  const seen = new Map<string, number>();
  const count = (what: string): void => void seen.set(what, (seen.get(what) ?? 0) + 1);
  const end = performance.now() + MS;
  while (performance.now() < end && errors.length === 0) {
    const [ours, theirs] = duplexPair(random.chance(4) ? { cut: 100, random } : {});
    node.handle(theirs);
    const peer = new RawPeer(ours);
    const isid = Buffer.of(0x80, 0, 0, 0, 0, random.between(1, 3));
    const tag = random.pick([0, 1, 1, NONE]);
    const sent: string[] = [];
    let stage = random.pick([0, 1, 1, 1]);
    for (let i = 0; i < 12 && !peer.gone; i++) {
      const data = textOf(random, i === 0);
      const more = random.chance(6);
      const transit = !more && random.chance(2);
      const next = random.chance(20) ? random.below(4) : random.pick([3, 3, 1]);
      if (random.chance(30)) stage = random.below(4);
      sent.push(data.toString('latin1'));
      peer.send(
        Opcode.LOGIN_REQUEST,
        {
          immediate: true,
          final: transit || random.chance(40),
          continue: more || random.chance(60),
          currentStage: stage,
          nextStage: transit ? next : 0,
          isid,
          initiatorTaskTag: random.chance(40) ? tag + 1 : tag,
          cmdSN: 1,
          expStatSN: peer.expStatSN,
        },
        data,
      );
      const pdu = await peer.next().catch((error: Error) => error);
      if (pdu instanceof Error) {
        // It may end the connection at once, and may not keep anyone waiting.
        if (!peer.gone) t.fail(`${pdu.message} to ${JSON.stringify(sent)}, seed ${SEED}`);
        count('the end');
        break;
      }
      if (pdu.opcode === Opcode.REJECT) {
        count('Reject');
        continue;
      }
      if (pdu.opcode !== Opcode.LOGIN_RESPONSE) {
        t.fail(`${pdu.toString()} to ${JSON.stringify(sent)}, seed ${SEED}`);
        break;
      }
      const status = pdu.num('status');
      count(status.toString(16).padStart(4, '0'));
      // Nothing is wrong with us, and nobody has a secret to get in with.
      if (status >> 8 === 3) t.fail(`${status.toString(16)} to ${JSON.stringify(sent)}, seed ${SEED}`);
      if (status !== 0) break;
      if (pdu.flag('final')) {
        stage = pdu.num('nextStage');
        if (stage === 3) {
          count('full feature phase');
          break;
        }
      }
    }
    if (guarded.nexuses.size > 0) t.fail(`in without a secret: ${JSON.stringify(sent)}, seed ${SEED}`);
    const wrong = peer.violations.filter(what => !what.startsWith('StatSN'));
    if (wrong.length > 0) t.fail(`${wrong.join()}, seed ${SEED}`);
    ours.destroy();
  }
  t.same(errors, [], 'no error was logged');
  // Sessions outlive their connection for DefaultTime2Retain, and not the target.
  t.ok(
    device.nexuses.size < 16,
    `${device.nexuses.size} sessions wait to be continued, no more than there are names`,
  );
  await node.stop();
  t.equal(device.nexuses.size, 0, 'no nexus is left');
  await garbage();
  const grown = Math.round((process.memoryUsage().arrayBuffers - before) / MIB);
  t.ok(grown < 64, `${grown} MiB more than before`);
  t.ok((seen.get('full feature phase') ?? 0) > 3, `some get through: ${JSON.stringify([...seen])}`);
});
