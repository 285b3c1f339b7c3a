import type { ResolvedTarget, ResolvedUnit } from '../config/options.ts';
import { addCopyManager, type CopyManager, type CopyManagerOptions } from '../copy-manager/copy-manager.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import { DiskUnit } from '../scsi-cmds/sbc/disk-unit.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';

/** A logical unit as an initiator will find it. */
export interface Lun {
  readonly lun: number;
  readonly type: 'disk' | 'tape';
  readonly name: string;
  /** Size of a disk, capacity of a tape (0 for no limit). */
  readonly bytes: number;
  /** Logical block length of a disk, 0 for a tape. */
  readonly blockSize: number;
  /** NAA designator of VPD page 83h, in hexadecimal. */
  readonly naa: string;
}

/** A unit, opened; `bytes` is what a tape has, a disk says its size itself. */
export interface OpenedUnit {
  readonly unit: LogicalUnit;
  readonly bytes: number;
}

export type OpenUnit = (resolved: ResolvedUnit) => Promise<OpenedUnit>;

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
  readonly #open: OpenUnit;
  readonly #units = new Map<string, ServedUnit>();

  private constructor(
    device: TargetDevice,
    resolved: ResolvedTarget,
    open: OpenUnit,
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
    open: OpenUnit,
    copying: CopyManagerOptions,
  ): Promise<ServedTarget> {
    const target = new ServedTarget(device, resolved, open, copying);
    try {
      for (const unit of resolved.units) await target.add(unit);
    } catch (error) {
      await device.close();
      throw error;
    }
    return target;
  }

  /** As it is now, its units by LUN. */
  get resolved(): ResolvedTarget {
    const units = [...this.#units.values()].map(({ resolved }) => resolved);
    return { ...this.frame, units: units.sort((a, b) => a.lun - b.lun) };
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
      };
    });
  }

  /** Opens the unit's medium and puts it at its LUN: a new unit, whatever stood there or had its name. */
  async add(resolved: ResolvedUnit): Promise<void> {
    const opened = await this.#open(resolved);
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

  /** True when it changed. `bytes` undefined: the size that its file has by now. */
  async resize(name: string, bytes: number | undefined): Promise<boolean> {
    const served = this.#units.get(name)!;
    if (!(served.unit instanceof DiskUnit)) {
      throw new Error(`${name} is a tape, and its size is that of its cartridge`);
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
