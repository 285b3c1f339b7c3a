import { spawn, type ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { setTimeout } from 'node:timers/promises';

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
const LOOK_AGAIN_MS = 10;

/**
 * A command of the shell, on our terminal; `code` is what it ended with, as a shell tells it. The shell and what it
 * starts are a process group of their own: a signal for the shell alone would leave its children behind.
 */
export class RunningCommand {
  readonly code: Promise<number>;
  readonly #child: ChildProcess;
  #stopped: Promise<void> | undefined;

  constructor(command: string, environment: Readonly<Record<string, string>>) {
    this.#child = spawn(command, {
      shell: true,
      stdio: 'inherit',
      detached: true,
      env: { ...process.env, ...environment },
    });
    const killed = (): void => void this.#signal('SIGKILL');
    process.once('exit', killed); // however we end
    this.code = new Promise<number>((resolve, reject) => {
      this.#child.once('error', reject);
      this.#child.once('exit', (code, signal) => {
        resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]));
      });
    }).finally(async () => {
      process.off('exit', killed);
      await this.#stopped;
    });
  }

  /** Asks it to end, and makes it; `code` waits for all of it. What it left behind when it ended by itself lives on. */
  stop(signal: NodeJS.Signals): void {
    this.#stopped ??= this.#end(signal);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const late = performance.now() + TERM_GRACE_MS;
    this.#signal(signal);
    while (this.#signal(0) && performance.now() < late) await setTimeout(LOOK_AGAIN_MS);
    this.#signal('SIGKILL');
  }

  /** False when nothing of it is there any more; signal 0 only asks. */
  #signal(signal: NodeJS.Signals | 0): boolean {
    const { pid } = this.#child;
    try {
      return pid !== undefined && process.kill(-pid, signal);
    } catch {
      return false;
    }
  }
}
