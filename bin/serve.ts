import {
  checkMediumFiles,
  optionsOfWords,
  readConfigFile,
  resolveOptions,
  type ServeWords,
} from '../lib/config.ts';
import { environmentOf, RunningCommand } from '../lib/cli/run-command.ts';
import type { Log } from '../lib/log.ts';
import { San } from '../lib/san.ts';
import { ExitCode } from './failure.ts';
import { newLog } from './log.ts';

export interface ServeOptions extends ServeWords {
  readonly config?: string | undefined;
  readonly json?: boolean | undefined;
  readonly run?: string | undefined;
}

const DEFAULT_PORTALS = ['127.0.0.1:3260'];
/** SIGINT and SIGTERM end it within two seconds; what has not closed by then is left to the kernel. */
const STOP_LIMIT_MS = 1_800;

export async function serve({ config, json = false, run, ...words }: ServeOptions): Promise<number> {
  const stopped = new Promise<NodeJS.Signals>(resolve => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
    if (run === undefined) return;
    // A command is a process group of its own, which neither a second ^C nor a terminal that closes reaches: we stay
    // until it has ended, and that is soon.
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, resolve);
  });
  const log = newLog();
  const reload = config === undefined || run !== undefined ? undefined : new Reload(config, words, log);
  const file = config === undefined ? undefined : await readConfigFile(config);
  const options = optionsOfWords(words, file);
  await checkMediumFiles(resolveOptions(options));
  const san = await San.start({ portals: DEFAULT_PORTALS, ...options, log });
  reload?.begin(san);
  const ready = json ? readyObject(san) : readyLine(san);
  if (run === undefined) {
    process.stdout.write(`${ready}\n`);
    await stopped;
    await stopWithin(san);
    return ExitCode.OK;
  }
  process.stderr.write(`${ready}\n`);
  const command = new RunningCommand(run, environmentOf(san));
  void stopped.then(signal => command.stop(signal));
  const code = await command.code;
  await stopWithin(san);
  return code;
}

/** SIGHUP: the file is read again, and what is different in it is made so. */
class Reload {
  readonly #config: string;
  readonly #words: ServeWords;
  readonly #log: Log;
  #san: San | undefined;
  #asked = false;
  #running = false;

  constructor(config: string, words: ServeWords, log: Log) {
    this.#config = config;
    this.#words = words;
    this.#log = log;
    process.on('SIGHUP', () => {
      this.#asked = true;
      void this.#work();
    });
  }

  /** It serves; what was asked for before that is done now. */
  begin(san: San): void {
    this.#san = san;
    void this.#work();
  }

  async #work(): Promise<void> {
    if (this.#san === undefined || this.#running) return;
    this.#running = true;
    while (this.#asked) {
      this.#asked = false;
      await this.#once(this.#san);
    }
    this.#running = false;
  }

  async #once(san: San): Promise<void> {
    try {
      const file = await readConfigFile(this.#config);
      const kept = new Map(
        san.targets.map(({ iqn, luns }) => [iqn, new Map(luns.map(({ name, lun }) => [name, lun]))]),
      );
      const options = optionsOfWords(this.#words, file, kept);
      const told = await san.apply({ portals: DEFAULT_PORTALS, ...options, log: this.#log });
      const what = told.length === 0 ? 'nothing has changed' : told.join(', ');
      this.#log.info({ config: this.#config }, `configuration loaded again: ${what}`);
    } catch (error) {
      const { name, message } = error as Error;
      const how = name === 'ConfigError' ? 'not loaded' : 'loaded in part';
      this.#log.error({ config: this.#config }, `configuration ${how}: ${message}`);
    }
  }
}

function readyLine(san: San): string {
  const luns = san.targets.reduce((sum, target) => sum + target.luns.length, 0);
  const targets = san.targets.map(({ iqn }) => iqn).join(',');
  return `sanlet ready portal=${san.portals.join(',')} target=${targets} luns=${luns}`;
}

const readyObject = (san: San): string =>
  JSON.stringify({ event: 'ready', portals: san.portals, targets: san.targets });

async function stopWithin(san: San): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, STOP_LIMIT_MS);
  });
  await Promise.race([san.stop(), late]);
  clearTimeout(timer);
}
