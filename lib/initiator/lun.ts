/** The 8-byte LUN field (SAM-5 4.7): peripheral addressing to 255, flat space addressing above. */
export function lunBytes(lun: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes[0] = lun > 255 ? 0x40 | (lun >> 8) : 0;
  bytes[1] = lun;
  return bytes;
}

/** The number in a LUN field, or undefined for an address form that names no simple LUN. */
export function lunNumber(bytes: Uint8Array): number | undefined {
  const [first = 0, second = 0] = bytes;
  if (bytes.subarray(2, 8).some(byte => byte !== 0)) return undefined;
  if (first >> 6 === 0) return first === 0 ? second : undefined;
  return first >> 6 === 1 ? ((first & 0x3f) << 8) | second : undefined;
}
