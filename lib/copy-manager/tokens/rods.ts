import type { DiskUnit } from '../../scsi-cmds/sbc/disk-unit.ts';
import type { LogicalUnit } from '../../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../../scsi-cmds/nexus.ts';
import { BlockEnd } from '../block-end.ts';
import { cscdLayout, type RodAddress } from '../cscd/descriptor.ts';
import { rodCscd } from '../cscd/rod.ts';
import type { End } from '../end.ts';
import type { Initiator } from '../initiator.ts';
import { MAX_RANGES, MAX_ROD_BYTES, MAX_TOKENS_OF_COPY } from '../limits.ts';
import { type ParameterList, segmentAt, segmentHeader } from '../parameter-list.ts';
import { CopyAbort, CopyCode, type CopyPointer, refused } from '../sense.ts';
import { segmentTypes } from '../segments/registry.ts';
import { type BlockRange, blocksOf, overlapping, Rod } from './rod.ts';
import { RodEnd } from './rod-end.ts';
import { rodTypes, TYPE_OF_TOKEN } from './rod-types.ts';
import { TOKEN_BYTES } from './token.ts';
import type { TokenStore, TokenUse } from './token-store.ts';

/** A token that a copy has made, and the CSCD ID of its ROD; 0 for one of POPULATE TOKEN (SPC-4 6.26 table 257). */
export interface MadeToken {
  readonly cscdId: number;
  readonly token: Buffer;
}

/** A ROD CSCD of a list: it is populated until it is first used. */
interface ListedRod {
  readonly id: number;
  readonly offset: number;
  readonly address: RodAddress;
  readonly blockLength: number;
  readonly pad: boolean;
  rod: Rod | undefined;
  /** Of the token that it came with. */
  use: TokenUse | undefined;
  complete: boolean;
  /** A token has it now. */
  handedOver: boolean;
}

/** The disk at which the copy's ROD finds its blocks, as the nexus addresses it. */
export function lunOf(initiator: Initiator, nexus: Nexus, unit: LogicalUnit): number | undefined {
  return initiator.device.visible(nexus).find(([, each]) => each === unit)?.[0];
}

/** The RODs of one EXTENDED COPY (SPC-4 5.17.7.5). */
export class Rods {
  readonly #rods: ListedRod[] = [];
  /** Of the present segment. */
  #still: Rod | undefined;
  readonly #store: TokenStore;
  readonly #nexus: Nexus;
  /** The unit that EXTENDED COPY was sent to. */
  readonly #unit: LogicalUnit;

  constructor(store: TokenStore, nexus: Nexus, unit: LogicalUnit) {
    this.#store = store;
    this.#nexus = nexus;
    this.#unit = unit;
  }

  /**
   * Takes them out of the list, before any segment is processed. Throws what the list must not say of them, and INVALID TOKEN
   * OPERATION for a token that is no good.
   */
  begin(list: ParameterList): void {
    list.cscds.forEach((cscd, id) => {
      if (cscd?.address.kind !== 'rod') return;
      const { offset, address, blockLength, pad } = cscd;
      const complete = address.type === TYPE_OF_TOKEN;
      // SPC-4 6.4.5.9: the token could not be asked for.
      if (address.makesToken && list.listId === undefined) {
        throw refused(CopyCode.INVALID_FIELD, offset + rodCscd.makesToken.offset, 0);
      }
      const listed: ListedRod = {
        id,
        offset,
        address,
        blockLength,
        pad,
        rod: undefined,
        use: undefined,
        complete,
        handedOver: false,
      };
      if (complete) {
        listed.use = this.#tokenIn(list, listed);
        listed.rod = listed.use.rod;
      }
      this.#rods.push(listed);
    });
    if (this.#rods.length === 0) return;
    this.#requireOnce(list);
    const wanted = this.#rods.filter(({ address }) => address.makesToken).length;
    if (wanted > MAX_TOKENS_OF_COPY) throw refused(CopyCode.NO_ROOM_FOR_TOKEN);
    if (wanted > 0) this.#store.requireRoom(this.#nexus, wanted);
  }

  #tokenIn(list: ParameterList, { offset, address }: ListedRod): TokenUse {
    const { tokenOffset } = address;
    if (tokenOffset + TOKEN_BYTES > list.inline.length) {
      throw refused(CopyCode.INLINE_LENGTH, offset + rodCscd.tokenOffset.offset);
    }
    const token = list.inline.subarray(tokenOffset, tokenOffset + TOKEN_BYTES);
    const byte = token.byteOffset - list.bytes.byteOffset;
    return this.#store.use(token, this.#unit.device!, this.#nexus, byte);
  }

