import type { ResolvedLibrary, ResolvedTarget, ResolvedUnit } from '../config/options.ts';
import { addCopyManager, type CopyManager, type CopyManagerOptions } from '../copy-manager/copy-manager.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import { DiskUnit } from '../scsi-cmds/sbc/disk-unit.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import { Library, type OpenedLibrary } from './library.ts';

/** A logical unit as an initiator will find it. */
export interface Lun {
  readonly lun: number;
  readonly type: 'disk' | 'tape' | 'changer';
  readonly name: string;
  /** Size of a disk, capacity of a tape (0 for no limit); 0 in a library. */
  readonly bytes: number;
  /** Logical block length of a disk, 0 for a tape. */
  readonly blockSize: number;
  /** NAA designator of VPD page 83h, in hexadecimal. */
  readonly naa: string;
  /** The library that it belongs to. */
  readonly library?: string;
}

/** A unit, opened; `bytes` is what a tape has, a disk says its size itself. */
export interface OpenedUnit {
  readonly unit: LogicalUnit;
  readonly bytes: number;
}

/** How what is served comes to be. */
export interface Openers {
  unit(resolved: ResolvedUnit): Promise<OpenedUnit>;
  library(resolved: ResolvedLibrary): Promise<OpenedLibrary>;
}

interface ServedLibrary {
  readonly resolved: ResolvedLibrary;
  readonly library: Library;
}

interface ServedUnit extends OpenedUnit {
  readonly openedReadOnly: boolean;
  resolved: ResolvedUnit;
}

/** What commands that are under way have when their unit is taken away, before they are answered with TASK ABORTED. */
export const REMOVAL_GRACE_MS = 5_000;

/**
 * One target that is served: its device, its units and its copy manager, and what changes of them while initiators are at
 * work. The one place where a change is made, whoever asks for it: a program, a configuration read again. One change at a
 * time is the caller's to see to. Everything rejects with one sentence.
 */
export class ServedTarget {
  readonly device: TargetDevice;
  readonly copies: CopyManager;
  /** What is said of the target beside its units. */
  frame: ResolvedTarget;
  readonly #open: Openers;
  readonly #units = new Map<string, ServedUnit>();
  readonly #libraries = new Map<string, ServedLibrary>();

  private constructor(
    device: TargetDevice,
    resolved: ResolvedTarget,
    open: Openers,
    copying: CopyManagerOptions,
  ) {
    this.device = device;
    this.frame = resolved;
    this.#open = open;
    this.copies = addCopyManager(device, copying);
  }

  /** Opens every unit; closes those that were open when one cannot be. */
  static async open(
    device: TargetDevice,
    resolved: ResolvedTarget,
    open: Openers,
    copying: CopyManagerOptions,
  ): Promise<ServedTarget> {
    const target = new ServedTarget(device, resolved, open, copying);
    try {
      for (const unit of resolved.units) if (unit.library === undefined) await target.add(unit);
      for (const library of resolved.libraries) await target.addLibrary(library);
    } catch (error) {
      await device.close();
      throw error;
    }
    return target;
  }

  /** As it is now, its units by LUN. */
  get resolved(): ResolvedTarget {
    const units = [...this.#units.values()].map(({ resolved }) => resolved);
    const libraries = [...this.#libraries.values()].map(({ resolved }) => resolved);
    return { ...this.frame, units: units.sort((a, b) => a.lun - b.lun), libraries };
  }

  /** By LUN, ascending. */
  get luns(): Lun[] {
    return this.resolved.units.map(({ name }) => {
      const { unit, bytes, resolved } = this.#units.get(name)!;
      return {
        lun: resolved.lun,
        type: resolved.type,
        name,
        bytes: unit instanceof DiskUnit ? unit.bytes : bytes,
        blockSize: resolved.blockSize,
        naa: unit.identity.naa.toString('hex'),
        ...(resolved.library === undefined ? {} : { library: resolved.library }),
      };
    });
  }

  /** Opens the unit's medium and puts it at its LUN: a new unit, whatever stood there or had its name. */
  async add(resolved: ResolvedUnit): Promise<void> {
    const opened = await this.#open.unit(resolved);
    const { unit } = opened;
    // A medium in memory is lost when it is opened anew, so that its protection is the unit's.
    unit.protection = resolved.readOnly;
    this.copies.equip(unit);
    this.device.add(resolved.lun, unit);
    const openedReadOnly = resolved.readOnly && resolved.path !== undefined;
    this.#units.set(resolved.name, { ...opened, openedReadOnly, resolved });
  }

  /** Takes the unit away and closes its medium, when what is under way has ended. */
  async remove(name: string): Promise<void> {
    const { unit, resolved } = this.#units.get(name)!;
    this.#units.delete(name);
    await this.device.remove(resolved.lun, REMOVAL_GRACE_MS);
    await unit.close();
  }

  library(name: string): Library | undefined {
    return this.#libraries.get(name)?.library;
  }

  get libraries(): readonly Library[] {
    return [...this.#libraries.values()].map(({ library }) => library);
  }

  /** Opens the library and puts its drives and its changer at their LUNs. */
  async addLibrary(resolved: ResolvedLibrary): Promise<void> {
    const { drives, changer } = await this.#open.library(resolved);
    const put = (unit: LogicalUnit, of: ResolvedUnit): void => {
      this.device.add(of.lun, unit);
      this.#units.set(of.name, { unit, bytes: 0, openedReadOnly: false, resolved: of });
    };
    drives.forEach((drive, i) => {
      this.copies.equip(drive);
      put(drive, resolved.drives[i]!);
    });
    put(changer, resolved.changer);
    this.#libraries.set(resolved.name, { resolved, library: new Library(resolved.name, changer) });
  }

  /** The changer goes first: what it moves is let end. */
  async removeLibrary(name: string): Promise<void> {
    const { resolved } = this.#libraries.get(name)!;
    this.#libraries.delete(name);
    const units = [resolved.changer, ...resolved.drives].map(each => this.#units.get(each.name)!);
    for (const { resolved: each } of units) this.#units.delete(each.name);
    for (const { resolved: each } of units) await this.device.remove(each.lun, REMOVAL_GRACE_MS);
    await units[0]!.unit.close(); // and the drives with it
  }

  /** True when it changed. `bytes` undefined: the size that its file has by now. */
  async resize(name: string, bytes: number | undefined): Promise<boolean> {
    const served = this.#units.get(name)!;
    if (!(served.unit instanceof DiskUnit)) {
      throw new Error(
        served.resolved.type === 'tape'
          ? `${name} is a tape, and its size is that of its cartridge`
          : `${name} is a changer, and has no size`,
      );
    }
    let changed: boolean;
    try {
      changed = await served.unit.resize(bytes);
    } catch (error) {
      throw new Error(`${name} cannot be resized: ${(error as Error).message}`, { cause: error });
    }
    if (changed && bytes !== undefined) served.resolved = { ...served.resolved, bytes: served.unit.bytes };
    return changed;
  }

  /** A file that was opened to be read only is opened anew, which makes a new unit of it. */
  async protect(name: string, readOnly: boolean): Promise<void> {
    const served = this.#units.get(name)!;
    const { unit, resolved } = served;
    const next = { ...resolved, readOnly };
    if (!readOnly && served.openedReadOnly) {
      await this.remove(name);
      try {
        await this.add(next);
      } catch (error) {
        await this.add(resolved);
        throw error;
      }
      return;
    }
    await unit.protect(readOnly);
    served.resolved = next;
  }
}
