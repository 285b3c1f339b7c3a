/** The list that docs/xcopy.md takes apart byte by byte is one that works, on the target that it tells to start. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { Initiator } from '../../lib/initiator/initiator.ts';
import { cdbOf, Unit } from '../../lib/initiator/unit.ts';
import { parseUrl } from '../../lib/initiator/url.ts';
import { portalOf } from '../../lib/initiator/url-portal.ts';
import { San } from '../../lib/san.ts';

/** Lines such as ` 24  3d 3d f1 …  DESIGNATOR`; bytes that none shows are zeros. */
function listIn(text: string): Buffer {
  const out = Buffer.alloc(104);
  let shown = 0;
  for (const line of text.split('\n')) {
    const found = /^ *(\d{1,3}) {2}((?:[0-9a-f]{2} )*[0-9a-f]{2})(?: {2,}|$)/.exec(line);
    if (found === null) continue;
    const bytes = Buffer.from(found[2]!.replaceAll(' ', ''), 'hex');
    bytes.copy(out, Number(found[1]));
    shown += bytes.length;
  }
  if (shown < 70) throw new Error(`only ${shown} bytes are shown`);
  return out;
}

void t.test('SPC-4 6.5: the EXTENDED COPY(LID1) list of docs/xcopy.md', async t => {
  const docs = readFileSync(new URL('../../docs/xcopy.md', import.meta.url), 'utf8');
  const list = listIn(docs.slice(docs.indexOf('## The list, byte by byte')));
  await using san = await San.start({
    iqn: 'iqn.2026-01.io.sanlet:san',
    disks: ['d0', 'd1'].map(name => ({ name, memory: '64MiB' })),
    tapes: ['t0', 't1'].map(name => ({ name, memory: true })),
  });
  const where = parseUrl(san.url(2));
  await using session = await Initiator.login({ ...portalOf(where), target: where.target! });
  const tape = new Unit(session, 2);
  await tape.awaitReady();
  const cdb = cdbOf(16, 0x83);
  cdb.writeUInt32BE(list.length, 10);
  await tape.run('EXTENDED COPY', cdb, { dataOut: list });
  // READ POSITION: one record is behind us.
  t.equal((await tape.read('READ POSITION', cdbOf(10, 0x34), 20)).readUInt32BE(4), 1);
  await tape.run('REWIND', cdbOf(6, 0x01));
  const read = cdbOf(6, 0x08, 0);
  read.writeUIntBE(65536, 2, 3);
  t.equal((await tape.read('READ(6)', read, 65536)).length, 65536, 'of 64 KiB');
});
