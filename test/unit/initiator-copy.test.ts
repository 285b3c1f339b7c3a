import t from 'tap';
import { readBlocks, writeBlocks } from '../../lib/initiator/block-commands.ts';
import { Copy, type CopyOutcome } from '../../lib/initiator/copy.ts';
import { abortKnown, followCopies, knownCopies } from '../../lib/initiator/copies.ts';
import { SEGMENT_ROWS } from '../../lib/initiator/copy-segments.ts';
import { Initiator } from '../../lib/initiator/initiator.ts';
import { InitiatorError } from '../../lib/initiator/initiator-error.ts';
import { parseIsid } from '../../lib/initiator/isid.ts';
import { parseSegments } from '../../lib/initiator/segment-file.ts';
import { SegmentsCopy } from '../../lib/initiator/segments-copy.ts';
import { readSense } from '../../lib/initiator/sense.ts';
import type { Session } from '../../lib/initiator/session.ts';
import { rewind, writeFilemarks } from '../../lib/initiator/tape-commands.ts';
import { cdbOf, Unit } from '../../lib/initiator/unit.ts';
import { copyUrls } from '../../lib/initiator/url-copy.ts';
import { San } from '../../lib/san.ts';

const failure = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) =>
      error instanceof InitiatorError ? `${error.fault}: ${error.message}` : Promise.reject(error as Error),
  );

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

void t.test('SPC-4 5.17.7.2: what fills no whole record or block', async t => {
  const { san, session, units } = await bench();
  await using _san = san;
  await using _session = session;
  const [a, tape, big] = [units[A]!, units[TAPE]!, units[BIG]!];
  const content = bytesOf(9 * 512);
  await writeBlocks(a, 0, content, 512);
  const copy = async (source: number, destination: number, more: object): Promise<CopyOutcome> =>
    (await Copy.prepare(session, { source, destination, blocks: 9, ...more })).run();
  const zeros = (length: number): Buffer => Buffer.alloc(length);
  const records = async (more: object, told: object, want: Stored[]): Promise<void> => {
    await rewind(tape);
    t.match(await copy(A, TAPE, { record: 1000, ...more }), told, JSON.stringify(more));
    t.strictSame(await contentOf(tape), [...want, 'filemark']);
  };
  const cut = (bytes: Buffer): Buffer[] =>
    Array.from({ length: bytes.length / 1000 }, (_, i) => bytes.subarray(i * 1000, (i + 1) * 1000));
  const padded = Buffer.concat([content, zeros(5000 - content.length)]);
  await records(
    { cat: true },
    { bytes: 4000, leftOver: 608, padding: 0, blocks: 9 },
    cut(content.subarray(0, 4000)),
  );
  await records({ pad: true }, { bytes: 4608, leftOver: 0, padding: 392, blocks: 9 }, cut(padded));
  await records({ cat: true, pad: true, lid4: true }, { bytes: 4608, padding: 392 }, cut(padded));
  // Cut into segments inside a record: with CAT nothing is lost between them.
  await writeBlocks(big, 0, Buffer.alloc(8192, 0xee), 4096);
  t.match(await copy(A, BIG, { pad: true }), { bytes: 4608, padding: 8192 - 4608, blocks: 9 });
  t.ok((await readBlocks(big, 0, 2, 4096)).equals(Buffer.concat([content, zeros(8192 - 4608)])));
  await writeBlocks(big, 1, Buffer.alloc(4096, 0xee), 4096);
  t.match(await copy(A, BIG, { cat: true }), { bytes: 4096, leftOver: 512, padding: 0 });
  t.ok((await readBlocks(big, 1, 1, 4096)).equals(Buffer.alloc(4096, 0xee)), 'thrown away, not written');
  for (const more of [{}, { lid4: true }]) {
    t.match(await failure(copy(A, BIG, more)), /no whole number of [^]*: give --cat or --pad$/);
  }
});

