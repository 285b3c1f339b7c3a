import type { BackgroundWork, LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import type { SenseFacts } from '../scsi-cmds/sense.ts';
import { Status } from '../scsi-cmds/status.ts';
import { HeldData } from './held-data.ts';
import type { MadeToken } from './tokens/rods.ts';

/** How a copy operation ended; `facts` with CHECK CONDITION, and with GOOD where sense was asked for. */
export interface Ending {
  readonly status: Status;
  readonly facts?: SenseFacts;
}

/** A command that originates a copy operation (SPC-4 5.17.4.1 table 107). */
export interface Origin {
  /** SERVICE ACTION of the 83h command. */
  readonly serviceAction: number;
  /** Undefined: nothing can be asked about it (LIST ID USAGE 11b). */
  readonly listId: number | undefined;
  readonly nexus: Nexus;
  readonly unit: LogicalUnit;
  /** Its command ends at once (IMMED). */
  readonly background: boolean;
}

const NO_SENSE = Buffer.alloc(0);
const COUNTER_MODULUS = 0x1_0000;

/** One copy operation (SPC-4 5.17.4.3): how it goes, and what is known of it afterwards. */
export class CopyOperation implements Origin, BackgroundWork {
  readonly serviceAction: number;
  readonly listId: number | undefined;
  readonly nexus: Nexus;
  readonly unit: LogicalUnit;
  readonly background: boolean;
  /** The unit's resets when it began: what is known of a finished copy goes with the next one. */
  readonly resets: number;
  /** Set by whoever carries it out: sends no more commands, and ends when those under way have. */
  halt: () => void = () => {};

  /** The one being processed included (SPC-4 6.24). */
  segmentsProcessed = 0;
  /** Bytes written to copy destinations, in order. */
  transferredBytes = 0;
  running = true;
  /** Nothing more is to be sent. */
  stopped = false;
  /** It names ends by aliases. */
  usesAliases = false;
  /** COPY OPERATION ABORT ended it. */
  terminated = false;
  /** Less was copied than was asked for, as there was no more in the ROD. */
  partial = false;
  /** What TRANSFER COUNT counts in: bytes, or blocks of a disk. */
  countedBytes = 1;
  /** Tokens that it has made, until they are fetched. */
  tokens: readonly MadeToken[] = [];
  /** Status and sense that its command ended with, or would have. */
  status: Status = Status.GOOD;
  sense: Buffer = NO_SENSE;
  /** What segments with "hold" have kept; undefined when none of them has been processed. */
  held: HeldData | undefined;
  /** What the initiator has fetched is not kept (SPC-4 6.25, 6.23). */
  statusKnown = true;
  detailsKnown = true;

  #counter = 0;
  #waiting: (() => void)[] = [];

  constructor(origin: Origin) {
    this.serviceAction = origin.serviceAction;
    this.listId = origin.listId;
    this.nexus = origin.nexus;
    this.unit = origin.unit;
    this.background = origin.background;
    this.resets = origin.unit.resets;
  }

  /** OPERATION COUNTER (SPC-4 6.24): differs when there was progress in between. */
  get counter(): number {
    return this.#counter % COUNTER_MODULUS;
  }

  wrote(bytes: number): void {
    this.transferredBytes += bytes;
    this.#counter++;
  }

  hold(bytes: Buffer): void {
    (this.held ??= new HeldData()).add(bytes);
  }

  /** It has been fetched: what there was is no loss. */
  dropHeld(): void {
    this.held = undefined;
  }

  /** Held data or tokens wait for whoever is to fetch them. */
  get unfetched(): boolean {
    return this.held !== undefined || this.tokens.length > 0;
  }

  /** Whether a reset has taken away what was known of it. */
  get forgotten(): boolean {
    return !this.running && this.resets !== this.unit.resets;
  }

  abort(): void {
    if (this.stopped || !this.running) return;
    this.stopped = true;
    this.halt();
  }

  stop(done: () => void): void {
    if (this.running) {
      this.#waiting.push(done);
      this.abort();
    } else done();
  }

  /** Its status is known; `told` follows when its command has ended as well. */
  end(status: Status, sense: Buffer): void {
    this.running = false;
    this.status = status;
    this.sense = sense;
    this.#counter++;
    this.halt = () => {};
  }

  /** Lets those go on that wait for its end. */
  told(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const done of waiting) done();
  }
}
