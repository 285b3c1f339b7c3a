import { bit, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { CheckCondition, encodeDescriptor, encodeFixed, SenseKey, type SenseFacts } from '../sense.ts';
import type { Task } from '../task.ts';
import { goodWithin, LUN_BITS } from './allocation.ts';
import { testUnitReady } from './test-unit-ready.ts';

const cdb = layout(6, { opcode: u8(0), desc: bit(1, 0), allocationLength: u8(4) });

const NOTHING: SenseFacts = { key: SenseKey.NO_SENSE, code: 0 };

function notReady(unit: LogicalUnit, task: Task): SenseFacts | undefined {
  try {
    unit.portGroups.require(testUnitReady, task.nexus.relativePort);
    unit.requireMedium();
    return undefined;
  } catch (error) {
    if (error instanceof CheckCondition) return error.facts;
    throw error;
  }
}

/**
 * SPC-4 6.39: a pending unit attention is told and cleared; then why the unit is not ready, if it is not, or how far it
 * is with a self-test in the background.
 */
export const requestSense = command<LogicalUnit>({
  name: 'REQUEST SENSE',
  opcode: 0x03,
  cdb,
  access: 'always',
  ordering: 'free',
  portState: 'unavailable',
  passesAttention: true,
  tolerated: LUN_BITS,
  run(unit, task) {
    const { id } = task.nexus;
    const facts =
      unit.deferred.take(id) ??
      unit.attentions.take(id)?.facts ??
      notReady(unit, task) ??
      unit.selfTests.progress ??
      NOTHING;
    const sense = cdb.desc.get(task.cdb) ? encodeDescriptor(facts) : encodeFixed(facts);
    goodWithin(task, sense, cdb.allocationLength.get(task.cdb));
  },
});