void t.test('SPC-4 6.4.3.6: copies in the background outlive the session', async t => {
  const { san, session, units } = await bench();
  await using _san = san;
  await using _session = session;
  const content = bytesOf(4 << 20);
  for (let i = 0; i < 4; i++) {
    await writeBlocks(units[A]!, i * 2048, content.subarray(i << 20, (i + 1) << 20), 512);
  }
  const watcher = {
    signal: new AbortController().signal,
    begin: async () => ({ update() {}, done() {} }),
  };
  const isid = parseIsid('80a1b2c3d4e5');
  const options = { isid, background: true };
  const first = await copyUrls(san.url(A), san.url(TAPE), options, watcher);
  t.match(first, { kind: 'disk to tape', listId: 1, isid: '80a1b2c3d4e5' });
  const second = await copyUrls(san.url(A), san.url(B), { ...options, lid4: true }, watcher);
  t.match(second, { kind: 'disk to disk', listId: 2 }, 'the next that is free');

  const port = Number(san.portal.split(':').at(-1));
  await using again = await Initiator.login({ port, target: san.iqn, isid });
  const unit = new Unit(again, A);
  await unit.awaitReady();
  const signal = AbortSignal.timeout(20_000);
  t.match(await followCopies(unit, undefined, signal, () => undefined), [
    { listId: 1, state: 'done', bytes: 4 << 20 },
    { listId: 2, state: 'done', bytes: 4 << 20 },
  ]);
  t.match(await knownCopies(unit, 2), [{ listId: 2, state: 'done' }]);
  t.match(await failure(knownCopies(unit, 77)), /^not-found: nothing is known of a copy with list id 77/);
  t.match(await failure(abortKnown(unit, 1)), /^not-found: the copy with list id 1 does not run: it is done/);
  t.match(await failure(abortKnown(unit, 9)), /^not-found: nothing is known/);
  t.strictSame(await knownCopies(new Unit(session, A)), [], 'another ISID, another nexus');
  const written = await contentOf(units[TAPE]!);
  t.equal(written.at(-1), 'filemark', 'a segment of the copy has closed the tape');
  t.ok(Buffer.concat(written.slice(0, -1) as Buffer[]).equals(content));

  // A tape that ends first is told as that.
  await rewind(units[TAPE]!);
  await copyUrls(san.url(TAPE), san.url(B), { ...options, blocks: 8192 }, watcher);
  await using back = await Initiator.login({ port, target: san.iqn, isid });
  const told = new Unit(back, A);
  await told.awaitReady();
  t.match(await followCopies(told, 3, signal, () => undefined), [
    { listId: 3, state: 'done', bytes: 4 << 20 },
  ]);
  await copyUrls(san.url(TAPE), san.url(B), { ...options, blocks: 8 }, watcher);
  await using third = await Initiator.login({ port, target: san.iqn, isid });
  const last = new Unit(third, A);
  await last.awaitReady();
  t.match(await followCopies(last, 4, signal, () => undefined), [
    { state: 'failed', bytes: 0, why: /^the tape came to a filemark before/ },
  ]);
});

void t.test('COPY OPERATION ABORT by list id', async t => {
  const { san, units } = await bench();
  await using _san = san;
  const isid = parseIsid('80a1b2c3d4e6');
  const port = Number(san.portal.split(':').at(-1));
  // A record of a byte each time: far more commands than are done before the abort comes.
  const records = Array.from({ length: 64 }, () => bytesOf(1));
  await put(units[TAPE]!, records);
  await using session = await Initiator.login({ port, target: san.iqn, isid });
  const unit = new Unit(session, A);
  await unit.awaitReady();
  const content = Array.from({ length: 200 }, () => ({
    type: 'block to stream',
    source: A,
    destination: OTHER,
    transferLength: 512,
    blocks: 8000,
  }));
  const segments = parseSegments(content, 'f', { cat: false, pad: false });
  const copy = await SegmentsCopy.prepare(session, { manager: A, segments, lid4: true });
  const listId = await copy.begin();
  t.match(await knownCopies(unit), [{ listId, state: 'running' }]);
  await abortKnown(unit, listId);
  t.match(await knownCopies(unit, listId), [{ listId, state: 'aborted' }]);
});

void t.test('SBC-3 4.28: a copy by a token: POPULATE TOKEN, WRITE USING TOKEN', async t => {
  const { san, session, units } = await bench();
  try {
    const [a, b, big] = units as [Unit, Unit, Unit];
    const content = bytesOf(4 << 20, 3);
    for (let at = 0; at < 4; at++) {
      await writeBlocks(a, at * 2048, content.subarray(at << 20, (at + 1) << 20), 512);
    }
    const watcher = { signal: new AbortController().signal, begin: async () => ({ update() {}, done() {} }) };
    const copied = async (to: number, options: object): Promise<unknown> =>
      copyUrls(san.url(A), san.url(to), { token: true, ...options }, watcher);
    t.match(await copied(B, {}), {
      kind: 'disk to disk',
      command: 'WRITE USING TOKEN',
      outcome: { bytes: 4 << 20, blocks: 8192, stop: 'end of the disk', commands: 1, padding: 0 },
    });
    for (let at = 0; at < 4; at++) {
      t.ok((await readBlocks(b, at * 2048, 2048, 512)).equals(content.subarray(at << 20, (at + 1) << 20)));
    }
    t.match(await copied(BIG, { skip: 3, seek: 5, blocks: 21, pad: true }), {
      outcome: { bytes: 21 * 512, blocks: 21, padding: 3 * 4096 - 21 * 512, stop: 'count' },
    });
    const padded = Buffer.alloc(3 * 4096);
    content.copy(padded, 0, 3 * 512, 24 * 512);
    t.ok((await readBlocks(big, 5, 3, 4096)).equals(padded));
    // The tokens are gone with the copies.
    const all = cdbOf(16, 0x84, 0x08);
    all.writeUInt32BE(1024, 10);
    t.equal((await a.read('REPORT ALL ROD TOKENS', all, 1024)).length, 8);

    t.match(await failure(copied(BIG, { blocks: 21 })), /^usage: .* give --cat or --pad$/);
    t.match(await failure(copied(TAPE, {})), /^usage: --token is for copies from disk to disk$/);
    t.match(
      await failure(copied(B, { record: 512 })),
      /^usage: --record says nothing of a copy with --token$/,
    );
    t.match(await failure(copied(B, { background: true })), /^usage: .*does not go on in the background$/);
    t.match(await failure(copied(B, { blocks: 9000 })), /^usage: 9000 blocks are more than the 8192/);
  } finally {
    await session.logout();
    await san.stop();
  }
});

