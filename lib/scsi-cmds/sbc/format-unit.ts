import { bit, bits, u16, u32, u8 } from '../../bytes/fields.ts';
import { layout, reservedBit } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import { invalidFieldInCdb, invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';
import type { Task } from '../task.ts';
import type { DiskUnit } from './disk-unit.ts';
import { writingAlone } from './forms.ts';
import { MediumOperation } from './medium-operation.ts';

/** FMTPINFO is not there as there is no protection information. */
const cdb = layout(6, {
  opcode: u8(0),
  longList: bit(1, 5),
  formatData: bit(1, 4),
  completeList: bit(1, 3),
  defectListFormat: bits(1, 0, 3),
  fastFormat: bits(4, 0, 2),
});

/** FFMT (SBC-4 5.4): whether every block is written is our own affair. */
const NEED_NOT_INITIALIZE = 1;

const flags = {
  formatOptionsValid: bit(1, 7),
  disablePrimary: bit(1, 6),
  disableCertification: bit(1, 5),
  stopFormat: bit(1, 4),
  initializationPattern: bit(1, 3),
  immediate: bit(1, 1),
} as const;

/** Short and long parameter list header (SBC-3 5.3.2.2); PROTECTION FIELD USAGE and its neighbours are not there. */
const shortHeader = layout(4, { ...flags, defectListLength: u16(2) });
const longHeader = layout(8, { ...flags, defectListLength: u32(4) });

/** Initialization pattern descriptor (SBC-3 5.3.2.3). SI, security initialize, is SANITIZE's today. */
const patternHeader = layout(4, { type: u8(1), patternLength: u16(2) });
const DEFAULT_PATTERN = 0;
const REPEAT_PATTERN = 1;

/** DPRY, DCRT, STPF and IP: without FOV they have no meaning (SBC-3 5.3.2.2). */
const OPTIONS = 0x78;

interface Wanted {
  readonly immediate: boolean;
  readonly pattern: Uint8Array | undefined;
}

function patternOf(unit: DiskUnit, list: Buffer, at: number): Uint8Array | undefined {
  const one = list.subarray(at);
  if (one.length < patternHeader.length) throw parameterListLengthError();
  const bad = reservedBit(patternHeader.usage, one);
  if (bad !== undefined) throw invalidFieldInParameterList(at + bad.byte, bad.bit);
  const type = patternHeader.type.get(one);
  const length = patternHeader.patternLength.get(one);
  if (type > REPEAT_PATTERN) throw invalidFieldInParameterList(at + patternHeader.type.offset);
  // Of the default pattern, which is zeros, there is nothing to be sent.
  const most = type === DEFAULT_PATTERN ? 0 : unit.blockSize;
  if (length > most || (type === REPEAT_PATTERN && length === 0))
    throw invalidFieldInParameterList(at + patternHeader.patternLength.offset);
  if (one.length < patternHeader.length + length) throw parameterListLengthError();
  const pattern = Uint8Array.from(one.subarray(patternHeader.length, patternHeader.length + length));
  return pattern.some(byte => byte !== 0) ? pattern : undefined;
}

/** SBC-3 5.3.2. There are no defects to manage, so that no list of them is taken. */
function wantedBy(unit: DiskUnit, list: Buffer, long: boolean): Wanted {
  const header = long ? longHeader : shortHeader;
  if (list.length < header.length) throw parameterListLengthError();
  const bad = reservedBit(header.usage, list.subarray(0, header.length));
  if (bad !== undefined) throw invalidFieldInParameterList(bad.byte, bad.bit);
  const options = list[1]! & OPTIONS;
  if (!header.formatOptionsValid.get(list) && options !== 0)
    throw invalidFieldInParameterList(1, 31 - Math.clz32(options));
  if (header.defectListLength.get(list) !== 0)
    throw invalidFieldInParameterList(header.defectListLength.offset);
  const pattern = header.initializationPattern.get(list) ? patternOf(unit, list, header.length) : undefined;
  return { immediate: header.immediate.get(list), pattern };
}

/**
 * SBC-3 5.3: afterwards every block is unmapped and reads as zero, or is filled with the initialization pattern. The block
 * length and the capacity stay as they are.
 */
export const formatUnit = command<DiskUnit>({
  ...writingAlone,
  name: 'FORMAT UNIT',
  opcode: 0x04,
  cdb,
  timeoutSeconds: 0, // it is as long as the disk is
  aborting: unit => unit.operation?.forget(),
  dataOut(unit, task: Task) {
    if (cdb.fastFormat.get(task.cdb) > NEED_NOT_INITIALIZE) throw invalidFieldInCdb(4, 1);
    if (!cdb.formatData.get(task.cdb)) {
      // Without a list there is nothing that these could say (SBC-3 5.3.1, table 33).
      const about = task.cdb[1]! & 0x2f;
      if (about !== 0) throw invalidFieldInCdb(1, 31 - Math.clz32(about));
      return 0;
    }
    // The CDB does not say how long the list is: no more of it is taken than means anything here.
    return Math.min(task.expectedOut, longHeader.length + patternHeader.length + unit.blockSize);
  },
  run(unit, task) {
    const wanted: Wanted = cdb.formatData.get(task.cdb)
      ? wantedBy(unit, task.dataOut, cdb.longList.get(task.cdb))
      : { immediate: false, pattern: undefined };
    const { pattern } = wanted;
    const operation = new MediumOperation(unit, {
      kind: 'format',
      ...(pattern === undefined ? {} : { overwrite: { pattern, passes: 1, invert: false } }),
      unrestricted: true,
      failed: false,
    });
    unit.begin(operation, task, wanted.immediate);
  },
});
