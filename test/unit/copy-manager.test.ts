/** SPC-4 third-party copy by clause, in process: one EXTENDED COPY and the target moves the data itself. */
import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import type { TapeMedium } from '../../lib/backends/tape-medium.ts';
import { DataQueue, Hold } from '../../lib/copy-manager/data-queue.ts';
import {
  HELD_DATA_BYTES,
  MAX_COPIES,
  MAX_COPIES_OF_NEXUS,
  MAX_CSCDS,
  MAX_DESCRIPTOR_LIST_BYTES,
  MAX_HELD_OF_NEXUS,
  MAX_INLINE_BYTES,
  MAX_RESULTS_OF_NEXUS,
  MAX_SEGMENTS,
} from '../../lib/copy-manager/limits.ts';
import { HeldData } from '../../lib/copy-manager/held-data.ts';
import { transferCount } from '../../lib/copy-manager/receive-copy.ts';
import type { LogicalUnit } from '../../lib/scsi-cmds/logical-unit.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { Attribute } from '../../lib/scsi-cmds/task.ts';
import { Commander, nexus } from '../harness/commands.ts';
import {
  MIB,
  SlowDisk,
  cdb83,
  cdb84,
  cdb84lid4,
  copy,
  dice,
  dump,
  fill,
  forwardedOf,
  informationOf,
  list,
  playback,
  pointerOf,
  record,
  rig,
  segment,
  segmentOf,
  type SegmentSpec,
  type Stored,
} from '../harness/copying.ts';
const SEED = Number(process.env['SANLET_SEED'] ?? Date.now() % 1_000_000);
console.log(`# SANLET_SEED=${SEED}`);

void t.test('data queue: what goes in comes out, and all memory is given back', async t => {
  const d = dice(SEED);
  let held = 0;
  const queue = new DataQueue();
  let model = Buffer.alloc(0);
  for (let step = 0; step < 400; step++) {
    const n = d.chance(0.1) ? 300_000 + d.below(900_000) : d.below(9000);
    const bytes = Buffer.alloc(n, step);
    if (d.chance(0.5)) {
      held++;
      const piece = { bytes, hold: new Hold(() => held--) };
      if (d.chance(0.5)) queue.join(piece);
      else queue.link(piece);
      model = Buffer.concat([model, bytes]);
    } else if (d.chance(0.1)) {
      queue.pad(n);
      model = Buffer.concat([model, Buffer.alloc(n)]);
    } else if (queue.length > 0) {
      const count = 1 + d.below(queue.length);
      const piece = queue.take(count);
      if (!piece.bytes.equals(model.subarray(0, count))) t.fail(`step ${step}`);
      piece.hold.release();
      model = model.subarray(count);
    }
    if (queue.length !== model.length) t.fail(`length at step ${step}`);
  }
  queue.clear();
  t.equal(held, 0);
  t.equal(queue.length, 0);
});

void t.test('TRANSFER COUNT in the smallest unit that fits (SPC-4 6.24 table 251)', async t => {
  t.strictSame(transferCount(0), { units: 0, count: 0 });
  t.strictSame(transferCount(0xffff_ffff), { units: 0, count: 0xffff_ffff });
  t.strictSame(transferCount(2 ** 32), { units: 1, count: 2 ** 22 });
  t.strictSame(transferCount(2 ** 42), { units: 2, count: 2 ** 22 });
});

void t.test('one EXTENDED COPY from disk to tape, one back to another disk', async t => {
  const source = memoryDisk({ bytes: 4 * MIB });
  const target = memoryDisk({ bytes: 4 * MIB });
  const medium = memoryCartridge();
  const image = dice(SEED).bytes(4 * MIB);
  await fill(source, image);
  const { host, name } = await rig({ disk: source }, { disk: target }, { tape: medium });
  // 4 MiB in records of 48 KiB, and a tail of 16 KiB as a segment of its own.
  const cut = (type: 0 | 1, from: number, to: number): Buffer[] => [
    segment({ type, from, to, sdtl: 49152, blocks: 85 * 96, lba: 0 }),
    segment({ type, from, to, sdtl: 16384, blocks: 32, lba: 85 * 96 }),
  ];
  const out = list([name(0), name(2)], cut(0, 0, 1));
  t.equal((await copy(host, 0, out)).status, Status.GOOD);
  const written = await playback(medium);
  t.equal(written.length, 86);
  t.ok(Buffer.concat(written as Buffer[]).equals(image));
  t.strictSame([...new Set(written.map(o => o.length))], [49152, 16384]);
  await host.send(2, '01');
  t.equal((await copy(host, 2, list([name(2), name(1)], cut(1, 0, 1)))).status, Status.GOOD);
  t.ok((await dump(target)).equals(image));
});

void t.test('golden list: 104 bytes, disk to tape (facts section 4)', async t => {
  const source = memoryDisk({ bytes: 1 * MIB });
  const medium = memoryCartridge();
  await fill(source, dice(SEED).bytes(1 * MIB));
  const { host, name } = await rig({ disk: source }, { tape: medium });
  const bytes = list(
    [name(0, { blockLength: 512 }), name(1)],
    [segment({ type: 0, from: 0, to: 1, sdtl: 65536, blocks: 128, lba: 0x122 })],
  );
  t.equal(bytes.length, 104);
  t.equal(bytes.subarray(0, 16).toString('hex'), '01110040000000000000001800000000');
  t.equal(bytes.subarray(80).toString('hex'), '000000140000000100010000000000800000000000000122');
  t.equal((await copy(host, 1, bytes)).status, Status.GOOD);
  t.ok((await playback(medium))[0]!.length === 65536);
});

/* The model: byte queues and arrays, nothing of the code under test. */

interface ModelDisk {
  block: number;
  data: Buffer;
}
interface ModelTape {
  objects: Stored[];
  at: number;
}
type ModelUnit = ModelDisk | ModelTape;
interface ModelCscd {
  lun: number;
  pad: boolean;
  /** STREAM BLOCK LENGTH of a fixed one. */
  fixed?: number;
}
interface Verdict {
  said: string;
  segment?: number;
  information?: number | undefined;
}

const simulate = (units: ModelUnit[], cscds: ModelCscd[], segments: SegmentSpec[]): Verdict => {
  let S = Buffer.alloc(0);
  let D = Buffer.alloc(0);
  for (const [number, spec] of segments.entries()) {
    const src = cscds[spec.from]!;
    const dst = cscds[spec.to]!;
    const from = units[src.lun]!;
    const to = units[dst.lun]!;
    const unit = 'data' in to ? to.block : spec.sdtl! * (dst.fixed ?? 1);
    const residualUnit = 'data' in to ? to.block : (dst.fixed ?? 1);
    const counted = spec.type === 1 || (spec.type === 2 && spec.dc === true);
    const limit = counted ? spec.blocks * unit : Infinity;
    const process = counted ? Math.max(0, limit - D.length) : spec.blocks * (from as ModelDisk).block;
    const pads = spec.cat !== true && dst.pad && !counted;
    const total = D.length + process;
    let whole = Math.floor(total / unit) * unit;
    if (pads && total % unit !== 0) whole += unit;
    const planned = Math.min(whole, limit);
    const fail = (said: string, written: number): Verdict => ({
      said,
      segment: number,
      information: written > 0 ? Math.ceil((planned - written) / residualUnit) : undefined,
    });

    const missing = Math.max(0, process - S.length);
    if ('data' in from) {
      const n = Math.ceil(missing / from.block) * from.block;
      const at = (spec.lba ?? 0) * from.block;
      if (n > 0 && at + n > from.data.length) return fail('a/0d02', 0);
      if ('data' in to) {
        const end = (spec.toLba ?? 0) * to.block + planned;
        if (planned > 0 && end > to.data.length) return fail('a/0d02', 0);
      }
      S = Buffer.concat([S, from.data.subarray(at, at + n)]);
    } else if (planned > 0 && (spec.lba ?? 0) * unit + planned > (to as ModelDisk).data.length) {
      return fail('a/0d02', 0);
    }
    let stopped = false;
    if (!('data' in from)) {
      while (S.length < process) {
        const next = from.objects[from.at];
        if (next === undefined) stopped = true;
        else {
          from.at++;
          if (next === 'filemark' || next.length > spec.sdtl!) stopped = true;
          else S = Buffer.concat([S, next]);
        }
        if (stopped) break;
      }
    }
    const moved = Math.min(process, S.length);
    D = Buffer.concat([D, S.subarray(0, moved)]);
    S = S.subarray(moved);
    if (pads && !stopped && D.length % unit !== 0)
      D = Buffer.concat([D, Buffer.alloc(unit - (D.length % unit))]);
    let written = 0;
    while (D.length >= unit && written < limit) {
      const part = Buffer.from(D.subarray(0, unit));
      D = D.subarray(unit);
      if ('data' in to)
        part.copy(to.data, ((spec.type === 2 ? spec.toLba : spec.lba) ?? 0) * to.block + written);
      else {
        to.objects.length = to.at;
        const size = dst.fixed ?? unit;
        for (let at = 0; at < unit; at += size)
          to.objects[to.at++] = Buffer.from(part.subarray(at, at + size));
      }
      written += unit;
    }
    if (stopped) return fail('a/0d01', written);
    if (spec.cat !== true) {
      if (!src.pad && !dst.pad && (S.length > 0 || D.length > 0)) return fail('a/260a', written);
      if (dst.pad && D.length > 0) return fail('a/260a', written);
      if (src.pad) S = Buffer.alloc(0);
      if (src.pad && !dst.pad) D = Buffer.alloc(0);
    }
  }
  return { said: '' };
};

