import { type SenseFacts, SenseKey } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import { type End, type EndRole, endFields, Resolver } from './cscd/resolve.ts';
import { DataQueue } from './data-queue.ts';
import { Initiator } from './initiator.ts';
import type { CopyOperation, Ending } from './operation.ts';
import { type ParameterList, segmentAt, segmentHeader } from './parameter-list.ts';
import { Pump, type PumpResult } from './pump.ts';
import { segmentTypes } from './segments/registry.ts';
import { type MoveOrder, SegmentFailure, type SegmentType, type Work } from './segments/segment.ts';
import { CopyAbort, CopyCode, copyAborted } from './sense.ts';
import type { Turns } from './turns.ts';

/** Where the copy was asked for. */
export interface JobFor {
  readonly device: TargetDevice;
  readonly operation: CopyOperation;
  readonly lun: number;
}

/** The segments of an EXTENDED COPY, one after the other. */
export class Job implements Work {
  readonly operation: CopyOperation;
  readonly sourceData = new DataQueue();
  readonly destinationData = new DataQueue();

  readonly #list: ParameterList;
  readonly #initiator: Initiator;
  readonly #resolver: Resolver;
  readonly #turns: Turns;
  #pump: Pump | undefined;

  constructor(list: ParameterList, { device, operation, lun }: JobFor, turns: Turns) {
    const { nexus, unit } = operation;
    this.operation = operation;
    this.#list = list;
    this.#turns = turns;
    this.#initiator = new Initiator(device, nexus);
    this.#resolver = new Resolver(this.#initiator, nexus, list.cscds, { lun, unit });
    operation.halt = () => {
      this.#initiator.stop();
      this.#pump?.stop();
    };
  }

  get stopped(): boolean {
    return this.operation.stopped;
  }

  /** Resolves when no command is under way any more. */
  async run(): Promise<Ending> {
    const list = this.#list;
    const { operation } = this;
    try {
      for (let number = 0; number < list.segments.length; number++) {
        if (this.#turns.over()) await this.#turns.rest();
        if (this.stopped) break;
        operation.segmentsProcessed = number + 1;
        const failure = await this.#process(list, list.segments[number]!);
        if (this.stopped) break;
        if (failure !== undefined) {
          const { abort, residual } = failure;
          return { status: Status.CHECK_CONDITION, facts: copyAborted(abort, number, residual) };
        }
      }
      return list.goodWithSense
        ? { status: Status.GOOD, facts: allProcessed(list) }
        : { status: Status.GOOD };
    } finally {
      // What CAT = 1 keeps on the last segment is discarded (SPC-4 5.17.7.2 table 116).
      this.sourceData.clear();
      this.destinationData.clear();
    }
  }

  async #process(list: ParameterList, offset: number): Promise<SegmentFailure | undefined> {
    const bytes = segmentAt(list, offset);
    const type = segmentTypes.get(segmentHeader.type.get(bytes))!;
    try {
      const source = await this.#end(type, bytes, 'source');
      const destination = await this.#end(type, bytes, 'destination');
      if (this.stopped) return undefined;
      const cat = segmentHeader.cat.get(bytes);
      const destinationCount = segmentHeader.destinationCount.get(bytes);
      await type.run({ bytes, cat, destinationCount, source, destination }, this);
      return undefined;
    } catch (error) {
      if (error instanceof SegmentFailure) return error;
      if (error instanceof CopyAbort) return new SegmentFailure(error);
      throw error;
    }
  }

  async #end(type: SegmentType, bytes: Buffer, role: EndRole): Promise<End | undefined> {
    const wanted = type[role];
    if (wanted === undefined) return undefined;
    const end = await this.#resolver.end(endFields[role].get(bytes), role);
    if (end.kind !== wanted) {
      const pointer = { in: 'segment', byte: endFields[role].offset } as const;
      throw new CopyAbort(CopyCode.INVALID_OPERATION, pointer);
    }
    return end;
  }

  async pump(order: MoveOrder): Promise<PumpResult> {
    const pump = new Pump(
      {
        ...order,
        sourceData: this.sourceData,
        destinationData: this.destinationData,
        wrote: order.silent === true ? () => {} : bytes => this.wrote(bytes),
      },
      this.#turns,
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
