/**
 * A fake SAN for a test: a free port, no root, no kernel module, gone at the end of the block.
 *
 * Run it with `npm run example`.
 */
import { San } from 'sanlet';

await using san = await San.start({
  disks: [
    { name: 'source', memory: '64MiB' },
    { name: 'copy', memory: '64MiB' },
  ],
  tapes: [{ name: 'backup', memory: true }],
});

console.log(`${san.iqn} at ${san.portal}`);
for (const { lun, type, name, naa } of san.luns) {
  // Give the URL to the program under test: libiscsi, QEMU and `sanlet` understand it.
  console.log(`${san.url(lun)}  ${type} ${name}, naa ${naa}`);
}