void t.test('segments at random between every kind of LUN, against the model', async t => {
  const rounds = Number(process.env['SANLET_ROUNDS'] ?? 400);
  const seen = new Map<string, number>();
  for (let round = 0; round < rounds; round++) {
    const seed = SEED + round;
    const d = dice(seed);
    const backends = [512, 4096, 512].map(blockSize => memoryDisk({ bytes: 32 * 4096, blockSize }));
    const models: ModelUnit[] = [];
    for (const backend of backends) {
      const data = d.bytes(backend.bytes);
      await fill(backend, data);
      models.push({ block: backend.blockSize, data: Buffer.from(data) });
    }
    const media = [memoryCartridge(), memoryCartridge()];
    for (const medium of media) {
      const objects: Stored[] = Array.from({ length: d.below(30) }, () =>
        d.chance(0.04) ? 'filemark' : d.bytes(d.chance(0.6) ? 4096 : 1 + d.below(6000)),
      );
      await record(medium, objects);
      const at = d.below(objects.length + 1);
      await medium.locate(at);
      models.push({ objects: [...objects], at });
    }
    const { host, name, manager } = await rig(
      ...backends.map(b => ({ disk: b })),
      ...media.map(m => ({ tape: m })),
    );
    const cscds: ModelCscd[] = Array.from({ length: 8 }, (_, i) => ({ lun: i % 5, pad: d.chance(0.4) }));
    const disks = [0, 1, 2, 5, 6, 7];
    const tapes = [3, 4];
    const segments: SegmentSpec[] = Array.from({ length: 1 + d.below(5) }, () => {
      const type = d.pick([0, 1, 2] as const);
      const spec: SegmentSpec = {
        type,
        from: d.pick(type === 1 ? tapes : disks),
        to: d.pick(type === 0 ? tapes : disks),
        cat: d.chance(0.5),
        dc: d.chance(0.4),
        blocks: d.chance(0.1) ? 0 : 1 + d.below(d.chance(0.5) ? 8 : 40),
        lba: d.below(20),
        toLba: d.below(20),
        sdtl: d.pick([4096, 4096, 6000, 1000, 512, 1 + d.below(9000)]),
      };
      // Within one unit: no overlap here, that is a test of its own.
      if (type === 2 && cscds[spec.from]!.lun === cscds[spec.to]!.lun) {
        spec.to = disks.find(i => cscds[i]!.lun !== cscds[spec.from]!.lun)!;
      }
      return spec;
    });
    const verdict = simulate(models, cscds, segments);
    const answer = await copy(
      host,
      d.below(5),
      list(
        cscds.map(c => name(c.lun, { pad: c.pad })),
        segments.map(segment),
      ),
    );
    const hint = `round seed ${seed}: ${JSON.stringify({ cscds, segments, verdict })}`;
    seen.set(verdict.said, (seen.get(verdict.said) ?? 0) + 1);
    const got: Verdict =
      answer.said === ''
        ? { said: answer.status === 0 ? '' : `status ${answer.status}` }
        : { said: answer.said, segment: segmentOf(answer), information: informationOf(answer) };
    if (!t.strictSame(got, verdict, hint)) break;
    let same = manager.running === 0;
    for (const [i, backend] of backends.entries())
      same &&= (await dump(backend)).equals((models[i] as ModelDisk).data);
    for (const [i, medium] of media.entries()) {
      const model = models[3 + i] as ModelTape;
      const objects = await playback(medium);
      same &&= medium.position.object === model.at && objects.length === model.objects.length;
      same &&= objects.every((o, k) =>
        o === 'filemark' ? model.objects[k] === o : o.equals(model.objects[k] as Buffer),
      );
    }
    if (!same) {
      t.fail(hint);
      break;
    }
  }
  console.log(`# ${[...seen].map(([said, n]) => `${said || 'good'}: ${n}`).join(', ')}`);
});

/** Opcodes of commands to a unit, from now on. */
const overheard = (unit: LogicalUnit): number[] => {
  const said: number[] = [];
  const submit = unit.submit.bind(unit);
  unit.submit = task => {
    said.push(task.cdb[0]!);
    submit(task);
  };
  return said;
};
const counted = (said: readonly number[], opcode: number): number => said.filter(o => o === opcode).length;
const [READ, WRITE, WRITE_SAME, SERVICE_IN] = [0x88, 0x8a, 0x93, 0x9e];

void t.test('unmapped runs are neither read nor written', async t => {
  const bytes = 24 * MIB;
  const source = memoryDisk({ bytes });
  const target = memoryDisk({ bytes });
  const medium = memoryCartridge();
  const image = Buffer.alloc(bytes);
  for (const at of [0, 9 * MIB + 512]) {
    const data = dice(SEED + at).bytes(MIB);
    data.copy(image, at);
    await source.write(data, at);
  }
  await fill(target, Buffer.alloc(bytes, 7));
  const { host, name, units } = await rig({ disk: source }, { disk: target }, { tape: medium });
  const asked = overheard(units[0]!);
  const told = overheard(units[1]!);
  const all = bytes / 512;
  const over = list([name(0), name(1)], [segment({ type: 2, from: 0, to: 1, blocks: all })]);
  t.equal((await copy(host, 0, over)).status, 0);
  t.ok((await dump(target)).equals(image));
  t.equal(target.mappedBytes, 2 * MIB);
  t.equal(counted(asked, READ), 2);
  t.equal(counted(told, WRITE), 2);
  t.equal(counted(told, WRITE_SAME), 24 - 2 + 1, 'one more, where a run does not begin at a whole MiB');
  const status = await host.send(0, cdb84(0, 1));
  t.equal(status.data.readUInt32BE(8), bytes);

  asked.length = 0;
  const out = list(
    [name(0), name(2)],
    [segment({ type: 0, from: 0, to: 1, sdtl: 100 * 512, blocks: 48000 })],
  );
  t.equal((await copy(host, 0, out)).status, 0);
  t.equal(counted(asked, READ), 4, 'of so many whole records as go into one');
  t.ok(Buffer.concat((await playback(medium)) as Buffer[]).equals(image.subarray(0, 48000 * 512)));

  asked.length = 0;
  const little = segment({ type: 2, from: 0, to: 1, blocks: 2047, lba: 8192, toLba: 0 });
  t.equal((await copy(host, 1, list([name(0), name(1)], [little]))).status, 0);
  t.same(
    [counted(asked, SERVICE_IN), counted(asked, READ)],
    [1, 1],
    'capacity, and no question for so little',
  );

  // What an earlier segment writes is there for a later one.
  await target.unmap(0, bytes);
  const there = segment({ type: 2, from: 0, to: 1, blocks: 4096, lba: 0, toLba: 4096 });
  const on = segment({ type: 2, from: 1, to: 1, blocks: 8192, lba: 4096, toLba: 20000 });
  const chain = list(
    [name(0), name(1)],
    [segment({ type: 2, from: 1, to: 0, blocks: 4096, lba: 4096, toLba: 40000 }), there, on],
  );
  t.equal((await copy(host, 0, chain)).status, 0);
  t.ok((await dump(target, 2 * MIB, 20000 * 512)).equals(image.subarray(0, 2 * MIB)));

  // A destination that fails is told as one.
  await source.unmap(0, bytes);
  const row = units[1]!.commands.byCode(0x93)!;
  let good = 5;
  units[1]!.commands.add({
    ...row,
    run: (unit: never, task) => (good-- > 0 ? row.run(unit, task) : task.end(Status.RESERVATION_CONFLICT)),
  });
  const failed = await copy(host, 0, over);
  t.equal(failed.said, 'a/0d01');
  t.equal(forwardedOf(failed)!.status, Status.RESERVATION_CONFLICT);
  t.equal(informationOf(failed), (bytes - 5 * MIB) / 512);
});

