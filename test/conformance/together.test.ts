/** What ends together: tasks behind one that runs alone, and a San with a copy behind one. */
import t, { type Test } from 'tap';
import { TaskFunction } from '../../lib/iscsi/pdu/task-management.ts';
import { CommandAttribute } from '../../lib/iscsi/pdu/scsi-command.ts';
import { copyUrls } from '../../lib/initiator/url-copy.ts';
import type { San } from '../../lib/san.ts';
import { cdb16, type Initiator, read10, write10 } from '../harness/initiator.ts';
import { pattern } from '../harness/random.ts';
import { logIn, startSan, TARGET, until } from '../harness/rig.ts';

const block = pattern(512, 7);
/** A command that runs alone, whose data is asked for and does not come. */
const HOLDERS = {
  'COMPARE AND WRITE': (peer: Initiator) =>
    peer.start(0, cdb16('89 00 00 00 00 00 00 00 00 00 00 00 00 01 00 00'), { write: pattern(1024) }),
  'ORDERED WRITE': (peer: Initiator) =>
    peer.start(0, write10(100, 1), { write: block, attribute: CommandAttribute.ORDERED }),
} as const;

const ENDS: Readonly<Record<string, (t: Test, peer: Initiator) => Promise<void>>> = {
  'the connection breaks': async (_t, peer) => {
    peer.stream.destroy();
    await peer.ended;
  },
  'ABORT TASK SET': async (t, peer) => {
    t.equal(await peer.manage(TaskFunction.ABORT_TASK_SET), 0, 'function complete');
  },
  'LOGICAL UNIT RESET': async (t, peer) => {
    t.equal(await peer.manage(TaskFunction.LOGICAL_UNIT_RESET), 0, 'function complete');
  },
  logout: async (t, peer) => {
    t.equal((await peer.logout()).num('response'), 0, 'closed');
  },
};

for (const [holder, hold] of Object.entries(HOLDERS)) {
  for (const [ending, end] of Object.entries(ENDS)) {
    void t.test(`RFC 7143 11.5.1, SAM-5 7: ${ending} with commands behind ${holder}`, async t => {
      const san: San = await startSan(t, { iqn: TARGET, disks: [{ name: 'd0', memory: '1MiB' }] });
      const peer = await logIn(t, san);
      hold(peer);
      peer.start(0, read10(0, 1), { read: 512 });
      peer.start(0, write10(100, 1), { write: block, immediateBytes: 512 });
      peer.start(0, write10(200, 1), { write: block, immediateBytes: 512 });
      await peer.settled();
      await end(t, peer);
      const after = await logIn(t, san, { isid: '800000000009' });
      for (const lba of [100, 200]) {
        const told = await after.command(0, read10(lba, 1), { read: 512 });
        t.equal(told.status, 0, 'the unit goes on');
        t.ok(told.data.equals(Buffer.alloc(512)), `block ${lba} was not written`);
      }
    });
  }
}

void t.test('a San stops though a copy waits behind a command whose data does not come', async t => {
  const san = await startSan(t, {
    iqn: TARGET,
    disks: [
      { name: 'd0', memory: '1MiB' },
      { name: 'd1', memory: '1MiB' },
    ],
  });
  const peer = await logIn(t, san);
  HOLDERS['ORDERED WRITE'](peer);
  await peer.settled();
  let ended = false;
  const copy = copyUrls(
    san.url(0),
    san.url(1),
    {},
    {
      signal: new AbortController().signal,
      begin: () => Promise.resolve({ update: () => {}, done: () => {} }),
    },
  ).then(
    () => t.fail('the copy was done'),
    () => {
      ended = true;
    },
  );
  await new Promise(resolve => setTimeout(resolve, 300));
  t.notOk(ended, 'it waits');
  let stopped = false;
  void san.stop().then(() => {
    stopped = true;
  });
  t.ok(await until(() => stopped), 'stopped');
  await copy;
});
