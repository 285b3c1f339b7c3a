import { GENERIC, personalities, personalityNamed } from '../scsi-cmds/ssc/personality.ts';
import { ConfigError, type ConfigPath } from './config-error.ts';
import { hint } from './suggestion.ts';

/** The name of a personality, as it is written in its row. */
export function resolveDrive(name: string | undefined, path: ConfigPath): string {
  if (name === undefined) return GENERIC.name;
  const found = personalityNamed(name);
  if (found !== undefined) return found.name;
  const names = personalities.map(each => each.name);
  throw new ConfigError(path, `there is no drive ${JSON.stringify(name)} ${hint(name, names)}`);
}
