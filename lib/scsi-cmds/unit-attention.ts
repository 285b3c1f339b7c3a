import { type CheckCondition, unitAttention } from './sense.ts';

/** Additional sense codes of the unit attentions this target establishes (SPC-4 annex D). */
export const Attention = {
  MEDIUM_MAY_HAVE_CHANGED: 0x2800,
  IMPORT_EXPORT_ACCESSED: 0x2801,
  RESET: 0x2900,
  MODE_PARAMETERS_CHANGED: 0x2a01,
  LOG_PARAMETERS_CHANGED: 0x2a02,
  RESERVATIONS_PREEMPTED: 0x2a03,
  RESERVATIONS_RELEASED: 0x2a04,
  REGISTRATIONS_PREEMPTED: 0x2a05,
  ASYMMETRIC_ACCESS_STATE_CHANGED: 0x2a06,
  CAPACITY_CHANGED: 0x2a09,
  PREVIOUS_RESERVATION_CONFLICT: 0x2c09,
  SOFT_THRESHOLD_REACHED: 0x3807,
  COMMANDS_CLEARED: 0x2f00,
  TIMESTAMP_CHANGED: 0x2a10,
  DATA_ENCRYPTION_PARAMETERS_CHANGED: 0x2a11,
  DATA_ENCRYPTION_PARAMETERS_EVENT: 0x2a12,
  DEVICE_IDENTIFIER_CHANGED: 0x3f05,
  INQUIRY_DATA_CHANGED: 0x3f03,
  REPORTED_LUNS_CHANGED: 0x3f0e,
} as const;

/** Most that one nexus can have pending on a unit: no two are alike, so no more than there are codes. */
const MOST_PENDING = Object.keys(Attention).length;

/** Pending unit attentions of one logical unit, by I_T nexus (SAM-5 5.14). */
export class UnitAttentions {
  readonly #pending = new Map<string, number[]>();

  get any(): boolean {
    return this.#pending.size > 0;
  }

  /** A reset swallows what was pending before it (SAM-5 5.14.1). Establishing one twice changes nothing. */
  establish(nexusId: string, code: number): void {
    const pending = code === Attention.RESET ? [] : (this.#pending.get(nexusId) ?? []);
    if (!pending.includes(code) && pending.length < MOST_PENDING) pending.push(code);
    this.#pending.set(nexusId, pending);
  }

  /** The oldest one as sense, taken off; undefined when none is pending. */
  take(nexusId: string): CheckCondition | undefined {
    const pending = this.#pending.get(nexusId);
    if (pending === undefined) return undefined;
    const code = pending.shift()!;
    if (pending.length === 0) this.#pending.delete(nexusId);
    return unitAttention(code);
  }

  /** The oldest one as sense, left where it is; undefined when none is pending. */
  first(nexusId: string): CheckCondition | undefined {
    const code = this.#pending.get(nexusId)?.[0];
    return code === undefined ? undefined : unitAttention(code);
  }

  /** One that is no longer so, or that was told another way. */
  clear(nexusId: string, code: number): void {
    const left = this.#pending.get(nexusId)?.filter(pending => pending !== code);
    if (left === undefined) return;
    if (left.length === 0) this.#pending.delete(nexusId);
    else this.#pending.set(nexusId, left);
  }

  forget(nexusId: string): void {
    this.#pending.delete(nexusId);
  }
}