void t.test('segment files', async t => {
  const { san, session, units } = await bench();
  await using _san = san;
  await using _session = session;
  const [a, tape] = [units[A]!, units[TAPE]!];
  const content = bytesOf(8192);
  await writeBlocks(a, 0, content, 512);
  const run = async (list: unknown, lid4 = false): Promise<CopyOutcome> => {
    const segments = parseSegments(list, 'list.yaml', {
      source: A,
      destination: TAPE,
      cat: false,
      pad: false,
    });
    return (await SegmentsCopy.prepare(session, { manager: A, segments, lid4 })).run();
  };
  const list = [
    { type: 'inline to stream', transferLength: 7, data: 'a label' },
    { type: '00h', transferLength: 4096, blocks: 16, cat: true },
    { type: 'embedded to stream', transferLength: 3, data: { hex: '010203' } },
    { type: 'inline to stream', transferLength: 2, data: { base64: 'AP8=' } },
    { type: 'write filemarks', count: 2 },
    { type: 'verify', source: TAPE, testUnitReady: true },
    {
      type: 'block offset to block offset',
      source: A,
      destination: B,
      bytes: 5,
      cat: true,
      sourceOffset: 3,
      destinationOffset: 9,
    },
    { type: 'block image', destination: { lun: B }, sourceLba: 0, destinationLba: 8, blocks: 4 },
  ];
  for (const lid4 of [false, true]) {
    await rewind(tape);
    t.match(await run(list, lid4), { segments: 8, commands: 1, stop: 'end of the list' });
    t.strictSame(await contentOf(tape), [
      Buffer.from('a label'),
      content.subarray(0, 4096),
      content.subarray(4096),
      Buffer.from([1, 2, 3]),
      Buffer.from([0, 0xff]),
      'filemark',
      'filemark',
    ]);
    t.ok((await readBlocks(units[B]!, 0, 1, 512)).subarray(9, 14).equals(content.subarray(3, 8)));
    t.ok((await readBlocks(units[B]!, 8, 4, 512)).equals(content.subarray(0, 2048)));
  }
  // The flush that null devices are for: what CAT has left over is padded out.
  await rewind(tape);
  await run([
    { type: 'block to stream', transferLength: 5000, blocks: 16, cat: true },
    {
      type: 'block to stream',
      source: 'null block',
      transferLength: 5000,
      blocks: 0,
      destination: { lun: TAPE, pad: true },
    },
  ]);
  t.equal((await contentOf(tape)).length, 2);
  await rewind(tape);
  await t.rejects(
    run([{ type: 'block to stream', transferLength: 5000, blocks: 16 }]),
    /the copy failed after 5000 bytes: copy aborted, [^]*in segment 0/,
  );

  for (const [item, sentence] of [
    [
      { type: 'block to strem' },
      /^usage: list.yaml: segments\[0\].type: "block to strem" is no segment type; these are: block to stream,/,
    ],
    [{ type: 'write filemarks' }, /segments\[0\]: a segment "write filemarks" needs count$/],
    [
      { type: 'write filemarks', count: -1 },
      /segments\[0\].count: -1 is no whole number from 0 to 16777215$/,
    ],
    [
      { type: 'write filemarks', count: 1, source: 0 },
      /has no "source"; it has type, destination, immediate, count$/,
    ],
    [{ type: 'tape image', source: 'nul' }, /segments\[0\].source: "nul" is no LUN; an end is a LUN,/],
    [{ type: 'tape image', source: { lun: 3, fixed: -1 } }, /source.fixed: -1 is no length of records/],
    [{ type: 'verify', testUnitReady: 1 }, /testUnitReady: 1 is not true or false$/],
    [{ type: 'verify', source: 99 }, /^usage: list.yaml: segments\[0\]: there is no LUN 99/],
    [{ type: 'embedded to stream', transferLength: 1, data: 5 }, /data: 5 is no data; data is text,/],
    [17, /segments\[0\]: 17 is no segment/],
  ] as [unknown, RegExp][]) {
    t.match(await failure(Promise.resolve().then(() => run([item]))), sentence);
  }
  t.match(await failure(Promise.resolve().then(() => run({}))), /^usage: list.yaml: has no list of segments/);

  t.strictSame(
    SEGMENT_ROWS.map(({ code }) => code),
    [...new Set(SEGMENT_ROWS.map(({ code }) => code))].sort((x, y) => x - y),
    'each code once, in order',
  );
  t.equal(new Set(SEGMENT_ROWS.map(({ name }) => name)).size, SEGMENT_ROWS.length);
});
