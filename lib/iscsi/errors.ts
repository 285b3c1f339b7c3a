import type { RejectReason } from './pdu/reject.ts';

/**
 * A peer that broke the rules. It carries what happens on the wire: a Reject PDU after which the connection goes on, or
 * the end of the connection.
 */
export class ProtocolViolation extends Error {
  override readonly name = 'ProtocolViolation';
  /** Reason of the Reject PDU; undefined: the connection is dropped, since its byte stream cannot be trusted. */
  readonly reject: RejectReason | undefined;

  constructor(message: string, reject?: RejectReason) {
    super(message);
    this.reject = reject;
  }
}
