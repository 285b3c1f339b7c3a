import type { Access, Command } from './command.ts';
import { type KeptReservations, keyText, RESERVATIONS } from './kept-reservations.ts';
import type { LogicalUnit } from './logical-unit.ts';
import type { Nexus } from './nexus.ts';
import { ReservationType } from './reservation-type.ts';
import { illegalRequest, invalidFieldInParameterList } from './sense.ts';
import { Status } from './status.ts';
import type { Task } from './task.ts';
import { Attention } from './unit-attention.ts';

const EXCLUSIVE: ReadonlySet<number> = new Set([
  ReservationType.EXCLUSIVE_ACCESS,
  ReservationType.EXCLUSIVE_ACCESS_REGISTRANTS_ONLY,
  ReservationType.EXCLUSIVE_ACCESS_ALL_REGISTRANTS,
]);

/** Who a registration belongs to: an initiator port at a target port, logged in or not. */
export type PortPair = InitiatorPort & Pick<Nexus, 'relativePort'>;
export type InitiatorPort = Pick<Nexus, 'initiatorName' | 'isid'>;

export interface Registration {
  readonly ports: PortPair;
  readonly key: bigint;
}

/** What REGISTER brings beside its keys (SPC-4 6.16.3). */
export interface RegisterOptions {
  /** ALL_TG_PT. */
  readonly allTargetPorts: boolean;
  /** APTPL. */
  readonly persist: boolean;
  /** The initiator ports that SPEC_I_PT asks for. */
  readonly initiatorPorts?: readonly InitiatorPort[];
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

export const samePort = (a: InitiatorPort, b: InitiatorPort): boolean =>
  a.initiatorName === b.initiatorName && a.isid === b.isid;

const pairOf = (ports: PortPair): string => `${ports.initiatorName},${ports.isid},${ports.relativePort}`;

/**
 * Reservations of one logical unit: RESERVE of SPC-2, and persistent ones (SPC-4 5.13), which outlive their nexus and
 * a logical unit reset, and with APTPL the process. The service actions of PERSISTENT RESERVE OUT are the verbs; each is
 * answered when `settled` is.
 */
export class Reservations {
  readonly unit: LogicalUnit;
  /** PRGENERATION; 0 after power on, whatever has been kept (SPC-4 6.15.2). */
  generation = 0;
  /** PTPL_A: what the last REGISTER said with APTPL. */
  persists = false;
  readonly #registrations = new Map<string, Registration>();
  #type: ReservationType | undefined;
  /** Key of `#registrations`; undefined while all registrants hold the reservation. */
  #holder: string | undefined;
  /** Nexus that holds a RESERVE. */
  #reserved: string | undefined;
  /** Something may have changed since it was last kept. */
  #dirty = false;
  /** What is being kept. */
  #keeping: Promise<void> | undefined;

  /** Takes up what the unit has kept. Throws one sentence when that cannot be understood. */
  constructor(unit: LogicalUnit) {
    this.unit = unit;
    const kept = unit.state?.read(RESERVATIONS);
    if (kept === undefined) return;
    this.persists = true;
    for (const { key, initiatorName, isid, relativePort } of kept.registrations) {
      const ports = { initiatorName, isid, relativePort };
      this.#registrations.set(pairOf(ports), { ports, key: BigInt(`0x${key}`) });
    }
    this.#type = kept.type;
    this.#holder = kept.holder === undefined ? undefined : pairOf(kept.registrations[kept.holder]!);
  }

  /** PTPL_C: there is a place to keep them. */
  get canPersist(): boolean {
    return this.unit.state !== undefined;
  }

