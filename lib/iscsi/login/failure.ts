import type { LoginStatus } from '../pdu/login.ts';
import type { Pair } from './text.ts';

/** A login that ends: the status that the initiator gets (RFC 7143 11.13.5) and why, for the log. */
export class LoginFailure {
  readonly status: LoginStatus;
  readonly why: string;
  /** What goes with the status: the TargetAddress of a redirection. */
  readonly keys: readonly Pair[];
  constructor(status: LoginStatus, why: string, keys: readonly Pair[] = []) {
    this.status = status;
    this.why = why;
    this.keys = keys;
  }
}
