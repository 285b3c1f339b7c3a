import { createInterface } from 'node:readline/promises';
import { ConfigError } from '../lib/config.ts';
import { eraseCartridge } from '../lib/cli/tape/erase.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';

export function erase(path: string, { yes = false }: { yes?: boolean }): Promise<number> {
  return interruptible(async signal => {
    const erased = await eraseCartridge(path, async ({ barcode, usedBytes }) => {
      if (yes) return true;
      if (!process.stdin.isTTY || !process.stderr.isTTY)
        throw new ConfigError([], `erasing ${path} needs --yes where there is no terminal to ask`);
      const what = barcode === '' ? path : `${path} (${barcode})`;
      const asking = createInterface({ input: process.stdin, output: process.stderr });
      try {
        const answer = await asking.question(`Erase ${formatSize(usedBytes)} on ${what}? [y/N] `, { signal });
        return /^y(es)?$/i.test(answer.trim());
      } finally {
        asking.close();
      }
    });
    process.stdout.write(erased ? `erased ${path}\n` : `${path} was left as it is\n`);
    return erased ? ExitCode.OK : ExitCode.FAILED;
  });
}
