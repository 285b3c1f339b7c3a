import { randomBytes } from 'node:crypto';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { San } from '../../lib/index.ts';
import { missing, run, succeeds } from './programs.ts';

const MIB = 1024 * 1024;

void t.test('qemu-img and qemu-io', { skip: missing('qemu-img', 'qemu-io') }, async t => {
  const directory = await mkdtemp(join(tmpdir(), 'sanlet-qemu-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  await using san = await San.start({
    state: join(directory, 'state'),
    disks: [
      { name: 'd0', path: join(directory, 'd0.img'), size: '64MiB' },
      { name: 'd1', path: join(directory, 'd1.img'), size: '64MiB' },
      { name: 'd2', memory: '64MiB', block: 4096 },
      { name: 'd3', memory: '64MiB' },
    ],
  });

  // Data with holes, odd sizes and a tail.
  const image = join(directory, 'image.raw');
  const file = await open(image, 'w');
  await file.truncate(64 * MIB);
  for (const [offset, bytes] of [
    [0, MIB],
    [5 * MIB + 4096, 3 * MIB + 512],
    [40 * MIB, 4096],
    [64 * MIB - 512, 512],
  ] as const) {
    await file.write(randomBytes(bytes), 0, bytes, offset);
  }
  await file.close();

  await succeeds(t, 'qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', image, san.url(0));
  t.match(
    await succeeds(t, 'qemu-img', 'compare', '-f', 'raw', '-F', 'raw', image, san.url(0)),
    /identical/,
    'written and the same',
  );
  await succeeds(t, 'qemu-img', 'convert', '-n', '-f', 'raw', '-O', 'raw', san.url(0), san.url(1));
  t.match(
    await succeeds(t, 'qemu-img', 'compare', '-f', 'raw', '-F', 'raw', san.url(0), san.url(1)),
    /identical/,
    'LUN to LUN',
  );
  await succeeds(
    t,
    'qemu-img',
    'convert',
    '-n',
    '-W',
    '-m',
    '16',
    '-f',
    'raw',
    '-O',
    'raw',
    san.url(0),
    san.url(2),
  );
  t.match(
    await succeeds(t, 'qemu-img', 'compare', '-f', 'raw', '-F', 'raw', image, san.url(2)),
    /identical/,
    '512 to 4096, out of order',
  );
  const back = join(directory, 'back.raw');
  await succeeds(t, 'qemu-img', 'convert', '-f', 'raw', '-O', 'raw', san.url(1), back);
  t.ok((await readFile(back)).equals(await readFile(image)), 'read back to a file');

  // What is mapped is what was written: holes stay holes (GET LBA STATUS).
  const map = JSON.parse(await succeeds(t, 'qemu-img', 'map', '--output=json', '-f', 'raw', san.url(1))) as {
    start: number;
    length: number;
    zero: boolean;
  }[];
  const mapped = map.filter(extent => !extent.zero).reduce((sum, extent) => sum + extent.length, 0);
  t.ok(mapped >= 4 * MIB && mapped < 10 * MIB, `${mapped} bytes are mapped`);

  await succeeds(t, 'qemu-img', 'create', '-f', 'qcow2', san.url(3), '32M');
  await succeeds(t, 'qemu-io', '-f', 'qcow2', '-c', 'write -P 0x5a 1M 1M', '-c', 'flush', san.url(3));
  await succeeds(
    t,
    'qemu-io',
    '-f',
    'qcow2',
    '-c',
    'read -P 0x5a 1M 1M',
    '-c',
    'read -P 0 2M 1M',
    san.url(3),
  );
  t.match(await succeeds(t, 'qemu-img', 'check', '-f', 'qcow2', san.url(3)), /No errors/, 'qcow2 on a LUN');

  // Zeroing, discarding and verifying through the raw driver.
  const io = async (...commands: string[]): Promise<void> => {
    const ran = await run('qemu-io', [
      '-f',
      'raw',
      '-d',
      'unmap',
      ...commands.flatMap(each => ['-c', each]),
      san.url(0),
    ]);
    t.equal(ran.code, 0, commands.join('; '));
    t.notMatch(
      `${ran.stdout}${ran.stderr}`,
      /verification failed|failed:/i,
      `${commands.join('; ')} is verified`,
    );
  };
  await io('write -P 0xa5 8M 4M', 'write -z 9M 1M', 'discard 10M 1M', 'flush');
  await io('read -P 0xa5 8M 1M', 'read -P 0 9M 2M', 'read -P 0xa5 11M 1M');
  await io(
    'write -P 1 -f 20M 64k',
    'read -P 1 20M 64k',
    'aio_write -P 2 21M 1M',
    'aio_flush',
    'read -P 2 21M 1M',
  );

  // A wrong expectation is noticed: the checks above can fail.
  const wrong = await run('qemu-io', ['-f', 'raw', '-c', 'read -P 0x11 8M 64k', san.url(0)]);
  t.match(`${wrong.stdout}${wrong.stderr}`, /verification failed/i, 'qemu-io verifies');
  await writeFile(image, randomBytes(4096), { flag: 'r+' });
  const different = await run('qemu-img', ['compare', '-f', 'raw', '-F', 'raw', image, san.url(1)]);
  t.equal(different.code, 1, 'qemu-img compare notices a difference');
});
