import { normalName } from '../iscsi-name.ts';
import { rulesFor } from './access.ts';
import { formatAddress, serves, standsFor } from './address.ts';
import type { Connection, Endpoint } from './connection.ts';
import type { Pair } from './login/text.ts';
import type { IscsiTarget, PortalAddress } from './node.ts';

/** SendTargets (RFC 7143 appendix C). */

/**
 * How the asker should see a portal: as it is advertised, if it is; a wildcard one by the address that the asker came in
 * by. Undefined when it could not be reached by that.
 */
function addressOf(
  { host, port, advertise }: PortalAddress,
  { node, local }: Connection,
): string | undefined {
  const told: Endpoint | undefined = advertise ?? node.advertise;
  if (told !== undefined) return formatAddress({ host: told.host, port: told.port === 0 ? port : told.port });
  const wild = standsFor(host, local?.host ?? '');
  if (wild === undefined) return formatAddress({ host, port });
  return wild && local !== undefined ? formatAddress({ host: local.host, port }) : undefined;
}

/** Where a target can be reached, with the portal group tag of each address. */
function addresses(target: IscsiTarget, connection: Connection): ReadonlySet<string> {
  const found = new Set<string>();
  for (const portal of connection.node.portals) {
    if (!serves(target, portal.group)) continue;
    const address = addressOf(portal, connection);
    if (address !== undefined) found.add(`${address},${portal.group}`);
  }
  return found;
}

/** The pairs that answer SendTargets=`value`. */
export function sendTargets(connection: Connection, value: string): Pair[] {
  const session = connection.session!;
  const own = session.device?.name;
  // RFC 7143 appendix C: All belongs to discovery sessions; a normal one may ask for its own target.
  if (value === 'All' && own !== undefined) return [{ key: 'SendTargets', value: 'Reject' }];
  const wanted = value === '' ? own : normalName(value);
  const pairs: Pair[] = [];
  for (const target of connection.node.targets) {
    const { name } = target.device;
    if (value !== 'All' && name !== wanted) continue;
    if (own !== undefined && name !== own) continue;
    if (rulesFor(target, session.nexus.initiatorName).length === 0) continue;
    pairs.push({ key: 'TargetName', value: name });
    for (const address of addresses(target, connection)) pairs.push({ key: 'TargetAddress', value: address });
  }
  return pairs;
}
