import { runDemo, type DemoReport } from '../lib/cli/demo.ts';
import { startProgress, type Progress } from '../lib/cli/progress.ts';
import { formatTable, formatTime } from '../lib/cli/table.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';

export function demo(image: string | undefined, { json = false }: { json?: boolean }): Promise<number> {
  return interruptible(async signal => {
    let now: Promise<Progress> | undefined;
    const done = async (): Promise<void> => (await now)?.done();
    const begin = (what: string, bytes: number): ((bytes: number) => void) => {
      const before = done();
      const progress = before.then(() => startProgress(process.stderr, what, bytes));
      now = progress;
      return at => void progress.then(bar => bar.update(at));
    };
    const report = await runDemo({ image, signal, begin }).finally(done);
    process.stdout.write(json ? `${JSON.stringify(jsonOf(report))}\n` : textOf(report));
    return report.sums.differsAt === undefined ? ExitCode.OK : ExitCode.FAILED;
  });
}

function textOf({ image, copies, sums }: DemoReport): string {
  const rate = (bytes: number, ms: number): string => `${formatSize((bytes * 1000) / ms)}/s`;
  const table = formatTable(
    [
      ['', ...copies.map(({ from, to }) => `${from} → ${to}`)],
      ['copied inside the target', ...copies.map(({ bytes }) => formatSize(bytes))],
      ['carried by the initiator', ...copies.map(({ carriedBytes }) => formatSize(carriedBytes))],
      ['EXTENDED COPY commands', ...copies.map(({ commands }) => String(commands))],
      ['time', ...copies.map(({ elapsedMs }) => formatTime(elapsedMs))],
      ['throughput', ...copies.map(({ bytes, elapsedMs }) => rate(bytes, elapsedMs))],
    ],
    [1, 2],
  );
  const verdict =
    sums.differsAt === undefined
      ? 'The second disk holds what the first one holds.'
      : `The second disk differs from byte ${sums.differsAt} on.`;
  return `\n${table}\nsha256 ${sums.source}  ${image ?? 'generated sample'}\nsha256 ${sums.copy}  second disk\n\n${verdict}\n`;
}

const jsonOf = ({ image, bytes, copies, sums }: DemoReport): object => ({
  image: image ?? null,
  bytes,
  copies: copies.map(({ from, to, elapsedMs, carriedBytes, ...copy }) => ({
    from,
    to,
    copiedBytes: copy.bytes,
    carriedBytes,
    commands: copy.commands,
    segments: copy.segments,
    seconds: elapsedMs / 1000,
    bytesPerSecond: Math.round((copy.bytes * 1000) / elapsedMs),
  })),
  sha256: { source: sums.source, copy: sums.copy },
  identical: sums.differsAt === undefined,
  ...(sums.differsAt === undefined ? {} : { differsAt: sums.differsAt }),
});