void t.test('unmapped runs at random, with residue, against the model', async t => {
  const rounds = Number(process.env['SANLET_ROUNDS'] ?? 15);
  for (let round = 0; round < rounds; round++) {
    const seed = SEED + round;
    const d = dice(seed);
    const bytes = 8 * MIB;
    const backends = [512, 4096, 512].map(blockSize => memoryDisk({ bytes, blockSize }));
    const models: ModelUnit[] = [];
    for (const backend of backends) {
      const data = Buffer.alloc(bytes, 1 + d.below(255));
      data.set(d.bytes(4 * MIB), 2 * MIB);
      await fill(backend, data);
      for (let holes = 1 + d.below(4); holes > 0; holes--) {
        const from = d.below(bytes / 4096) * 4096;
        const length = Math.min(bytes - from, (1 + d.below(1000)) * 4096);
        await backend.unmap(from, length);
        data.fill(0, from, from + length);
      }
      models.push({ block: backend.blockSize, data });
    }
    const medium = memoryCartridge();
    models.push({ objects: [], at: 0 });
    const { host, name } = await rig(...backends.map(b => ({ disk: b })), { tape: medium });
    const cscds: ModelCscd[] = Array.from({ length: 7 }, (_, i) => ({ lun: i % 4, pad: d.chance(0.4) }));
    const disks = [0, 1, 2, 4, 5, 6];
    const segments: SegmentSpec[] = Array.from({ length: 1 + d.below(4) }, () => {
      const type = d.pick([0, 2, 2] as const);
      const from = d.pick(disks);
      const others = disks.filter(i => cscds[i]!.lun !== cscds[from]!.lun);
      const block = (models[cscds[from]!.lun] as ModelDisk).block;
      return {
        type,
        from,
        to: type === 0 ? 3 : d.pick(others),
        cat: d.chance(0.7),
        dc: d.chance(0.3),
        blocks: Math.floor(((1 + d.below(5)) * MIB) / block) + d.below(9),
        lba: d.below((3 * MIB) / block),
        toLba: d.below(700),
        sdtl: d.pick([4096, 100_000, MIB, 1_500_000, 30_000 + d.below(90_000)]),
      };
    });
    const verdict = simulate(models, cscds, segments);
    const named = cscds.map(c => name(c.lun, { pad: c.pad }));
    const answer = await copy(host, d.below(4), list(named, segments.map(segment)));
    const hint = `round seed ${seed}: ${JSON.stringify({ cscds, segments, verdict })}`;
    const got: Verdict =
      answer.said === ''
        ? { said: answer.status === 0 ? '' : `status ${answer.status}` }
        : { said: answer.said, segment: segmentOf(answer), information: informationOf(answer) };
    if (!t.strictSame(got, verdict, hint)) break;
    let same = true;
    for (const [i, backend] of backends.entries())
      same &&= (await dump(backend)).equals((models[i] as ModelDisk).data);
    const objects = await playback(medium);
    const want = (models[3] as ModelTape).objects;
    same &&= objects.length === want.length;
    same &&= objects.every((o, k) => (o as Buffer).equals(want[k] as Buffer));
    if (!same) {
      t.fail(hint);
      break;
    }
  }
});

void t.test('large copies with odd record lengths', async t => {
  const size = 24 * MIB;
  const image = dice(SEED).bytes(1 * MIB);
  const image24 = Buffer.concat(Array.from({ length: 24 }, (_, i) => Buffer.from(image.map(b => b ^ i))));
  for (const sdtl of [512, 1000, 65536, 100_000, 1 * MIB, 3_000_000, 8 * MIB]) {
    const source = memoryDisk({ bytes: size });
    const back = memoryDisk({ bytes: size, blockSize: 4096 });
    const medium = memoryCartridge();
    await fill(source, image24);
    const { host, name } = await rig({ disk: source }, { disk: back }, { tape: medium });
    const out = list(
      [name(0), name(2, { pad: true })],
      [segment({ type: 0, from: 0, to: 1, sdtl, blocks: 48 * 1024 })],
    );
    t.equal((await copy(host, 0, out)).status, Status.GOOD, `out ${sdtl}`);
    t.equal(medium.position.object, Math.ceil(size / sdtl));
    await medium.rewind();
    const home = list(
      [name(2), name(1)],
      [segment({ type: 1, from: 0, to: 1, sdtl, blocks: size / 4096, cat: true })],
    );
    t.equal((await copy(host, 0, home)).status, Status.GOOD, `home ${sdtl}`);
    t.ok((await dump(back)).equals(image24), `${sdtl}`);
  }
});

void t.test('fixed blocks (SPC-4 6.4.5.4 table 138)', async t => {
  const source = memoryDisk({ bytes: 1 * MIB });
  const target = memoryDisk({ bytes: 1 * MIB });
  const medium = memoryCartridge();
  const image = dice(SEED).bytes(1 * MIB);
  await fill(source, image);
  const { host, name } = await rig({ disk: source }, { disk: target }, { tape: medium });
  const drive = name(2, { fixed: true, blockLength: 1024 });
  const out = list([name(0), drive], [segment({ type: 0, from: 0, to: 1, sdtl: 64, blocks: 2048 })]);

  const refused = await copy(host, 0, out);
  t.equal(refused.said, 'a/2600', 'the drive is in variable mode');
  t.equal(pointerOf(refused), 'list 77');
  // MODE SELECT(6): block length 1024.
  t.equal(
    (await host.send(2, '15 10 00 00 0c 00', { out: Buffer.from('000010080000000000000400', 'hex') })).status,
    0,
  );
  t.equal((await copy(host, 0, out)).status, Status.GOOD);
  const blocks = await playback(medium);
  t.equal(blocks.length, 1024);
  t.ok(Buffer.concat(blocks as Buffer[]).equals(image));
  await medium.rewind();

  // 1,000 blocks and a filemark: what was read before it is written, and the residual is in blocks of the disk.
  await medium.locate(1000);
  await medium.writeFilemarks(1);
  await medium.rewind();
  const home = list([drive, name(1)], [segment({ type: 1, from: 0, to: 1, sdtl: 64, blocks: 2048 })]);
  const short = await copy(host, 0, home);
  t.equal(short.said, 'a/0d01');
  t.equal(informationOf(short), 48);
  const forwarded = forwardedOf(short)!;
  t.equal(forwarded.from, 'source');
  t.equal(forwarded.sense[2]! & 0x80, 0x80, 'FILEMARK');
  t.equal(forwarded.sense.readInt32BE(3), 24, 'blocks that were not read');
  t.ok((await dump(target, 1000 * 1024)).equals(image.subarray(0, 1000 * 1024)));

  // A fixed destination counts its own blocks.
  await medium.rewind();
  const tight = await rig({ disk: source }, { tape: memoryCartridge({ capacityBytes: 600 * 1024 }) });
  await tight.host.send(1, '15 10 00 00 0c 00', { out: Buffer.from('000010080000000000000400', 'hex') });
  const full = await copy(
    tight.host,
    0,
    list(
      [tight.name(0), tight.name(1, { fixed: true, blockLength: 1024 })],
      [segment({ type: 0, from: 0, to: 1, sdtl: 64, blocks: 2048 })],
    ),
  );
  t.equal(full.said, 'a/0d01');
  t.equal(forwardedOf(full)!.from, 'destination');
  t.equal(forwardedOf(full)!.sense[2]! & 0x40, 0x40, 'EOM');
  const there = (await playback((tight.units[1] as unknown as { medium: TapeMedium }).medium)).length;
  t.equal(informationOf(full), 1024 - there, 'nothing is claimed that was not written, nothing is left out');

  for (const bad of [{ fixed: true }, { blockLength: 512 }]) {
    const answer = await copy(host, 0, list([name(0), name(2, bad)], []));
    t.equal(answer.said, '5/2600');
    t.equal(answer.sense.readUInt16BE(16), 16 + 32 + 29);
  }
});

