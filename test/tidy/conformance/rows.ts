/** The rows of every kind of unit, as they stand in its tables, and the tests that name them. */
import { memoryDisk } from '../../../lib/backends/memory.ts';
import { memoryCartridge } from '../../../lib/backends/tape/cartridge-memory.ts';
import { MemoryShelf } from '../../../lib/backends/tape/shelf-memory.ts';
import { addCopyManager } from '../../../lib/copy-manager/copy-manager.ts';
import { cscdTypes } from '../../../lib/copy-manager/cscd/registry.ts';
import { segmentTypes } from '../../../lib/copy-manager/segments/registry.ts';
import { TaskFunction } from '../../../lib/iscsi/pdu/task-management.ts';
import { absentUnit } from '../../../lib/scsi-cmds/absent-unit.ts';
import type { Command } from '../../../lib/scsi-cmds/command.ts';
import { identify } from '../../../lib/scsi-cmds/identity.ts';
import { disk } from '../../../lib/scsi-cmds/sbc/disk-unit.ts';
import { changer } from '../../../lib/scsi-cmds/smc/changer-unit.ts';
import { tape } from '../../../lib/scsi-cmds/ssc/tape-unit.ts';
import { TargetDevice } from '../../../lib/scsi-cmds/target-device.ts';

const identity = (name: string): ReturnType<typeof identify> =>
  identify('iqn.2026-01.test:rows', name, { product: 'ROWS', revision: '0.1' });

const device = new TargetDevice('iqn.2026-01.test:rows', absentUnit());
export const UNITS = {
  disk: disk({
    identity: identity('disk'),
    backend: memoryDisk({ bytes: 1 << 20, blockSize: 512 }),
    removable: true,
  }),
  tape: tape({ identity: identity('tape'), medium: memoryCartridge({}) }),
  changer: changer({
    identity: identity('changer'),
    drives: [],
    slots: 1,
    importExports: 1,
    shelf: new MemoryShelf({ name: 'rows' }),
  }),
} as const;
device.add(0, UNITS.disk);
device.add(1, UNITS.tape);
addCopyManager(device);
// No copy manager stands behind a changer.
device.add(2, UNITS.changer);

export type Kind = keyof typeof UNITS;
export const KINDS: readonly Kind[] = ['disk', 'tape', 'changer'];

export { cscdTypes, segmentTypes, TaskFunction };

export const hex = (value: number, digits = 2): string =>
  `${value.toString(16).toUpperCase().padStart(digits, '0')}h`;

export const codeOf = ({
  opcode,
  serviceAction,
}: Pick<Command<never>, 'opcode' | 'serviceAction'>): string =>
  serviceAction === undefined ? hex(opcode) : `${hex(opcode)}/${hex(serviceAction, opcode === 0x7f ? 4 : 2)}`;

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);

/** `name` in `text` as a name by itself: READ is neither in READ CAPACITY nor in WRITE AND VERIFY. */
function says(text: string, name: string): boolean {
  return new RegExp(`(?<![A-Z(] ?)(?<![A-Z])${escaped(name)}(?! ?[A-Z][A-Z]|[a-z])`).test(text);
}

/**
 * Whether a test's title names a row: `READ(10)` by its whole name, or by `READ` without a length, which means all of
 * them; a service action of PERSISTENT RESERVE or READ POSITION by its own name beside that of the command.
 */
export function names(title: string, row: string): boolean {
  const whole = title.replaceAll(/((?:[A-Z]+ )*[A-Z-]+)(\([^)]+\)) and (\([^)]+\))/g, '$1$2 and $1$3');
  if (says(whole, row)) return true;
  const [command, action] = row.split(', ');
  if (action !== undefined) {
    const family = title.includes(command!) || /SPC-4 (5\.13|6\.1[56])/.test(title);
    return (says(title, command!) && !/, [A-Z]{3}/.test(title)) || (family && says(title, action));
  }
  const form = /^(READ POSITION)\b/.exec(row)?.[1];
  if (form !== undefined) return says(title, form);
  // EXTENDED COPY without a word more is the one of the first format.
  const base = /^(.*)\((?:\d+|LID1)\)$/.exec(row)?.[1];
  if (base === undefined) return false;
  return says(title, base) && !new RegExp(`${escaped(base)}\\(`).test(title);
}
