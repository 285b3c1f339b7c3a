import { startProgress } from '../lib/cli/progress.ts';
import { formatTime } from '../lib/cli/table.ts';
import { exportCartridge } from '../lib/cli/tape/export.ts';
import type { ExportWords, Transfer } from '../lib/cli/tape/export.ts';
import { importImage } from '../lib/cli/tape/import.ts';
import type { ImportWords } from '../lib/cli/tape/import.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';
import { describeNew } from './tape-create.ts';

const begin = (what: string, bytes: number | undefined) => startProgress(process.stderr, what, bytes);

export function exportTape(
  path: string,
  out: string,
  { json = false, ...words }: ExportWords & { json?: boolean },
): Promise<number> {
  return interruptible(async signal => {
    const copied = await exportCartridge(path, out, words, { signal, begin });
    // What goes to standard output is the image.
    const stream = out === '-' ? process.stderr : process.stdout;
    stream.write(json ? jsonOf({ from: path, to: out }, copied) : `exported ${countOf(copied)}\n`);
    tell(copied, json);
    return copied.damage.length === 0 ? ExitCode.OK : ExitCode.FAILED;
  });
}

export function importTape(
  from: string,
  path: string,
  { json = false, ...words }: ImportWords & { json?: boolean },
): Promise<number> {
  return interruptible(async signal => {
    const copied = await importImage(from, path, words, { signal, begin });
    const { cartridge } = copied;
    process.stdout.write(
      json
        ? jsonOf({ from, to: cartridge.path, cartridge }, copied)
        : `imported ${countOf(copied)}\ncreated ${describeNew(cartridge)}\n`,
    );
    tell(copied, json);
    return ExitCode.OK;
  });
}

function countOf({ format, records, filemarks, bytes, elapsedMs }: Transfer): string {
  const rate = `${formatSize((bytes * 1000) / Math.max(elapsedMs, 1))}/s`;
  return `${format}: ${many(records, 'record')}, ${many(filemarks, 'filemark')}, ${bytes} bytes in ${formatTime(elapsedMs)}, ${rate}`;
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const jsonOf = (
  ends: object,
  { format, records, filemarks, bytes, damage, elapsedMs, notes }: Transfer,
): string =>
  `${JSON.stringify({ ...ends, format, records, filemarks, bytes, damage, seconds: elapsedMs / 1000, notes })}\n`;

function tell({ notes, damage }: Transfer, json: boolean): void {
  if (json) return;
  for (const each of damage) process.stderr.write(`sanlet: ${each}\n`);
  for (const note of notes) process.stderr.write(`sanlet: note: ${note}\n`);
}
