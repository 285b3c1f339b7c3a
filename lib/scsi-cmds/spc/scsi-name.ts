/** SCSI name strings of iSCSI (SPC-4 7.8.6, RFC 7143 4.4.2): UTF-8, null-terminated, in fours. */
function nameString(text: string): Buffer {
  const name = Buffer.from(text);
  const out = Buffer.alloc(Math.ceil((name.length + 1) / 4) * 4);
  name.copy(out);
  return out;
}

/** Of a target device: the target. */
export const deviceName = (target: string): Buffer => nameString(target);

/** Of a target port: the target, and the portal group's tag. */
export const portName = (target: string, port: number): Buffer =>
  nameString(`${target},t,0x${port.toString(16).padStart(4, '0')}`);
