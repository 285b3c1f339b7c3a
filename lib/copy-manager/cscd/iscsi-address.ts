import { bits, bytes, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { decodeLun } from '../../scsi-cmds/lun.ts';
import { CopyCode, refused } from '../sense.ts';
import { type Address, CSCD_SLOT_BYTES, type CscdType, cscdLayout } from './descriptor.ts';

/** iSCSI IPv4 CSCD descriptor (SPC-4 7.6.3.8). */
export const ipv4Layout = layout(CSCD_SLOT_BYTES, {
  lun: bytes(4, 8),
  address: bytes(12, 4),
  port: u16(22),
  protocol: u16(26),
});

/** iSCSI IPv6 CSCD descriptor (SPC-4 7.6.3.9), which goes on in a second slot. */
export const ipv6Layout = layout(2 * CSCD_SLOT_BYTES, {
  lun: bytes(4, 8),
  address: bytes(12, 16),
  extension: u8(32),
  port: u16(36),
  protocol: u16(38),
});

/** INTERNET PROTOCOL NUMBER. */
const TCP = 6;

/** LU ID TYPE (SPC-4 6.4.5.1 table 133). */
const luIdType = bits(1, 6, 2);
const LuIdType = { LUN: 0, PROXY_TOKEN: 1 } as const;

/** The LUN in an LU IDENTIFIER field; undefined for one that names none. Throws for a reserved LU ID TYPE. */
export function lunIn(descriptor: Uint8Array, offset: number): number | undefined {
  const type = luIdType.get(descriptor);
  if (type > LuIdType.PROXY_TOKEN) throw refused(CopyCode.INVALID_FIELD, offset + luIdType.offset, 7);
  // No proxy token has ever been given out here.
  return type === LuIdType.LUN ? decodeLun(descriptor, cscdLayout.parameters.offset) : undefined;
}

const dotted = (address: Uint8Array): string => address.join('.');

const hextets = (address: Uint8Array): string => {
  const words: string[] = [];
  for (let at = 0; at < address.length; at += 2)
    words.push(((address[at]! << 8) | address[at + 1]!).toString(16));
  return words.join(':');
};

function addressOf(
  descriptor: Uint8Array,
  offset: number,
  f: typeof ipv4Layout | typeof ipv6Layout,
  host: string,
): Address {
  const tcp = f.protocol.get(descriptor) === TCP;
  const portal = tcp ? { host, port: f.port.get(descriptor) } : undefined;
  return { kind: 'portal', lun: lunIn(descriptor, offset), portal };
}

export const iscsiIpv4: CscdType = {
  code: 0xe5,
  name: 'iSCSI IPv4',
  slots: 1,
  address: (descriptor, offset) =>
    addressOf(descriptor, offset, ipv4Layout, dotted(ipv4Layout.address.get(descriptor))),
};

export const iscsiIpv6: CscdType = {
  code: 0xea,
  name: 'iSCSI IPv6',
  slots: 2,
  extension: ipv6Layout.extension,
  address: (descriptor, offset) =>
    addressOf(descriptor, offset, ipv6Layout, hextets(ipv6Layout.address.get(descriptor))),
};
