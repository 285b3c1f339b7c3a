import type { CartridgeLabel, TapePartition } from '../../backends/tape-medium.ts';
import { namedAttributes } from './attributes.ts';
import type { NamedAttribute } from './attributes.ts';
import { cartridgeError, mayBeWritten, readCartridgeLabel, withCartridge } from './cartridge.ts';
import { tapeFiles } from './contents.ts';
import type { ListedRecord, TapeFile } from './contents.ts';
import { Pulse } from './pulse.ts';

export interface ShownCartridge {
  readonly path: string;
  readonly label: CartridgeLabel;
  readonly writeProtected: boolean;
  readonly partitions: readonly TapePartition[];
  readonly attributes: readonly NamedAttribute[];
}

/** Whoever tells of a cartridge, part by part: it may have more files than memory holds. */
export interface Teller {
  cartridge(what: ShownCartridge): Promise<void>;
  partition(number: number, what: TapePartition): Promise<void>;
  /** A record, when each is asked for: before the file that it is in. */
  record(what: ListedRecord): Promise<void> | undefined;
  file(what: TapeFile): Promise<void>;
  /** The partition, or all of it, has been told. */
  partitionEnd(): Promise<void>;
  end(): Promise<void>;
  /** Only the label can be told, since another process writes to it. */
  inUse(path: string, label: CartridgeLabel, pid: number): Promise<void>;
}

export interface ShowWords {
  readonly records?: boolean;
}

/** Runs of equal records that are told of a file; what is more is counted. */
const MOST_RUNS = 12;

/** False when the cartridge is in use, and only its label was told. */
export async function showCartridge(
  path: string,
  { records = false }: ShowWords,
  teller: Teller,
  signal: AbortSignal,
): Promise<boolean> {
  const pulse = new Pulse(signal);
  const onRecord = records ? (what: ListedRecord) => teller.record(what) : undefined;
  const writeProtected = !(await mayBeWritten(path));
  try {
    await withCartridge(path, { readOnly: true }, async medium => {
      const { label, partitions } = medium;
      await teller.cartridge({
        path,
        label,
        writeProtected,
        partitions,
        attributes: namedAttributes(medium),
      });
      for (const [number, partition] of partitions.entries()) {
        await teller.partition(number, partition);
        await medium.changePartition(number);
        const files = tapeFiles(medium, { pulse, mostRuns: MOST_RUNS, onRecord });
        for await (const file of files) await teller.file(file);
        await teller.partitionEnd();
      }
    });
  } catch (error) {
    if ((error as Error).name !== 'InUseError') throw error;
    const label = await readCartridgeLabel(path).catch((cause: unknown) => {
      throw cartridgeError(path, cause);
    });
    await teller.inUse(path, label, (error as Error & { pid: number }).pid);
    return false;
  }
  await teller.end();
  return true;
}
