import { isIP, SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';
import { hostOf, serves, standsFor } from './address.ts';
import type { Endpoint } from './connection.ts';
import type { IscsiNode } from './node.ts';

/** In the one form that an address has; undefined for what is none. */
function canonical(host: string): string | undefined {
  const bare = host.replace(/%.*$/, '');
  const family = isIP(bare);
  if (family === 0) return undefined;
  return hostOf(new SocketAddress({ address: bare, family: family === 4 ? 'ipv4' : 'ipv6' }).address);
}

const ofThisMachine = (address: string): boolean =>
  Object.values(networkInterfaces()).some(list => list?.some(each => canonical(each.address) === address));

/**
 * Whether an address, in digits, and port are a portal by which the target is reached here: as it listens, where it
 * listens at every address of the machine any of them, and as it is advertised.
 */
export function leadsTo(node: IscsiNode, target: string, { host, port }: Endpoint): boolean {
  const found = node.find(target);
  const address = canonical(host);
  if (found === undefined || address === undefined || port === 0) return false;
  return node.portals.some(portal => {
    if (!serves(found, portal.group)) return false;
    const told = portal.advertise ?? node.advertise;
    if (told !== undefined && (told.port || portal.port) === port && canonical(told.host) === address) {
      return true;
    }
    if (portal.port !== port) return false;
    const bound = portal.bound ?? portal.host;
    return (standsFor(bound, address) ?? false) ? ofThisMachine(address) : canonical(bound) === address;
  });
}
