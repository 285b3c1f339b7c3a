import { matchesAny } from '../iscsi-name.ts';
import type { LunMap } from '../scsi-cmds/lun-view.ts';
import type { ChapCredentials } from './login/authentication.ts';
import { LoginFailure } from './login/failure.ts';
import type { IscsiTarget } from './node.ts';
import { LoginStatus } from './pdu/login.ts';

/** Who comes in at a target, and what they see there. */
export interface AccessRule {
  /** Patterns of initiator names; absent: all. */
  readonly initiators?: readonly string[];
  /** What they must prove to be; absent: nothing is asked of them. */
  readonly chap?: ChapCredentials;
  /** What stands at which LUN; absent: every unit at its own. */
  readonly luns?: LunMap;
}

/** What an initiator sees that has lost its rule. */
export const NO_LUNS: LunMap = new Map();

const EVERYONE: readonly AccessRule[] = [{}];

/** The rules that an initiator of that name can come in by, in their order. */
export const rulesFor = (target: IscsiTarget, initiatorName: string): readonly AccessRule[] =>
  (target.rules ?? EVERYONE).filter(
    ({ initiators }) => initiators === undefined || matchesAny(initiators, initiatorName),
  );

/** The one that holds for it, given the name that it has proved with CHAP. */
export const ruleFor = (
  target: IscsiTarget,
  initiatorName: string,
  user: string | undefined,
): AccessRule | undefined =>
  rulesFor(target, initiatorName).find(({ chap }) => chap === undefined || chap.user === user);

/** The rule for a login that is through. Throws LoginFailure where there is none any more. */
export function admitted(login: {
  readonly target: IscsiTarget | undefined;
  readonly initiatorName: string;
  readonly user: string | undefined;
}): AccessRule {
  const rule = ruleFor(login.target!, login.initiatorName, login.user);
  if (rule === undefined) {
    throw new LoginFailure(LoginStatus.AUTHORIZATION_FAILURE, 'no rule of access fits the initiator');
  }
  return rule;
}
