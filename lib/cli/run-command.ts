import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';

/** What a command that is run beside a San finds in its environment. */
export function environmentOf(san: {
  portal: string;
  iqn: string;
  luns: readonly { lun: number }[];
  url(lun: number): string;
}): Record<string, string> {
  return {
    SANLET_PORTAL: san.portal,
    SANLET_TARGET: san.iqn,
    ...Object.fromEntries(san.luns.map(({ lun }) => [`SANLET_URL_${lun}`, san.url(lun)])),
  };
}

/** What is left of the two seconds that a stop may take, for the command to end by itself. */
const TERM_GRACE_MS = 1_000;

/** A command of the shell, on our terminal; `code` is what it ended with, as a shell tells it. */
export class RunningCommand {
  readonly code: Promise<number>;
  readonly #child: ChildProcess;

  constructor(command: string, environment: Readonly<Record<string, string>>) {
    this.#child = spawn(command, { shell: true, stdio: 'inherit', env: { ...process.env, ...environment } });
    this.code = new Promise((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    });
  }

  /** Asks it to end, and makes it. */
  stop(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
    setTimeout(() => this.#child.kill('SIGKILL'), TERM_GRACE_MS).unref();
  }
}
