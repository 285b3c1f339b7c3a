import { LoginStatus } from '../iscsi/pdu/login.ts';
import { InitiatorError, type InitiatorFault } from './initiator-error.ts';

/** What a refused login is about, for the error. */
export interface LoginCircumstances {
  readonly peer: string;
  readonly target: string | undefined;
  readonly user: string | undefined;
  /** TargetAddress of a redirection. */
  readonly movedTo: string | undefined;
}

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(LoginStatus).map(([name, status]) => [status, name.toLowerCase().replaceAll('_', ' ')]),
);

const FAULTS: Readonly<Record<number, InitiatorFault>> = {
  [LoginStatus.AUTHENTICATION_FAILURE]: 'authentication',
  [LoginStatus.AUTHORIZATION_FAILURE]: 'authentication',
  [LoginStatus.NOT_FOUND]: 'not-found',
  [LoginStatus.TARGET_REMOVED]: 'not-found',
};

const MOVED: readonly number[] = [LoginStatus.MOVED_TEMPORARILY, LoginStatus.MOVED_PERMANENTLY];

/** One sentence for a Status-Class and Status-Detail (RFC 7143 11.13.5). */
export function loginRefused(status: number, about: LoginCircumstances): InitiatorError {
  return new InitiatorError(FAULTS[status] ?? 'login', sentence(status, about), {
    status,
    ...(MOVED.includes(status) ? { movedTo: about.movedTo } : {}),
  });
}

function sentence(status: number, { peer, target, user, movedTo }: LoginCircumstances): string {
  const whom = target ?? 'discovery';
  switch (status) {
    case LoginStatus.NOT_FOUND:
      return `there is no target ${whom} at ${peer}`;
    case LoginStatus.TARGET_REMOVED:
      return `the target ${whom} is no longer at ${peer}`;
    case LoginStatus.AUTHENTICATION_FAILURE:
      return user === undefined
        ? `${whom} at ${peer} wants CHAP: name a user and secret, iscsi://user%secret@host`
        : `${whom} at ${peer} does not take the secret of user ${user} (CHAP authentication failed)`;
    case LoginStatus.AUTHORIZATION_FAILURE:
      return `${whom} at ${peer} does not let this initiator in (authorization failure)`;
    case LoginStatus.MOVED_TEMPORARILY:
    case LoginStatus.MOVED_PERMANENTLY:
      return `${whom} has moved from ${peer} to ${movedTo ?? 'an address that it does not tell'}`;
    default: {
      const code = status.toString(16).padStart(4, '0');
      return `${peer} refused the login to ${whom}: ${NAMES.get(status) ?? 'unknown status'} (${code}h)`;
    }
  }
}