void t.test('records shorter, longer, filemark, end of data (01h)', async t => {
  const run = async (objects: Stored[], sdtl: number, blocks: number, lba = 0) => {
    const target = memoryDisk({ bytes: 64 * 1024 });
    const medium = memoryCartridge();
    await record(medium, objects);
    const { host, name } = await rig({ disk: target }, { tape: medium });
    const answer = await copy(
      host,
      0,
      list([name(1), name(0)], [segment({ type: 1, from: 0, to: 1, sdtl, blocks, lba })]),
    );
    return { answer, target, medium };
  };
  const a = Buffer.alloc(4096, 'a');
  const b = Buffer.alloc(1000, 'b');
  const c = Buffer.alloc(8192, 'c');

  const short = await run([a, b, a], 4096, 16);
  t.equal(short.answer.said, 'a/260a', '9,192 bytes and 16 blocks: 1,000 bytes of the third are left');
  t.equal(informationOf(short.answer), 0);
  t.ok((await dump(short.target, 8192)).equals(Buffer.concat([a, b, a]).subarray(0, 8192)));

  const long = await run([a, a, c, a], 4096, 32);
  t.equal(long.answer.said, 'a/0d01');
  t.equal(informationOf(long.answer), 16, 'two records are written, of a longer one nothing');
  t.equal(forwardedOf(long.answer)!.sense[2]! & 0x20, 0x20, 'ILI');
  t.equal(forwardedOf(long.answer)!.sense.readInt32BE(3), -4096);
  t.equal(forwardedOf(long.answer)!.status, Status.CHECK_CONDITION);
  t.equal(pointerOf(long.answer), 'list 16', 'the CSCD of the tape');
  t.ok((await dump(long.target, 16384)).equals(Buffer.concat([a, a, Buffer.alloc(8192)])));
  t.equal(long.medium.position.object, 3);

  const mark = await run([a, b, 'filemark', a], 4096, 32);
  t.equal(mark.answer.said, 'a/0d01');
  t.equal(informationOf(mark.answer), 32 - 9, '5,096 bytes are nine whole blocks');
  t.equal(forwardedOf(mark.answer)!.sense.readUInt16BE(12), 0x0001);
  t.equal(mark.medium.position.object, 3, 'behind the filemark');

  const end = await run([a], 4096, 32);
  t.equal(end.answer.said, 'a/0d01');
  t.equal(informationOf(end.answer), 24);
  t.equal(forwardedOf(end.answer)!.sense[2]! & 0x0f, 8, 'BLANK CHECK');

  const nothing = await run(['filemark'], 4096, 32);
  t.equal(informationOf(nothing.answer), undefined, 'nothing written: INFORMATION is not valid');
});

void t.test('the end of the destination tape (SPC-4 5.17.7.4 c)', async t => {
  const source = memoryDisk({ bytes: 4 * MIB });
  await fill(source, dice(SEED).bytes(4 * MIB));
  const medium = memoryCartridge({ capacityBytes: 2 * MIB });
  const { host, name } = await rig({ disk: source }, { tape: medium });
  const answer = await copy(
    host,
    0,
    list([name(0), name(1)], [segment({ type: 0, from: 0, to: 1, sdtl: 65536, blocks: 8192 })]),
  );
  t.equal(answer.said, 'a/0d01');
  const forwarded = forwardedOf(answer)!;
  t.equal(forwarded.from, 'destination');
  t.equal(forwarded.sense[2]! & 0x40, 0x40, 'EOM');
  const records = await playback(medium);
  t.ok(records.length > 0);
  t.equal(informationOf(answer), 4 * MIB - records.length * 65536, 'in bytes');
  t.equal(pointerOf(answer), 'list 48');
});

void t.test('who may be a source or destination', async t => {
  const one = memoryDisk({ bytes: 1 * MIB });
  const two = memoryDisk({ bytes: 1 * MIB });
  await fill(one, dice(SEED).bytes(1 * MIB));
  const { host, name, units, device } = await rig({ disk: one }, { disk: two }, { tape: memoryCartridge() });
  const b2b = (more: Partial<SegmentSpec> = {}): Buffer =>
    segment({ type: 2, from: 0, to: 1, blocks: 8, ...more });
  const told = async (cscds: Buffer[], segments: Buffer[], lun = 0): Promise<string> => {
    const answer = await copy(host, lun, list(cscds, segments));
    return answer.status === 0 ? 'good' : `${answer.said} ${pointerOf(answer)}`;
  };

  t.equal(await told([name(0), name(1)], [b2b()]), 'good', 'NAA');
  const t10 = Buffer.from(`SANLET  ${units[1]!.identity.serial}`.slice(0, 20));
  t.equal(
    await told([name(0), name(1, { designator: t10, codeSet: 2, type: 1 })], [b2b()]),
    'good',
    'T10 vendor id',
  );
  const sloppy = name(1);
  sloppy[1]! |= 0x80; // LU ID TYPE 10b
  sloppy[4]! |= 0x50;
  t.equal(await told([name(0), sloppy], [b2b()]), 'good', 'LU ID TYPE and PROTOCOL IDENTIFIER are ignored');
  for (const wrong of [
    { codeSet: 2 },
    { type: 2 },
    { association: 1 },
    { designator: units[1]!.identity.naa.subarray(0, 7) },
  ]) {
    t.equal(
      await told([name(0), name(1, wrong)], [b2b()]),
      'a/0804 list 48',
      JSON.stringify(Object.keys(wrong)),
    );
  }
  const longer = Buffer.concat([units[1]!.identity.naa, Buffer.alloc(1)]);
  t.equal(await told([name(0), name(1, { designator: longer })], [b2b()]), 'a/0804 list 48');
  t.equal(await told([name(0), name(1, { designator: Buffer.alloc(0) })], [b2b()]), 'a/0804 list 48');

  t.equal(await told([name(0)], [b2b()]), 'a/0804 segment 6', 'no such CSCD');
  t.equal(await told([name(0)], [b2b({ from: 7, to: 0 })]), 'a/0804 segment 4');
  for (const id of [0xf800, 0x0800]) t.equal(await told([name(0)], [b2b({ to: id })]), 'a/0804 segment 6');
  t.equal(await told([name(0)], [b2b({ to: 0xffff })], 1), 'good', 'FFFFh: the unit it was sent to');
  t.equal(
    await told([name(0), name(1, { pdt: 1 })], [b2b()]),
    'a/0d03 list 48',
    'device type of INQUIRY differs',
  );
  t.equal(await told([name(0), name(2)], [b2b()]), 'a/260c segment 6', '02h to a tape');
  t.equal(
    await told([name(0), name(1, { blockLength: 4096 })], [b2b()]),
    'a/2600 list 77',
    'DISK BLOCK LENGTH',
  );
  t.equal(await told([name(0), name(1, { blockLength: 512 })], [b2b()]), 'good');

  // A unit that this nexus may not address answers like one that is not there.
  const visible = device.visible.bind(device);
  device.visible = who => visible(who).filter(([lun]) => lun !== 1);
  t.equal(await told([name(0), name(1)], [b2b()]), 'a/0804 list 48');
  device.visible = visible;

  // Earlier segments are done when a later one fails.
  const half = await copy(host, 0, list([name(0), name(1)], [b2b({ toLba: 100 }), b2b({ to: 5 })]));
  t.equal(half.said, 'a/0804');
  t.equal(segmentOf(half), 1);
  t.ok((await dump(two, 4096, 51200)).equals(await dump(one, 4096)));
});

