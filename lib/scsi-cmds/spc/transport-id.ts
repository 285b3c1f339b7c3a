import { invalidFieldInParameterList } from '../sense.ts';
import type { PortPair } from '../reservations.ts';

/** TransportID of an iSCSI initiator port: FORMAT CODE 01b over PROTOCOL IDENTIFIER 5 (SPC-4 7.6.4.6). */
const ISCSI_PORT = 0x45;
const SEPARATOR = ',i,0x';
/** ADDITIONAL LENGTH is this at least. */
const SHORTEST = 20;

export function encodeTransportId(ports: PortPair): Buffer {
  const name = Buffer.from(`${ports.initiatorName}${SEPARATOR}${ports.isid}\0`, 'utf8');
  const length = Math.max(SHORTEST, Math.ceil(name.length / 4) * 4);
  const out = Buffer.alloc(4 + length);
  out[0] = ISCSI_PORT;
  out.writeUInt16BE(length, 2);
  name.copy(out, 4);
  return out;
}

/** The initiator port that `from` names; `at` is where it lies in the parameter list. */
export function decodeTransportId(from: Buffer, at: number): Pick<PortPair, 'initiatorName' | 'isid'> {
  // A name without its ISID (FORMAT CODE 00b) names a device, not a port.
  if (from[0] !== ISCSI_PORT) throw invalidFieldInParameterList(at);
  const length = from.length < 4 ? 0 : from.readUInt16BE(2);
  if (length < SHORTEST || length % 4 !== 0 || 4 + length > from.length)
    throw invalidFieldInParameterList(at + 2);
  const text = from.toString('utf8', 4, 4 + length);
  const found = /^([^\0]+),i,0x([0-9a-f]{12})\0*$/i.exec(text);
  if (found === null) throw invalidFieldInParameterList(at + 4);
  return { initiatorName: found[1]!.toLowerCase(), isid: found[2]!.toLowerCase() };
}
