import { openDiskFile } from './backends/file.ts';
import { memoryDisk } from './backends/memory.ts';
import { openCartridgeFile } from './backends/tape/cartridge-file.ts';
import { memoryCartridge } from './backends/tape/cartridge-memory.ts';
import { openUnitState } from './backends/unit-state-file.ts';
import type { ResolvedUnit } from './config/options.ts';
import type { Log } from './log.ts';
import { identify } from './scsi-cmds/identity.ts';
import type { LogicalUnit } from './scsi-cmds/logical-unit.ts';
import { disk } from './scsi-cmds/sbc/disk-unit.ts';
import { personalityNamed } from './scsi-cmds/ssc/personality.ts';
import { tape } from './scsi-cmds/ssc/tape-unit.ts';
import type { OpenedUnit } from './served/target.ts';
import type { UnitState } from './state/unit-state.ts';
import { version } from './version.ts';

/** PRODUCT REVISION LEVEL has four characters (SPC-4 6.6.2). */
export const REVISION = version.split('.').slice(0, 2).join('.').padEnd(4).slice(0, 4);

interface Surroundings {
  readonly iqn: string;
  /** Directory for what is kept. */
  readonly state: string | undefined;
  readonly log: Log;
}

/** How a unit of each type comes to be: its medium and the unit over it. */
const OPENERS: Record<
  'disk' | 'tape',
  (unit: ResolvedUnit, surroundings: Surroundings) => Promise<OpenedUnit>
> = {
  disk: async (resolved, { iqn, state, log }) => {
    const { path, bytes, blockSize, readOnly, removable, name } = resolved;
    const { thinBytes: allocationLimitBytes, physicalBlockSize } = resolved;
    const backend =
      path === undefined
        ? memoryDisk({ bytes: bytes!, blockSize, allocationLimitBytes })
        : await openDiskFile({
            path,
            blockSize,
            readOnly,
            allocationLimitBytes,
            ...(bytes === undefined ? {} : { bytes }),
            ...(state === undefined ? {} : { stateDir: state }),
          });
    const identity = identify(iqn, name, { product: 'DISK', revision: REVISION });
    const unit = await unitOver(backend, resolved, iqn, state, kept =>
      disk({ identity, backend, removable, log, state: kept, physicalBlockSize }),
    );
    return {
      unit,
      bytes: backend.bytes,
    };
  },
  tape: async (resolved, { iqn, state, log }) => {
    const { path, bytes, readOnly, name } = resolved;
    const capacity = bytes === undefined ? {} : { capacityBytes: bytes };
    const medium =
      path === undefined
        ? memoryCartridge(capacity)
        : await openCartridgeFile({
            path,
            readOnly,
            ...capacity,
            ...(state === undefined ? {} : { stateDir: state }),
          });
    const personality = personalityNamed(resolved.drive!)!;
    const { vendor, product, revision = REVISION } = personality;
    const identity = identify(iqn, name, { vendor, product, revision });
    const unit = await unitOver(medium, resolved, iqn, state, kept =>
      tape({ identity, medium, log, state: kept, personality }),
    );
    return {
      unit,
      bytes: medium.capacityBytes,
    };
  },
};

/** A disk or a tape as it comes to be. */
export const openUnit = (resolved: ResolvedUnit, surroundings: Surroundings): Promise<OpenedUnit> =>
  OPENERS[resolved.type as 'disk' | 'tape'](resolved, surroundings);

/** The unit over a medium with what it has kept. The medium is closed when that cannot be had or not be understood. */
async function unitOver(
  medium: { close(): void | Promise<void> },
  { name, path, readOnly }: ResolvedUnit,
  target: string,
  stateDir: string | undefined,
  make: (kept: UnitState | undefined) => LogicalUnit,
): Promise<LogicalUnit> {
  let kept: UnitState | undefined;
  try {
    kept = await openUnitState({ target, unit: name, path, readOnly, stateDir });
    return make(kept);
  } catch (error) {
    await kept?.close();
    await medium.close();
    throw error;
  }
}