void t.test('refused at the door (SPC-4 5.17.7.3)', async t => {
  const one = memoryDisk({ bytes: 1 * MIB });
  const before = dice(SEED).bytes(1 * MIB);
  await fill(one, before);
  const { host, name } = await rig({ disk: one }, { tape: memoryCartridge() });
  const seg = segment({ type: 2, from: 0, to: 0, blocks: 8, toLba: 500 });
  const told = async (bytes: Buffer, length = bytes.length): Promise<string> => {
    const answer = await host.send(0, cdb83(length), { out: bytes });
    if (answer.status === 0) return 'good';
    t.equal(answer.sense[0]! & 0x80, 0, 'INFORMATION is not valid');
    return `${answer.said} ${pointerOf(answer)}`.trim();
  };
  const good = list([name(0)], [seg]);
  t.equal(await told(good, 0), 'good', 'no parameter list');
  t.equal(await told(good, 15), '5/1a00');
  t.equal(await told(good, 16 + 31), '5/1a00', 'cuts the CSCD');
  t.equal(await told(good, good.length - 1), '5/1a00', 'cuts the segment');
  t.equal(await told(list([name(0)], [seg.subarray(0, 20)])), '5/1a00');
  t.equal(await told(list([name(0).subarray(0, 30)], [])), '5/1a00');
  t.equal(await told(list([name(0)], [seg], { usage: 1 })), '5/2600 list 1.4');
  t.equal(await told(list([name(0)], [seg], { usage: 3, id: 9 })), '5/2600 list 0');
  t.equal(await told(list([name(0)], [seg], { inline: MAX_INLINE_BYTES + 4 })), '5/260b list 12');
  const fc = name(0);
  fc[0] = 0xe0;
  t.equal(await told(list([name(0), fc], [seg])), '5/2607 list 48');
  const long = name(0);
  long[7] = 21;
  t.equal(await told(list([long], [seg])), '5/2600 list 23');
  const stream = Buffer.alloc(20);
  stream[0] = 3;
  stream[3] = 0x10;
  t.equal(await told(list([name(0)], [seg, stream])), '5/2609 list 76', '03h, and nothing was copied before');
  t.ok((await dump(one)).equals(before));
  for (const type of [0, 1] as const) {
    const wrong = segment({ type, from: 0, to: 0, sdtl: 512, blocks: 1 });
    t.equal(await told(list([name(0)], [wrong])), '5/2609 list 48', `0${type}h between disks`);
    const back = segment({ type, from: type === 0 ? 1 : 0, to: type === 0 ? 0 : 1, sdtl: 512, blocks: 1 });
    t.equal(await told(list([name(0), name(1)], [back])), '5/2609 list 80', 'the wrong way round');
  }
  const own = segment({ type: 0, from: 0, to: 0xffff, sdtl: 512, blocks: 1 });
  t.equal(await told(list([name(0)], [own])), '5/2609 list 48', 'FFFFh is a disk');
  t.equal((await copy(host, 1, list([name(0)], [own]))).status, 0, 'FFFFh is a tape');
  for (const sdtl of [0, 9 * MIB]) {
    const answer = await told(
      list([name(0), name(1)], [segment({ type: 0, from: 0, to: 1, sdtl, blocks: 1 })]),
    );
    t.equal(answer, '5/2600 list 89', `transfer length ${sdtl}`);
  }
  const odd = Buffer.concat([seg, Buffer.alloc(4)]);
  odd[3] = 28;
  t.equal(await told(list([name(0)], [odd])), '5/2600 list 50');

  const many = (cscds: number, segments: number): Buffer =>
    list(
      Array.from({ length: cscds }, () => name(0)),
      Array.from({ length: segments }, () => seg),
    );
  t.equal(await told(many(MAX_CSCDS + 1, 1)), '5/2606 list 2');
  t.equal(await told(many(MAX_CSCDS, 1)), 'good');
  t.equal(await told(many(1, MAX_SEGMENTS + 1)), '5/2608 list 8');
  t.equal(await told(many(MAX_CSCDS + 1, MAX_SEGMENTS + 1)), '5/1a00', 'too long is told before too many');
  const overlong = good.subarray(0);
  overlong.writeUInt32BE(MAX_DESCRIPTOR_LIST_BYTES, 8);
  t.equal(await told(overlong), '5/1a00');

  const reserved = cdb83(0);
  reserved[5] = 1;
  t.equal((await host.send(0, reserved)).said, '5/2400');
});

void t.test('a range beyond the LUN: before any of the segment is moved', async t => {
  const one = memoryDisk({ bytes: 1 * MIB });
  const two = memoryDisk({ bytes: 1 * MIB });
  await fill(one, dice(SEED).bytes(1 * MIB));
  const { host, name } = await rig({ disk: one }, { disk: two }, { tape: memoryCartridge() });
  const told = async (s: SegmentSpec): Promise<string> => {
    const answer = await copy(host, 0, list([name(0), name(1), name(2)], [segment(s)]));
    t.equal(informationOf(answer), undefined);
    return `${answer.said} ${pointerOf(answer)}`;
  };
  const b2b = { type: 2, from: 0, to: 1 } as const;
  t.equal(await told({ ...b2b, blocks: 2, lba: 2047 }), 'a/0d02 segment 10');
  t.equal(await told({ ...b2b, blocks: 2, toLba: 2047 }), 'a/0d02 segment 10');
  t.equal(await told({ ...b2b, blocks: 2, lba: 2048 }), 'a/0d02 segment 12');
  t.equal(await told({ ...b2b, blocks: 2, toLba: 2 ** 60 }), 'a/0d02 segment 20');
  t.equal(await told({ type: 0, from: 0, to: 2, sdtl: 512, blocks: 2, lba: 2047 }), 'a/0d02 segment 14');
  t.equal(await told({ type: 1, from: 2, to: 1, sdtl: 512, blocks: 2, lba: 9999 }), 'a/0d02 segment 16');
  t.equal((await dump(two)).equals(Buffer.alloc(1 * MIB)), true);
});

void t.test('overlapping ranges of one unit come out as if read whole first', async t => {
  const d = dice(SEED);
  for (const [from, to, blocks] of [
    [0, 1, 4000],
    [1, 0, 4000],
    [0, 2047, 4096],
    [2500, 100, 5000],
    [100, 2500, 5000],
    [7, 7, 100],
  ] as const) {
    const one = memoryDisk({ bytes: 4 * MIB });
    const image = d.bytes(4 * MIB);
    await fill(one, image);
    const { host, name } = await rig({ disk: one });
    const answer = await copy(
      host,
      0,
      list([name(0)], [segment({ type: 2, from: 0, to: 0, blocks, lba: from, toLba: to })]),
    );
    t.equal(answer.status, 0);
    const want = Buffer.from(image);
    image.copy(want, to * 512, from * 512, (from + blocks) * 512);
    t.ok((await dump(one)).equals(want), `${from} → ${to}`);
    const status = await host.send(0, cdb84(0, 1));
    t.equal(status.data.readUInt32BE(8), blocks * 512);
  }
});

