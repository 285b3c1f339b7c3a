import { createCartridge } from '../lib/cli/tape/create.ts';
import type { NewCartridge, NewCartridgeWords } from '../lib/cli/tape/create.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';

export async function create(path: string, words: NewCartridgeWords & { json?: boolean }): Promise<number> {
  const made = await createCartridge(path, words);
  process.stdout.write(words.json === true ? `${JSON.stringify(made)}\n` : `created ${describeNew(made)}\n`);
  return ExitCode.OK;
}

/** `/srv/shelf/SAN001L6.tape: LTO-6 cartridge SAN001L6, 2.27 TiB` */
export function describeNew({ path, barcode, mediaType, capacityBytes, worm }: NewCartridge): string {
  const words = [mediaType, worm ? 'WORM' : '', 'cartridge', barcode].filter(word => word !== '').join(' ');
  return `${path}: ${words}, ${capacityBytes === 0 ? 'no limit' : formatSize(capacityBytes)}`;
}
