/**
 * A tape library for a test of backup software: two drives, a changer and blank cartridges, all in memory. A person at its
 * import/export slots is a program here.
 */
import { San } from 'sanlet';

await using san = await San.start({
  libraries: [{ name: 'lib', memory: true, drives: 2, slots: 6, ie: 1, size: '100MiB' }],
});

// Drives first, then the changer: mtx, Bacula's mtx-changer and the kernel's ch take it for a real one.
for (const { lun, type, name } of san.luns) console.log(`${san.url(lun)}  ${type} ${name}`);

const library = san.library('lib');
for (const { type, address, barcode = 'empty' } of library.elements) {
  console.log(`${type} ${address}: ${barcode}`);
}
