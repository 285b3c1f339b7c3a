import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import t from 'tap';

/** The plan of the house: which room may import which (docs/architecture.md). A room may always import itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  bytes: [],
  state: ['bytes'],
  backends: ['bytes', 'state'],
  'scsi-cmds': ['bytes', 'state', 'backends'],
  'copy-manager': ['bytes', 'scsi-cmds'],
  iscsi: ['bytes', 'scsi-cmds'],
  initiator: ['bytes', 'iscsi'],
  config: ['scsi-cmds'],
  // What san.ts serves: a target whose units come and go.
  served: ['config', 'copy-manager', 'scsi-cmds'],
  // What bin/ starts: needs both a San and an initiator, which know nothing of each other.
  // Cartridges that no drive has: they are files, and images of other programs are files too.
  cli: ['bytes', 'state', 'backends', 'scsi-cmds', 'tape-images', 'config', 'initiator', 'san.ts'],
  'tape-images': ['bytes'],
};

/** What of another room's files may be imported, where it is not the whole room. */
const ONLY: Readonly<Record<string, RegExp>> = {
  // Any transport, any logical unit: iscsi sees the Task side and no command set.
  'iscsi→scsi-cmds': /^(task|nexus|lun|lun-view|sense|status|target-device|logical-unit|unit-attention)\.ts$/,
  // The client mirrors the target: the same layouts and the same table of keys.
  'initiator→iscsi': /^(pdu\/.*|login\/(keys|text|chap)\.ts)$/,
  // What a unit keeps, never where.
  'scsi-cmds→state': /^unit-state\.ts$/,
  // Contracts and faults, never a medium.
  'scsi-cmds→backends': /^(block-backend|tape-medium|tape-shelf|medium-error)\.ts$/,
  'config→scsi-cmds': /^(lun|ssc\/personality)\.ts$/,
  // What a drive has made of a record, and what cartridges there are.
  'cli→scsi-cmds': /^ssc\/(densities|attributes\/identifiers|recording\/(coding|compression))\.ts$/,
  'cli→state': /^directory\.ts$/,
  'cli→backends':
    /^(medium-error|medium-path|tape-medium|tape\/(cartridge-file|read-label|verify-cartridge))\.ts$/,
};

/** Files directly in lib that every room may use. */
const COMMON = new Set(['iscsi-name.ts', 'log.ts', 'sizes.ts', 'version.ts']);

const lib = resolve(import.meta.dirname, '../../lib');
const files = readdirSync(lib, { recursive: true, encoding: 'utf8' }).filter(file => file.endsWith('.ts'));

function imports(file: string): string[] {
  const source = readFileSync(join(lib, file), 'utf8');
  return [...source.matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)].map(match =>
    relative(lib, resolve(dirname(join(lib, file)), match[1]!)),
  );
}

void t.test('imports follow the arrows of the floor plan', async t => {
  let seen = 0;
  for (const file of files) {
    const [room, ...rest] = file.split('/');
    if (rest.length === 0) continue; // san.ts, index.ts, config.ts: the composition root knows every room
    for (const imported of imports(file)) {
      seen++;
      const [other, ...inside] = imported.split('/');
      if (other === room || (inside.length === 0 && COMMON.has(imported))) continue;
      const arrow = `${room}→${other}`;
      const allowed = MAY_IMPORT[room!]?.includes(other!) === true;
      t.ok(allowed, `${file} imports ${imported}: ${arrow} is an arrow of the plan`);
      const only = ONLY[arrow];
      if (allowed && only !== undefined) {
        t.match(inside.join('/'), only, `${file} imports ${imported}: within what ${arrow} may see`);
      }
    }
  }
  t.ok(seen > 100, `${seen} imports were looked at`);
});

void t.test('every room is in the plan', async t => {
  const rooms = new Set(files.filter(file => file.includes('/')).map(file => file.split('/')[0]!));
  for (const room of rooms) t.ok(room in MAY_IMPORT, `lib/${room} is in the plan`);
});

void t.test('no file is named after a protocol or after nothing', async t => {
  for (const file of files) {
    t.notMatch(file, /(^|\/)(iscsi|scsi|helpers?|utils?|misc|common)\.ts$/, `${file} has a noun for a name`);
  }
});

void t.test('no file gathers everything', async t => {
  for (const file of files) {
    const lines = readFileSync(join(lib, file), 'utf8').split('\n').length;
    t.ok(lines <= 500, `${file} has ${lines} lines`);
  }
});
