import type { LoginStatus } from '../pdu/login.ts';

/** A login that ends: the status that the initiator gets (RFC 7143 11.13.5) and why, for the log. */
export class LoginFailure {
  readonly status: LoginStatus;
  readonly why: string;
  constructor(status: LoginStatus, why: string) {
    this.status = status;
    this.why = why;
  }
}
