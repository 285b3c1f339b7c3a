/** `sanlet serve` as a process of its own, for clients that need a real port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Target {
  /** What the process answered when it was ready. */
  readonly ready: ReadyLine;
  /** SIGTERM; resolves to the exit code, null when it did not end by itself in time. */
  readonly stop: () => Promise<number | null>;
  /** Its log so far. */
  readonly log: () => string;
}

export interface ReadyLine {
  readonly event: 'ready';
  readonly portals: readonly string[];
  readonly targets: readonly {
    readonly iqn: string;
    readonly luns: readonly { lun: number; type: string; name: string; bytes: number; naa: string }[];
  }[];
}

const BIN = fileURLToPath(new URL('../../dist/bin/sanlet.js', import.meta.url));
const READY_MS = 15_000;
const STOP_MS = 5_000;

/** A port that is free now: who advertises a portal to someone behind NAT must know it before the start. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return address.port;
}

/** Starts it with these words after `serve` and waits until it is ready. */
export async function startTarget(words: readonly string[]): Promise<Target> {
  const child = spawn(process.execPath, [BIN, 'serve', '--json', ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const exit = once(child, 'exit').then(() => process.removeListener('exit', kill));
  try {
    const first = once(createInterface({ input: child.stdout }), 'line', {
      signal: AbortSignal.timeout(READY_MS),
    });
    const line = await Promise.race([first, exit.then(() => undefined)]);
    if (line === undefined) throw new Error('it ended at once');
    return {
      ready: JSON.parse(String(line[0])) as ReadyLine,
      stop: () => stop(child),
      log: () => log,
    };
  } catch (error) {
    kill();
    throw new Error(`sanlet serve was not ready: ${log}`, { cause: error });
  }
}

async function stop(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exit;
    clearTimeout(late);
  }
  return child.exitCode;
}