void t.test('A→B and B→A together end', async t => {
  const disks = [0, 1].map(() => new SlowDisk(memoryDisk({ bytes: 32 * MIB })));
  for (const { inner } of disks) await fill(inner, Buffer.alloc(32 * MIB, 1));
  const { host, name } = await rig({ disk: disks[0]! }, { disk: disks[1]! });
  const half = 16 * 1024;
  const both = await Promise.all([
    copy(
      host,
      0,
      list([name(0), name(1)], [segment({ type: 2, from: 0, to: 1, blocks: half, lba: 0, toLba: 0 })], {
        id: 1,
      }),
    ),
    copy(
      host,
      0,
      list([name(0), name(1)], [segment({ type: 2, from: 1, to: 0, blocks: half, lba: half, toLba: half })], {
        id: 2,
      }),
    ),
  ]);
  t.strictSame(
    both.map(a => a.status),
    [0, 0],
  );
  t.ok(disks[0]!.most > 1, 'reads and writes overlap');
  t.ok(disks[0]!.most <= 8);
});

void t.test('progress, told while the copy runs, and the loop is free', async t => {
  const source = memoryDisk({ bytes: 96 * MIB });
  const target = memoryDisk({ bytes: 96 * MIB });
  await fill(source, Buffer.alloc(96 * MIB, 7));
  const { host, name } = await rig({ disk: source }, { disk: target });
  const segments = [0, 1, 2].map(i =>
    segment({ type: 2, from: 0, to: 1, blocks: 65535, lba: i * 65535, toLba: i * 65535 }),
  );
  const state = { done: false };
  const working = copy(host, 0, list([name(0), name(1)], segments, { id: 77, usage: 0 })).then(a => {
    state.done = true;
    return a;
  });
  const counts: number[] = [];
  const processed = new Set<number>();
  const held: number[] = [];
  while (!state.done) {
    const asked = performance.now();
    const status = await host.send(0, cdb84(0, 77));
    if (status.status !== 0 || status.data[4] !== 0) break;
    counts.push(status.data.readUInt32BE(8) * 1024 ** status.data[7]!);
    processed.add(status.data.readUInt16BE(5));
    const details = await host.send(0, cdb84(4, 77));
    t.equal(details.said, '5/2400', 'no failure details while it runs');
    const twice = await copy(host, 0, list([name(0)], [], { id: 77 }));
    t.equal(twice.said, '5/0016', 'OPERATION IN PROGRESS');
    await turn();
    held.push(performance.now() - asked);
  }
  t.equal((await working).status, 0);
  t.ok(counts.length > 5, `${counts.length} times asked`);
  t.strictSame(
    counts,
    [...counts].sort((a, b) => a - b),
    'never backwards',
  );
  t.ok(new Set(counts).size > 5, 'it moves');
  t.ok(processed.has(2), 'the running segment counts');
  held.sort((a, b) => a - b);
  const at = (part: number): string => held[Math.floor((held.length - 1) * part)]!.toFixed(1);
  console.log(
    `# a turn of the loop took ${at(0.5)} ms, ${at(1)} ms at most; ${counts.length} status answers`,
  );
});

void t.test('as many segments as one command takes: 1.25 TiB at 65,408 blocks each', async t => {
  const source = memoryDisk({ bytes: 32 * MIB });
  const target = memoryDisk({ bytes: 32 * MIB });
  const image = dice(SEED).bytes(32 * MIB);
  await fill(source, image);
  const { host, name } = await rig({ disk: source }, { disk: target });
  const segments = Array.from({ length: MAX_SEGMENTS }, (_, i) =>
    segment({ type: 2, from: 0, to: 1, blocks: 1, lba: i, toLba: i }),
  );
  const out = list([name(0), name(1)], segments);
  const began = performance.now();
  let turns = 0;
  const state = { done: false };
  const working = copy(host, 0, out).finally(() => (state.done = true));
  for (; !state.done; turns++) await turn();
  t.equal((await working).status, 0);
  t.ok(turns > 10, 'the loop went on');
  t.ok((await dump(target, MAX_SEGMENTS * 512)).equals(image.subarray(0, MAX_SEGMENTS * 512)));
  const status = await host.send(0, cdb84(0, 1));
  t.equal(status.data.readUInt16BE(5), MAX_SEGMENTS);
  t.equal(status.data.readUInt32BE(8), MAX_SEGMENTS * 512);
  console.log(`# ${MAX_SEGMENTS} segments of one block in ${(performance.now() - began).toFixed(0)} ms`);
});

void t.test('SPC-4 6.25, 6.23: RECEIVE COPY STATUS(LID1), RECEIVE COPY FAILURE DETAILS(LID1)', async t => {
  const one = memoryDisk({ bytes: 1 * MIB });
  const { host, name, device, units } = await rig({ disk: one });
  const other = await new Commander(device, nexus('iqn.2026-01.test:b')).clear();
  const good = (id: number, usage = 0): Buffer =>
    list([name(0)], [segment({ type: 2, from: 0, to: 0, blocks: 8, toLba: 16 })], { id, usage });
  const bad = (id: number, usage = 0): Buffer =>
    list(
      [name(0)],
      [
        segment({ type: 2, from: 0, to: 0, blocks: 8, toLba: 16 }),
        segment({ type: 2, from: 0, to: 3, blocks: 8 }),
      ],
      { id, usage },
    );

  t.equal((await host.send(0, cdb84(0, 1))).said, '5/2400', 'no such list identifier');
  t.equal((await host.send(0, cdb84(0, 1))).sense.readUInt16BE(16), 2);
  for (const usage of [0, 2]) {
    t.equal((await copy(host, 0, good(5, usage))).status, 0);
    t.equal((await other.send(0, cdb84(0, 5))).said, '5/2400', 'another nexus');
    t.equal((await host.send(0, cdb84(4, 5))).data.toString('hex'), '00000000', 'no failure, no details');
    const status = await host.send(0, cdb84(0, 5));
    t.equal(status.data.toString('hex'), `00000008 01 0001 00 00001000`.replaceAll(' ', ''));
    t.equal((await host.send(0, cdb84(0, 5))).said, '5/2400', 'told once');
    t.equal((await host.send(0, cdb84(4, 5))).said, '5/2400');
  }
  t.equal((await copy(host, 0, good(0, 3))).status, 0);
  t.equal((await host.send(0, cdb84(0, 0))).said, '5/2400', '11b: as if it had never been');

  const failed = await copy(host, 0, bad(6));
  t.equal(failed.said, 'a/0804');
  t.equal(segmentOf(failed), 1);
  const status = await host.send(0, cdb84(0, 6));
  t.equal(status.data.toString('hex'), `00000008 02 0002 00 00001000`.replaceAll(' ', ''));
  const part = await host.send(0, cdb84(4, 6, 10));
  t.equal(part.data.length, 10);
  const details = await host.send(0, cdb84(4, 6, 60 + failed.sense.length));
  t.equal(details.data.readUInt32BE(0), 56 + failed.sense.length);
  t.equal(details.data[56], Status.CHECK_CONDITION);
  t.equal(details.data.readUInt16BE(58), failed.sense.length);
  t.ok(details.data.subarray(60).equals(failed.sense), 'the very sense');
  t.equal((await host.send(0, cdb84(4, 6))).said, '5/2400', 'discarded when all was transferred');

  await copy(host, 0, bad(6));
  t.equal((await host.send(0, cdb84(4, 6, 0))).status, 0);
  t.equal(
    (await host.send(0, cdb84(4, 6))).data.toString('hex'),
    '00000000',
    'discarded by a length of 0, status is not',
  );
  t.equal((await host.send(0, cdb84(0, 6))).status, 0);

  await copy(host, 0, bad(6));
  await copy(host, 0, good(6));
  t.equal((await host.send(0, cdb84(0, 6))).data[4], 1, 'reuse discards what was there');

  await copy(host, 0, good(7));
  await new Promise<void>(done => units[0]!.reset(done));
  await host.clear();
  t.equal((await host.send(0, cdb84(0, 7))).said, '5/2400', 'LOGICAL UNIT RESET');

  await copy(host, 0, good(8));
  const again = await new Commander(device).clear();
  t.equal((await again.send(0, cdb84(0, 8))).said, '5/2400', 'a nexus that has come again');
  t.equal((await host.send(0, cdb84(0, 8))).status, 0);

  for (let id = 0; id <= MAX_RESULTS_OF_NEXUS; id++) await copy(host, 0, good(100 + id));
  t.equal((await host.send(0, cdb84(0, 100))).said, '5/2400', 'the oldest gives way');
  t.equal((await host.send(0, cdb84(0, 101))).status, 0);
});

