import { type SenseFacts, SenseKey } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import type { AliasLists } from './alias-list.ts';
import { type EndRole, endFields, type OwnPortals, Resolver } from './cscd/resolve.ts';
import type { End } from './end.ts';
import { DataQueue } from './data-queue.ts';
import { type Errand, Initiator } from './initiator.ts';
import type { CopyOperation, Ending } from './operation.ts';
import { type ParameterList, segmentAt, segmentHeader } from './parameter-list.ts';
import { Pump, type PumpResult } from './pump.ts';
import { segmentTypes } from './segments/registry.ts';
import {
  type MoveOrder,
  type Segment,
  SegmentFailure,
  type SegmentType,
  type Work,
} from './segments/segment.ts';
import { CopyAbort, CopyCode, copyAborted } from './sense.ts';
import type { BlockRange } from './tokens/rod.ts';
import type { Rods } from './tokens/rods.ts';
import type { Share } from './turns.ts';

/** Where the copy was asked for. */
export interface JobFor {
  readonly device: TargetDevice;
  readonly operation: CopyOperation;
  readonly lun: number;
  readonly portals: OwnPortals;
  readonly aliases: AliasLists;
  readonly rods: Rods;
}

interface Failed extends Pick<SegmentFailure, 'abort' | 'residual'> {
  readonly number: number;
}

/** How the segment failed; a mistake of ours is thrown on. */
async function caught(act: () => Promise<void>): Promise<SegmentFailure | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    if (error instanceof SegmentFailure) return error;
    if (error instanceof CopyAbort) return new SegmentFailure(error);
    throw error;
  }
}

/** The segments of an EXTENDED COPY, one after the other. */
export class Job implements Work {
  readonly operation: CopyOperation;
  readonly sourceData = new DataQueue();
  readonly destinationData = new DataQueue();

  readonly #list: ParameterList;
  readonly #initiator: Initiator;
  readonly #resolver: Resolver;
  readonly #rods: Rods;
  readonly #share: Share;
  #pump: Pump | undefined;
  /** The present segment holds what it processes. */
  #holds = false;
  readonly #after: { readonly segment: Segment; readonly act: () => Promise<void> }[] = [];

  constructor(list: ParameterList, { device, operation, lun, portals, aliases, rods }: JobFor, share: Share) {
    const { nexus, unit } = operation;
    this.operation = operation;
    this.#rods = rods;
    this.#list = list;
    this.#share = share;
    this.#initiator = new Initiator(device, nexus);
    this.#resolver = new Resolver(
      this.#initiator,
      nexus,
      list.cscds,
      { lun, unit },
      {
        portals,
        aliasName: value => aliases.nameOf(nexus, unit, value),
        rod: (id, pointer) => rods.source(id, pointer, this.#initiator),
      },
    );
    operation.halt = () => {
      this.#initiator.stop();
      this.#pump?.stop();
    };
  }

  get stopped(): boolean {
    return this.operation.stopped;
  }

  get inline(): Buffer {
    return this.#list.inline;
  }

  /** Resolves when no command is under way any more. */
  async run(): Promise<Ending> {
    try {
      this.#rods.begin(this.#list);
      const failed = await this.#segments();
      const failedLast = await this.#lastOnes();
      const { number, abort, residual } = failed ?? failedLast ?? {};
      if (abort !== undefined) {
        return { status: Status.CHECK_CONDITION, facts: copyAborted(abort, number!, residual) };
      }
      if (!this.stopped) this.operation.tokens = this.#rods.tokens();
      const facts = this.#list.goodWithSense ? allProcessed(this.#list) : undefined;
      return facts === undefined ? { status: Status.GOOD } : { status: Status.GOOD, facts };
    } finally {
      this.#rods.finish();
      // What CAT = 1 keeps on the last segment is discarded (SPC-4 5.17.7.2 table 116).
      this.sourceData.clear();
      this.destinationData.clear();
    }
  }

  async #segments(): Promise<Failed | undefined> {
    const { length } = this.#list.segments;
    for (let number = 0; number < length; number++) {
      await this.rest();
      if (this.stopped) return undefined;
      this.operation.segmentsProcessed = number + 1;
      const failure = await caught(() => this.#process(number));
      if (this.stopped) return undefined;
      if (failure !== undefined) return { abort: failure.abort, residual: failure.residual, number };
    }
    return undefined;
  }

  async #process(number: number): Promise<void> {
    const bytes = segmentAt(this.#list, this.#list.segments[number]!);
    const type = segmentTypes.get(segmentHeader.type.get(bytes))!;
    const from = await this.#end(type, bytes, 'source');
    const destination = await this.#end(type, bytes, 'destination');
    this.#holds = type.holds === true;
    const cat = segmentHeader.cat.get(bytes);
    const destinationCount = segmentHeader.destinationCount.get(bytes);
    try {
      const source = await this.#rods.still(from, destination);
      if (this.stopped) return;
      await type.run({ bytes, number, cat, destinationCount, source, destination }, this);
    } finally {
      this.#rods.segmentOver();
    }
  }

  /** Segments that have their turn after all others, also when one of those failed. */
  async #lastOnes(): Promise<Failed | undefined> {
    for (const { segment, act } of this.#after) {
      if (this.stopped) return undefined;
      const failure = await caught(act);
      if (failure !== undefined)
        return { abort: failure.abort, residual: failure.residual, number: segment.number };
    }
    return undefined;
  }

  afterAll(segment: Segment, act: () => Promise<void>): void {
    this.#after.push({ segment, act });
  }

  async rest(): Promise<void> {
    await this.#share.rest();
  }

  populate(id: number, ranges: readonly BlockRange[]): Promise<void> {
    return this.#rods.populate(id, ranges);
  }

  writeNothing(from: Buffer, done: (errand: Errand) => void): void {
    this.#initiator.writeNothing(from, done);
  }

  async #end(type: SegmentType, bytes: Buffer, role: EndRole): Promise<End | undefined> {
    const wanted = type[role];
    if (wanted === undefined) return undefined;
    const end = await this.#resolver.end(endFields[role].get(bytes), role);
    if (wanted !== 'any' && end.kind !== wanted) {
      const pointer = { in: 'segment', byte: endFields[role].offset } as const;
      throw new CopyAbort(CopyCode.INVALID_OPERATION, pointer);
    }
    return end;
  }

  async pump(order: MoveOrder): Promise<PumpResult> {
    // It was stopped while the segment asked for something else.
    if (this.stopped) return { written: 0, abort: undefined };
    const pump = new Pump(
      {
        sourceData: this.sourceData,
        destinationData: this.destinationData,
        ...order,
        ...(this.#holds ? { processed: (bytes: Buffer) => this.operation.hold(bytes) } : {}),
        wrote: order.silent === true ? () => {} : bytes => this.wrote(bytes),
      },
      this.#share,
    );
    this.#pump = pump;
    const result = await pump.start();
    this.#pump = undefined;
    return result;
  }

  wrote(bytes: number): void {
    this.operation.wrote(bytes);
  }
}

/** G_SENSE (SPC-4 6.4.3.6): the number of segments. */
const allProcessed = (list: ParameterList): SenseFacts => ({
  key: SenseKey.COMPLETED,
  code: CopyCode.INFORMATION_AVAILABLE,
  commandSpecific: list.segments.length,
});
