import { rulesFor } from './access.ts';
import type { Connection, Endpoint } from './connection.ts';
import type { Pair } from './login/text.ts';

/** SendTargets (RFC 7143 appendix C). */

export const formatAddress = ({ host, port }: Endpoint): string =>
  `${host.includes(':') ? `[${host}]` : host}:${port}`;

const WILDCARDS = new Set(['0.0.0.0', '::', '']);

/**
 * Where a target can be reached, as the asker should see it: the advertised address if there is one; else every portal,
 * a wildcard one by the address that the asker came in by.
 */
function addresses(connection: Connection): string[] {
  const { advertise, portals } = connection.node;
  if (advertise !== undefined) return [formatAddress(advertise)];
  const found = new Set<string>();
  for (const portal of portals) {
    if (!WILDCARDS.has(portal.host)) found.add(formatAddress(portal));
    else if (connection.local !== undefined)
      found.add(formatAddress({ host: connection.local.host, port: portal.port }));
  }
  if (found.size === 0 && connection.local !== undefined) found.add(formatAddress(connection.local));
  return [...found];
}

/** The pairs that answer SendTargets=`value`. */
export function sendTargets(connection: Connection, value: string): Pair[] {
  const session = connection.session!;
  const own = session.device?.name;
  // RFC 7143 appendix C: All belongs to discovery sessions; a normal one may ask for its own target.
  if (value === 'All' && own !== undefined) return [{ key: 'SendTargets', value: 'Reject' }];
  const wanted = value === '' ? own : value.toLowerCase();
  const pairs: Pair[] = [];
  for (const target of connection.node.targets) {
    const { name } = target.device;
    if (value !== 'All' && name !== wanted) continue;
    if (own !== undefined && name !== own) continue;
    if (rulesFor(target, session.nexus.initiatorName).length === 0) continue;
    pairs.push({ key: 'TargetName', value: name });
    for (const address of addresses(connection)) {
      pairs.push({ key: 'TargetAddress', value: `${address},${connection.node.portalGroupTag}` });
    }
  }
  return pairs;
}
