/** SMC-3 by clause: what a media changer answers, in process. */
import { mkdtemp, readdir, rename, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { CartridgePlace, ShelvedCartridge, TapeShelf } from '../../lib/backends/tape-shelf.ts';
import { openCartridgeFile } from '../../lib/backends/tape/cartridge-file.ts';
import { openShelfDirectory } from '../../lib/backends/tape/shelf-directory.ts';
import { MemoryShelf } from '../../lib/backends/tape/shelf-memory.ts';
import { fits } from '../../lib/scsi-cmds/smc/volume-tag.ts';
import { Commander, nexus, pointer, run } from '../harness/commands.ts';
import {
  DRIVE,
  elements,
  exchangeCdb,
  LibraryModel,
  type LibraryRig,
  libraryRig,
  moveCdb,
  places,
  ROBOT,
  SLOT,
  STATION,
  statusCdb,
} from '../harness/library.ts';
import { Random, SEED, pattern } from '../harness/random.ts';
import { recorder } from '../harness/rig.ts';

const TUR = '00';

async function directory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'sanlet-shelf-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A shelf in a directory with blank cartridges of these barcodes. */
async function shelfOf(path: string, barcodes: readonly string[] = []): Promise<TapeShelf> {
  const shelf = await openShelfDirectory({ path, capacityBytes: 16 << 20, mediaType: 'LTO-6' });
  for (const barcode of barcodes) await shelf.make(barcode);
  return shelf;
}

/** Everything that was logged, by its level. */
function listener(): { log: ReturnType<typeof recorder>['log']; lines: string[] } {
  const lines: string[] = [];
  const at =
    (level: string) =>
    (_facts: unknown, message?: string): void =>
      void lines.push(`${level}: ${message}`);
  return {
    lines,
    log: { error: at('error'), warn: at('warn'), info: at('info'), debug: at('debug') },
  };
}

void t.test('SMC-3 6.10: READ ELEMENT STATUS tells of every element, by type', async t => {
  const { a, lun } = await libraryRig();
  t.same(elements(await a.send(lun, statusCdb())), [
    '1:1',
    '2:400 full access SAN001L6',
    '2:401 full access SAN002L6',
    '2:402 full access SAN003L6',
    '2:403 access',
    '2:404 access',
    '3:300 access export import',
    '3:301 access export import',
    '4:100 access lun=0',
    '4:101 access lun=1',
  ]);
  const header = (await a.send(lun, statusCdb())).data;
  t.equal(header.readUInt16BE(0), ROBOT, 'FIRST ELEMENT ADDRESS REPORTED');
  t.equal(header.readUInt16BE(2), 10, 'NUMBER OF ELEMENTS AVAILABLE');
  t.equal(header.readUIntBE(5, 3), header.length - 8, 'BYTE COUNT OF REPORT AVAILABLE');
  t.same(
    elements(await a.send(lun, statusCdb({ type: 2, from: 0x401, count: 2 }))),
    ['2:401 full access SAN002L6', '2:402 full access SAN003L6'],
    'the lowest two from an address on',
  );
  t.same(
    elements(await a.send(lun, statusCdb({ from: 0x301, count: 2, tags: false }))),
    ['2:400 full access', '3:301 access export import'],
    'of all types the lowest addresses, in pages by type',
  );
  const none = await a.send(lun, statusCdb({ type: 4, from: 0x102 }));
  t.equal(none.data.toString('hex'), '0000000000000000', 'none found is no error');
  const bad = await a.send(lun, statusCdb({ type: 5 }));
  t.same([bad.said, pointer(bad)], ['5/2400', 'cdb 1.3']);
});

void t.test(
  'SMC-3 6.10: READ ELEMENT STATUS counts all there is, whatever the allocation length',
  async t => {
    const { a, lun } = await libraryRig();
    const whole = await a.send(lun, statusCdb({ type: 2 }));
    t.equal(whole.data.length, 8 + 8 + 5 * 52);
    for (const [allocation, got] of [
      [0, 0],
      [7, 0],
      [8, 8],
      [15, 8],
      [16, 16],
      [67, 16],
      [68, 68],
      [200, 8 + 8 + 3 * 52],
      [276, 276],
    ] as const) {
      const { data, totalIn } = await a.send(lun, statusCdb({ type: 2, allocation }));
      t.same([data.length, totalIn], [got, got], `of ${allocation} bytes whole descriptors only`);
      if (got > 0) t.same(data.subarray(0, 8), whole.data.subarray(0, 8), 'the header is the same');
      if (got > 8) t.same(data.subarray(8, 16), whole.data.subarray(8, 16), 'and that of the page');
    }
    const short = await a.send(lun, statusCdb({ type: 2 }), { expectIn: 100 });
    t.same(
      [short.data.length, short.totalIn],
      [100, 276],
      'what the initiator expects less of is a residual',
    );
  },
);

void t.test('SMC-3 6.10: READ ELEMENT STATUS with DVCID names the drives', async t => {
  const rig = await libraryRig();
  const { a, lun, drives } = rig;
  const found = await a.send(lun, statusCdb({ type: 4, flags: 1, tags: false }));
  const id = (i: number): string =>
    `id=${'SANLET'.padEnd(8)}${'TAPE'.padEnd(16)}${drives[i]!.identity.serial}`;
  t.same(elements(found), [`4:100 access lun=0 ${id(0)}`, `4:101 access lun=1 ${id(1)}`]);
  t.same([...found.data.subarray(28, 32)], [2, 1, 0, 40], 'ASCII, T10 vendor ID, 40 characters');
  t.equal(found.data.readUInt16BE(10), 12 + 4 + 40, 'ELEMENT DESCRIPTOR LENGTH');
  const all = await a.send(lun, statusCdb({ flags: 1 }));
  t.equal(elements(all).filter(each => each.includes('id=')).length, 2, 'of others it says nothing');

  // The LUN is the one that the nexus knows the drive by, where it has one that fits.
  const other = nexus('iqn.2026-01.test:b', '400000000002');
  const mapped = { ...other, view: { map: new Map(), sights: new Map() } };
  const map = new Map([
    [5, { name: 'lib-d0', readOnly: false }],
    [9, { name: 'lib-d1', readOnly: false }],
    [0, { name: 'lib', readOnly: false }],
  ]);
  mapped.view.map = map;
  const b = await new Commander(rig.device, mapped).clear();
  t.same(
    elements(await b.send(0, statusCdb({ type: 4, tags: false }))),
    ['4:100 access lun=5', '4:101 access'],
    'three bits have no room for LUN 9',
  );
});

void t.test('SMC-3 6.5: MOVE MEDIUM carries cartridges between all places', async t => {
  const rig = await libraryRig();
  const { a, lun } = rig;
  const move = async (from: number, to: number): Promise<string> => {
    const { said, status } = await a.send(lun, moveCdb(from, to, { robot: ROBOT }));
    return said === '' ? String(status) : said;
  };
  t.equal(await move(SLOT, SLOT + 3), '0', 'slot to slot');
  t.equal(await move(SLOT + 3, STATION), '0', 'slot to import/export');
  t.equal(await move(STATION, STATION + 1), '0', 'within the station');
  t.equal(await move(STATION + 1, DRIVE), '0', 'into a drive');
  t.equal(await move(DRIVE, DRIVE + 1), '0', 'from drive to drive');
  t.same(
    elements(await a.send(lun, statusCdb({ type: 4 }))),
    ['4:100 access lun=0', '4:101 full access lun=1 source=403 SAN001L6'],
    'the source is the last storage element, however it came',
  );
  t.equal(await move(DRIVE + 1, SLOT + 4), '0', 'and back into a slot');
  t.same(await places(rig), ['401 SAN002L6', '402 SAN003L6', '404 SAN001L6']);
  t.equal(await move(SLOT + 4, SLOT + 4), '0', 'nowhere');
  const eepos = moveCdb(SLOT + 4, STATION);
  eepos[11] = 0xc0; // mtx eepos 3
  t.equal((await a.send(lun, eepos)).said, '', 'vendor-specific bits of CONTROL are let through');
  eepos[11] = 0x04; // NACA
  t.equal((await a.send(lun, eepos)).said, '5/2400');
  t.equal(await move(STATION, SLOT + 4), '0');
  t.same(await places(rig), ['401 SAN002L6', '402 SAN003L6', '404 SAN001L6']);
});

void t.test('SMC-3 6.5: MOVE MEDIUM says exactly why it did nothing', async t => {
  const rig = await libraryRig();
  const { a, lun } = rig;
  const before = await places(rig);
  for (const [cdb, said, at] of [
    [moveCdb(SLOT + 3, DRIVE), '5/3b0e', ''], // source empty
    [moveCdb(SLOT, SLOT + 1), '5/3b0d', ''], // destination full
    [moveCdb(SLOT, SLOT + 5), '5/2101', 'cdb 6'],
    [moveCdb(SLOT + 5, SLOT), '5/2101', 'cdb 4'],
    [moveCdb(0, SLOT + 3), '5/2101', 'cdb 4'],
    [moveCdb(ROBOT, SLOT + 3), '5/2101', 'cdb 4'], // the robot holds nothing
    [moveCdb(SLOT, ROBOT), '5/2101', 'cdb 6'],
    [moveCdb(SLOT, SLOT + 3, { robot: SLOT }), '5/2101', 'cdb 2'],
    [moveCdb(SLOT, SLOT + 3, { flags: 1 }), '5/2400', 'cdb 10.0'], // INVERT
    [moveCdb(SLOT, SLOT + 3, { flags: 2 }), '5/2400', 'cdb 10.1'],
  ] as const) {
    const answer = await a.send(lun, cdb);
    t.same([answer.said, pointer(answer)], [said, at], cdb.toString('hex'));
  }
  t.same(await places(rig), before);
});

void t.test('SMC-3 6.5: MOVE MEDIUM loads a drive and tells its initiators', async t => {
  const { a, device, lun } = await libraryRig();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
  t.equal((await a.send(0, TUR)).said, '2/3a00', 'nothing in it');
  await a.send(lun, moveCdb(SLOT, DRIVE));
  t.equal((await a.send(0, TUR)).said, '6/2800', 'NOT READY TO READY CHANGE, also to who moved it');
  t.equal((await b.send(0, TUR)).said, '6/2800');
  t.equal((await a.send(0, TUR)).said, '');
  t.equal((await a.send(1, TUR)).said, '2/3a00', 'the other drive hears of nothing');
  t.equal((await a.send(lun, TUR)).said, '');
  await a.send(lun, moveCdb(DRIVE, SLOT));
  t.equal((await a.send(0, TUR)).said, '2/3a00');
});

void t.test(
  'SMC-3 6.5: MOVE MEDIUM keeps what a drive wrote, loaded or not when it is taken out',
  async t => {
    for (const unloads of [false, true]) {
      const { a, lun } = await libraryRig();
      const record = pattern(1000, 7);
      await a.send(lun, moveCdb(SLOT, DRIVE));
      await a.clear();
      t.equal((await a.send(0, '0a 00 0003e8 00', { out: record })).said, '');
      if (unloads) {
        t.equal((await a.send(0, '1b 00 00 00 00 00')).said, '', 'LOAD UNLOAD');
        t.equal((await a.send(0, TUR)).said, '2/3a00');
        t.same(
          elements(await a.send(lun, statusCdb({ type: 4 })))[0],
          '4:100 full access lun=0 source=400 SAN001L6',
        );
      }
      t.equal((await a.send(lun, moveCdb(DRIVE, DRIVE + 1))).said, '', 'the robot unloads what is loaded');
      await a.clear();
      t.same((await a.send(1, '08 00 0003e8 00')).data, record);
    }
  },
);

void t.test('SPC-4 6.20: PREVENT ALLOW MEDIUM REMOVAL of a drive holds its cartridge in', async t => {
  const rig = await libraryRig();
  const { a, device, lun } = rig;
  await a.send(lun, moveCdb(SLOT, DRIVE));
  await a.clear();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
  t.equal((await b.send(0, '1e 00 00 00 01 00')).said, '');
  t.equal(
    (await a.send(lun, moveCdb(DRIVE, SLOT))).said,
    '5/5303',
    'MEDIUM REMOVAL PREVENTED BY DATA TRANSFER ELEMENT',
  );
  t.equal((await a.send(lun, exchangeCdb(SLOT + 1, DRIVE, SLOT))).said, '5/5303');
  t.same(
    elements(await a.send(lun, statusCdb({ type: 4, count: 1 }))),
    ['4:100 full lun=0 source=400 SAN001L6'],
    'no ACCESS',
  );
  t.equal((await a.send(0, TUR)).said, '', 'it is loaded as before');
  await b.send(0, '1e 00 00 00 00 00');
  t.equal((await a.send(lun, moveCdb(DRIVE, SLOT))).said, '');
});

void t.test('SMC-3 6.2: EXCHANGE MEDIUM moves two cartridges at once', async t => {
  const rig = await libraryRig();
  const { a, lun } = rig;
  const exchange = async (source: number, first: number, second: number, flags = 0): Promise<string> => {
    const answer = await a.send(lun, exchangeCdb(source, first, second, { flags }));
    return [answer.said, pointer(answer)].filter(each => each !== '').join(' ');
  };
  await a.send(lun, moveCdb(SLOT, DRIVE));
  t.equal(await exchange(SLOT + 1, DRIVE, SLOT + 1), '', 'a swap');
  t.same(await places(rig), ['100 SAN002L6', '401 SAN001L6', '402 SAN003L6']);
  t.equal(await exchange(SLOT + 2, DRIVE, SLOT), '', 'to a third place');
  t.same(await places(rig), ['100 SAN003L6', '400 SAN002L6', '401 SAN001L6']);
  t.equal(await exchange(SLOT, DRIVE, DRIVE + 1), '', 'from drive to drive');
  t.same(await places(rig), ['100 SAN002L6', '101 SAN003L6', '401 SAN001L6']);
  t.equal(await exchange(DRIVE, DRIVE + 1, DRIVE), '', 'between the drives');
  await a.clear();
  t.same(await places(rig), ['100 SAN003L6', '101 SAN002L6', '401 SAN001L6']);
  t.equal((await a.send(0, TUR)).said, '');
  const before = await places(rig);
  t.equal(await exchange(SLOT + 2, DRIVE, SLOT), '5/3b0e', 'nothing to bring');
  t.equal(await exchange(SLOT + 1, SLOT + 2, SLOT), '5/3b0e', 'nothing to take away');
  t.equal(await exchange(SLOT + 1, DRIVE, DRIVE + 1), '5/3b0d', 'no room for what goes');
  t.equal(await exchange(SLOT + 1, DRIVE, DRIVE), '5/3b0d');
  t.equal(await exchange(SLOT + 1, SLOT + 1, SLOT), '5/2400 cdb 6');
  t.equal(await exchange(SLOT + 9, DRIVE, SLOT), '5/2101 cdb 4');
  t.equal(await exchange(SLOT + 1, SLOT + 9, SLOT), '5/2101 cdb 6');
  t.equal(await exchange(SLOT + 1, DRIVE, SLOT + 9), '5/2101 cdb 8');
  t.equal(await exchange(SLOT + 1, DRIVE, SLOT, 1), '5/2400 cdb 10.0');
  t.equal(await exchange(SLOT + 1, DRIVE, SLOT, 2), '5/2400 cdb 10.1');
  t.same(await places(rig), before);
});

void t.test('SMC-3 6.7: POSITION TO ELEMENT', async t => {
  const { a, lun } = await libraryRig();
  for (const [cdb, said, at] of [
    ['2b 00 0000 0400 0000 00 00', '', ''],
    ['2b 00 0001 0100 0000 00 00', '', ''],
    ['2b 00 0001 0405 0000 00 00', '5/2101', 'cdb 4'],
    ['2b 00 0400 0400 0000 00 00', '5/2101', 'cdb 2'],
    ['2b 00 0000 0400 0000 01 00', '5/2400', 'cdb 8.0'],
  ] as const) {
    const answer = await a.send(lun, cdb);
    t.same([answer.said, pointer(answer)], [said, at], cdb);
  }
});

void t.test(
  'SMC-3 6.3, 6.4: INITIALIZE ELEMENT STATUS, INITIALIZE ELEMENT STATUS WITH RANGE and INITIALIZE ELEMENT STATUS WITH RANGE(E7h) find what a person did',
  async t => {
    for (const cdb of ['07 00 00 00 00 00', '37 01 0400 0000 0005 00 00', 'e7 00 0000 0000 0000 00 00']) {
      const path = await directory(t);
      const { log, lines } = listener();
      const rig = await libraryRig({ shelf: await shelfOf(path, ['A00001L6', 'A00002L6']), slots: 3, log });
      const { a, lun, device } = rig;
      const b = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
      t.equal((await a.send(lun, cdb)).said, '');
      t.equal((await b.send(lun, TUR)).said, '', 'nothing has changed, nobody is told');

      const blank = async (barcode: string): Promise<void> => {
        const medium = await openCartridgeFile({ path: join(path, `${barcode}.tape`), barcode });
        await medium.close();
      };
      await blank('B00001L6');
      await writeFile(join(path, 'notes.txt'), 'not a cartridge');
      await unlink(join(path, 'A00002L6.tape'));
      t.equal((await a.send(lun, cdb)).said, '', 'who asked is not told again');
      t.equal((await a.send(lun, TUR)).said, '');
      t.equal((await b.send(lun, TUR)).said, '6/2801', 'IMPORT OR EXPORT ELEMENT ACCESSED');
      t.equal((await b.send(lun, TUR)).said, '6/2800', 'and a slot is another');
      t.same(await places(rig), ['300 B00001L6', '400 A00001L6']);
      t.equal(
        elements(await a.send(lun, statusCdb({ type: 3, count: 1 })))[0],
        '3:300 full by-hand access export import B00001L6',
        'IMPEXP: a person put it there',
      );
      t.same(lines, ['warn: the file of the cartridge A00002L6 is gone: slot 2 is empty']);
      t.equal((await a.send(lun, moveCdb(STATION, STATION + 1))).said, '');
      t.equal(
        elements(await a.send(lun, statusCdb({ type: 3, from: 0x301 })))[0],
        '3:301 full access export import B00001L6',
        'and now the robot has',
      );
      for (const barcode of ['C00001L6', 'C00002L6', 'C00003L6', 'C00004L6', 'C00005L6'])
        await blank(barcode);
      await a.send(lun, cdb);
      t.same(await places(rig), [
        '300 C00001L6',
        '301 B00001L6',
        '400 A00001L6',
        '401 C00002L6',
        '402 C00003L6',
      ]);
      t.equal(lines.at(-1), 'warn: no free slot for C00004L6, C00005L6: they stay on the shelf');
      await device.close();
    }
    const { a, lun } = await libraryRig();
    const bad = await a.send(lun, '37 01 0500 0000 0001 00 00');
    t.same([bad.said, pointer(bad)], ['5/2101', 'cdb 2']);
  },
);

void t.test('SMC-3 6.6: OPEN/CLOSE IMPORT/EXPORT ELEMENT', async t => {
  const path = await directory(t);
  const rig = await libraryRig({ shelf: await shelfOf(path, ['A00001L6']), slots: 2 });
  const { a, lun, device } = rig;
  const door = (action: number, address = STATION): Promise<string> =>
    a.send(lun, Buffer.of(0x1b, 0, address >> 8, address & 0xff, action, 0)).then(answer => answer.said);
  t.equal(await door(0, SLOT), '5/2101', 'a slot has no door');
  t.equal(await door(2), '5/2400');
  await a.send(lun, moveCdb(SLOT, STATION));
  t.equal(await door(0), '');
  t.equal(
    elements(await a.send(lun, statusCdb({ type: 3, count: 1 })))[0],
    '3:300 full export import operator source=400 A00001L6',
  );
  t.equal((await a.send(lun, moveCdb(STATION, SLOT))).said, '5/3b11', 'MEDIUM MAGAZINE NOT ACCESSIBLE');
  t.equal((await a.send(lun, exchangeCdb(STATION, SLOT, STATION))).said, '5/3b11');
  const b = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
  await rename(join(path, 'A00001L6.tape'), join(path, '..', 'taken.tape'));
  t.teardown(() => rm(join(path, '..', 'taken.tape'), { force: true }));
  t.equal(await door(1), '');
  t.equal((await b.send(lun, TUR)).said, '6/2801');
  t.same(await places(rig), [], 'what was taken out meanwhile is gone');
  t.equal((await b.send(lun, '1e 00 00 00 01 00')).said, '', 'PREVENT ALLOW MEDIUM REMOVAL');
  t.equal(await door(0), '5/5302', 'MEDIUM REMOVAL PREVENTED');
  device.detach(b.nexus);
  t.equal(await door(0), '', 'it goes with its nexus');
});

void t.test('SPC-4 6.20: PREVENT ALLOW MEDIUM REMOVAL of the changer lets the robot work', async t => {
  const { a, lun } = await libraryRig();
  await a.send(lun, '1e 00 00 00 01 00');
  t.equal((await a.send(lun, moveCdb(SLOT, STATION))).said, '');
  t.equal((await a.send(lun, moveCdb(STATION, DRIVE))).said, '');
  t.equal((await a.send(lun, moveCdb(DRIVE, SLOT))).said, '', 'it is no prevention of the drive');
});

void t.test('SMC-3 6.15, 6.14: SEND VOLUME TAG and REQUEST VOLUME ELEMENT ADDRESS', async t => {
  const barcodes = ['SAN001L6', 'SAN002L6', 'SAN010L6', 'XYZ001L6', 'CLN001L6'];
  const rig = await libraryRig({ barcodes });
  const { a, lun, device } = rig;
  const send = async (
    template: string,
    action = 5,
    with_: { type?: number; from?: number; sequence?: [number, number] } = {},
  ): Promise<string> => {
    const { type = 0, from = 0, sequence = [0, 0] } = with_;
    const list = Buffer.alloc(40);
    list.write(template, 'latin1');
    list.writeUInt16BE(sequence[0], 34);
    list.writeUInt16BE(sequence[1], 38);
    const cdb = Buffer.of(0xb6, type, from >> 8, from & 0xff, 0, action, 0, 0, 0, 40, 0, 0);
    const answer = await a.send(lun, cdb, { out: list });
    return [answer.said, pointer(answer)].filter(each => each !== '').join(' ');
  };
  const request = (wanted = {}): ReturnType<Commander['send']> =>
    a.send(lun, statusCdb({ opcode: 0xb5, ...wanted }));
  const found = async (): Promise<string> =>
    elements(await request())
      .map(each => each.split(' ').at(-1))
      .join(' ');
  t.equal((await request()).said, '5/2c00', 'COMMAND SEQUENCE ERROR before there was a template');
  for (const [template, expected] of [
    ['SAN001L6', 'SAN001L6'],
    ['SAN00?L6', 'SAN001L6 SAN002L6'],
    ['SAN*', 'SAN001L6 SAN002L6 SAN010L6'],
    ['SAN*garbage', 'SAN001L6 SAN002L6 SAN010L6'],
    ['*', 'SAN001L6 SAN002L6 SAN010L6 XYZ001L6 CLN001L6'],
    ['??????L6', 'SAN001L6 SAN002L6 SAN010L6 XYZ001L6 CLN001L6'],
    ['SAN001', ''],
    ['SAN001L6X', ''],
    ['', ''],
    ['san001l6', ''],
  ] as const) {
    t.equal(await send(template), '');
    t.equal(
      (await found()).split(' ').toSorted().join(' '),
      expected.split(' ').toSorted().join(' '),
      `"${template}"`,
    );
    t.equal(await found(), '', 'each is told once');
  }
  await send('*', 5, { type: 4 });
  t.equal(await found(), '', 'none is in a drive');
  await send('*', 5, { from: SLOT + 3 });
  t.equal((await found()).split(' ').length, 2, 'from an address on');
  for (const action of [0, 1]) {
    await send('SAN001L6', action, { sequence: [0, 0] });
    t.equal(await found(), 'SAN001L6', 'sequence numbers are 0');
    await send('SAN001L6', action, { sequence: [1, 9] });
    t.equal(await found(), '', 'and not in this range');
  }
  for (const action of [2, 6]) {
    await send('SAN001L6', action);
    t.equal(await found(), '', 'there are no alternate tags');
  }
  for (const action of [3, 7, 8, 9, 0xa, 0xb, 0xc, 0xd, 0x1f])
    t.equal(await send('SAN001L6', action), '5/2400 cdb 5.4');
  t.equal(await send('*', 5, { type: 5 }), '5/2400 cdb 1.3');
  t.equal((await a.send(lun, 'b6 00 0000 00 05 0000 0020 00 00', { out: Buffer.alloc(32) })).said, '5/2400');
  t.equal((await a.send(lun, 'b6 00 0000 00 05 0000 0028 00 00', { out: Buffer.alloc(32) })).said, '5/1a00');
  t.equal((await a.send(lun, 'b6 00 0000 00 05 0000 0000 00 00')).said, '', 'no template is no error');

  await send('*', 4);
  const first = await request({ count: 2 });
  t.equal(first.data[4], 4, 'SEND ACTION CODE');
  t.same(elements(first).length, 2);
  t.equal(
    (await request({ allocation: 8 })).data.readUInt16BE(2),
    3,
    'three are left, and none has been told by a header',
  );
  t.same(elements(await request({ tags: false })), [
    '2:402 full access',
    '2:403 full access',
    '2:404 full access',
  ]);
  await send('*');
  const b = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
  t.equal((await b.send(lun, statusCdb({ opcode: 0xb5 }))).said, '5/2c00', 'each nexus has its own');
  await send('SAN001L6');
  await a.send(lun, moveCdb(SLOT + 1, DRIVE));
  t.same(elements(await request()).length, 1, 'a move changes nothing of what was found');
});

void t.test('SMC-3 6.15: a template fits a label', async t => {
  for (const [template, label, is] of [
    ['ABC', 'ABC', true],
    ['ABC   ', 'ABC', true],
    ['ABC\0xx', 'ABC', true],
    ['AB?', 'AB', false],
    ['A?C', 'ABC', true],
    ['A*', 'A', true],
    ['*', '', true],
    ['', '', true],
    ['?', '', false],
    ['A.C', 'ABC', false],
  ] as const) {
    t.equal(fits(Buffer.from(template), label), is, `${JSON.stringify(template)} and "${label}"`);
  }
});

void t.test('SMC-3 6.13: REPORT VOLUME TYPES SUPPORTED', async t => {
  const { a, lun } = await libraryRig();
  const { data } = await a.send(lun, '44 00 00 00 00 00 00 10 00 00');
  t.equal(data.readUInt16BE(0), data.length - 2);
  t.match(data.toString('latin1'), /LTO-CVE LTO-6 {3}Ultrium 6/);
  t.equal((await a.send(lun, '44 00 00 00 00 00 00 00 04 00')).data.length, 4);
});

void t.test('SMC-3 6.11: REPORT ELEMENT INFORMATION', async t => {
  const rig = await libraryRig();
  const { a, lun } = rig;
  await a.send(lun, moveCdb(SLOT, STATION));
  const ask = (
    page: number,
    flags: number,
    from = 0,
    count = 0,
    allocation = 0xffff,
  ): ReturnType<Commander['send']> => {
    const cdb = Buffer.of(
      0x9e,
      0x10,
      page,
      flags,
      0,
      0,
      0,
      0,
      from >> 8,
      from & 0xff,
      0,
      0,
      allocation >> 8,
      allocation & 0xff,
      count,
      0,
    );
    return a.send(lun, cdb);
  };
  const hex = async (...args: Parameters<typeof ask>): Promise<string> =>
    (await ask(...args)).data.toString('hex');
  t.equal(await hex(0, 4), run('00 000000 00000008 04 00 0004 00 02 03 7f'));
  t.equal(
    await hex(2, 0),
    run('02 00 000c 00000030') +
      run('00000001 00000001 01 000000') +
      run('00000400 00000005 02 000000') +
      run('00000300 00000002 03 000000') +
      run('00000100 00000002 04 000000'),
  );
  t.equal(
    await hex(3, 0x23, 0, 1),
    run('03 00 0008 00000008 00000300 03 50 0000'),
    'it has a volume, which the robot brought',
  );
  t.equal(
    await hex(3, 0x22, SLOT, 2),
    run('03 00 0008 00000010') + run('00000400 02 80 0000') + run('00000401 02 50 0000'),
  );
  t.equal(await hex(0x7f, 4), (await hex(0, 4)) + (await hex(2, 4)) + (await hex(3, 4)));
  t.equal((await ask(3, 0, 0, 0, 8)).data.length, 8);
  const page = await ask(1, 0);
  t.same([page.said, pointer(page)], ['5/2400', 'cdb 2']);
  const type = await ask(3, 5);
  t.same([type.said, pointer(type)], ['5/2400', 'cdb 3.3']);
});

void t.test(
  'SMC-3 7.3: mode pages 1Dh, 1Eh, 1Fh and 1Fh/41h of MODE SENSE, which MODE SELECT cannot change',
  async t => {
    const { a, lun } = await libraryRig();
    const page = async (code: string): Promise<string> =>
      (await a.send(lun, `1a 08 ${code} ff 00`)).data.toString('hex').slice(8);
    t.equal(await page('1d 00'), run('1d12 0001 0001 0400 0005 0300 0002 0100 0002 0000'));
    t.equal(await page('1e 00'), run('1e02 00 00'));
    t.equal(await page('1f 00'), run('1f12 0e 03 00 0e 0e 0e 00000000 00 0e 0e 0e 00000000'));
    t.equal(await page('1f 41'), run('5f41 0010 06 00 02 00 00 0000000000000000000000'));
    const none = await libraryRig({ ie: 0 });
    const bare = (await none.a.send(none.lun, '1a 08 1f ff ff 00')).data.toString('hex').slice(8);
    t.equal(
      bare,
      run('1f12 0a 03 00 0a 00 0a 00000000 00 0a 00 0a 00000000') +
        run('5f41 0010 00 00 00 00 00 0000000000000000000000'),
      'where there is no station',
    );
    const select = Buffer.from(run('00000000 1d12 0001 0001 0400 0004 0300 0002 0100 0002 0000'), 'hex');
    const answer = await a.send(lun, `15 10 00 00 ${select.length.toString(16)} 00`, { out: select });
    t.same([answer.said, pointer(answer)], ['5/2600', 'list 13.0']);
    select[13] = 5;
    t.equal(
      (await a.send(lun, `15 10 00 00 ${select.length.toString(16)} 00`, { out: select })).said,
      '',
      'as it is',
    );
  },
);

void t.test(
  'SMC-3 7.2: LOG SENSE, log pages 14h media changer statistics and 15h element statistics',
  async t => {
    const { a, lun } = await libraryRig();
    await a.send(lun, moveCdb(SLOT, DRIVE));
    await a.send(lun, exchangeCdb(SLOT + 1, DRIVE, SLOT));
    await a.send(lun, '07');
    await a.send(lun, '1b 00 0300 00 00');
    const log = async (page: string): Promise<Buffer> =>
      (await a.send(lun, `4d 00 ${page} 00 00 00 00 ffff 00`)).data;
    t.equal((await log('40')).subarray(4).toString('hex'), '00061014152e2f');
    const statistics = await log('54');
    const value = (code: number): number => Number(statistics.readBigUInt64BE(4 + 12 * code + 4));
    t.same([value(0), value(1), value(3), value(8), value(9)], [2, 3, 3, 1, 1]);
    const element = await log('55');
    t.equal(element.readUInt16BE(4 + 28), DRIVE);
    t.same(
      [element.readUInt32BE(4 + 28 + 4), element.readUInt32BE(4 + 28 + 12)],
      [2, 1],
      'places and picks of drive 0',
    );
    await a.send(lun, '4c 02 d4 00 00 00 00 00 00 00');
    t.equal((await log('54')).readBigUInt64BE(4 + 4), 0n, 'LOG SELECT with PCR');
  },
);

void t.test('SPC-4 6.6: INQUIRY of a changer', async t => {
  const { a, lun } = await libraryRig();
  const { data } = await a.send(lun, '12 00 00 00 60 00');
  t.same([data[0], data[1]], [0x08, 0x80], 'medium changer, removable');
  t.equal(data[55]! & 1, 1, 'a bar code reader');
  t.ok(data.subarray(58, 74).includes(Buffer.of(0x04, 0x80)), 'SMC-3');
  t.equal((await a.send(0, '12 00 00 00 60 00')).data[55], 0, 'a drive has none');
});

void t.test('SPC-2 5.5.1: commands with LUN bits, as mtx and the kernel send them', async t => {
  const { a, lun } = await libraryRig();
  for (const cdb of [
    '00 40',
    '07 40',
    '1a 48 1d 00 ff 00',
    '1e 40 00 00 00 00',
    '2b 40 0000 0400 0000 00 00',
    '37 40 0000 0000 0000 00 00',
    'a5 40 0000 0400 0400 0000 00 00',
    'a6 40 0000 0400 0401 0400 00 00',
    'b8 52 0400 0005 00 00ffff 00 00',
  ]) {
    t.equal((await a.send(lun, cdb)).said, '', cdb);
  }
});

void t.test('SMC-3 4.12: a reservation of another nexus', async t => {
  const { a, device, lun } = await libraryRig();
  const b = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
  const CONFLICT = 0x18;
  const key = Buffer.alloc(24);
  key[15] = 1;
  await a.send(lun, '5f 00 00 00 00 00 00 00 18 00', { out: key });
  const reserve = Buffer.alloc(24);
  reserve[7] = 1;
  for (const [type, reads] of [
    [1, 0],
    [3, CONFLICT],
  ] as const) {
    t.equal((await a.send(lun, `5f 01 0${type} 00 00 00 00 00 18 00`, { out: reserve })).status, 0);
    const statusOf = async (cdb: Uint8Array | string): Promise<number> => (await b.send(lun, cdb)).status;
    t.equal(await statusOf(moveCdb(SLOT, DRIVE)), CONFLICT);
    t.equal(await statusOf(exchangeCdb(SLOT, SLOT + 1, SLOT)), CONFLICT);
    t.equal(await statusOf('07'), CONFLICT);
    t.equal(await statusOf('2b 00 0000 0400 0000 00 00'), CONFLICT);
    t.equal(await statusOf('1b 00 0300 00 00'), CONFLICT);
    t.equal(await statusOf('b6 00 0000 00 05 0000 0000 00 00'), CONFLICT);
    t.equal(await statusOf(statusCdb()), reads, 'READ ELEMENT STATUS may move the robot');
    t.equal(await statusOf(statusCdb({ flags: 2 })), 0, 'and with CURDATA it may not');
    t.equal(await statusOf('44 00 00 00 00 00 00 00 ff 00'), 0);
    t.equal((await a.send(lun, moveCdb(SLOT, DRIVE))).said, '', 'its holder goes on');
    await a.send(lun, moveCdb(DRIVE, SLOT));
    await a.send(lun, `5f 02 0${type} 00 00 00 00 00 18 00`, { out: reserve });
  }
});

void t.test('SAM-5 4.7: a view that may not write does not move anything', async t => {
  const rig = await libraryRig();
  await rig.unit.protect(true);
  await rig.a.clear();
  t.equal((await rig.a.send(rig.lun, moveCdb(SLOT, DRIVE))).said, '7/2700');
  t.equal((await rig.a.send(rig.lun, exchangeCdb(SLOT, SLOT + 1, SLOT))).said, '7/2700');
  t.same(await places(rig), ['400 SAN001L6', '401 SAN002L6', '402 SAN003L6']);
  await rig.unit.protect(false);
  const other = nexus('iqn.2026-01.test:b', '400000000002');
  const view = { map: new Map([[0, { name: 'lib', readOnly: true }]]), sights: new Map() };
  const b = await new Commander(rig.device, { ...other, view }).clear();
  t.equal((await b.send(0, moveCdb(SLOT, DRIVE))).said, '7/2700');
  t.equal((await b.send(0, `1b 00 0300 00 00`)).said, '7/2700', 'nor does it open the station');
  t.equal(rig.unit.stationOpen, false);
  t.equal((await b.send(0, statusCdb())).said, '');
  t.equal((await b.send(0, '1a 08 1d 00 ff 00')).data[2], 0, 'a changer has no WP to show it by');
});

void t.test('SMC-3 6.5: a move waits for the commands of the drive, and status for neither', async t => {
  const rig = await libraryRig();
  const { a, lun } = rig;
  await a.send(lun, moveCdb(SLOT, DRIVE));
  await a.clear();
  let arrive = (): void => {};
  const held = new Promise<void>(resolve => {
    arrive = resolve;
  });
  const write = a.send(0, '0a 00 000064 00', { out: pattern(100, 1), holdData: held });
  const order: string[] = [];
  const move = a.send(lun, moveCdb(DRIVE, SLOT)).then(answer => {
    order.push('move');
    return answer;
  });
  void write.then(() => order.push('write'));
  t.equal(
    elements(await a.send(lun, statusCdb({ type: 4, count: 1 })))[0],
    '4:100 full access lun=0 source=400 SAN001L6',
  );
  arrive();
  t.equal((await write).said, '');
  t.equal((await move).said, '');
  t.same(order, ['write', 'move']);
  t.same(await places(rig), ['400 SAN001L6', '401 SAN002L6', '402 SAN003L6']);
});

void t.test('SAM-5 7: LOGICAL UNIT RESET of the changer while a move waits for a drive', async t => {
  const rig = await libraryRig();
  const { a, lun, unit } = rig;
  await a.send(lun, moveCdb(SLOT, DRIVE));
  await a.clear();
  let arrive = (): void => {};
  const held = new Promise<void>(resolve => {
    arrive = resolve;
  });
  const write = a.send(0, '0a 00 000064 00', { out: pattern(100, 1), holdData: held });
  const move = a.send(lun, moveCdb(DRIVE, SLOT));
  const reset = new Promise<void>(resolve => unit.reset(resolve));
  arrive();
  await Promise.all([write, reset]);
  t.equal((await move).aborted, true);
  t.same(await places(rig), [], 'a unit attention comes first');
  t.same(await places(rig), ['100 SAN001L6', '401 SAN002L6', '402 SAN003L6'], 'nothing was moved');
  t.equal((await a.send(0, TUR)).said, '', 'and the drive never lost its cartridge');
});

void t.test('cartridges that no drive can read', async t => {
  const path = await directory(t);
  const { log, lines } = listener();
  const shelf = await shelfOf(path, ['A00001L6', 'A00002L6', 'A00003L6']);
  await truncate(join(path, 'A00002L6.tape'), 100);
  await writeFile(join(path, 'A00003L6.tape'), Buffer.alloc(8192, 0x55));
  const rig = await libraryRig({ shelf, log });
  const { a, lun } = rig;
  t.same(elements(await a.send(lun, statusCdb({ type: 2, count: 3 }))), [
    '2:400 full access A00001L6',
    '2:401 full except access code=3000 A00002L6',
    '2:402 full except access code=3000 A00003L6',
  ]);
  for (const [slot, why] of [
    [SLOT + 1, 'A00002L6.tape is cut short within its label'],
    [SLOT + 2, 'A00003L6.tape is not a sanlet cartridge'],
  ] as const) {
    lines.length = 0;
    t.equal((await a.send(lun, moveCdb(slot, DRIVE))).said, '', 'the robot can carry it');
    t.equal((await a.send(0, TUR)).said, '3/3000', 'INCOMPATIBLE MEDIUM INSTALLED');
    t.equal((await a.send(0, '08 00 000064 00')).said, '3/3000');
    t.equal((await a.send(0, '1b 00 00 00 01 00')).said, '3/3000');
    t.equal(lines.length, 1, 'one sentence');
    t.match(lines[0], new RegExp(`^error: loaded and cannot be read: .*${why}$`));
    t.match(
      elements(await a.send(lun, statusCdb({ type: 4, count: 1 })))[0],
      /^4:100 full except access .*code=3000 .*A0000/,
    );
    t.equal((await a.send(lun, moveCdb(DRIVE, DRIVE + 1))).said, '');
    t.equal((await a.send(0, TUR)).said, '2/3a00');
    t.equal((await a.send(1, TUR)).said, '3/3000');
    t.equal((await a.send(lun, exchangeCdb(SLOT, DRIVE + 1, slot))).said, '', 'and put it back');
    t.equal((await a.send(1, TUR)).said, '6/2800');
    t.equal((await a.send(1, TUR)).said, '');
    t.equal((await a.send(lun, moveCdb(DRIVE + 1, SLOT))).said, '');
    t.equal((await a.send(1, TUR)).said, '2/3a00');
  }
  await a.send(lun, moveCdb(SLOT, DRIVE));
  await rig.device.close();
  lines.length = 0;
  await truncate(join(path, 'A00001L6.tape'), 100);
  const again = await libraryRig({ shelf: await shelfOf(path), log });
  t.equal((await again.a.send(0, TUR)).said, '3/3000', 'one that was in a drive when the library started');
  t.match(lines, [/^error: loaded and cannot be read: .*A00001L6\.tape is cut short within its label$/]);
  t.equal((await again.a.send(again.lun, moveCdb(DRIVE, SLOT))).said, '');
  await again.device.close();
});

void t.test('a cartridge that is gone, or that another program has', async t => {
  const path = await directory(t);
  const { log, lines } = listener();
  const shelf = await shelfOf(path, ['A00001L6', 'A00002L6', 'A00003L6']);
  const rig = await libraryRig({ shelf, log });
  const { a, lun } = rig;
  const file = (name: string): string => join(path, `${name}.tape`);
  const other = await openCartridgeFile({ path: file('A00001L6') });
  t.equal((await a.send(lun, moveCdb(SLOT, DRIVE))).said, '3/5300', 'MEDIA LOAD OR EJECT FAILED');
  t.match(lines.at(-1), /^warn: not loaded: .*A00001L6.tape is in use by process \d+$/);
  t.equal((await a.send(lun, moveCdb(SLOT, SLOT + 3))).said, '', 'it can be carried elsewhere');
  await other.close();
  t.equal((await a.send(lun, moveCdb(SLOT + 3, DRIVE))).said, '');

  await unlink(file('A00002L6'));
  await unlink(file('A00003L6'));
  t.equal((await a.send(lun, moveCdb(SLOT + 1, DRIVE + 1))).said, '5/3b0e', 'MEDIUM SOURCE ELEMENT EMPTY');
  t.equal(lines.at(-1), 'warn: the file of the cartridge A00002L6 is gone: slot 2 is empty');
  t.equal((await a.send(lun, moveCdb(SLOT + 2, SLOT))).said, '5/3b0e', 'also where it would not be loaded');
  t.same(await places(rig), ['100 A00001L6']);
  t.same(
    (await readdir(path)).filter(name => name.endsWith('.tape')),
    ['A00001L6.tape'],
    'and none is made anew',
  );

  await unlink(file('A00001L6'));
  await a.send(lun, '07');
  t.same(await places(rig), ['100 A00001L6'], 'what is in a drive is open there');
  await a.clear();
  t.equal((await a.send(0, '0a 00 000064 00', { out: pattern(100, 1) })).said, '');
  await rig.device.close();
});

/** A shelf whose document cannot be written at times, and that takes its time to be looked at. */
class Failing implements TapeShelf {
  readonly inner: TapeShelf;
  fails = false;
  looked: Promise<void> | undefined;
  constructor(inner: TapeShelf) {
    this.inner = inner;
  }
  get name(): string {
    return this.inner.name;
  }
  get places(): readonly CartridgePlace[] {
    return this.inner.places;
  }
  look = (id: string): ReturnType<TapeShelf['look']> => this.inner.look(id);
  take = (id: string): ReturnType<TapeShelf['take']> => this.inner.take(id);
  make = (barcode: string): ReturnType<TapeShelf['make']> => this.inner.make(barcode);
  close = (): ReturnType<TapeShelf['close']> => this.inner.close();
  async list(): Promise<readonly ShelvedCartridge[]> {
    await this.looked;
    return this.inner.list();
  }
  keep(places: readonly CartridgePlace[]): ReturnType<TapeShelf['keep']> {
    if (this.fails) throw new Error('the disk is full');
    return this.inner.keep(places);
  }
}

void t.test('a move that cannot be kept does not happen', async t => {
  const memory = new MemoryShelf({ name: 'memory', capacityBytes: 16 << 20 });
  for (const barcode of ['SAN001L6', 'SAN002L6']) memory.make(barcode);
  const shelf = new Failing(memory);
  const { log, lines } = listener();
  const rig = await libraryRig({ shelf, log });
  const { a, lun } = rig;
  await a.send(lun, moveCdb(SLOT, DRIVE));
  await a.clear();
  t.equal((await a.send(0, '0a 00 000064 00', { out: pattern(100, 1) })).said, '');
  shelf.fails = true;
  const before = await places(rig);
  for (const cdb of [
    moveCdb(SLOT + 1, SLOT),
    moveCdb(SLOT + 1, DRIVE + 1),
    moveCdb(DRIVE, SLOT),
    exchangeCdb(SLOT + 1, DRIVE, SLOT),
  ]) {
    t.equal((await a.send(lun, cdb)).said, '4/1501', 'MECHANICAL POSITIONING ERROR');
    t.equal(lines.at(-1), 'error: nothing was moved: the disk is full');
    t.same(await places(rig), before);
    await a.clear();
    t.equal((await a.send(0, TUR)).said, '', 'the drive has its cartridge again');
    t.equal((await a.send(1, TUR)).said, '2/3a00');
  }
  shelf.fails = false;
  t.equal((await a.send(lun, moveCdb(DRIVE, SLOT))).said, '');
});

void t.test(
  'SMC-3 6.3: while INITIALIZE ELEMENT STATUS looks, the changer becomes ready and moves wait',
  async t => {
    const memory = new MemoryShelf({ name: 'memory', capacityBytes: 16 << 20 });
    memory.make('SAN001L6');
    const shelf = new Failing(memory);
    const { a, device, lun } = await libraryRig({ shelf });
    const b = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
    let look = (): void => {};
    shelf.looked = new Promise<void>(resolve => {
      look = resolve;
    });
    const scan = a.send(lun, '07');
    const move = b.send(lun, moveCdb(SLOT, DRIVE));
    t.equal((await b.send(lun, TUR)).said, '2/0401', 'LOGICAL UNIT IS IN PROCESS OF BECOMING READY');
    t.match(elements(await b.send(lun, statusCdb({ type: 2, count: 1 }))), ['2:400 full access SAN001L6']);
    look();
    t.equal((await scan).said, '');
    t.equal((await move).said, '');
    t.equal((await b.send(lun, TUR)).said, '');
  },
);

void t.test('SPC-2 7.16: RESERVE(6) and RELEASE(6) of single elements are obsolete', async t => {
  const { a, lun } = await libraryRig();
  for (const opcode of ['16', '17', '56', '57']) {
    const answer = await a.send(lun, `${opcode} 01`);
    t.same([answer.said, pointer(answer)], ['5/2400', 'cdb 1.0']);
  }
});

void t.test('a drive that its library and its device close is closed once', async t => {
  const { drives, device } = await libraryRig();
  const closed = drives.map(drive => drive.close());
  t.ok(
    drives.every((drive, i) => drive.close() === closed[i]),
    'whoever asks waits for the same end',
  );
  await device.close();
});

void t.test('where everything lies outlives the process', async t => {
  const path = await directory(t);
  const { log, lines } = listener();
  const start = async (with_ = {}): Promise<LibraryRig> =>
    libraryRig({ shelf: await shelfOf(path), log, ...with_ });
  {
    const rig = await libraryRig({ shelf: await shelfOf(path, ['A1', 'A2', 'A3', 'A4']), log });
    const { a, lun } = rig;
    await a.send(lun, moveCdb(SLOT, DRIVE + 1));
    await a.send(lun, moveCdb(SLOT + 3, SLOT + 4));
    await a.send(lun, moveCdb(SLOT + 2, STATION));
    await a.clear();
    await a.send(1, '0a 00 000064 00', { out: pattern(100, 3) });
    await rig.device.close();
  }
  {
    const rig = await start();
    t.same(await places(rig), ['101 A1', '300 A3', '401 A2', '404 A4']);
    t.same(
      elements(await rig.a.send(rig.lun, statusCdb({ type: 4 })))[1],
      '4:101 full access lun=1 source=400 A1',
    );
    t.same((await rig.a.send(1, '08 00 000064 00')).data, pattern(100, 3), 'and it is loaded');
    await t.rejects(shelfOf(path), /is in use by process/, 'the directory is one library');
    await rig.device.close();
  }
  t.same(lines, []);
  {
    const rig = await start({ drives: 1, slots: 2, ie: 0 });
    t.same(await places(rig), ['400 A1', '401 A2'], 'a smaller library has room for fewer');
    t.equal(lines.pop(), 'warn: no free slot for A3, A4: they stay on the shelf');
    await rig.device.close();
  }
  await unlink(join(path, 'A1.tape'));
  {
    const rig = await start();
    t.same(await places(rig), ['400 A3', '401 A2', '402 A4']);
    t.same(lines, ['warn: the file of the cartridge A1.tape is gone: slot 1 is empty']);
    await rig.device.close();
  }
  await writeFile(join(path, 'shelf.sanlet-places'), 'garbage');
  await t.rejects(
    shelfOf(path),
    /shelf.sanlet-places is not a sanlet document; it says which cartridge lies where/,
  );
});

t.comment(`SANLET_SEED=${SEED}`);

void t.test('moves, exchanges, writes and restarts go as a simple model says', async t => {
  const path = await directory(t);
  const random = new Random();
  const barcodes = ['P1', 'P2', 'P3', 'P4'];
  const all = [DRIVE, DRIVE + 1, STATION, ...[0, 1, 2, 3, 4].map(i => SLOT + i)];
  const model = new LibraryModel(all);
  barcodes.forEach((barcode, i) => model.places.set(SLOT + i, barcode));
  /** Records on each cartridge. */
  const written = new Map(barcodes.map(barcode => [barcode, 0]));
  let rig = await libraryRig({ shelf: await shelfOf(path, barcodes), ie: 1 });
  let moves = 0;
  for (let step = 0; step < 300; step++) {
    const where = (): number => (random.chance(12) ? random.pick([0, 1, 0x500]) : random.pick(all));
    const { a, lun } = rig;
    const whence = (): number => (random.chance(4) ? where() : random.pick([...model.places.keys()]));
    const what = random.below(10);
    if (what < 6) {
      const [from, to] = [whence(), where()];
      const done = model.move(from, to);
      t.equal((await a.send(lun, moveCdb(from, to))).said === '', done, `move ${from} ${to}, seed ${SEED}`);
      moves += done ? 1 : 0;
    } else if (what < 8) {
      const [source, first, second] = [whence(), whence(), where()];
      const done = model.exchange(source, first, second);
      const { said } = await a.send(lun, exchangeCdb(source, first, second));
      t.equal(said === '', done, `exchange ${source} ${first} ${second}, seed ${SEED}`);
      moves += done ? 1 : 0;
    } else if (what < 9) {
      const drive = random.below(2);
      const barcode = model.places.get(DRIVE + drive);
      await a.clear();
      if (barcode === undefined) t.equal((await a.send(drive, TUR)).said, '2/3a00');
      else {
        const records = written.get(barcode)!;
        await a.send(drive, '11 03 00 00 00 00'); // to the end of data
        t.equal(
          (await a.send(drive, '0a 00 000010 00', { out: Buffer.alloc(16, `${barcode} ${records}`) })).said,
          '',
        );
        written.set(barcode, records + 1);
      }
    } else if (random.chance(3)) {
      await rig.device.close();
      rig = await libraryRig({ shelf: await shelfOf(path), ie: 1 });
    }
    await rig.a.clear();
    t.same(await places(rig), model.told, `step ${step}, seed ${SEED}`);
  }
  t.ok(moves > 50, `${moves} moves`);
  for (const barcode of barcodes) {
    if (model.places.has(DRIVE) && model.places.get(DRIVE) !== barcode) {
      const free = all.find(each => !model.places.has(each))!;
      t.equal((await rig.a.send(rig.lun, moveCdb(DRIVE, free))).said, '');
      model.move(DRIVE, free);
    }
    if (model.places.get(DRIVE) !== barcode) {
      const from = [...model.places].find(each => each[1] === barcode)![0];
      t.equal((await rig.a.send(rig.lun, moveCdb(from, DRIVE))).said, '');
      model.move(from, DRIVE);
    }
    await rig.a.clear();
    await rig.a.send(0, '01 00 00 00 00 00');
    for (let i = 0; i < written.get(barcode)!; i++) {
      t.same(
        (await rig.a.send(0, '08 00 000010 00')).data,
        Buffer.alloc(16, `${barcode} ${i}`),
        `${barcode} has its records`,
      );
    }
    t.equal((await rig.a.send(0, '08 00 000010 00')).said, '8/0005', 'and no others');
  }
  await rig.device.close();
});
