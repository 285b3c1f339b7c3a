import { open } from 'node:fs/promises';
import type { CartridgeLabel } from '../tape-medium.ts';
import { HEADER_AREA_BYTES } from './header-area.ts';
import { findLabel } from './label.ts';

/**
 * What a cartridge file is, without opening it as a cartridge: nothing is locked, and nothing of the tape is read. Rejects
 * with the rest of a sentence that begins with the file's name.
 */
export async function readLabel(path: string): Promise<CartridgeLabel> {
  const file = await open(path, 'r');
  try {
    const area = Buffer.alloc(HEADER_AREA_BYTES);
    const { bytesRead } = await file.read(area, 0, area.length, 0);
    const { uuid, barcode, capacityBytes, worm, mediaType } = findLabel(area.subarray(0, bytesRead)).label;
    return { uuid, barcode, capacityBytes, worm, mediaType };
  } finally {
    await file.close();
  }
}