  /**
   * Rejects, or resolves when what the verbs have changed is on stable storage; undefined when nothing is to be kept, or to
   * be kept no more.
   */
  settled(): Promise<void> | undefined {
    const { state } = this.unit;
    // Who finds done already what another has asked for relies on it no less.
    if (!this.#dirty || state === undefined) return this.#keeping;
    this.#dirty = false;
    if (!this.persists && state.read(RESERVATIONS) === undefined) return this.#keeping;
    const keeping = this.#keep(state.save(RESERVATIONS, this.persists ? this.#kept() : undefined)).finally(
      () => {
        if (this.#keeping === keeping) this.#keeping = undefined;
      },
    );
    this.#keeping = keeping;
    return keeping;
  }

  /** What could not be kept is tried again with the next command that asks for anything. */
  async #keep(saved: Promise<void>): Promise<void> {
    try {
      await saved;
    } catch (error) {
      this.#dirty = true;
      throw error;
    }
  }

  #kept(): KeptReservations {
    const registrations = this.registrations.map(({ ports, key }) => ({ ...ports, key: keyText(key) }));
    if (this.#type === undefined) return { registrations };
    if (this.#holder === undefined) return { registrations, type: this.#type };
    return { registrations, type: this.#type, holder: [...this.#registrations.keys()].indexOf(this.#holder) };
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
    if (this.#reserved === nexus.id) this.#endReserve();
  }

  #endReserve(): void {
    const holder = this.#reserved!;
    this.#reserved = undefined;
    this.unit.reservationGone('lost', nexus => nexus.id === holder);
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

  registration(ports: PortPair): Registration | undefined {
    return this.#registrations.get(pairOf(ports));
  }

  /** Whether the nexus holds a reservation, or shares in it. */
  heldBy(nexus: Nexus): boolean {
    return this.#reserved === nexus.id || this.#isHolder(pairOf(nexus));
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

  /**
   * REGISTER (SPC-4 5.13.7); `key` undefined for REGISTER AND IGNORE EXISTING KEY. All that it asks for is registered or
   * nothing is.
   */
  register(nexus: Nexus, key: bigint | undefined, newKey: bigint, options: RegisterOptions): void {
    const { allTargetPorts, persist, initiatorPorts } = options;
    const own = this.#registrations.get(pairOf(nexus));
    if (key !== undefined && key !== (own?.key ?? 0n)) throw new ReservationConflict();
    if (own !== undefined && initiatorPorts !== undefined) throw invalidFieldInParameterList(20, 3);

    const at = this.#targetPorts(nexus, allTargetPorts);
    const mine = at.map(relativePort => ({ ...nexus, relativePort }));
    for (const ports of mine) {
      const there = this.#registrations.get(pairOf(ports));
      // ALL_TG_PT: as if it had come in by each of the ports.
      if (key !== undefined && there !== undefined && there.key !== key) throw new ReservationConflict();
    }
    if (newKey === 0n) {
      const there = mine.map(pairOf).filter(pair => this.#registrations.has(pair));
      if (there.length === 0) return;
      for (const pair of there) this.#unregister(pair);
    } else {
      const others = (initiatorPorts ?? []).flatMap(port =>
        at.map(relativePort => ({ ...port, relativePort })),
      );
      const fresh = others.filter(ports => !this.#registrations.has(pairOf(ports)));
      this.#requireRoom([...mine, ...fresh]);
      for (const ports of [...mine, ...fresh]) this.#setKey(ports, newKey);
    }
    this.persists = persist;
    this.#changed();
  }

  #targetPorts(nexus: Nexus, all: boolean): readonly number[] {
    if (!all) return [nexus.relativePort];
    return [...new Set([nexus.relativePort, ...(this.unit.device?.relativePorts ?? [])])];
  }

  /** Initiator ports of that name that the unit knows: logged in, or registered. */
  portsOf(initiatorName: string): readonly InitiatorPort[] {
    const isids = new Set<string>();
    for (const nexus of this.unit.device?.nexuses ?? []) {
      if (nexus.initiatorName === initiatorName) isids.add(nexus.isid);
    }
    for (const { ports } of this.#registrations.values()) {
      if (ports.initiatorName === initiatorName) isids.add(ports.isid);
    }
    return [...isids].map(isid => ({ initiatorName, isid }));
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
    this.#gone('lost', this.#holders);
    this.#registrations.clear();
    this.#type = undefined;
    this.#holder = undefined;
    this.#changed();
  }

  /** PREEMPT (SPC-4 5.13.11.2.4, figure 9). Gives back whose registrations are gone, for PREEMPT AND ABORT. */
  preempt(
    nexus: Nexus,
    key: bigint,
    victim: bigint,
    type: ReservationType,
  ): (of: { readonly nexus: Nexus }) => boolean {
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
    const holders = this.#holders.filter(other => other !== pair);
    for (const other of gone) this.#registrations.delete(other);
    if (takes) {
      this.#gone('preempted', holders);
      if (this.#type !== type) this.#tell(Attention.RESERVATIONS_RELEASED, other => other !== pair);
      this.#take(pair, type);
    } else if (this.#registrations.size === 0) this.#type = undefined;
    this.#changed();
    return ({ nexus: other }) => gone.has(pairOf(other));
  }

  /** REGISTER AND MOVE (SPC-4 5.13.8). */
  move(
    nexus: Nexus,
    key: bigint,
    to: PortPair,
    newKey: bigint,
    { unregister, persist }: { unregister: boolean; persist: boolean },
  ): void {
    const pair = this.#requireRegistered(nexus, key);
    if (this.#holder !== pair) throw new ReservationConflict(); // none, another's or all registrants'
    if (newKey === 0n) throw invalidFieldInParameterList(8);
    if (samePort(to, nexus)) throw invalidFieldInParameterList(24);
    this.#requireRoom([to]);
    this.#setKey(to, newKey);
    this.#gone('lost', [pair]);
    this.#holder = pairOf(to);
    if (unregister) this.#registrations.delete(pair);
    this.persists = persist;
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
    if (!this.#leavesAlone(nexus) && this.#reserved === nexus.id) this.#endReserve();
  }

  #requireRegistered(nexus: Nexus, key: bigint): string {
    const pair = pairOf(nexus);
    if (this.#registrations.get(pair)?.key !== key) throw new ReservationConflict();
    return pair;
  }

  #requireRoom(wanted: readonly PortPair[]): void {
    const pairs = new Set(wanted.map(pairOf).filter(pair => !this.#registrations.has(pair)));
    if (this.#registrations.size + pairs.size > MOST_REGISTRATIONS) {
      throw illegalRequest(0x5504); // INSUFFICIENT REGISTRATION RESOURCES
    }
  }

  #setKey(ports: PortPair, key: bigint): void {
    const { initiatorName, isid, relativePort } = ports;
    this.#registrations.set(pairOf(ports), { ports: { initiatorName, isid, relativePort }, key });
  }

  #take(pair: string, type: ReservationType): void {
    this.#dirty = true;
    this.#type = type;
    this.#holder = type >= ReservationType.WRITE_EXCLUSIVE_ALL_REGISTRANTS ? undefined : pair;
  }

  /** A reservation that registrants share in ends: the others hear of it. */
  #release(pair: string): void {
    this.#gone('lost', this.#holder === undefined ? [pair, ...this.#holders] : [pair]);
    if (this.#type! >= ReservationType.WRITE_EXCLUSIVE_REGISTRANTS_ONLY) {
      this.#tell(Attention.RESERVATIONS_RELEASED, other => other !== pair);
    }
    this.#dirty = true;
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

  /** Those who hold the persistent reservation, or share in it. */
  get #holders(): readonly string[] {
    if (this.#type === undefined) return [];
    return this.#holder === undefined ? [...this.#registrations.keys()] : [this.#holder];
  }

  /** The reservation is no longer theirs: what they have asked to end with it does. */
  #gone(how: 'preempted' | 'lost', pairs: readonly string[]): void {
    if (pairs.length > 0) this.unit.reservationGone(how, nexus => pairs.includes(pairOf(nexus)));
  }

  #changed(): void {
    this.#dirty = true;
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
