/** The 8-byte LUN field (SAM-5 4.7): peripheral addressing to 255, flat space above. */

export const MAX_LUN = 16383;

/** The REPORT LUNS well-known logical unit, by the first two bytes of its LUN (SAM-5 4.7.7.5.1, SPC-4 8.1). */
export const REPORT_LUNS_LUN = 0xc101;

/** The LUN number, or undefined for an address form that names none of ours (extended, second level, well-known but for REPORT LUNS). */
export function decodeLun(from: Uint8Array, at: number): number | undefined {
  for (let i = 2; i < 8; i++) if (from[at + i] !== 0) return undefined;
  const method = from[at]! >> 6;
  // SAM-5 4.7.7.2: peripheral device addressing, bus 0.
  if (method === 0) return from[at]! === 0 ? from[at + 1]! : undefined;
  // SAM-5 4.7.7.3: flat space addressing.
  if (method === 1) return ((from[at]! & 0x3f) << 8) | from[at + 1]!;
  return from[at] === REPORT_LUNS_LUN >> 8 && from[at + 1] === (REPORT_LUNS_LUN & 0xff)
    ? REPORT_LUNS_LUN
    : undefined;
}

export function encodeLun(lun: number, into: Uint8Array, at: number): void {
  into.fill(0, at, at + 8);
  into[at] = lun === REPORT_LUNS_LUN ? lun >> 8 : lun > 255 ? 0x40 | (lun >> 8) : 0;
  into[at + 1] = lun;
}
