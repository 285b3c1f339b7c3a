import { isIPv4, isIPv6 } from 'node:net';
import type { Endpoint } from './connection.ts';
import type { IscsiTarget } from './node.ts';

/** An address as TargetAddress has it (RFC 7143 13.8): an IPv6 one in brackets, and a zone is nobody else's business. */
export const formatAddress = ({ host, port }: Endpoint): string => {
  const bare = host.replace(/%.*$/, '');
  return `${bare.includes(':') ? `[${bare}]` : bare}:${port}`;
};

/** The address of a socket's end; one that came by IPv4 to a listener of both is an IPv4 one. */
export const hostOf = (address: string): string => address.replace(/^::ffff:(?=[0-9.]+$)/i, '');

/** Whether an address that somebody came in by is one of those that `host` stands for, where it is a wildcard. */
export function standsFor(host: string, address: string): boolean | undefined {
  if (host === '0.0.0.0') return isIPv4(address);
  if (host === '' || (isIPv6(host) && /^[0:]+$/.test(host))) return true; // Node listens on both
  return undefined;
}

/** Whether the portals of a group lead to the target (RFC 7143 4.4.1). */
export const serves = ({ groups }: IscsiTarget, portalGroup: number): boolean =>
  groups === undefined || groups.includes(portalGroup);
