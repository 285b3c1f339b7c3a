import { invalidServiceAction, requireForm } from './cdb-form.ts';
import type { Command } from './command.ts';
import type { LogicalUnit } from './logical-unit.ts';
import { CheckCondition, invalidMessage, invalidOpcode } from './sense.ts';
import { AttentionInterlock } from './spc/mode-pages.ts';
import { Attribute, type Task } from './task.ts';

/**
 * The row of a command that may go on, throws where it may not, and gives undefined where it was ended with RESERVATION
 * CONFLICT. In this order: deferred error, unit attention, operation code, reservation, reserved bits, state of the port.
 */
export function admit(unit: LogicalUnit, task: Task): Command<never> | undefined {
  const row = unit.commands.find(task.cdb);
  const known = typeof row === 'object' ? row : undefined;
  if (unit.deferred.any || unit.attentions.any) requireNothingPending(unit, task, known);
  if (task.attribute === Attribute.ACA) throw invalidMessage();
  if (row === undefined) throw invalidOpcode();
  if (known === undefined) throw invalidServiceAction(task.cdb);
  if (unit.reservations.any && unit.reservations.conflicts(known, task)) {
    unit.conflict(task);
    return undefined;
  }
  requireForm(known, task.cdb);
  if (unit.portGroups.restricted) unit.portGroups.require(known, task.nexus.relativePort);
  return known;
}

function requireNothingPending(unit: LogicalUnit, task: Task, row: Command<never> | undefined): void {
  const { nexus } = task;
  if (row?.passesAttention === true || nexus.thirdParty === true) return;
  const facts = unit.deferred.take(nexus.id);
  if (facts !== undefined) throw new CheckCondition(facts);
  // SPC-4 7.5.8: interlocked, it stays until a REQUEST SENSE has brought it.
  const attention =
    unit.modePages.attentionInterlock === AttentionInterlock.CLEARED
      ? unit.attentions.take(nexus.id)
      : unit.attentions.first(nexus.id);
  if (attention !== undefined) throw attention;
}
