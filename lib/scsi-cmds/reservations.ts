import type { Access, Command } from './command.ts';
import type { LogicalUnit } from './logical-unit.ts';
import type { Nexus } from './nexus.ts';
import { illegalRequest, invalidFieldInParameterList } from './sense.ts';
import { Status } from './status.ts';
import type { Task } from './task.ts';
import { Attention } from './unit-attention.ts';

/** TYPE of a persistent reservation (SPC-4 table 60). */
export const ReservationType = {
  WRITE_EXCLUSIVE: 1,
  EXCLUSIVE_ACCESS: 3,
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY: 5,
  EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: 6,
  WRITE_EXCLUSIVE_ALL_REGISTRANTS: 7,
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS: 8,
} as const;
export type ReservationType = (typeof ReservationType)[keyof typeof ReservationType];

const TYPES: ReadonlySet<number> = new Set(Object.values(ReservationType));
export const isReservationType = (type: number): type is ReservationType => TYPES.has(type);

const EXCLUSIVE: ReadonlySet<number> = new Set([
  ReservationType.EXCLUSIVE_ACCESS,
  ReservationType.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY,
  ReservationType.EXCLUSIVE_ACCESS_ALL_REGISTRANTS,
]);

/** Who a registration belongs to: an initiator port at a target port, logged in or not. */
export type PortPair = Pick<Nexus, 'initiatorName' | 'isid' | 'relativePort'>;

export interface Registration {
  readonly ports: PortPair;
  readonly key: bigint;
}

/** Thrown by a service action that ends with RESERVATION CONFLICT status, which carries no sense. */
export class ReservationConflict {
  readonly status = Status.RESERVATION_CONFLICT;
}

/** One a nexus; what a cluster of hosts with several paths each may need. */
const MOST_REGISTRATIONS = 1024;

const RELEASE_6 = 0x17;
const RELEASE_10 = 0x57;
const PREVENT_ALLOW = 0x1e;
const PERSISTENT_RESERVE_IN = 0x5e;
const PERSISTENT_RESERVE_OUT = 0x5f;

const pairOf = (ports: PortPair): string => `${ports.initiatorName},${ports.isid},${ports.relativePort}`;

/**
 * Reservations of one logical unit: RESERVE of SPC-2, and persistent ones (SPC-4 5.13), which outlive their nexus and
 * a logical unit reset. The service actions of PERSISTENT RESERVE OUT are the verbs.
 */
export class Reservations {
  readonly unit: LogicalUnit;
  /** PRGENERATION. */
  generation = 0;
  readonly #registrations = new Map<string, Registration>();
  #type: ReservationType | undefined;
  /** Key of `#registrations`; undefined while all registrants hold the reservation. */
  #holder: string | undefined;
  /** Nexus that holds a RESERVE. */
  #reserved: string | undefined;

  constructor(unit: LogicalUnit) {
    this.unit = unit;
  }

  /** Some reservation is held: admission asks `conflicts` only then. */
  get any(): boolean {
    return this.#reserved !== undefined || this.#type !== undefined;
  }

  conflicts(command: Command<never>, task: Task): boolean {
    if (this.#reserved !== undefined) return this.#reserveConflicts(command, task);
    return this.forbids(command.access, task.nexus);
  }

  /** SPC-2 5.5.1, 7.21: the three that pass a unit attention pass here too. */
  #reserveConflicts(command: Command<never>, task: Task): boolean {
    switch (command.opcode) {
      case PERSISTENT_RESERVE_IN:
      case PERSISTENT_RESERVE_OUT:
        return true; // whoever sends it
      case RELEASE_6:
      case RELEASE_10:
        return false; // without effect when it is another's
      case PREVENT_ALLOW:
        if ((task.cdb[4]! & 0x03) === 0) return false;
    }
    return command.passesAttention !== true && this.#reserved !== task.nexus.id;
  }

