import { startProgress } from '../lib/cli/progress.ts';
import { verifyCartridges } from '../lib/cli/tape/verify.ts';
import type { Verified } from '../lib/cli/tape/verify.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';
import { Printer } from './printer.ts';

export function verify(paths: readonly string[], { json = false }: { json?: boolean }): Promise<number> {
  return interruptible(async signal => {
    const printer = new Printer();
    const begin = (what: string, bytes: number | undefined) => startProgress(process.stderr, what, bytes);
    const list: object[] = [];
    let [cartridges, whole] = [0, 0];
    for await (const each of verifyCartridges(paths, { signal, begin })) {
      cartridges++;
      if (each.whole) whole++;
      if (json) list.push(jsonOf(each));
      else {
        void printer.print(textOf(each));
        await printer.flush();
      }
    }
    if (json) void printer.print(`${JSON.stringify(list)}\n`);
    else if (cartridges !== 1) void printer.print(`${many(cartridges, 'cartridge')}, ${whole} whole\n`);
    await printer.flush();
    return whole === cartridges ? ExitCode.OK : ExitCode.FAILED;
  });
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function textOf({ path, damage, damages, notes, problem, report }: Verified): string {
  if (report === undefined) return `${problem}\n`;
  const sum = (what: 'records' | 'filemarks' | 'recordBytes'): number =>
    report.partitions.reduce((total, partition) => total + partition[what], 0);
  const held = `${many(sum('records'), 'record')}, ${many(sum('filemarks'), 'filemark')}, ${formatSize(sum('recordBytes'))}`;
  const more = damages - damage.length;
  const verdict = damages === 0 ? 'whole' : `damaged in ${many(damages, 'place')}`;
  return [
    ...damage.map(each => `${path}: ${each}`),
    ...(more > 0 ? [`${path}: and ${more} more`] : []),
    ...notes.map(each => `${path}: note: ${each}`),
    `${path}: ${verdict}: ${held}`,
    '',
  ].join('\n');
}

function jsonOf({ report, ...told }: Verified): object {
  if (report === undefined) return told;
  const { label, partitions, flaws, fileBytes } = report;
  return { ...told, ...label, fileBytes, partitions, flaws };
}
