import { designators, DesignatorType, givenName, unitDesignator } from './designators.ts';
import { DeviceType, inquiry } from './inquiry.ts';
import { Initiator, type PortalOptions } from './initiator.ts';
import { InitiatorError } from './initiator-error.ts';
import { readCapacity } from './read-capacity.ts';
import { reportLuns } from './report-luns.ts';
import { ScsiError } from './scsi-error.ts';
import type { Session } from './session.ts';
import { Unit } from './unit.ts';

/** Vendor specific designators are the name of a unit where the vendor is this one. */
const OUR_VENDOR = 'SANLET';

/** A LUN as an initiator finds it. */
export interface FoundLun {
  readonly lun: number;
  readonly type: string;
  /** What the target calls it, where it says so; PRODUCT IDENTIFICATION otherwise. */
  readonly name: string;
  readonly bytes: number | undefined;
  readonly blockSize: number | undefined;
  /** In hexadecimal; undefined when the unit has no NAA designator. */
  readonly naa: string | undefined;
  /** Why it could not be asked about everything. */
  readonly trouble?: string;
}

export interface FoundTarget {
  readonly target: string;
  readonly luns: readonly FoundLun[];
  /** Why it did not let us in. */
  readonly trouble?: string;
}

/** Targets of the portal, or the one named, with their LUNs. A target that refuses us is listed with its refusal. */
export async function inventory(
  portal: PortalOptions,
  target?: string,
  lun?: number,
): Promise<FoundTarget[]> {
  if (target !== undefined) return [await lunsOf(portal, target, lun)];
  // Discovery proves nothing the other way: the secrets of mutual CHAP belong to a target.
  const discovery = { ...portal };
  delete discovery.mutual;
  const found: FoundTarget[] = [];
  for (const { name } of await Initiator.discover(discovery)) {
    found.push(
      await lunsOf(portal, name).catch((error: unknown) => {
        if (!(error instanceof InitiatorError)) throw error;
        return { target: name, luns: [], trouble: error.message };
      }),
    );
  }
  return found;
}

async function lunsOf(portal: PortalOptions, target: string, only?: number): Promise<FoundTarget> {
  await using session = await Initiator.login({ ...portal, target });
  const luns: FoundLun[] = [];
  for (const lun of only === undefined ? await reportLuns(session) : [only]) {
    const found = await describeLun(session, lun);
    if (found !== undefined) luns.push(found);
  }
  if (only !== undefined && luns.length === 0) {
    throw new InitiatorError('usage', `there is no LUN ${only} in ${target}`);
  }
  return { target, luns };
}

async function describeLun(session: Session, lun: number): Promise<FoundLun | undefined> {
  const unit = new Unit(session, lun);
  const { present, type, deviceType, vendor, product } = await inquiry(unit);
  if (!present) return undefined;
  const published = await designators(unit);
  const { type: kind, bytes: designator } = unitDesignator(published) ?? {};
  const found = {
    lun,
    type,
    name: vendor === OUR_VENDOR ? (givenName(published) ?? product) : product,
    naa: kind === DesignatorType.NAA ? designator?.toString('hex') : undefined,
    bytes: undefined,
    blockSize: undefined,
  };
  if (deviceType !== DeviceType.DISK) return found;
  try {
    await unit.awaitReady();
    const { blocks, blockSize } = await readCapacity(unit);
    return { ...found, bytes: blocks * blockSize, blockSize };
  } catch (error) {
    if (error instanceof ScsiError) return { ...found, trouble: error.message };
    throw error;
  }
}
