/**
 * Registers, reserves and saves mode pages on one disk until it is killed, telling on stdout what is asked for (`begin`) and what
 * has been answered with GOOD (`done`). With `look` as third argument it tells what is there instead, and ends. Started by
 * crash-unit.test.ts.
 */
import { writeSync } from 'node:fs';
import { openDiskFile } from '../../lib/backends/file.ts';
import { openUnitState } from '../../lib/backends/unit-state-file.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { Commander, nexus } from '../harness/commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';
const [path = '', first = '1', mode = ''] = process.argv.slice(2);
const tell = (...words: (string | number)[]): void => void writeSync(1, `${words.join(' ')}\n`);

const backend = await openDiskFile({ path });
const state = await openUnitState({ target: TARGET, unit: 'd0', path, readOnly: false });
const device = new TargetDevice(TARGET, absentUnit());
const identity = identify(TARGET, 'd0', { product: 'disk', revision: '0.1' });
device.add(0, disk({ identity, backend, state }));
const [a, b, c] = (await Promise.all(
  ['a', 'b', 'c'].map((name, i) =>
    new Commander(device, nexus(`iqn.2026-01.test:${name}`, `40000000000${i}`)).clear(),
  ),
)) as [Commander, Commander, Commander];

function list(key: number, newKey: number): Buffer {
  const out = Buffer.alloc(24);
  out.writeBigUInt64BE(BigInt(key), 0);
  out.writeBigUInt64BE(BigInt(newKey), 8);
  out[20] = 0x01; // APTPL
  return out;
}

async function good(who: Commander, cdb: Uint8Array, out: Buffer): Promise<void> {
  for (;;) {
    const answer = await who.send(0, cdb, { out });
    if (answer.status === Status.GOOD) return;
    if (!answer.said.startsWith('6/')) throw new Error(`${answer.status} ${answer.said}`);
  }
}

const persistentReserveOut = (who: Commander, action: number, type: number, out: Buffer): Promise<void> =>
  good(who, Uint8Array.of(0x5f, action, type, 0, 0, 0, 0, 0, out.length), out);

const KEY_OF_C = 0xc3;
const TYPES = [1, 3, 5, 6];

/** Each goes on by itself, beside the others: their saves fall together. */
const STEPS: Record<string, (n: number) => Promise<void>> = {
  a: n => persistentReserveOut(a, 6, 0, list(0, n)),
  b: n => persistentReserveOut(b, 6, 0, list(0, n)),
  reservation: async n => {
    // PREEMPT of itself changes the type at one stroke.
    await persistentReserveOut(c, 4, TYPES[n % 4]!, list(KEY_OF_C, KEY_OF_C));
  },
  // D_SENSE and TAS carry two bits of the number. MODE SELECT is the holder's.
  modes: n => {
    const page = Buffer.from([0, 0, 0, 0, 0x0a, 0x0a, 0, 0x10, 0, 0, 0, 0, 0xff, 0xff, 0, 0]);
    page[6] = (n & 1) << 2;
    page[9] = (n & 2) << 5;
    return good(c, Uint8Array.of(0x15, 0x11, 0, 0, page.length, 0), page);
  },
};

if (mode === 'look') {
  const full = (await a.send(0, '5e 03 00 00 00 00 00 ff ff')).data;
  for (let at = 8; at < full.length; at += 24 + full.readUInt32BE(at + 20)) {
    const name = full.toString('latin1', at + 45, at + 46);
    if (name === 'c') tell('reservation', TYPES.indexOf(full[at + 13]!));
    else tell(name, Number(full.readBigUInt64BE(at)));
  }
  const page = (await c.send(0, '1a 08 ca 00 ff 00')).data;
  tell('modes', ((page[6]! >> 2) & 1) | ((page[9]! >> 5) & 2));
  await device.close();
} else {
  await persistentReserveOut(c, 6, 0, list(0, KEY_OF_C));
  const held = (await c.send(0, '5e 01 00 00 00 00 00 ff ff')).data.length > 8;
  if (!held) await persistentReserveOut(c, 1, TYPES[0]!, list(KEY_OF_C, 0));
  tell('ready');
  for (const [name, step] of Object.entries(STEPS)) {
    void (async () => {
      for (let n = Number(first); ; n++) {
        tell('begin', name, n);
        await step(n);
        tell('done', name, n);
        await new Promise(resolve => void setImmediate(resolve));
      }
    })();
  }
}
