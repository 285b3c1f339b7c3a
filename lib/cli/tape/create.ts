import { unlink } from 'node:fs/promises';
import type { TapeMedium } from '../../backends/tape-medium.ts';
import { openCartridgeFile } from '../../backends/tape/cartridge-file.ts';
import { ConfigError } from '../../config/config-error.ts';
import { cartridgeError, pathOnShelf } from './cartridge.ts';
import { mediaTypeNamed, mediaTypeOfBarcode } from './media-types.ts';
import { errorOf, nameBeside, nameFile, refuseIfThere } from './new-file.ts';

export interface NewCartridgeWords {
  readonly size?: number;
  readonly barcode?: string;
  readonly type?: string;
  readonly worm?: boolean;
}

export interface NewCartridge {
  readonly path: string;
  readonly barcode: string;
  readonly mediaType: string;
  readonly capacityBytes: number;
  readonly worm: boolean;
}

/** What the words say, and a barcode says in its last two characters where they are silent. */
export async function plannedCartridge(path: string, words: NewCartridgeWords): Promise<NewCartridge> {
  const { barcode = '' } = words;
  if (!/^[ -~]{0,32}$/.test(barcode))
    throw new ConfigError([], `--barcode ${barcode}: a barcode has up to 32 characters of ASCII`);
  const told = mediaTypeOfBarcode(barcode);
  const type = words.type === undefined ? told?.type : mediaTypeNamed(words.type);
  const planned = await pathOnShelf(path, words.barcode);
  await refuseIfThere(planned, 'a cartridge is never written over: give another name, or remove it first');
  return {
    path: planned,
    barcode,
    mediaType: type?.name ?? '',
    capacityBytes: words.size ?? type?.capacityBytes ?? 0,
    worm: words.worm ?? told?.worm ?? false,
  };
}

/** Makes a cartridge beside its name, lets `fill` write it, and gives it the name: it is there whole, or not at all. */
export async function makeCartridge<T>(
  planned: NewCartridge,
  fill: (medium: TapeMedium) => Promise<T>,
): Promise<T> {
  const { path, ...label } = planned;
  const beside = nameBeside(path);
  let medium: TapeMedium | undefined;
  try {
    medium = await openCartridgeFile({ path: beside, atOnce: true, ...label });
    const outcome = await fill(medium);
    await medium.sync();
    await medium.close();
    await nameFile(beside, path, false);
    return outcome;
  } catch (error) {
    await Promise.resolve(medium?.close()).catch(() => undefined);
    await unlink(beside).catch(() => undefined);
    throw errorOf(path, cartridgeError(path, error), beside);
  }
}

export async function createCartridge(path: string, words: NewCartridgeWords): Promise<NewCartridge> {
  const planned = await plannedCartridge(path, words);
  await makeCartridge(planned, async () => undefined);
  return planned;
}
