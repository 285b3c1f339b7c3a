/** `sanlet serve` as a process of its own, for clients that need a real port. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface Target {
  /** What the process answered when it was ready. */
  readonly ready: ReadyLine;
  /** SIGTERM; resolves to the exit code, null when it did not end by itself in time. */
  readonly stop: () => Promise<number | null>;
  /** SIGKILL. */
  readonly kill: () => Promise<void>;
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
const READY_MS = 60_000;
const STOP_MS = 20_000;

/** Starts it with these words after `serve` and waits until it is ready. */
export async function startTarget(words: readonly string[]): Promise<Target> {
  // Should this process be killed, the target goes with it.
  const child = spawn(
    'setpriv',
    ['--pdeathsig', 'KILL', process.execPath, BIN, 'serve', '--json', ...words],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      // tap puts its hooks into every Node that a test starts; they are not for this one.
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  );
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (log += text));
  try {
    const signal = AbortSignal.timeout(READY_MS);
    const [line] = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line', { signal }),
      once(child, 'exit', { signal }).then(() => []),
    ]);
    return {
      ready: JSON.parse(String(line)) as ReadyLine,
      stop: () => stop(child),
      kill: () => kill(child),
      log: () => log,
    };
  } catch (error) {
    child.kill('SIGKILL');
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

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  if (child.kill('SIGKILL')) await exit;
}
