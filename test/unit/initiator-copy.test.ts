import t from 'tap';
import { Copy, type CopyOutcome } from '../../lib/initiator/copy.ts';
import { Initiator } from '../../lib/initiator/initiator.ts';
import { readSense } from '../../lib/initiator/sense.ts';
import type { Session } from '../../lib/initiator/session.ts';
import { rewind, writeFilemarks } from '../../lib/initiator/tape-commands.ts';
import { cdbOf, Unit } from '../../lib/initiator/unit.ts';
import { San } from '../../lib/san.ts';

type Stored = Buffer | 'filemark';

const bytesOf = (length: number, seed = 1): Buffer =>
  Buffer.from(Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff));

/** Writes at the tape's position. */
async function put(tape: Unit, objects: readonly Stored[]): Promise<void> {
  for (const object of objects) {
    if (object === 'filemark') {
      await writeFilemarks(tape, 1);
      continue;
    }
    const cdb = cdbOf(6, 0x0a);
    cdb.writeUIntBE(object.length, 2, 3);
    await tape.run('WRITE(6)', cdb, { dataOut: object });
  }
}

/** What is on the tape from its beginning on; it is then rewound. */
async function contentOf(tape: Unit): Promise<Stored[]> {
  await rewind(tape);
  const found: Stored[] = [];
  for (;;) {
    const cdb = cdbOf(6, 0x08, 0x02); // SILI
    cdb.writeUIntBE(1 << 20, 2, 3);
    const { status, sense, data } = await tape.session.command(tape.lun, cdb, { dataIn: 1 << 20 });
    if (status === 0) found.push(data);
    else if (readSense(sense).filemark) found.push('filemark');
    else break;
  }
  await rewind(tape);
  return found;
}

const [A, B, BIG, TAPE, OTHER] = [0, 1, 2, 3, 4] as const;

async function bench(): Promise<{ san: San; session: Session; units: Unit[] }> {
  const san = await San.start({
    disks: [
      { name: 'a', memory: '4M' },
      { name: 'b', memory: '4M' },
      { name: 'big', memory: '4M', block: 4096 },
    ],
    tapes: [
      { name: 't', memory: true },
      { name: 'u', memory: true },
    ],
  });
  const session = await Initiator.login({ port: Number(san.portal.split(':').at(-1)), target: san.iqn });
  const units = [A, B, BIG, TAPE, OTHER].map(lun => new Unit(session, lun));
  for (const unit of units) await unit.awaitReady();
  return { san, session, units };
}

void t.test('SPC-4 6.4.6.16: from tape to tape, records and filemarks as they are', async t => {
  const { san, session, units } = await bench();
  await using _san = san;
  await using _session = session;
  const [tape, other] = [units[TAPE]!, units[OTHER]!];
  const objects: Stored[] = [
    bytesOf(1000, 1),
    bytesOf(70_000, 2),
    'filemark',
    bytesOf(1, 3),
    'filemark',
    'filemark',
    bytesOf(512, 4),
  ];
  const sum = (list: readonly Stored[]): number =>
    list.reduce((all, each) => all + (each === 'filemark' ? 0 : each.length), 0);
  await put(tape, objects);
  await rewind(tape);
  const copy = async (more: object): Promise<CopyOutcome> =>
    (await Copy.prepare(session, { source: TAPE, destination: OTHER, ...more })).run();

  for (const lid4 of [false, true]) {
    await rewind(tape);
    t.match(await copy({ lid4 }), {
      bytes: sum(objects),
      blocks: undefined,
      stop: 'end of data',
      commands: 1,
    });
    t.strictSame(await contentOf(other), objects, `LID4: ${lid4}`);
  }
  await rewind(tape);
  const two = objects.slice(0, 6);
  t.match(await copy({ filemarks: 2 }), { bytes: sum(two), stop: 'filemarks or end of data' });
  t.strictSame(await contentOf(other), two);
});
