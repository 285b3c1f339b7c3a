import type { LogicalUnit } from './logical-unit.ts';
import { REPORT_LUNS_LUN } from './lun.ts';
import type { LunMap, Sight } from './lun-view.ts';
import type { Nexus } from './nexus.ts';
import { ReportLunsUnit } from './report-luns-unit.ts';
import type { Task } from './task.ts';
import { Attention } from './unit-attention.ts';

/**
 * A SCSI target device: a name, its logical units by LUN and the nexuses that are logged in. Its LUNs are one address
 * space; nothing reaches a unit of another device through it. A nexus with a view addresses what its LUN map names, by
 * the numbers of the map; for it there is nothing else.
 */
export class TargetDevice {
  /** iSCSI target name. */
  readonly name: string;
  readonly nexuses = new Set<Nexus>();
  /** RELATIVE TARGET PORT IDENTIFIERs of its ports, what nexuses come in by; for REPORT TARGET PORT GROUPS. */
  relativePorts: readonly number[] = [1];
  /** Every unit at its own LUN. */
  readonly #whole = new Map<number, Sight>();
  /** By name, what LUN maps say. */
  readonly #named = new Map<string, LogicalUnit>();
  /** Removed, with tasks that have not ended. */
  readonly #leaving = new Set<LogicalUnit>();
  /** What LUN maps come to, until a unit comes or goes. */
  #resolved = new WeakMap<LunMap, ReadonlyMap<number, Sight>>();
  /** Commands that initiators have sent, those of the copy manager not counted. */
  commands = 0;
  readonly #absent: LogicalUnit;
  readonly #reportLuns: LogicalUnit;

  /** `absent` answers for LUNs at which there is nothing (SAM-5 4.7.3, SPC-4 6.6.1). */
  constructor(name: string, absent: LogicalUnit) {
    this.name = name;
    this.#absent = absent;
    absent.device = this;
    this.#reportLuns = new ReportLunsUnit(name);
    this.#reportLuns.device = this;
    this.#reportLuns.lun = REPORT_LUNS_LUN;
  }

