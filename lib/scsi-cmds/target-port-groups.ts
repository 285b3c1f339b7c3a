import type { Command } from './command.ts';
import type { LogicalUnit } from './logical-unit.ts';
import type { Nexus } from './nexus.ts';
import { notReady } from './sense.ts';
import { Attention } from './unit-attention.ts';

/** ASYMMETRIC ACCESS STATE (SPC-4 6.37). */
export const AccessState = {
  ACTIVE_OPTIMIZED: 0x0,
  ACTIVE_NON_OPTIMIZED: 0x1,
  STANDBY: 0x2,
  UNAVAILABLE: 0x3,
} as const;
export type AccessState = (typeof AccessState)[keyof typeof AccessState];

/** What a group can be set to: AO_SUP, AN_SUP, S_SUP, U_SUP in the bits of the states. */
const SETTABLE: ReadonlySet<number> = new Set(Object.values(AccessState));
export const isAccessState = (state: number): state is AccessState => SETTABLE.has(state);

/** STATUS CODE (SPC-4 6.37). */
const NO_STATUS = 0;
const BY_SET_TARGET_PORT_GROUPS = 1;

export interface TargetPortGroup {
  readonly id: number;
  /** RELATIVE TARGET PORT IDENTIFIERs. */
  readonly ports: readonly number[];
  readonly state: AccessState;
  readonly status: number;
}

/**
 * Asymmetric access to one logical unit (SPC-4 5.15.2): its state by target port group. Every target port is a group of
 * its own, whose number is the port's. Only SET TARGET PORT GROUPS changes a state; units of a device are apart, and a
 * reset leaves the states as they are.
 */
export class TargetPortGroups {
  readonly #unit: LogicalUnit;
  /** Groups that were ever set. */
  readonly #states = new Map<number, AccessState>();
  /** Some group is in a state that refuses commands: admission asks `require` only then. */
  restricted = false;

  constructor(unit: LogicalUnit) {
    this.#unit = unit;
  }

  get all(): readonly TargetPortGroup[] {
    return (this.#unit.device?.relativePorts ?? []).map(port => ({
      id: port,
      ports: [port],
      state: this.#states.get(port) ?? AccessState.ACTIVE_OPTIMIZED,
      status: this.#states.has(port) ? BY_SET_TARGET_PORT_GROUPS : NO_STATUS,
    }));
  }

  /** TARGET PORT GROUP that the port belongs to. */
  groupOf(relativePort: number): number {
    return relativePort;
  }

  /** Throws NOT READY when the state of the port's group does not let the command run (SPC-4 5.15.2.4). */
  require(command: Command<never>, relativePort: number): void {
    const state = this.#states.get(this.groupOf(relativePort));
    if (command.portState === 'unavailable') return;
    if (state === AccessState.UNAVAILABLE) throw notReady(0x040c);
    if (state === AccessState.STANDBY && command.portState !== 'standby') throw notReady(0x040b);
  }

  /** SET TARGET PORT GROUPS: the states by group. Every other nexus hears of a change (SPC-4 5.15.2.7). */
  set(states: ReadonlyMap<number, AccessState>, by: Nexus): void {
    let changed = false;
    for (const [group, state] of states) {
      changed ||= (this.#states.get(group) ?? AccessState.ACTIVE_OPTIMIZED) !== state;
      this.#states.set(group, state);
    }
    this.restricted = [...this.#states.values()].some(state => state >= AccessState.STANDBY);
    if (changed) this.#unit.attention(Attention.ASYMMETRIC_ACCESS_STATE_CHANGED, by);
  }
}
