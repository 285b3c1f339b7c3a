import { readFile } from 'node:fs/promises';
import { ConfigError } from '../config/config-error.ts';

/** More than the longest list that a copy manager takes; a disk image given by mistake is not taken for one. */
const LONGEST_FILE_BYTES = 16 * 1024 * 1024;

/** What a YAML or JSON file says (JSON is YAML); rejects with ConfigError of one sentence. */
export async function readSegmentFile(path: string): Promise<unknown> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    throw new ConfigError([], error.code === 'ENOENT' ? 'there is no such file' : error.message, path);
  });
  if (bytes.length > LONGEST_FILE_BYTES)
    throw new ConfigError([], 'is too large for a list of segments', path);
  const { LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(bytes.toString('utf8'), { lineCounter: lines, prettyErrors: false });
  const [broken] = document.errors;
  if (broken !== undefined) {
    const why = broken.message.split('\n')[0]!;
    throw new ConfigError([], why, `${path}:${lines.linePos(broken.pos[0]).line}`);
  }
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw new ConfigError([], (error as Error).message.split('\n')[0]!, path);
  }
}
