import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Document, LineCounter, Node } from 'yaml';
import { ConfigError, type ConfigPath } from './config-error.ts';
import type { SanOptions, TargetOptions } from './options.ts';
import { resolveOptions } from './resolve.ts';
import { checkShape } from './shape.ts';

/** Far more than a configuration needs; a disk image given by mistake is not read into memory. */
const LONGEST_FILE_BYTES = 4 * 1024 * 1024;

/**
 * The options in a YAML or JSON file (JSON is YAML). Paths in it count from the directory it lies in, so that it means
 * the same wherever sanlet is started. Errors are ConfigError and name file, line and key.
 */
export async function readConfigFile(path: string): Promise<SanOptions> {
  const text = await readText(path);
  const { LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const [broken] = document.errors;
  if (broken !== undefined) {
    throw new ConfigError([], firstLine(broken.message), `${path}:${lines.linePos(broken.pos[0]).line}`);
  }
  try {
    const content: unknown = document.toJS({ maxAliasCount: 100 });
    if (content === null || content === undefined) {
      throw new ConfigError([], 'the file is empty; it should have targets with disks, tapes or libraries');
    }
    const options = checkShape(content);
    checkMeaning(options);
    return relativeTo(dirname(resolve(path)), options);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw new ConfigError([], firstLine((error as Error).message), path);
    throw new ConfigError(error.path, error.problem, `${path}:${lineOf(document, lines, error.path)}`);
  }
}

/** That there is nothing to serve is not the file's fault: the command line may name the disks. */
function checkMeaning(options: SanOptions): void {
  try {
    resolveOptions(options);
  } catch (error) {
    if (!(error instanceof ConfigError) || error.path.length > 0) throw error;
  }
}

const firstLine = (message: string): string => message.split('\n')[0]!;

async function readText(path: string): Promise<string> {
  const failed = (error: NodeJS.ErrnoException): never => {
    throw new ConfigError(
      [],
      error.code === 'ENOENT' ? 'there is no such file' : firstLine(error.message),
      path,
    );
  };
  const bytes = await readFile(path).catch(failed);
  if (bytes.length > LONGEST_FILE_BYTES)
    throw new ConfigError([], 'is too large for a configuration file', path);
  return bytes.toString('utf8');
}

/** The line of the key, or of the nearest group around it that is there. */
function lineOf(document: Document, lines: LineCounter, path: ConfigPath): number {
  for (let depth = path.length; depth > 0; depth--) {
    const at = keyOffset(document, path.slice(0, depth));
    if (at !== undefined) return lines.linePos(at).line;
  }
  return 1;
}

function keyOffset(document: Document, path: ConfigPath): number | undefined {
  const last = path.at(-1)!;
  const parent: unknown = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (typeof parent !== 'object' || parent === null || !('items' in parent)) return undefined;
  const items = parent.items as readonly unknown[];
  if (typeof last === 'number') return (items[last] as Node | undefined)?.range?.[0];
  for (const item of items) {
    const { key } = item as { key?: Node & { value?: unknown } };
    if (key?.value === last) return key.range?.[0];
  }
  return undefined;
}

function relativeTo(directory: string, options: SanOptions): SanOptions {
  const unit = <U extends { path?: string }>(of: U): U =>
    of.path === undefined ? of : { ...of, path: resolve(directory, of.path) };
  const target = <T extends TargetOptions>(of: T): T => ({
    ...of,
    ...(of.disks === undefined ? {} : { disks: of.disks.map(unit) }),
    ...(of.tapes === undefined ? {} : { tapes: of.tapes.map(unit) }),
    ...(of.libraries === undefined ? {} : { libraries: of.libraries.map(unit) }),
  });
  return {
    ...target(options),
    ...(options.targets === undefined ? {} : { targets: options.targets.map(target) }),
    ...(options.state === undefined ? {} : { state: resolve(directory, options.state) }),
  };
}
