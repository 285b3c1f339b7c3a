import type { Command, CommandOptions } from './command.ts';
import { InitiatorError } from './initiator-error.ts';

/** Commands that wait for the window; a caller with more is not looking at its answers. */
const MOST_WAITING = 65_536;

export interface CommandQueueOptions {
  /** Names the other side in errors. */
  readonly peer: string;
  /** For commands that name none of their own. */
  readonly timeoutMs: number;
  /** Gives up a command that has been sent. */
  readonly abort: (command: Command, error: InitiatorError) => Promise<void>;
}

/** SCSI commands that have no answer yet: those that wait for the window, and those that have been sent. */
export class CommandQueue {
  readonly #options: CommandQueueOptions;
  readonly #commands = new Map<number, Command>();
  #waiting: Command[] = [];

  constructor(options: CommandQueueOptions) {
    this.#options = options;
  }

  get(tag: number): Command | undefined {
    return this.#commands.get(tag);
  }

  requireRoom(): void {
    if (this.#waiting.length < MOST_WAITING) return;
    throw new InitiatorError('usage', 'too many commands wait already');
  }

  add(command: Command, options: CommandOptions): void {
    this.#commands.set(command.tag, command);
    this.#guard(command, options);
    this.#waiting.push(command);
  }

  /** Takes off what waits, one after another, while `open`. */
  pump(open: () => boolean, start: (command: Command) => void): void {
    let sent = 0;
    while (sent < this.#waiting.length && open()) start(this.#waiting[sent++]!);
    if (sent > 0) this.#waiting = this.#waiting.slice(sent);
  }

  /** None of them will have an answer. */
  fail(error: InitiatorError): void {
    this.#waiting = [];
    for (const command of this.#commands.values()) command.fail(error);
  }

  /** Aborts the command when its time is over or its caller wants it to be. */
  #guard(command: Command, { timeoutMs = this.#options.timeoutMs, signal }: CommandOptions): void {
    const abandon = (error: InitiatorError): void => void this.#abandon(command, error);
    const timer = setTimeout(() => {
      const { peer } = this.#options;
      abandon(
        new InitiatorError('timeout', `${peer} has not answered a command within ${timeoutMs / 1000} s`),
      );
    }, timeoutMs);
    const aborted = (): void => abandon(new InitiatorError('aborted', 'the command was aborted'));
    signal?.addEventListener('abort', aborted, { once: true });
    void command.answer
      .catch(() => undefined)
      .finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        this.#commands.delete(command.tag);
      });
    if (signal?.aborted === true) queueMicrotask(aborted);
  }

  async #abandon(command: Command, error: InitiatorError): Promise<void> {
    if (command.settled) return;
    if (command.cmdSN === undefined) this.#waiting = this.#waiting.filter(other => other !== command);
    else await this.#options.abort(command, error);
    command.fail(error);
  }
}
