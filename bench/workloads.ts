import { output } from './program.ts';

/** Something that is done to a LUN, and how much of it is done in a second. */
export interface Workload {
  readonly name: string;
  /** Median ratio to tgt that is the floor. */
  readonly floor: number;
  /** Operations a second. */
  run(url: string, seconds: number): Promise<number>;
}

const BLOCK = 512;
const KIB = 1024;
const MIB = 1024 * KIB;

/** libiscsi's iscsi-perf: reads, random ones with `-r`. */
const reads = (name: string, bytes: number, depth: number, random: boolean, floor: number): Workload => ({
  name,
  floor,
  run: async (url, seconds) => {
    const args = [
      '-m',
      String(depth),
      '-b',
      String(bytes / BLOCK),
      '-t',
      String(seconds),
      ...(random ? ['-r'] : []),
    ];
    const text = await output('iscsi-perf', [...args, url], seconds * 1000 + 20_000);
    const found = [...text.matchAll(/iops average (\d+)/g)].at(-1);
    if (found === undefined) throw new Error('iscsi-perf told no average');
    return Number(found[1]);
  },
});

/** qemu-img bench -w: sequential writes. It takes a count, so a short run first tells how many fill the time. */
const writes = (name: string, bytes: number, depth: number, floor: number): Workload => {
  const timed = async (url: string, count: number): Promise<number> => {
    const text = await output('qemu-img', [
      ...[
        'bench',
        '-w',
        '-f',
        'raw',
        '-t',
        'none',
        '-c',
        String(count),
        '-d',
        String(depth),
        '-s',
        String(bytes),
      ],
      url,
    ]);
    const found = /Run completed in ([\d.]+) seconds/.exec(text);
    if (found === null) throw new Error('qemu-img bench told no time');
    return count / Number(found[1]);
  };
  const probe = Math.max(64, Math.floor((32 * MIB) / bytes / 8));
  return {
    name,
    floor,
    run: async (url, seconds) => timed(url, Math.max(probe, Math.ceil((await timed(url, probe)) * seconds))),
  };
};

export const WORKLOADS: readonly Workload[] = [
  reads('4 KiB random read, queue 1', 4 * KIB, 1, true, 0.9),
  reads('4 KiB random read, queue 32', 4 * KIB, 32, true, 1.0),
  reads('4 KiB random read, queue 128', 4 * KIB, 128, true, 1.7),
  writes('4 KiB write, queue 1', 4 * KIB, 1, 0.9),
  writes('4 KiB write, queue 32', 4 * KIB, 32, 1.0),
  writes('4 KiB write, queue 128', 4 * KIB, 128, 1.3),
  reads('1 MiB read, queue 8', MIB, 8, false, 0.8),
  writes('1 MiB write, queue 8', MIB, 8, 0.8),
];