  /** Whether the persistent reservation keeps the nexus from it (SPC-4 table 65). */
  forbids(access: Access, nexus: Nexus): boolean {
    const type = this.#type;
    if (type === undefined || access === 'always') return false;
    const pair = pairOf(nexus);
    if (type >= ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY) {
      if (this.#registrations.has(pair)) return false;
    } else if (this.#holder === pair) return false;
    return access === 'write' || EXCLUSIVE.has(type);
  }

  nexusLost(nexus: Nexus): void {
    if (this.#reserved === nexus.id) this.#reserved = undefined;
  }

  /** LOGICAL UNIT RESET (SPC-2 7.21.1); persistent reservations stay (SPC-4 5.13.1). */
  reset(): void {
    this.#reserved = undefined;
  }

  // What PERSISTENT RESERVE IN tells.

  get registrations(): readonly Registration[] {
    return [...this.#registrations.values()];
  }

  get type(): ReservationType | undefined {
    return this.#type;
  }

  /** RESERVATION KEY of READ RESERVATION: the holder's, 0 when all registrants hold it (SPC-4 6.15.3.2). */
  get holderKey(): bigint {
    return this.#holder === undefined ? 0n : this.#registrations.get(this.#holder)!.key;
  }

  holds(registration: Registration): boolean {
    return this.#isHolder(pairOf(registration.ports));
  }

  #isHolder(pair: string): boolean {
    if (this.#type === undefined) return false;
    return this.#holder === undefined ? this.#registrations.has(pair) : this.#holder === pair;
  }

  get #allRegistrants(): boolean {
    return this.#type !== undefined && this.#holder === undefined;
  }

  // What PERSISTENT RESERVE OUT does.

  /** REGISTER (SPC-4 5.13.7); `key` undefined for REGISTER AND IGNORE EXISTING KEY. */
  register(nexus: Nexus, key: bigint | undefined, newKey: bigint): void {
    const pair = pairOf(nexus);
    const own = this.#registrations.get(pair);
    if (key !== undefined && key !== (own?.key ?? 0n)) throw new ReservationConflict();
    if (own === undefined && newKey === 0n) return;
    if (newKey === 0n) this.#unregister(pair);
    else this.#setKey(nexus, newKey);
    this.#changed();
  }

  /** SPC-4 5.13.9. */
  reserve(nexus: Nexus, key: bigint, type: ReservationType): void {
    const pair = this.#requireRegistered(nexus, key);
    if (this.#type === undefined) this.#take(pair, type);
    else if (!this.#isHolder(pair) || this.#type !== type) throw new ReservationConflict();
  }

  /** SPC-4 5.13.11.2.2. */
  release(nexus: Nexus, key: bigint, type: ReservationType): void {
    const pair = this.#requireRegistered(nexus, key);
    if (!this.#isHolder(pair)) return;
    if (this.#type !== type) throw illegalRequest(0x2604); // INVALID RELEASE OF PERSISTENT RESERVATION
    this.#release(pair);
  }

  /** SPC-4 5.13.11.2.6. */
  clear(nexus: Nexus, key: bigint): void {
    const pair = this.#requireRegistered(nexus, key);
    this.#tell(Attention.RESERVATIONS_PREEMPTED, other => other !== pair);
    this.#registrations.clear();
    this.#type = undefined;
    this.#holder = undefined;
    this.#changed();
  }

  /** PREEMPT (SPC-4 5.13.11.2.4, figure 9). Gives back whose registrations are gone, for PREEMPT AND ABORT. */
  preempt(nexus: Nexus, key: bigint, victim: bigint, type: ReservationType): (task: Task) => boolean {
    const pair = this.#requireRegistered(nexus, key);
    const takes = this.#allRegistrants
      ? victim === 0n
      : this.#type !== undefined && victim === this.holderKey;
    if (victim === 0n && !takes) throw invalidFieldInParameterList(8);

    const gone = new Set<string>();
    for (const [other, registration] of this.#registrations) {
      const meant = victim === 0n || registration.key === victim;
      if (meant && !(takes && other === pair)) gone.add(other);
    }
    if (gone.size === 0 && !takes) throw new ReservationConflict();

    this.#tell(Attention.REGISTRATIONS_PREEMPTED, other => gone.has(other) && other !== pair);
    for (const other of gone) this.#registrations.delete(other);
    if (takes) {
      if (this.#type !== type) this.#tell(Attention.RESERVATIONS_RELEASED, other => other !== pair);
      this.#take(pair, type);
    } else if (this.#registrations.size === 0) this.#type = undefined;
    this.#changed();
    return task => gone.has(pairOf(task.nexus));
  }

  /** REGISTER AND MOVE (SPC-4 5.13.8). */
  move(nexus: Nexus, key: bigint, to: PortPair, newKey: bigint, unregister: boolean): void {
    const pair = this.#requireRegistered(nexus, key);
    if (this.#holder !== pair) throw new ReservationConflict(); // none, another's or all registrants'
    if (newKey === 0n) throw invalidFieldInParameterList(8);
    if (pairOf(to) === pair) throw invalidFieldInParameterList(24);
    this.#setKey(to, newKey);
    this.#holder = pairOf(to);
    if (unregister) this.#registrations.delete(pair);
    this.#changed();
  }

  // RESERVE and RELEASE of SPC-2.

  /**
   * With registrations they conflict, but for those who hold a persistent reservation or share in it: there they are
   * GOOD and do nothing (SPC-4 5.13.3, CRH).
   */
  #leavesAlone(nexus: Nexus): boolean {
    if (this.#registrations.size === 0) return false;
    const pair = pairOf(nexus);
    const shares =
      this.#type !== undefined &&
      this.#type >= ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY &&
      this.#registrations.has(pair);
    if (!shares && !this.#isHolder(pair)) throw new ReservationConflict();
    return true;
  }

  reserveUnit(nexus: Nexus): void {
    if (!this.#leavesAlone(nexus)) this.#reserved = nexus.id;
  }

  releaseUnit(nexus: Nexus): void {
    if (!this.#leavesAlone(nexus) && this.#reserved === nexus.id) this.#reserved = undefined;
  }

  #requireRegistered(nexus: Nexus, key: bigint): string {
    const pair = pairOf(nexus);
    if (this.#registrations.get(pair)?.key !== key) throw new ReservationConflict();
    return pair;
  }

  #setKey(ports: PortPair, key: bigint): void {
    const pair = pairOf(ports);
    if (!this.#registrations.has(pair) && this.#registrations.size >= MOST_REGISTRATIONS) {
      throw illegalRequest(0x5504); // INSUFFICIENT REGISTRATION RESOURCES
    }
    const { initiatorName, isid, relativePort } = ports;
    this.#registrations.set(pair, { ports: { initiatorName, isid, relativePort }, key });
  }

  #take(pair: string, type: ReservationType): void {
    this.#type = type;
    this.#holder = type >= ReservationType.WRITE_EXCLUSIVE_ALL_REGISTRANTS ? undefined : pair;
  }

  /** A reservation that registrants share in ends: the others hear of it. */
  #release(pair: string): void {
    if (this.#type! >= ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY) {
      this.#tell(Attention.RESERVATIONS_RELEASED, other => other !== pair);
    }
    this.#type = undefined;
    this.#holder = undefined;
  }

  #unregister(pair: string): void {
    const held = this.#isHolder(pair);
    const shared = this.#allRegistrants;
    this.#registrations.delete(pair);
    // SPC-4 5.13.11.2.3: what all registrants hold goes with the last of them.
    if (held && (!shared || this.#registrations.size === 0)) this.#release(pair);
  }

  #changed(): void {
    this.generation = (this.generation + 1) >>> 0;
  }

  /** Unit attention for registered nexuses that are logged in. */
  #tell(code: number, which: (pair: string) => boolean): void {
    for (const nexus of this.unit.device?.nexuses ?? []) {
      const pair = pairOf(nexus);
      if (this.#registrations.has(pair) && which(pair)) this.unit.attentions.establish(nexus.id, code);
    }
  }
}
