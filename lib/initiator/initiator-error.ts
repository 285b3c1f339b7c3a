/**
 * - `connect`: no connection came about
 * - `login`: the target refused the login; `status` says why
 * - `authentication`: CHAP failed, on either side
 * - `not-found`: the target is not there
 * - `timeout`: no answer in time
 * - `closed`: the connection ended while something was under way
 * - `protocol`: the target sent what RFC 7143 does not allow
 * - `target`: the target could not do it, without a SCSI status
 * - `aborted`: the caller asked for it
 * - `usage`: the caller asked for what cannot be
 */
export type InitiatorFault =
  | 'connect'
  | 'login'
  | 'authentication'
  | 'not-found'
  | 'timeout'
  | 'closed'
  | 'protocol'
  | 'target'
  | 'aborted'
  | 'usage';

/** Why the initiator could not do something, in one sentence. */
export class InitiatorError extends Error {
  override readonly name = 'InitiatorError';
  readonly fault: InitiatorFault;
  /** Status-Class and Status-Detail of a refused login (RFC 7143 11.13.5). */
  readonly status: number | undefined;
  /** TargetAddress of a redirected login: `host[:port][,group]`. */
  readonly movedTo: string | undefined;

  constructor(
    fault: InitiatorFault,
    message: string,
    more: { status?: number; movedTo?: string | undefined; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.fault = fault;
    this.status = more.status;
    this.movedTo = more.movedTo;
  }
}