  /** A new unit: nexuses that see it meet its power on, and on their other units that there are LUNs to be looked for. */
  add(lun: number, unit: LogicalUnit): void {
    if (this.#whole.has(lun)) throw new Error(`LUN ${lun} is taken`);
    unit.device = this;
    unit.lun = lun;
    this.#whole.set(lun, { unit, readOnly: false });
    this.#named.set(unit.identity.name, unit);
    this.#lookAgain();
    for (const nexus of this.nexuses) {
      if (!this.sees(nexus, unit)) continue;
      this.#tellOfLuns(nexus);
      unit.attach(nexus);
    }
  }

  /**
   * Takes a unit away: commands to its LUN find nothing from now on. Resolves when its tasks have ended, at the latest
   * `graceMs` from now but for one that the medium does not let go; the unit is then the caller's to close.
   */
  async remove(lun: number, graceMs: number): Promise<LogicalUnit> {
    const unit = this.#whole.get(lun)?.unit;
    if (unit === undefined) throw new Error(`there is no LUN ${lun}`);
    const seers = [...this.nexuses].filter(nexus => this.sees(nexus, unit));
    this.#whole.delete(lun);
    this.#named.delete(unit.identity.name);
    this.#leaving.add(unit);
    this.#lookAgain();
    for (const nexus of seers) this.#tellOfLuns(nexus);
    await unit.retire(graceMs);
    this.#leaving.delete(unit);
    return unit;
  }

  /** All units by LUN, lowest first. */
  get units(): readonly (readonly [number, LogicalUnit])[] {
    return listed(this.#whole);
  }

  /** The LUNs that the nexus can address: what REPORT LUNS lists and what a copy may name. */
  visible(nexus: Nexus): readonly (readonly [number, LogicalUnit])[] {
    return listed(this.#sights(nexus));
  }

  /** The unit that the nexus addresses by `lun`; one that stands for nothing when there is none. */
  unit(nexus: Nexus, lun: number): LogicalUnit {
    return this.#sights(nexus).get(lun)?.unit ?? this.#absent;
  }

  submit(task: Task): void {
    if (task.nexus.thirdParty !== true) this.commands++;
    const sight = this.#sights(task.nexus).get(task.lun);
    if (sight === undefined) {
      (task.lun === REPORT_LUNS_LUN ? this.#reportLuns : this.#absent).submit(task);
      return;
    }
    task.readOnly = sight.readOnly;
    sight.unit.submit(task);
  }

  /** To `unit` and no other: as to nothing when the nexus does not see it at the task's LUN any more. */
  submitTo(unit: LogicalUnit, task: Task): void {
    if (this.#sights(task.nexus).get(task.lun)?.unit === unit) this.submit(task);
    else this.#absent.submit(task);
  }

  exists(nexus: Nexus, lun: number): boolean {
    return this.#sights(nexus).has(lun);
  }

  /** The nexus can address the unit, by whatever LUN. */
  sees(nexus: Nexus, unit: LogicalUnit): boolean {
    const sights = this.#sights(nexus);
    if (sights === this.#whole) return sights.get(unit.lun)?.unit === unit;
    for (const sight of sights.values()) if (sight.unit === unit) return true;
    return false;
  }

  #sights(nexus: Nexus): ReadonlyMap<number, Sight> {
    return nexus.view === undefined ? this.#whole : nexus.view.sights;
  }

  attach(nexus: Nexus): void {
    this.#look(nexus);
    this.nexuses.add(nexus);
    for (const { unit } of this.#sights(nexus).values()) unit.attach(nexus);
    this.#reportLuns.attach(nexus);
  }

  detach(nexus: Nexus): void {
    this.nexuses.delete(nexus);
    for (const unit of this.#everyUnit()) unit.detach(nexus);
  }

  /**
   * Another LUN map for a nexus that is logged in. It hears of LUNs that came, went or moved, and of write protection
   * that changed; what it sees anew it meets as after a power on. A task under way at a unit that it sees no more ends.
   */
  remap(nexus: Nexus, map: LunMap | undefined): void {
    const { view } = nexus;
    if (view === undefined) throw new Error(`${nexus.id} has no view of its own`);
    if (!this.nexuses.has(nexus)) {
      // Nobody is there to be told, but its background copies go by what it may see.
      view.map = map;
      this.#look(nexus);
      return;
    }
    const before = new Map(this.#sights(nexus));
    const seen = unitsOf(before);
    view.map = map;
    this.#look(nexus);
    const after = this.#sights(nexus);
    const seeing = unitsOf(after);
    for (const unit of seen.keys()) if (!seeing.has(unit)) unit.detach(nexus);
    const moved =
      before.size !== after.size || [...after].some(([lun, { unit }]) => before.get(lun)?.unit !== unit);
    if (moved) this.#tellOfLuns(nexus);
    for (const [unit, readOnly] of seeing) {
      if (!seen.has(unit)) unit.attach(nexus);
      else if (seen.get(unit) !== readOnly) {
        unit.attentions.establish(nexus.id, Attention.MODE_PARAMETERS_CHANGED);
      }
    }
  }

  /** Nexuses that are gone and have work under way in the background. */
  get departed(): ReadonlySet<Nexus> {
    const found = new Set<Nexus>();
    for (const unit of this.#everyUnit()) {
      for (const { nexus } of unit.background) if (!this.nexuses.has(nexus)) found.add(nexus);
    }
    return found;
  }

  /** Units have come or gone: what LUN maps say is worked out anew. */
  #lookAgain(): void {
    this.#resolved = new WeakMap();
    for (const nexus of this.nexuses) this.#look(nexus);
    for (const nexus of this.departed) this.#look(nexus);
  }

  #look({ view }: Nexus): void {
    if (view === undefined) return;
    const { map } = view;
    if (map === undefined) {
      view.sights = this.#whole;
      return;
    }
    let sights = this.#resolved.get(map);
    if (sights === undefined) {
      const found = new Map<number, Sight>();
      for (const [lun, { name, readOnly }] of map) {
        const unit = this.#named.get(name);
        if (unit !== undefined) found.set(lun, { unit, readOnly });
      }
      this.#resolved.set(map, (sights = found));
    }
    view.sights = sights;
  }

  /** On every unit that it sees; one REPORT LUNS takes it from all of them (SPC-4 6.33). */
  #tellOfLuns(nexus: Nexus): void {
    for (const { unit } of this.#sights(nexus).values()) {
      unit.attentions.establish(nexus.id, Attention.REPORTED_LUNS_CHANGED);
    }
  }

  #everyUnit(): LogicalUnit[] {
    const units = [...this.#whole.values()].map(({ unit }) => unit);
    return [...units, ...this.#leaving, this.#reportLuns, this.#absent];
  }

  /** Every task of the nexus on every unit is stopped when `done` is called. */
  abortNexus(nexus: Nexus, done: () => void): void {
    const units = this.#everyUnit();
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
    await Promise.all([...this.#whole.values()].map(({ unit }) => unit.close()));
  }
}

const listed = (sights: ReadonlyMap<number, Sight>): (readonly [number, LogicalUnit])[] =>
  [...sights].map(([lun, { unit }]) => [lun, unit] as const).sort((a, b) => a[0] - b[0]);

/** Units, and whether they may be written. */
const unitsOf = (sights: ReadonlyMap<number, Sight>): Map<LogicalUnit, boolean> =>
  new Map([...sights.values()].map(({ unit, readOnly }) => [unit, readOnly]));
