import { readFileSync } from 'node:fs';
import { COMMAND } from './peers.ts';
import { output } from './program.ts';

/** One copy of everything, and what it put on the wire. */
export interface Copied {
  readonly seconds: number;
  readonly wireBytes: number;
}

async function timed(run: () => Promise<unknown>): Promise<Copied> {
  const before = loopbackBytes();
  const begun = performance.now();
  await run();
  return { seconds: (performance.now() - begun) / 1000, wireBytes: loopbackBytes() - before };
}

/** Bytes received on the loopback interface: what both ends put on the wire, and what else runs on the machine. */
function loopbackBytes(): number {
  const line = /^\s*lo:\s*(\d+)/m.exec(readFileSync('/proc/net/dev', 'utf8'));
  return line === null ? 0 : Number(line[1]);
}

/** What the machine can do: page cache to page cache, no sync. */
export const byDd = (from: string, to: string): Promise<Copied> =>
  timed(() => output('dd', [`if=${from}`, `of=${to}`, 'bs=1M', 'conv=notrunc', 'status=none']));

/** Every block to the initiator and back: qemu-img from LUN to LUN. */
export const byInitiator = (from: string, to: string): Promise<Copied> =>
  timed(() => output('qemu-img', ['convert', '-n', '-f', 'raw', '-O', 'raw', from, to], 120_000));

/** One EXTENDED COPY; the time is that of the command, without the start of our own initiator. */
export async function byTarget(from: string, to: string): Promise<Copied> {
  const printed = await output(process.execPath, [COMMAND, 'xcopy', from, to, '--json'], 120_000);
  const told = JSON.parse(printed.split('\n').find(line => line.startsWith('{'))!) as {
    seconds: number;
    carriedBytes: number;
  };
  return { seconds: told.seconds, wireBytes: told.carriedBytes };
}
