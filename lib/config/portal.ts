import type { Endpoint } from './options.ts';

/** IANA's port for iSCSI targets (RFC 7143 14). */
export const ISCSI_PORT = 3260;
export const DEFAULT_PORTAL: Endpoint = { host: '127.0.0.1', port: ISCSI_PORT };

/** `HOST:PORT`, `HOST`, `[IPV6]:PORT`. A string that says what is wrong otherwise. */
export function parsePortal(text: string, defaultPort = ISCSI_PORT): Endpoint | string {
  const bad = `${JSON.stringify(text)} is no portal: write HOST:PORT, such as 127.0.0.1:${ISCSI_PORT} or [::1]:${ISCSI_PORT}`;
  const parts = /^(?:\[([0-9a-fA-F:.]+(?:%[\w.-]+)?)\]|([^\s:/[\]@]+))(?::([0-9]{1,6}))?$/.exec(text);
  if (parts === null) {
    return /^[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*$/.test(text)
      ? `${JSON.stringify(text)} is no portal: an IPv6 address stands in brackets, [${text}]:${ISCSI_PORT}`
      : bad;
  }
  if (parts[1] !== undefined && !parts[1].includes(':')) return bad;
  const port = parts[3] === undefined ? defaultPort : Number(parts[3]);
  if (port > 65_535) return `${JSON.stringify(text)} is no portal: a port is at most 65535`;
  return { host: (parts[1] ?? parts[2])!, port };
}

export const formatPortal = ({ host, port }: Endpoint): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
