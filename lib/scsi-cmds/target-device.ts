import type { LogicalUnit } from './logical-unit.ts';
import type { Nexus } from './nexus.ts';
import type { Task } from './task.ts';

/**
 * A SCSI target device: a name, its logical units by LUN and the nexuses that are logged in. Its LUNs are one address
 * space; nothing reaches a unit of another device through it.
 */
export class TargetDevice {
  /** iSCSI target name. */
  readonly name: string;
  readonly nexuses = new Set<Nexus>();
  /** RELATIVE TARGET PORT IDENTIFIERs of its ports, what nexuses come in by; for REPORT TARGET PORT GROUPS. */
  relativePorts: readonly number[] = [1];
  readonly #units = new Map<number, LogicalUnit>();
  readonly #absent: LogicalUnit;

  /** `absent` answers for LUNs at which there is nothing (SAM-5 4.7.3, SPC-4 6.6.1). */
  constructor(name: string, absent: LogicalUnit) {
    this.name = name;
    this.#absent = absent;
    absent.device = this;
  }

  add(lun: number, unit: LogicalUnit): void {
    if (this.#units.has(lun)) throw new Error(`LUN ${lun} is taken`);
    unit.device = this;
    unit.lun = lun;
    this.#units.set(lun, unit);
    for (const nexus of this.nexuses) unit.attach(nexus);
  }

  /** All units by LUN, lowest first. */
  get units(): readonly (readonly [number, LogicalUnit])[] {
    return [...this.#units.entries()].sort((a, b) => a[0] - b[0]);
  }

  /** The LUNs that the nexus can address: what REPORT LUNS lists and what a copy may name. */
  visible(_nexus: Nexus): readonly (readonly [number, LogicalUnit])[] {
    return this.units;
  }

  /** The unit that the nexus addresses by `lun`; one that stands for nothing when there is none. */
  unit(_nexus: Nexus, lun: number): LogicalUnit {
    return this.#units.get(lun) ?? this.#absent;
  }

  submit(task: Task): void {
    this.unit(task.nexus, task.lun).submit(task);
  }

  exists(_nexus: Nexus, lun: number): boolean {
    return this.#units.has(lun);
  }

  attach(nexus: Nexus): void {
    this.nexuses.add(nexus);
    for (const unit of this.#units.values()) unit.attach(nexus);
  }

  detach(nexus: Nexus): void {
    this.nexuses.delete(nexus);
    for (const unit of this.#units.values()) unit.detach(nexus);
    this.#absent.detach(nexus);
  }

  /** Every task of the nexus on every unit is stopped when `done` is called. */
  abortNexus(nexus: Nexus, done: () => void): void {
    const units = [...this.#units.values(), this.#absent];
    let left = units.length;
    for (const unit of units) {
      unit.abort(
        task => task.nexus === nexus,
        () => {
          if (--left === 0) done();
        },
      );
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#units.values()].map(unit => unit.close()));
  }
}
