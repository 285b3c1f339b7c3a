/**
 * sanlet beside Debian's tgt in one run on copies of one backing file, rounds interleaved, and copies inside the target
 * beside copies that an initiator carries. Only ratios mean anything on a shared machine.
 */
import { randomFillSync } from 'node:crypto';
import { closeSync, copyFileSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { byDd, byInitiator, byTarget, type Copied } from './copies.ts';
import { type Latency, readLatency, readLatencyBeside } from './foreground.ts';
import { startSanlet, startTgt } from './peers.ts';
import { type Spread, spread } from './spread.ts';
import { WORKLOADS } from './workloads.ts';

const MIB = 1024 * 1024;

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', default: '' },
    size: { type: 'string', default: '1024' },
    json: { type: 'boolean', default: false },
  },
});
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
const imageMib = Number(values.size);

const say = (line: string): void => console.error(line);
const two = (value: number): string => value.toFixed(2);
const threeOf = ({ min, median, max }: Spread): string => `${two(min)}  ${two(median)}  ${two(max)}`;

/** Data that does not compress and has no zero blocks. */
function makeImage(path: string): void {
  const file = openSync(path, 'w');
  const chunk = Buffer.alloc(MIB);
  for (let i = 0; i < imageMib; i++) {
    if (i % 64 === 0) randomFillSync(chunk);
    chunk.writeUInt32BE(i);
    writeSync(file, chunk);
  }
  closeSync(file);
}

interface Row {
  readonly workload: string;
  readonly floor: number;
  readonly sanlet: number;
  readonly tgt: number;
  readonly ratio: Spread;
}

async function againstTgt(directory: string, image: string): Promise<Row[]> {
  const wanted = WORKLOADS.filter(({ name }) => name.includes(values.only));
  if (wanted.length === 0) return [];
  const other = join(directory, 'tgt.img');
  copyFileSync(image, other);
  const mine = await startSanlet(join(directory, 'state'), ['--disk', `d0=${image}`]);
  const tgt = await startTgt(other);
  try {
    const rows: Row[] = [];
    for (const workload of wanted) {
      const ours: number[] = [];
      const theirs: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const both = [
          async () => ours.push(await workload.run(mine.urls(0), seconds)),
          async () => theirs.push(await workload.run(tgt.url, seconds)),
        ];
        if (round % 2 === 1) both.reverse();
        for (const each of both) await each();
      }
      const row = {
        workload: workload.name,
        floor: workload.floor,
        sanlet: Math.round(spread(ours).median),
        tgt: Math.round(spread(theirs).median),
        ratio: spread(ours.map((value, i) => value / theirs[i]!)),
      };
      rows.push(row);
      say(
        `${row.workload.padEnd(30)} ${String(row.sanlet).padStart(8)} ${String(row.tgt).padStart(8)}   ${threeOf(row.ratio)}   floor ${two(row.floor)}`,
      );
    }
    return rows;
  } finally {
    await tgt.stop();
    await mine.stop();
  }
}

interface CopyRow {
  readonly how: string;
  readonly seconds: Spread;
  readonly mibPerSecond: number;
  /** Speed against dd, round by round. */
  readonly ratioToDd: Spread;
  readonly wireBytes: number;
}

/** dd, the copy manager and an initiator, in turn, over the same two files. */
async function copies(directory: string): Promise<CopyRow[]> {
  // Anew: the writes above leave zeros, which qemu-img does not send.
  const image = join(directory, 'source.img');
  makeImage(image);
  const copy = join(directory, 'copy.img');
  copyFileSync(image, copy);
  const san = await startSanlet(join(directory, 'state'), ['--disk', `d0=${image}`, '--disk', `d1=${copy}`]);
  const ways: readonly (readonly [string, () => Promise<Copied>])[] = [
    ['dd bs=1M of the same files', () => byDd(image, copy)],
    ['EXTENDED COPY, disk to disk', () => byTarget(san.urls(0), san.urls(1))],
    ['carried by an initiator', () => byInitiator(san.urls(0), san.urls(1))],
  ];
  try {
    for (const [, run] of ways) await run(); // everything is in the page cache afterwards
    const took = ways.map((): Copied[] => []);
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < ways.length; i++) {
        const way = (i + round) % ways.length;
        took[way]!.push(await ways[way]![1]());
      }
    }
    return ways.map(([how], i) => {
      const times = spread(took[i]!.map(each => each.seconds));
      const row = {
        how,
        seconds: times,
        mibPerSecond: Math.round(imageMib / times.median),
        ratioToDd: spread(took[i]!.map((each, round) => took[0]![round]!.seconds / each.seconds)),
        wireBytes: i === 0 ? 0 : spread(took[i]!.map(each => each.wireBytes)).median,
      };
      say(
        `${how.padEnd(30)} ${String(row.mibPerSecond).padStart(8)} MiB/s   ${threeOf(row.ratioToDd)} of dd   ${row.wireBytes} bytes on the wire`,
      );
      return row;
    });
  } finally {
    await san.stop();
  }
}