void t.test(
  'aborts: the command ends when its I/O has stopped, and nothing is written after (SPC-4 5.17.4.6)',
  async t => {
    for (const how of ['task', 'reset', 'nexus', 'stop', 'destination reset'] as const) {
      const source = new SlowDisk(memoryDisk({ bytes: 64 * MIB }));
      const target = new SlowDisk(memoryDisk({ bytes: 64 * MIB }));
      await fill(source.inner, Buffer.alloc(64 * MIB, 1));
      const { host, name, units, device, manager } = await rig({ disk: source }, { disk: target });
      const working = copy(
        host,
        0,
        list([name(0), name(1)], [segment({ type: 2, from: 0, to: 1, blocks: 65535 })], { id: 3 }),
      );
      while (target.writes.length < 4) await turn();
      await new Promise<void>((resolve, reject) => {
        const stopped = (): void => {
          if (how === 'destination reset' || target.underWay + source.underWay === 0) resolve();
          else reject(new Error('I/O is under way'));
        };
        if (how === 'task') units[0]!.abort(task => task.cdb[0] === 0x83, stopped);
        else if (how === 'reset') units[0]!.reset(stopped);
        else if (how === 'destination reset') units[1]!.reset(stopped);
        else if (how === 'nexus') device.abortNexus(host.nexus, stopped);
        else manager.stop().then(stopped, reject);
      });
      const answer = await working;
      const count = target.writes.length;
      for (let i = 0; i < 5; i++) await turn();
      t.equal(target.writes.length, count, `${how}: nothing after`);
      t.ok(count < 20, `${how}: early`);
      t.equal(manager.running, 0);
      if (how === 'destination reset') {
        t.equal(answer.said, 'a/0d01');
        t.equal(forwardedOf(answer)!.status, Status.TASK_ABORTED);
      } else if (how === 'stop') {
        t.equal(answer.status, Status.TASK_ABORTED);
        t.equal((await copy(host, 0, list([name(0)], []))).status, Status.BUSY);
      } else t.ok(answer.aborted, how);
      if (how === 'task') {
        t.equal((await host.send(0, cdb84(0, 3))).data[4], 2, 'results outlive ABORT TASK');
        const details = await host.send(0, cdb84(4, 3));
        t.equal(details.data[56], Status.TASK_ABORTED);
      }
    }
  },
);

void t.test(
  'SPC-4 6.3: a copy that is stopped while it reads the block that it is to change in part writes nothing: COPY OPERATION ABORT',
  async t => {
    const source = memoryDisk({ bytes: 16 * MIB });
    const target = new SlowDisk(memoryDisk({ bytes: 16 * MIB }));
    await fill(source, Buffer.alloc(16 * MIB, 1));
    const { host, name } = await rig({ disk: source }, { disk: target });
    let open!: () => void;
    const gate = new Promise<void>(resolve => {
      open = resolve;
    });
    target.pace = () => gate;
    const move = Buffer.alloc(32);
    move[0] = 0x0a;
    move.writeUInt16BE(28, 2);
    move.writeUInt16BE(1, 6);
    move.writeUInt32BE(15 * MIB, 8);
    move.writeUInt16BE(100, 30);
    const working = copy(host, 0, list([name(0), name(1)], [move], { id: 3 }));
    while (target.underWay === 0) await turn();
    const abort = host.send(0, cdb84lid4(0x1c, 3, 0, 0x83));
    await turn();
    open();
    t.equal((await abort).status, Status.GOOD);
    t.equal((await working).said, 'a/2f02');
    t.same(target.writes, []);
  },
);

void t.test('SPC-4 5.17.4.5: held data takes no more room in short records than in long ones', async t => {
  const kept = new HeldData();
  const before = process.memoryUsage().heapUsed;
  const one = Buffer.alloc(1);
  for (let i = 0; i < HELD_DATA_BYTES; i++) {
    one[0] = i % 251;
    kept.add(one);
  }
  t.ok(process.memoryUsage().heapUsed - before < 48 * MIB);
  t.equal(kept.discarded, false);
  const wanted = Buffer.from(Array.from({ length: HELD_DATA_BYTES }, (_, i) => i % 251));
  t.ok(kept.bytes.equals(wanted));

  const random = dice(5);
  let all: Buffer = wanted;
  for (let i = 0; i < 200; i++) {
    const more = random.bytes(random.pick([0, 1, 700, 5000, 300_000, HELD_DATA_BYTES + 3]));
    kept.add(more);
    all = Buffer.concat([all, more]).subarray(-HELD_DATA_BYTES);
    if (i % 10 === 0) t.ok(kept.bytes.equals(all), `after ${i}`);
  }
  t.equal(kept.discarded, true);
  t.equal(kept.length, HELD_DATA_BYTES);
  kept.drop();
  kept.add(Buffer.from('again'));
  t.equal(kept.bytes.toString(), 'again');
});

void t.test(
  'SPC-4 5.17.4.5: held data of one nexus gives way to none of another: RECEIVE COPY DATA(LID1)',
  async t => {
    const { host, name, device } = await rig({ disk: memoryDisk({ bytes: MIB }) });
    const other = await new Commander(device, nexus('other')).clear();
    const hold = segment({ type: 2, from: 0, to: 0, blocks: 1, toLba: 1 });
    hold[0] = 0x0d;
    const kept = async (to: Commander, id: number): Promise<void> => {
      t.equal((await copy(to, 0, list([name(0)], [hold], { id, usage: 0 }))).said, '');
    };
    const has = async (of: Commander, id: number): Promise<number> =>
      (await of.send(0, cdb84(1, id))).data.readUInt32BE(0);
    await kept(other, 1);
    for (let i = 0; i < 100; i++) await kept(host, 7);
    t.equal(await has(host, 7), 512, 'what has been replaced by the next of that name is gone');
    for (let id = 0; id < 100; id++) await kept(host, id);
    t.equal(await has(other, 1), 512);
    t.equal(await has(host, 99), 512);
    t.equal(await has(host, 100 - MAX_HELD_OF_NEXUS), 512);
    t.equal(await has(host, 99 - MAX_HELD_OF_NEXUS), 0, 'its own oldest');
  },
);

void t.test(
  'SAM-5 8.9.3: an ORDERED EXTENDED COPY(LID1) begins when the commands before it have ended',
  async t => {
    const source = new SlowDisk(memoryDisk({ bytes: MIB }));
    const target = memoryDisk({ bytes: MIB });
    const { host, name } = await rig({ disk: source }, { disk: target });
    let open!: () => void;
    const gate = new Promise<void>(resolve => {
      open = resolve;
    });
    source.pace = () => gate;
    source.read = async (into, offset) => source.inner.read(into, offset);
    const fresh = Buffer.alloc(512, 7);
    const write = host.send(0, '2a 00 00 00 00 00 00 00 01 00', { out: fresh });
    const out = list([name(0), name(1)], [segment({ type: 2, from: 0, to: 1, blocks: 1 })]);
    const copying = host.send(0, cdb83(out.length), { out, attribute: Attribute.ORDERED });
    await new Promise(resolve => setTimeout(resolve, 20));
    t.ok((await dump(target, 512)).equals(Buffer.alloc(512)), 'nothing is copied yet');
    open();
    t.equal((await write).said, '');
    t.equal((await copying).said, '');
    t.ok((await dump(target, 512)).equals(fresh));
  },
);

