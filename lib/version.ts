import { existsSync, readFileSync } from 'node:fs';

/** The package's version. The file stands at other depths in the sources, compiled and bundled. */
export const version: string = (() => {
  for (const up of ['../package.json', '../../package.json']) {
    const file = new URL(up, import.meta.url);
    if (existsSync(file)) return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
  }
  throw new Error('package.json is missing');
})();
