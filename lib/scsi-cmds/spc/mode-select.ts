import { bit, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { type Command, command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import {
  invalidFieldInCdb,
  invalidFieldInParameterList,
  parameterListLengthError,
  writeProtected,
} from '../sense.ts';
import type { Task } from '../task.ts';
import { Attention } from '../unit-attention.ts';
import { LUN_BITS } from './allocation.ts';
import type { ModeChange } from './mode-pages.ts';

const cdb6 = layout(6, {
  opcode: u8(0),
  pageFormat: bit(1, 4),
  revertToDefaults: bit(1, 1),
  savePages: bit(1, 0),
  parameterListLength: u8(4),
});
const cdb10 = layout(10, {
  opcode: u8(0),
  pageFormat: bit(1, 4),
  revertToDefaults: bit(1, 1),
  savePages: bit(1, 0),
  parameterListLength: u16(7),
});

/** Mode parameter headers (SPC-4 7.5.5). MODE DATA LENGTH is reserved in MODE SELECT, and clients leave in it what they read. */
const header6 = layout(4, { mediumType: u8(1), deviceSpecific: u8(2), descriptorLength: u8(3) });
const header10 = layout(8, {
  mediumType: u8(2),
  deviceSpecific: u8(3),
  longLba: bit(4, 0),
  descriptorLength: u16(6),
});

function select(unit: LogicalUnit, task: Task, header: typeof header6 | typeof header10): MaybePromise<void> {
  // A tape is not read without its block length being set; its pages and what is saved are everybody's.
  const { readOnly, cdb } = task;
  if (readOnly && (cdb6.revertToDefaults.get(cdb) || cdb6.savePages.get(cdb))) throw writeProtected();
  if (cdb6.revertToDefaults.get(task.cdb)) return change(unit, task, unit.modePages.revert());
  const list = task.dataOut;
  if (list.length < task.wantedOut) throw parameterListLengthError();
  if (list.length === 0) return task.good(); // SPC-4 6.11: not an error
  if (list.length < header.length) throw parameterListLengthError();
  const { modePages } = unit;

  const mediumType = header.mediumType.get(list);
  const { anyMediumType, mediumType: own } = modePages.header;
  if (mediumType !== 0 && mediumType !== own && anyMediumType !== true) {
    throw invalidFieldInParameterList(header.mediumType.offset);
  }
  const long = header === header10 && header10.longLba.get(list);
  const described = header.descriptorLength.get(list);
  // SPC-4 7.5.6: one descriptor or none.
  if (described !== 0 && described !== (long ? 16 : 8)) {
    throw invalidFieldInParameterList(header.descriptorLength.offset);
  }
  const from = header.length + described;
  if (list.length < from) throw parameterListLengthError();
  if (readOnly && list.length > from) throw writeProtected();
  // SPC-4 6.11: without PF what follows has no standard meaning.
  if (list.length > from && !cdb6.pageFormat.get(task.cdb)) throw invalidFieldInCdb(1, 4);

  const setHeader = modePages.header.select(
    {
      deviceSpecific: header.deviceSpecific.get(list),
      descriptor: described === 0 ? undefined : list.subarray(header.length, from),
      long,
    },
    { deviceSpecific: header.deviceSpecific.offset, descriptor: header.length },
  );
  return change(unit, task, modePages.select(list, from), setHeader);
}

/** All of it has been found right. It is made so when it has been saved, where SP asks for that. */
function change(
  unit: LogicalUnit,
  task: Task,
  pages: ModeChange,
  setHeader = (): boolean => false,
): MaybePromise<void> {
  const set = (): MaybePromise<void> => {
    const headerChanged = setHeader();
    if (!pages.apply() && !headerChanged) return task.good();
    unit.attention(Attention.MODE_PARAMETERS_CHANGED, task.nexus);
    const settled = unit.modesChanged();
    return settled instanceof Promise ? settled.then(() => task.good()) : task.good();
  };
  return cdb6.savePages.get(task.cdb) ? pages.save().then(set) : set();
}

const modeSelect = (
  name: string,
  opcode: number,
  cdb: typeof cdb6 | typeof cdb10,
  header: typeof header6 | typeof header10,
): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name,
    opcode,
    cdb,
    access: 'write',
    alters: 'in-part',
    ordering: 'exclusive',
    portState: 'standby',
    tolerated: LUN_BITS,
    dataOut(unit, task) {
      const length = cdb.parameterListLength.get(task.cdb);
      // SPC-4 6.11: without saved pages SP is no field.
      if (cdb.savePages.get(task.cdb) && !unit.modePages.canSave) throw invalidFieldInCdb(1, 0);
      // The list would say what RTD says otherwise.
      if (cdb.revertToDefaults.get(task.cdb) && length > 0) {
        throw invalidFieldInCdb(cdb.parameterListLength.offset);
      }
      return length;
    },
    run: (unit, task) => select(unit, task, header),
  });

/** SPC-4 6.11. */
export const modeSelect6 = modeSelect('MODE SELECT(6)', 0x15, cdb6, header6);
/** SPC-4 6.12. */
export const modeSelect10 = modeSelect('MODE SELECT(10)', 0x55, cdb10, header10);
