import { ConfigError } from './config-error.ts';
import type { DiskOptions, LibraryOptions, TapeOptions } from './options.ts';
import { FOR_DISKS } from './shape.ts';
import { hint } from './suggestion.ts';

/** The SPEC of a unit on the command line: `NAME=PATH[,size=1G][,block=512|4096][,ro][,removable]`, `NAME=memory[,size=64M]`. */

export type SpecType = 'disk' | 'tape' | 'library';

const WORDS = {
  disk: { values: ['size', 'block', 'physical', 'thin', 'lun'], flags: ['ro', 'removable'] },
  tape: { values: ['size', 'lun', 'drive'], flags: ['ro', 'removable'] },
  library: { values: ['drives', 'slots', 'ie', 'size', 'lun', 'drive'], flags: [] },
} as const;

/** Their values are no numbers. */
const WORDED = new Set(['size', 'thin', 'drive']);
const BLOCKS = new Set(['block', 'physical']);

const FORM = {
  disk: 'NAME=PATH[,size=1G][,block=512|4096][,ro][,removable] or NAME=memory[,size=64M]',
  tape: 'NAME=PATH[,size=1G][,drive=ULT3580-TD8][,ro][,removable] or NAME=memory[,size=64M]',
  library:
    'NAME=DIR[,drives=2][,slots=20][,ie=2][,drive=ULT3580-TD8][,size=1G] or NAME=memory[,drives=2][,slots=20]',
} as const;

export function parseDiskSpec(spec: string): DiskOptions {
  return parseSpec('disk', spec) as unknown as DiskOptions;
}

export function parseTapeSpec(spec: string): TapeOptions {
  return parseSpec('tape', spec) as unknown as TapeOptions;
}

export function parseLibrarySpec(spec: string): LibraryOptions {
  return parseSpec('library', spec) as unknown as LibraryOptions;
}

/** `,,` is a comma of the path. A file that is called memory is `./memory`. */
function parseSpec(type: SpecType, spec: string): Record<string, unknown> {
  const where = `--${type} ${spec}`;
  const [medium, ...words] = spec.split(/(?<!,),(?!,)/).map(part => part.replaceAll(',,', ','));
  const equals = medium!.indexOf('=');
  if (equals < 0) throw new ConfigError([], `a ${type} is written ${FORM[type]}`, where);
  const name = medium!.slice(0, equals);
  const path = medium!.slice(equals + 1);
  if (name === '' || path === '') {
    throw new ConfigError(
      [],
      `its ${name === '' ? 'name' : 'path'} is empty; a ${type} is written ${FORM[type]}`,
      where,
    );
  }
  const options: Record<string, unknown> = path === 'memory' ? { name, memory: true } : { name, path };
  const { values, flags } = WORDS[type];
  for (const word of words) {
    const at = word.indexOf('=');
    const key = at < 0 ? word : word.slice(0, at);
    const value = at < 0 ? undefined : word.slice(at + 1);
    const isFlag = (flags as readonly string[]).includes(key);
    if (!isFlag && !(values as readonly string[]).includes(key)) {
      throw new ConfigError(
        [],
        (type === 'disk' ? undefined : FOR_DISKS[key]) ??
          `a ${type} has no option ${JSON.stringify(key)} ${hint(key, [...values, ...flags])}`,
        where,
      );
    }
    if (isFlag && value !== undefined)
      throw new ConfigError([], `${key} takes no value; write ,${key}`, where);
    if (!isFlag && (value === undefined || value === '')) {
      throw new ConfigError([], `${key} needs a value, ,${key}=…`, where);
    }
    if (key in options) throw new ConfigError([], `${key} is given twice`, where);
    options[key] = isFlag ? true : WORDED.has(key) ? value : numberOf(key, value!, where);
  }
  return options;
}

function numberOf(key: string, value: string, where: string): number {
  if (!/^[0-9]{1,9}$/.test(value))
    throw new ConfigError([], `${key} must be a number, not ${JSON.stringify(value)}`, where);
  const number = Number(value);
  if (BLOCKS.has(key) && number !== 512 && number !== 4096) {
    throw new ConfigError([], `${key} must be 512 or 4096, not ${number}`, where);
  }
  return number;
}
