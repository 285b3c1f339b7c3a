import { serialAdd, serialBefore, serialDistance } from '../bytes/serial.ts';
import type { Connection } from './connection.ts';
import { dataLength, fillStatus, numbers, respond, sendEnd, senseSegment } from './data-in.ts';
import { KEPT_BYTES, MOST_KEPT } from './limits.ts';
import type { PayloadBudget } from './payload-budget.ts';
import { Opcode, common, responseNumbers } from './pdu/header.ts';
import type { ScsiTask } from './scsi-task.ts';

/** A response that has been sent and not acknowledged. */
export interface Kept {
  readonly statSN: number;
  /** Initiator task tag. */
  readonly tag: number;
  /** It ends a SCSI command. */
  readonly scsi: boolean;
  /** The task whose data and status it is; undefined when there is no data, or no more. */
  task: ScsiTask | undefined;
  /** The PDU where it has no read data of a task's. */
  readonly header: Buffer | undefined;
  readonly data: Buffer | undefined;
  readonly bytes: number;
}

/**
 * What one connection has sent and its initiator has not acknowledged by ExpStatSN (RFC 7143 4.2.2.2): it can be asked
 * for again, on this connection by SNACK, on another one by TASK REASSIGN. Only sessions with an ErrorRecoveryLevel
 * above 0 have it. Buffers stay with their tasks until they are acknowledged here and the transport has let go of them.
 */
export class Retransmission {
  readonly #connection: Connection;
  readonly #budget: PayloadBudget;
  /** In the order of StatSN. */
  readonly #entries: Kept[] = [];
  /** The first StatSN that is not acknowledged. */
  #acked: number;
  #bytes = 0;
  #since = 0;

  constructor(connection: Connection, budget: PayloadBudget) {
    this.#connection = connection;
    this.#budget = budget;
    this.#acked = connection.statSN;
  }

  get entries(): readonly Kept[] {
    return this.#entries;
  }

  get acked(): number {
    return this.#acked;
  }

  /** When the oldest of what is not acknowledged was sent; undefined when there is none. */
  get sinceMs(): number | undefined {
    return this.#entries.length > 0 ? this.#since : undefined;
  }

  /** Sends the end of a task and keeps it. */
  answer(task: ScsiTask): void {
    if (dataLength(task) > task.firstOffset) {
      task.kept = true;
      task.sends++;
      respond(task, () => this.#sent(task));
      this.#keep({
        statSN: task.statSN,
        tag: task.tag,
        scsi: true,
        task,
        header: undefined,
        data: undefined,
        bytes: task.credit,
      });
      return;
    }
    // Without data the task is not needed: its response is.
    const { outbox } = this.#connection;
    task.statSN = this.#connection.nextStatSN();
    const header = outbox.header();
    fillStatus(task, header, task.firstDataSN);
    numbers(this.#connection, header);
    const segment = senseSegment(task.sense);
    this.keepPdu(header, segment);
    task.sends++;
    outbox.push(header, segment, segment?.length ?? 0, () => this.#sent(task));
    this.#connection.wake();
  }

  /** Keeps a PDU that is being sent; its header is copied, its data is nobody else's. */
  keepPdu(header: Buffer, data: Buffer | undefined): void {
    const scsi = common.opcode.get(header) === Opcode.SCSI_RESPONSE;
    this.#keep({
      statSN: responseNumbers.statSN.get(header),
      tag: common.initiatorTaskTag.get(header),
      scsi,
      task: undefined,
      header: Buffer.from(header),
      data,
      bytes: scsi ? 0 : (data?.length ?? 0), // sense data is short, and never let go
    });
  }

  #keep(entry: Kept): void {
    if (this.#entries.length === 0) this.#since = performance.now();
    this.#entries.push(entry);
    this.#bytes += entry.bytes;
    this.#budget.keep(entry.bytes);
    const over = (): boolean => this.#bytes > KEPT_BYTES || this.#budget.keepsTooMuch;
    for (let i = 0; i < this.#entries.length - 1 && over(); i++) this.#letDataGo(i);
    while (this.#entries.length > MOST_KEPT) this.#forget(this.#entries.shift()!);
  }

  /** Its data can no longer be given. That it was sent, and what the status was, is still known. */
  #letDataGo(index: number): void {
    const entry = this.#entries[index]!;
    if (entry.bytes === 0) return;
    this.#forget(entry);
    this.#entries[index] = { ...entry, task: undefined, header: undefined, data: undefined, bytes: 0 };
  }

  #forget(entry: Kept): void {
    this.#bytes -= entry.bytes;
    this.#budget.keep(-entry.bytes);
    const { task } = entry;
    if (task === undefined) return;
    task.kept = false;
    if (task.sends === 0) task.connection.session!.free(task);
  }

  #sent(task: ScsiTask): void {
    if (--task.sends === 0 && !task.kept) task.connection.session!.free(task);
  }

  /** Takes an ExpStatSN. One that acknowledges what was not sent says nothing. */
  acknowledge(expStatSN: number): void {
    if (serialDistance(expStatSN, this.#acked) <= 0) return;
    if (serialDistance(expStatSN, this.#connection.statSN) > 0) return;
    this.#acked = expStatSN;
    let count = 0;
    const entries = this.#entries;
    while (count < entries.length && serialBefore(entries[count]!.statSN, expStatSN)) {
      this.#forget(entries[count++]!);
    }
    if (count === 0) return;
    entries.splice(0, count);
    this.#since = performance.now();
  }

  /** The latest of the task's. */
  find(tag: number): Kept | undefined {
    return this.#entries.findLast(each => each.tag === tag && each.scsi);
  }

  byDataTag(dataTag: number): ScsiTask | undefined {
    return this.#entries.find(each => each.task?.dataTag === dataTag)?.task;
  }

  /** What has been sent with this StatSN or a later one; undefined when it was not sent or is acknowledged. */
  run(begRun: number, runLength: number): readonly Kept[] | undefined {
    const { statSN } = this.#connection;
    const from = begRun === 0 && runLength === 0 ? this.#acked : begRun;
    const until = runLength === 0 ? statSN : serialAdd(from, runLength);
    if (serialBefore(from, this.#acked) || serialDistance(until, from) <= 0) return undefined;
    if (serialDistance(until, statSN) > 0) return undefined;
    const found = this.#entries.filter(
      each => !serialBefore(each.statSN, from) && serialBefore(each.statSN, until),
    );
    return found.length === serialDistance(until, from) ? found : [];
  }

  /** Sends what is kept again, with the present window; false when it can no longer be given. */
  again(entry: Kept, send: (task: ScsiTask, sent: () => void) => void = sendEnd): boolean {
    const { task, header } = entry;
    if (task !== undefined) {
      task.sends++;
      const done = this.#connection.owe(dataLength(task));
      send(task, () => {
        done();
        this.#sent(task);
      });
      this.#connection.wake();
      return true;
    }
    if (header === undefined) return false;
    const copy = Buffer.from(header);
    numbers(this.#connection, copy);
    this.#connection.repeat(copy, entry.data);
    return true;
  }

  /** Gives an entry up for another connection to carry on with. */
  take(entry: Kept): void {
    const at = this.#entries.indexOf(entry);
    this.#entries.splice(at, 1);
    this.#bytes -= entry.bytes;
    this.#budget.keep(-entry.bytes);
  }

  /** Nobody will ask any more. */
  close(): void {
    for (const entry of this.#entries.splice(0)) this.#forget(entry);
  }
}