interface ForegroundRow {
  readonly reads: 'alone' | 'beside a copy';
  readonly p50Ms: Spread;
  readonly p99Ms: Spread;
  /** Against reads alone, round by round. */
  readonly p50Ratio: Spread;
  readonly p99Ratio: Spread;
}

/** 4 KiB reads one after the other, alone and while the target copies a disk onto another. */
async function foreground(directory: string): Promise<ForegroundRow[]> {
  const paths = ['read.img', 'from.img', 'to.img'].map(name => join(directory, name));
  makeImage(paths[0]!);
  for (const path of paths.slice(1)) copyFileSync(paths[0]!, path);
  const disks = paths.flatMap((path, i) => ['--disk', `d${i}=${path}`]);
  const san = await startSanlet(join(directory, 'state'), disks);
  const copy = { from: san.urls(1), to: san.urls(2) };
  const alone: Latency[] = [];
  const beside: Latency[] = [];
  try {
    for (let round = 0; round < rounds; round++) {
      const both = [
        async () => alone.push(await readLatency(san.urls(0), seconds)),
        async () => beside.push(await readLatencyBeside(san.urls(0), seconds, copy)),
      ];
      if (round % 2 === 1) both.reverse();
      for (const each of both) await each();
    }
  } finally {
    await san.stop();
  }
  const row = (reads: ForegroundRow['reads'], found: readonly Latency[]): ForegroundRow => ({
    reads,
    p50Ms: spread(found.map(each => each.p50Ms)),
    p99Ms: spread(found.map(each => each.p99Ms)),
    p50Ratio: spread(found.map((each, i) => each.p50Ms / alone[i]!.p50Ms)),
    p99Ratio: spread(found.map((each, i) => each.p99Ms / alone[i]!.p99Ms)),
  });
  const rows = [row('alone', alone), row('beside a copy', beside)];
  for (const { reads, p50Ms, p99Ms, p50Ratio, p99Ratio } of rows) {
    const times = `p50 ${two(p50Ms.median)} ms, p99 ${two(p99Ms.median)} ms`;
    say(
      `${`4 KiB read ${reads}`.padEnd(30)} ${times}   p50 ${threeOf(p50Ratio)}   p99 ${threeOf(p99Ratio)} of alone`,
    );
  }
  return rows;
}

/** From the start of the process to the ready line. */
async function readyLine(directory: string): Promise<Spread> {
  const times: number[] = [];
  for (let i = 0; i < Math.max(rounds, 3); i++) {
    const san = await startSanlet(join(directory, 'state'), ['--disk', 'd0=memory', '--tape', 't0=memory']);
    times.push(san.readyMs);
    await san.stop();
  }
  const row = spread(times);
  say(`ready line after ${Math.round(row.min)} / ${Math.round(row.median)} / ${Math.round(row.max)} ms`);
  return row;
}

const directory = mkdtempSync(join(tmpdir(), 'sanlet-bench-'));
try {
  const image = join(directory, 'sanlet.img');
  makeImage(image);
  say(`${rounds} rounds of ${seconds} s, ${imageMib} MiB; operations a second, ratios as min, median, max`);
  say(`${'workload'.padEnd(30)}   sanlet      tgt   ratio`);
  const workloads = await againstTgt(directory, image);
  const copied = 'copy'.includes(values.only) || values.only === '' ? await copies(directory) : [];
  const reads = 'foreground'.includes(values.only) ? await foreground(directory) : [];
  const readyMs = await readyLine(directory);
  const results = { rounds, seconds, imageMib, workloads, copies: copied, foreground: reads, readyMs };
  console.log(JSON.stringify(results, undefined, values.json ? undefined : 2));
} finally {
  rmSync(directory, { recursive: true, force: true });
}
