import { common } from '../iscsi/pdu/header.ts';
import { InitiatorError } from './initiator-error.ts';

/** A PDU that answers a request that is no SCSI command. */
export interface Answer {
  readonly header: Buffer;
  readonly data: Buffer;
}

interface Exchange {
  readonly opcode: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: InitiatorError) => void;
}

/** Requests that are no SCSI commands and wait for their answers: text, ping, task management, logout. By tag. */
export class Exchanges {
  readonly #peer: string;
  readonly #open = new Map<number, Exchange>();

  /** `peer` names the other side in errors. */
  constructor(peer: string) {
    this.#peer = peer;
  }

  has(tag: number): boolean {
    return this.#open.has(tag);
  }

  /** The answer to the request with this tag, which has the operation code `answeredBy`. */
  expect(tag: number, answeredBy: number, timeoutMs: number): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#open.set(tag, { opcode: answeredBy, resolve, reject });
    });
    const timer = setTimeout(() => {
      this.reject(
        tag,
        new InitiatorError('timeout', `${this.#peer} has not answered within ${timeoutMs / 1000} s`),
      );
    }, timeoutMs);
    return answer.finally(() => {
      clearTimeout(timer);
      this.#open.delete(tag);
    });
  }

  answered(header: Buffer, data: Buffer): void {
    const exchange = this.#open.get(common.initiatorTaskTag.get(header));
    if (exchange?.opcode !== common.opcode.get(header)) return;
    exchange.resolve({ header: Buffer.from(header), data: Buffer.from(data) });
  }

  reject(tag: number, error: InitiatorError): void {
    this.#open.get(tag)?.reject(error);
  }

  rejectAll(error: InitiatorError): void {
    for (const { reject } of this.#open.values()) reject(error);
  }
}
