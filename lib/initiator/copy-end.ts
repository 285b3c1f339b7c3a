import type { Cscd } from './copy-list.ts';
import { designators, unitDesignator } from './designators.ts';
import { InitiatorError } from './initiator-error.ts';
import { DeviceType, inquiry } from './inquiry.ts';
import { readCapacity } from './read-capacity.ts';
import type { Session } from './session.ts';
import { Unit } from './unit.ts';

/** A LUN that a copy reads or writes, and what the copy must know of it. */
export interface CopyEnd extends Cscd {
  readonly unit: Unit;
  /** 0 for a tape. */
  readonly blocks: number;
  /** It takes EXTENDED COPY itself. */
  readonly copies: boolean;
}

/** Asks the LUN; rejects with InitiatorError `usage` when it cannot be an end of a copy. */
export async function copyEnd(session: Session, lun: number): Promise<CopyEnd> {
  const unit = new Unit(session, lun);
  const told = await inquiry(unit);
  const disk = told.deviceType === DeviceType.DISK;
  if (!told.present) throw new InitiatorError('usage', `there is no LUN ${lun} in this target`);
  if (!disk && told.deviceType !== DeviceType.TAPE) {
    throw new InitiatorError('usage', `LUN ${lun} is a ${told.type}, and only disks and tapes are copied`);
  }
  await unit.awaitReady();
  const designator = unitDesignator(await designators(unit));
  if (designator === undefined) {
    throw new InitiatorError(
      'usage',
      `LUN ${lun} has no name of 20 bytes or less that a copy could call it by`,
    );
  }
  const { blocks, blockSize } = disk ? await readCapacity(unit) : { blocks: 0, blockSize: 0 };
  return { unit, type: disk ? 'disk' : 'tape', designator, blockSize, blocks, copies: told.thirdPartyCopy };
}