void t.test('what an end says, the copy passes on (SPC-4 5.17.7.4)', async t => {
  const source = memoryDisk({ bytes: 16 * MIB });
  await fill(source, Buffer.alloc(16 * MIB, 1));
  const target = new SlowDisk(memoryDisk({ bytes: 16 * MIB }));
  target.failWriteAt = 5 * MIB;
  const { host, name, units, device } = await rig({ disk: source }, { disk: target });
  const all = list([name(0), name(1)], [segment({ type: 2, from: 0, to: 1, blocks: 32768 })]);
  const failed = await copy(host, 0, all);
  t.equal(failed.said, 'a/0d01');
  t.equal(forwardedOf(failed)!.from, 'destination');
  t.equal(informationOf(failed), (11 * MIB) / 512, 'in order from the first byte');
  t.equal(pointerOf(failed), 'list 48');
  target.failWriteAt = -1;

  // A reservation of another nexus: the copy may do what its nexus may do.
  const other = await new Commander(device, nexus('iqn.2026-01.test:b', '400000000002')).clear();
  const { reservations } = units[1]!;
  Object.defineProperty(reservations, 'any', { get: () => true, configurable: true });
  reservations.conflicts = (row, task) => row.access === 'write' && task.nexus.id !== other.nexus.id;
  const conflict = await copy(host, 0, all);
  t.equal(conflict.said, 'a/0d01');
  t.equal(forwardedOf(conflict)!.status, Status.RESERVATION_CONFLICT);
  t.equal((await copy(other, 0, all)).status, 0, 'the holder may');
  Object.defineProperty(reservations, 'any', { get: () => false, configurable: true });

  // Unit attentions are for the initiator.
  units[1]!.attention(0x2a09);
  t.equal((await copy(host, 0, all)).status, 0);
  t.equal((await host.send(1, '00')).said, '6/2a09', 'still there');

  // BUSY is met with patience.
  let busy = 3;
  const row = units[1]!.commands.byCode(0x8a)!;
  units[1]!.commands.add({
    ...row,
    run: (unit: never, task) => (busy-- > 0 ? task.end(Status.BUSY) : row.run(unit, task)),
  });
  t.equal((await copy(host, 0, all)).status, 0);
  t.ok(busy < 0);

  // Patience ends with the copy.
  busy = Infinity;
  const waiting = copy(host, 0, all);
  await turn();
  await new Promise<void>(done => units[0]!.abort(task => task.cdb[0] === 0x83, done));
  t.ok((await waiting).aborted);
  busy = 0;

  // Descriptor-format sense, segment number and forwarded sense in place.
  target.failWriteAt = 5 * MIB;
  Object.defineProperty(units[0]!, 'descriptorSense', { get: () => true });
  const described = await copy(host, 0, all);
  t.equal(described.sense[0], 0x72);
  t.equal(described.sense[1], 0x0a);
  t.equal(described.sense.readUInt16BE(2), 0x0d01);
  t.ok(described.sense.includes(Buffer.from('0c', 'hex')));
});

void t.test('as many copies as there is room for', async t => {
  const one = new SlowDisk(memoryDisk({ bytes: 4 * MIB }));
  const { device, name } = await rig({ disk: one });
  const hosts = await Promise.all(
    Array.from({ length: 3 }, (_, i) => new Commander(device, nexus(`iqn.2026-01.test:n${i}`)).clear()),
  );
  let open!: () => void;
  const gate = new Promise<void>(resolve => {
    open = resolve;
  });
  one.pace = () => gate;
  const seg = segment({ type: 2, from: 0, to: 0, blocks: 8, toLba: 100 });
  const many = hosts.map(host =>
    Array.from({ length: MAX_COPIES_OF_NEXUS + 1 }, (_, id) => copy(host, 0, list([name(0)], [seg], { id }))),
  );
  await turn();
  open();
  const answers = await Promise.all(many.map(all => Promise.all(all)));
  const good = answers.map(all => all.filter(a => a.status === 0).length);
  t.strictSame(good, [MAX_COPIES_OF_NEXUS, MAX_COPIES_OF_NEXUS, MAX_COPIES - 2 * MAX_COPIES_OF_NEXUS]);
  t.ok(answers.flat().every(a => a.status === 0 || a.status === Status.BUSY));
});

void t.test('SPC-4 6.22: RECEIVE COPY OPERATING PARAMETERS, VPD 8Fh, 3PC: what is listed works', async t => {
  const { host } = await rig({ disk: memoryDisk({ bytes: 1 * MIB }) }, { tape: memoryCartridge() });
  for (const lun of [0, 1]) {
    const p = (await host.send(lun, cdb84(3))).data;
    t.equal(p.readUInt32BE(0), p.length - 4);
    t.equal(p[4], 1, 'SNLID');
    const cscds = p.readUInt16BE(8);
    const segments = p.readUInt16BE(10);
    const length = p.readUInt32BE(12);
    t.ok(cscds <= 2046);
    t.ok(length >= Math.max(32 * (cscds + 1) + 28, 32 + 28 * (segments + 1)));
    t.equal(p.readUInt32BE(16), 256 * MIB);
    t.equal(p.readUInt32BE(20), MAX_INLINE_BYTES);
    t.equal(p.readUInt32BE(24), HELD_DATA_BYTES);
    t.ok(p.readUInt16BE(34) >= p[36]!);
    t.strictSame(
      [...p.subarray(44, 44 + p[43]!)],
      [...Array.from({ length: 0x17 }, (_, code) => code), 0xbe, 0xbf, 0xe4, 0xe5, 0xe6, 0xea, 0xfe],
    );

    t.equal((await host.send(lun, '12 00 00 00 24 00')).data[5]! & 8, 8, '3PC');
    t.ok((await host.send(lun, '12 01 00 00 ff 00')).data.subarray(4).includes(0x8f));
    const page = (await host.send(lun, '12 01 8f 04 00 00')).data;
    t.equal(page[1], 0x8f);
    t.equal(page.readUInt16BE(2), page.length - 4);
    const found = new Map<number, Buffer>();
    for (let at = 4; at < page.length;) {
      const size = page.readUInt16BE(at + 2);
      t.equal(size % 4, 0);
      found.set(page.readUInt16BE(at), page.subarray(at, at + 4 + size));
      at += 4 + size;
    }
    const types = [0x0001, 0x0004, 0x0008, 0x000c, 0x0106, 0x0108, 0x8001, 0x9101, 0xc001];
    t.strictSame([...found.keys()], lun === 0 ? [0x0000, ...types] : types);
    t.equal(
      found.get(0x0001)!.toString('hex', 4, lun === 0 ? 22 : 20),
      lun === 0 ? '118305000110111c84080001030405060708' : '0f830300011c84080001030405060708',
    );
    const data = found.get(0x0004)!;
    t.equal(data.length, 0x20);
    t.strictSame(
      [data.readUInt16BE(8), data.readUInt16BE(10), data.readUInt32BE(12), data.readUInt32BE(16)],
      [cscds, segments, length, MAX_INLINE_BYTES],
    );
    t.strictSame(found.get(0x0008)!.subarray(4, 5 + p[43]!), p.subarray(43, 44 + p[43]!));
    t.equal(found.get(0x000c)!.toString('hex', 4, 14), '0008c000c001f800ffff');
    const general = found.get(0x8001)!;
    t.equal(general.length, 0x24);
    t.strictSame(
      [general.readUInt32BE(4), general.readUInt32BE(8), general.readUInt32BE(12)],
      [p.readUInt16BE(34), p[36], 256 * MIB],
    );
    t.equal(found.get(0x9101)!.length, 0x10);
    t.equal(found.get(0x9101)!.readUInt32BE(4), p.readUInt32BE(28));
    for (const action of [1, 2, 5, 6, 7]) t.equal((await host.send(lun, cdb84(action, 1))).said, '5/2400');
  }
});
