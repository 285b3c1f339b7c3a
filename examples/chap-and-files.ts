/**
 * Two targets in one process: one with a disk and a tape in files behind CHAP, one for everybody. Two targets are two
 * address spaces: no command sent to one, and no copy either, reaches a LUN of the other.
 *
 * Run it with `node dist/examples/chap-and-files.js`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { San } from 'sanlet';

const directory = await mkdtemp(join(tmpdir(), 'sanlet-example-'));
try {
  await using san = await San.start({
    targets: [
      {
        iqn: 'iqn.2026-01.org.example:vault',
        disks: [{ name: 'd0', path: join(directory, 'd0.img'), size: '1GiB', block: 4096 }],
        tapes: [{ name: 't0', path: join(directory, 't0.tape'), size: '10GiB' }],
        chap: { user: 'backup', secret: 'twelve-or-more' },
        initiators: ['iqn.2026-01.org.example:*'],
      },
      { iqn: 'iqn.2026-01.org.example:scratch', disks: [{ name: 's0', memory: '256MiB' }] },
    ],
  });
  for (const { iqn, luns } of san.targets) {
    for (const { lun, name, bytes, blockSize } of luns) {
      console.log(`${san.url(lun, iqn)}  ${name}: ${bytes} bytes in blocks of ${blockSize}`);
    }
  }
} finally {
  await rm(directory, { recursive: true });
}
