import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';

/** What a program printed; rejects with its last words when it fails or takes too long. */
export function output(command: string, args: readonly string[], timeoutMs = 60_000): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(command, args, { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      if (error === null) resolve(`${stdout}\n${stderr}`);
      else
        reject(
          new Error(`${command} ${args.join(' ')}: ${stderr.trim().split('\n').at(-1) ?? error.message}`),
        );
    });
  });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

/** A service that is stopped by its own pid. */
export class Service {
  readonly child: ChildProcess;
  constructor(command: string, args: readonly string[]) {
    this.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  }

  /** The first line on its stdout. */
  async firstLine(timeoutMs = 10_000): Promise<string> {
    const lines = createInterface({ input: this.child.stdout! });
    const timer = setTimeout(() => lines.close(), timeoutMs);
    for await (const line of lines) {
      clearTimeout(timer);
      return line;
    }
    throw new Error('the service said nothing');
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.child.kill(signal);
    await once(this.child, 'exit');
  }
}
