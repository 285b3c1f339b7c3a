import { u16 } from '../../bytes/fields.ts';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { DeviceType, type LogicalUnit } from '../../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../../scsi-cmds/nexus.ts';
import { Status } from '../../scsi-cmds/status.ts';
import { BlockEnd } from '../block-end.ts';
import type { End } from '../end.ts';
import type { Initiator } from '../initiator.ts';
import { nullEnd } from '../null-end.ts';
import { CopyAbort, CopyCode, type CopyPointer } from '../sense.ts';
import { StreamEnd } from '../stream-end.ts';
import { type Address, type Cscd, CSCD_SLOT_BYTES, cscdLayout, type PortalName } from './descriptor.ts';
import { type Designator, designatorsOf, sameUnit } from './identification.ts';
import { OWN_UNIT } from './ids.ts';
import { nullRole } from './registry.ts';

export type EndRole = 'source' | 'destination';

/** Where a segment descriptor names its ends (SPC-4 6.4.6.1 table 147). */
export const endFields = { source: u16(4), destination: u16(6) } as const;

interface Located {
  readonly lun: number;
  readonly unit: LogicalUnit;
}

/** INQUIRY for the Device Identification VPD page (SPC-4 6.6, 7.8.6). */
const INQUIRY_83 = Buffer.from('12018304000000000000000000000000', 'hex');
/** Room for two iSCSI names, of 223 bytes each, and all else. */
const PAGE_BYTES = 1024;
const PAGE_HEADER_BYTES = 4;

/** Whether a portal is one of those that the copy manager's own target is reached by. */
export type OwnPortals = (portal: PortalName) => boolean;

/** What names lead to, beside designators. */
export interface Names {
  readonly portals: OwnPortals;
  /** iSCSI name, in lower case, of an alias that the requester has given. */
  readonly aliasName: (value: bigint) => string | undefined;
  /** The ROD of a CSCD, as copy source; throws CopyAbort. */
  readonly rod: (id: number, pointer: CopyPointer) => Promise<End>;
}

/**
 * Finds copy sources and destinations among the units that the requesting nexus can address, when a segment needs them
 * (SPC-4 5.17.7.2). A unit that is not there and one that is not the requester's give the same answer.
 */
export class Resolver {
  readonly #initiator: Initiator;
  readonly #nexus: Nexus;
  readonly #cscds: readonly (Cscd | undefined)[];
  /** The unit that EXTENDED COPY was sent to. */
  readonly #own: Located;
  readonly #names: Names;
  readonly #found = new Map<number, Located>();

  constructor(
    initiator: Initiator,
    nexus: Nexus,
    cscds: readonly (Cscd | undefined)[],
    own: Located,
    names: Names,
  ) {
    this.#names = names;
    this.#initiator = initiator;
    this.#nexus = nexus;
    this.#cscds = cscds;
    this.#own = own;
  }

  /** Throws CopyAbort. */
  async end(id: number, role: EndRole): Promise<End> {
    const inSegment: CopyPointer = { in: 'segment', byte: endFields[role].offset };
    const nothing = nullRole(id);
    if (nothing !== undefined) return nullEnd(nothing, this.#initiator, inSegment);
    const cscd = this.#cscds[id];
    const pointer: CopyPointer = cscd === undefined ? inSegment : { in: 'list', byte: cscd.offset };
    if (cscd === undefined && id < this.#cscds.length) throw new CopyAbort(CopyCode.INVALID_FIELD, inSegment);
    if (cscd?.torn === true) {
      throw new CopyAbort(CopyCode.INVALID_FIELD, { in: 'list', byte: cscd.offset + CSCD_SLOT_BYTES });
    }
    if (cscd?.address.kind === 'rod') return this.#names.rod(id, pointer);
    const located = id === OWN_UNIT ? this.#own : cscd && (await this.#locate(id, cscd));
    if (located === undefined || !this.#addressable(located))
      throw new CopyAbort(CopyCode.UNREACHABLE, pointer);
    const { lun, unit } = located;
    if (cscd !== undefined && cscd.deviceType !== unit.deviceType) {
      throw new CopyAbort(CopyCode.INCORRECT_DEVICE_TYPE, pointer);
    }
    const pad = cscd?.pad === true;
    const lengthPointer: CopyPointer = {
      in: 'list',
      byte: (cscd?.offset ?? 0) + cscdLayout.blockLength.offset,
    };
    switch (unit.deviceType) {
      case DeviceType.DISK: {
        const end = await BlockEnd.open(this.#initiator, lun, { pad, role, pointer });
        // DISK BLOCK LENGTH 0 means: find it out (SPC-4 6.4.5.3).
        if (cscd !== undefined && cscd.blockLength !== 0 && cscd.blockLength !== end.blockBytes) {
          throw new CopyAbort(CopyCode.INVALID_FIELD, lengthPointer);
        }
        return end;
      }
      case DeviceType.TAPE: {
        const fixed = cscd?.fixed === true;
        const blockBytes = cscd?.blockLength ?? 0;
        const end = new StreamEnd(this.#initiator, lun, { pad, fixed, blockBytes, pointer });
        return end.verify(role, lengthPointer);
      }
      default:
        throw new CopyAbort(CopyCode.INVALID_OPERATION, inSegment);
    }
  }

  async #locate(id: number, cscd: Cscd): Promise<Located | undefined> {
    const known = this.#found.get(id);
    if (known !== undefined && this.#addressable(known)) return known;
    const found = await this.#find(cscd.address);
    if (found !== undefined) this.#found.set(id, found);
    return found;
  }

  #addressable(located: Located): boolean {
    const { device } = this.#initiator;
    return device.exists(this.#nexus, located.lun) && device.unit(this.#nexus, located.lun) === located.unit;
  }

  #find(address: Address): MaybePromise<Located | undefined> {
    if (address.kind === 'identification') return this.#search(address.designator);
    if (address.kind === 'rod') return undefined; // no unit
    const { device } = this.#initiator;
    const { lun } = address;
    const ours =
      address.kind === 'alias'
        ? this.#names.aliasName(address.value) === device.name
        : address.portal !== undefined && this.#names.portals(address.portal);
    if (lun === undefined || !ours) return undefined;
    return device.exists(this.#nexus, lun) ? { lun, unit: device.unit(this.#nexus, lun) } : undefined;
  }

  async #search(wanted: Designator): Promise<Located | undefined> {
    for (const [lun, unit] of this.#initiator.device.visible(this.#nexus)) {
      const { status, data } = await this.#initiator.ask(lun, Buffer.from(INQUIRY_83), PAGE_BYTES);
      if (status !== Status.GOOD || data.length < PAGE_HEADER_BYTES) continue;
      if (designatorsOf(data.subarray(PAGE_HEADER_BYTES)).some(has => sameUnit(wanted, has)))
        return { lun, unit };
    }
    return undefined;
  }
}
