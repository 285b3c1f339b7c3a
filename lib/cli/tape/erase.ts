import { mayBeWritten, withCartridge } from './cartridge.ts';

export interface Erasable {
  readonly barcode: string;
  readonly usedBytes: number;
}

/** Rejects with one sentence when the cartridge may not be erased; asks before it is. False when the answer was no. */
export function eraseCartridge(path: string, ask: (what: Erasable) => Promise<boolean>): Promise<boolean> {
  return withCartridge(path, {}, async medium => {
    const { label, partitions } = medium;
    if (label.worm) throw new Error(`${path} is a WORM cartridge: what is written on it stays`);
    if (medium.writeProtected || !(await mayBeWritten(path)))
      throw new Error(`${path} is write-protected: its file may not be written`);
    const usedBytes = partitions.reduce((sum, each) => sum + each.usedBytes, 0);
    if (!(await ask({ barcode: label.barcode, usedBytes }))) return false;
    await medium.format([label.capacityBytes]);
    return true;
  });
}
