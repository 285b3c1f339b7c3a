import { peerName } from '../../iscsi-name.ts';
import { invalidFieldInParameterList } from '../sense.ts';
import type { InitiatorPort } from '../reservations.ts';

/* FORMAT CODE over PROTOCOL IDENTIFIER 5 (SPC-4 7.6.4.6): 01b, an initiator port; 00b, a name without its ISID. */
const ISCSI_PORT = 0x45;
const ISCSI_DEVICE = 0x05;
const PORT = /^([^\0]+),i,0x([0-9a-f]{12})\0*$/i;
const DEVICE = /^([^\0,]+)\0*$/;
const SEPARATOR = ',i,0x';
/** ADDITIONAL LENGTH is this at least. */
const SHORTEST = 20;

export function encodeTransportId(ports: InitiatorPort): Buffer {
  const name = Buffer.from(`${ports.initiatorName}${SEPARATOR}${ports.isid}\0`, 'utf8');
  const length = Math.max(SHORTEST, Math.ceil(name.length / 4) * 4);
  const out = Buffer.alloc(4 + length);
  out[0] = ISCSI_PORT;
  out.writeUInt16BE(length, 2);
  name.copy(out, 4);
  return out;
}

/** What a TransportID names: one initiator port, or without `isid` every port of an initiator device. */
export interface TransportId {
  readonly initiatorName: string;
  readonly isid: string | undefined;
  /** Bytes of it. */
  readonly length: number;
}

/** The TransportID that `from` begins with; `at` is where it lies in the parameter list. */
export function decodeTransportId(from: Buffer, at: number): TransportId {
  const form = from[0];
  if (form !== ISCSI_PORT && form !== ISCSI_DEVICE) throw invalidFieldInParameterList(at);
  const length = from.length < 4 ? 0 : from.readUInt16BE(2);
  if (length < SHORTEST || length % 4 !== 0 || 4 + length > from.length)
    throw invalidFieldInParameterList(at + 2);
  const found = (form === ISCSI_PORT ? PORT : DEVICE).exec(from.toString('utf8', 4, 4 + length));
  // As a login has it: what could never log in would be kept for nothing, at any length.
  const initiatorName = found === null ? undefined : peerName(found[1]!);
  if (found === null || initiatorName === undefined) throw invalidFieldInParameterList(at + 4);
  return { initiatorName, isid: found[2]?.toLowerCase(), length: 4 + length };
}
