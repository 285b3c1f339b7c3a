import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import type { SenseFacts } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import type { TargetDevice } from '../scsi-cmds/target-device.ts';
import { type End, type EndRole, endFields, Resolver } from './cscd/resolve.ts';
import { DataQueue } from './data-queue.ts';
import { Initiator } from './initiator.ts';
import { type ParameterList, segmentAt, segmentHeader } from './parameter-list.ts';
import { Pump, type PumpResult } from './pump.ts';
import { segmentTypes } from './segments/registry.ts';
import { type MoveOrder, SegmentFailure, type SegmentType, type Work } from './segments/segment.ts';
import { CopyAbort, CopyCode, copyAborted } from './sense.ts';
import type { Turns } from './turns.ts';

/** How a copy operation ended; `facts` with CHECK CONDITION. */
export interface Ending {
  readonly status: Status;
  readonly facts?: SenseFacts;
}

/** Who wants the copy, and where it was asked for. */
export interface JobFor {
  readonly device: TargetDevice;
  readonly nexus: Nexus;
  readonly unit: LogicalUnit;
  readonly lun: number;
}

/** COPY COMMAND STATUS (SPC-4 6.25 table 254). */
export const CopyStatus = { IN_PROGRESS: 0x00, COMPLETED: 0x01, FAILED: 0x02 } as const;

/** One copy operation (SPC-4 5.17.4.3): its segments one after the other, and what became of them. */
export class Job implements Work {
  readonly listId: number | undefined;
  readonly nexus: Nexus;
  readonly unit: LogicalUnit;
  /** The unit's resets when it began: what is known of a finished copy goes with the next one. */
  readonly resets: number;
  readonly sourceData = new DataQueue();
  readonly destinationData = new DataQueue();

  /** The one being processed included (SPC-4 6.24). */
  segmentsProcessed = 0;
  /** Bytes written to copy destinations, in order. */
  transferredBytes = 0;
  copyStatus: number = CopyStatus.IN_PROGRESS;
  /** Status and sense that EXTENDED COPY ended with. */
  status: Status = Status.GOOD;
  sense: Buffer = Buffer.alloc(0);
  /** What the initiator has fetched is not kept (SPC-4 6.25, 6.23). */
  statusKnown = true;
  detailsKnown = true;

  #list: ParameterList | undefined;
  readonly #initiator: Initiator;
  readonly #resolver: Resolver;
  readonly #turns: Turns;
  #pump: Pump | undefined;
  #stopped = false;

  constructor(list: ParameterList, wanted: JobFor, turns: Turns) {
    this.listId = list.listId;
    this.nexus = wanted.nexus;
    this.unit = wanted.unit;
    this.resets = wanted.unit.resets;
    this.#list = list;
    this.#turns = turns;
    this.#initiator = new Initiator(wanted.device, wanted.nexus);
    this.#resolver = new Resolver(this.#initiator, wanted.nexus, list.cscds, wanted);
  }

  get running(): boolean {
    return this.copyStatus === CopyStatus.IN_PROGRESS;
  }

  get stopped(): boolean {
    return this.#stopped;
  }

  /** Sends no more commands; the copy ends when those under way have. */
  abort(): void {
    this.#stopped = true;
    this.#initiator.stop();
    this.#pump?.stop();
  }

  /** Resolves when no command is under way any more. */
  async run(): Promise<Ending> {
    const list = this.#list!;
    try {
      for (let number = 0; number < list.segments.length; number++) {
        if (this.#turns.over()) await this.#turns.rest();
        if (this.#stopped) break;
        this.segmentsProcessed = number + 1;
        const failure = await this.#process(list, list.segments[number]!);
        if (this.#stopped) break;
        if (failure !== undefined) {
          const { abort, residual } = failure;
          return { status: Status.CHECK_CONDITION, facts: copyAborted(abort, number, residual) };
        }
      }
      return { status: this.#stopped ? Status.TASK_ABORTED : Status.GOOD };
    } finally {
      // What CAT = 1 keeps on the last segment is discarded (SPC-4 5.17.7.2 table 116).
      this.sourceData.clear();
      this.destinationData.clear();
      this.#list = undefined;
    }
  }

  /** What COPY STATUS and FAILURE DETAILS will say. */
  end(status: Status, sense: Buffer): void {
    this.copyStatus = status === Status.GOOD ? CopyStatus.COMPLETED : CopyStatus.FAILED;
    this.status = status;
    this.sense = sense;
  }

  async #process(list: ParameterList, offset: number): Promise<SegmentFailure | undefined> {
    const bytes = segmentAt(list, offset);
    const type = segmentTypes.get(segmentHeader.type.get(bytes))!;
    try {
      const source = await this.#end(type, bytes, 'source');
      const destination = await this.#end(type, bytes, 'destination');
      if (this.#stopped) return undefined;
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
    this.transferredBytes += bytes;
  }
}