  /** No block twice in one ROD, whichever segments add it, nor more than there may be (SPC-4 5.17.6.3, 7.8.17.8.2). */
  #requireOnce(list: ParameterList): void {
    const all = new Map<number, (BlockRange & { readonly offset: number })[]>();
    for (const offset of list.segments) {
      const bytes = segmentAt(list, offset);
      const ranges = segmentTypes.get(segmentHeader.type.get(bytes))?.ranges?.(bytes);
      if (ranges === undefined) continue;
      const id = segmentHeader.destination.get(bytes);
      const sofar = all.get(id) ?? [];
      all.set(id, sofar);
      for (const range of ranges) sofar.push({ ...range, offset });
      if (sofar.length > MAX_RANGES) throw refused(CopyCode.NO_ROOM_FOR_ROD);
    }
    const { blockSize } = this.#unit as DiskUnit;
    for (const ranges of all.values()) {
      const twice = overlapping(ranges);
      if (twice !== undefined) throw refused(CopyCode.INVALID_FIELD, twice.offset);
      if (blocksOf(ranges) * blockSize > MAX_ROD_BYTES) {
        throw refused(CopyCode.INVALID_FIELD, ranges[0]!.offset);
      }
    }
  }

  #at(id: number): ListedRod {
    return this.#rods.find(each => each.id === id)!;
  }

  /** Adds blocks of the copy's own unit; throws CopyAbort, and CheckCondition where there is no room. */
  async populate(id: number, ranges: readonly BlockRange[]): Promise<void> {
    const listed = this.#at(id);
    const unit = this.#unit as DiskUnit;
    if (listed.complete) {
      const byte = segmentHeader.destination.offset;
      throw new CopyAbort(CopyCode.INVALID_FIELD, { in: 'segment', byte });
    }
    if (listed.blockLength !== 0 && listed.blockLength !== unit.blockSize) {
      const byte = listed.offset + cscdLayout.blockLength.offset;
      throw new CopyAbort(CopyCode.INVALID_FIELD, { in: 'list', byte });
    }
    listed.rod ??= new Rod(unit, rodTypes.get(listed.address.type)!);
    await listed.rod.add(ranges, this.#store.roomOf(this.#nexus));
  }

  /** As copy source, from when on nothing is added; throws CopyAbort. */
  async source(id: number, pointer: CopyPointer, initiator: Initiator): Promise<RodEnd> {
    const listed = this.#at(id);
    const { rod, pad } = listed;
    listed.complete = true;
    const lun = rod === undefined || rod.lost ? undefined : lunOf(initiator, this.#nexus, rod.unit);
    if (rod === undefined || lun === undefined) throw new CopyAbort(CopyCode.UNREACHABLE, pointer);
    if (listed.blockLength !== 0 && listed.blockLength !== rod.blockBytes) {
      const byte = listed.offset + cscdLayout.blockLength.offset;
      throw new CopyAbort(CopyCode.INVALID_FIELD, { in: 'list', byte });
    }
    const disk = await BlockEnd.open(initiator, lun, { pad, role: 'source', pointer });
    return new RodEnd(rod, disk, { pad, pointer });
  }

  /**
   * The ends of a segment: what is read upon reference from the unit that it writes to is preserved meanwhile, or it would be
   * read as it has just been written.
   */
  async still(source: End | undefined, destination: End | undefined): Promise<End | undefined> {
    if (!(source instanceof RodEnd) || source.rod.type.pointInTime !== undefined) return source;
    const lun = destination?.kind === 'block' ? destination.lun : undefined;
    if (lun === undefined || this.#unit.device!.unit(this.#nexus, lun) !== source.rod.unit) return source;
    this.#still = await source.rod.preserved(this.#store.roomOf(this.#nexus));
    return source.of(this.#still);
  }

  /** The segment is over, well or not: the next one begins with what is there then. */
  segmentOver(): void {
    this.#still?.release();
    this.#still = undefined;
  }

  /** All segments have been processed: tokens for those who want one. Throws INSUFFICIENT RESOURCES TO CREATE ROD TOKEN. */
  tokens(): MadeToken[] {
    const made: MadeToken[] = [];
    const wanted = this.#rods.filter(({ address, rod }) => address.makesToken && rod !== undefined);
    // All or none: of a copy that fails nobody hears which tokens it has made.
    if (wanted.some(({ rod }) => rod!.lost)) throw refused(CopyCode.NO_ROOM_FOR_ROD);
    if (wanted.length > 0) this.#store.requireRoom(this.#nexus, wanted.length);
    for (const listed of wanted) {
      const { id, address } = listed;
      const rod = listed.rod!;
      const { lifetime, inactivity } = address;
      const token = this.#store.add(rod, this.#unit.device!, this.#nexus, { lifetime, inactivity });
      listed.handedOver = true;
      made.push({ cscdId: id, token });
    }
    return made;
  }

  /** The copy is over, well or not. */
  finish(): void {
    for (const { rod, use, address, handedOver } of this.#rods) {
      if (use !== undefined) use.end(address.removesToken);
      else if (!handedOver) rod?.release();
    }
  }
}
