import type { CartridgeLabel, TapePartition } from '../lib/backends/tape-medium.ts';
import type { NamedAttribute } from '../lib/cli/tape/attributes.ts';
import type { ListedRecord, TapeFile } from '../lib/cli/tape/contents.ts';
import { showCartridge } from '../lib/cli/tape/show.ts';
import type { ShownCartridge, Teller } from '../lib/cli/tape/show.ts';
import { formatTable } from '../lib/cli/table.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';
import { Printer } from './printer.ts';

export function show(
  path: string,
  { records = false, json = false }: { records?: boolean; json?: boolean },
): Promise<number> {
  return interruptible(async signal => {
    const teller = json ? new JsonTeller(records) : new TextTeller(records);
    const whole = await showCartridge(path, { records }, teller, signal);
    return whole ? ExitCode.OK : ExitCode.FAILED;
  });
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
const now = async (printed: Promise<void> | undefined): Promise<void> => printed;

class TextTeller implements Teller {
  readonly #printer = new Printer();
  readonly #records: boolean;
  #attributes: readonly NamedAttribute[] = [];
  #several = false;
  #listed: number | undefined;

  constructor(records: boolean) {
    this.#records = records;
  }

  cartridge({ path, label, writeProtected, partitions, attributes }: ShownCartridge): Promise<void> {
    this.#attributes = attributes;
    this.#several = partitions.length > 1;
    return now(this.#printer.print(`${path}\n${labelText(label, writeProtected)}\n`));
  }

  partition(number: number, { capacityBytes, usedBytes, end }: TapePartition): Promise<void> {
    const records = end.object - end.file;
    const of = capacityBytes === 0 ? '' : ` of ${formatSize(capacityBytes)}`;
    const what = this.#several ? `partition ${number}: ` : '';
    return now(
      this.#printer.print(
        `\n${what}${many(records, 'record')}, ${many(end.file, 'filemark')}, ${formatSize(usedBytes)}${of} used\n`,
      ),
    );
  }

  record({ file, object, length, ...kept }: ListedRecord): Promise<void> | undefined {
    const head = this.#listed === file ? '' : `file ${file}\n`;
    this.#listed = file;
    return this.#printer.print(`${head}  record ${object}: ${length} bytes${keptText(length, kept)}\n`);
  }

  file(file: TapeFile): Promise<void> {
    const lines = this.#records && file.records > 0 ? listedFile(file) : `file ${file.file}${fileText(file)}`;
    this.#listed = undefined;
    return now(this.#printer.print(`${lines}${filemarksText(file.filemarks)}`));
  }

  partitionEnd(): Promise<void> {
    return now(this.#printer.print('end of data\n'));
  }

  end(): Promise<void> {
    if (this.#attributes.length > 0) void this.#printer.print(`\n${attributesText(this.#attributes)}`);
    return this.#printer.flush();
  }

  inUse(path: string, label: CartridgeLabel, pid: number): Promise<void> {
    void this.#printer.print(
      `${path}\n${labelText(label, false)}\n\nin use by process ${pid}: what is on it can be shown when that has let go of it\n`,
    );
    return this.#printer.flush();
  }
}

function labelText(
  { barcode, mediaType, capacityBytes, worm, uuid }: CartridgeLabel,
  writeProtected: boolean,
): string {
  return [
    barcode === '' ? 'no barcode' : barcode,
    mediaType,
    capacityBytes === 0 ? 'no limit' : formatSize(capacityBytes),
    worm ? 'WORM' : '',
    writeProtected ? 'write-protected' : '',
    uuid,
  ]
    .filter(word => word !== '')
    .join(', ');
}

function keptText(length: number, { storedBytes, coding }: { storedBytes: number; coding: number }): string {
  return coding === 0 ? '' : `, kept in ${storedBytes} (${(length / storedBytes).toFixed(2)} : 1)`;
}

/** What is told of a file when its records have been. */
const listedFile = (file: TapeFile): string => `  ${many(file.records, 'record')}${sumText(file)}\n`;

function fileText(file: TapeFile): string {
  if (file.records === 0) return ': nothing\n';
  const { runs, moreRuns, records, shortest, longest } = file;
  const [only] = runs;
  if (runs.length === 1 && moreRuns === 0) return `: ${records} × ${only!.bytes} bytes${sumText(file)}\n`;
  const listed = runs.map(run => `${run.count} × ${run.bytes}`).join(', ');
  const rest = moreRuns === 0 ? '' : `, and more: ${shortest} to ${longest}`;
  return `: ${many(records, 'record')}${sumText(file)}\n  ${listed}${rest} bytes\n`;
}

function sumText({
  bytes,
  storedBytes,
  compressed,
  encrypted,
  records,
  looksLike,
  problem,
}: TapeFile): string {
  return [
    `, ${formatSize(bytes)}`,
    compressed === 0 ? '' : `, compressed ${(bytes / Math.max(storedBytes, 1)).toFixed(2)} : 1`,
    encrypted === 0 ? '' : encrypted === records ? ', encrypted' : `, ${many(encrypted, 'record')} encrypted`,
    looksLike === undefined ? '' : `: ${looksLike}`,
    problem === undefined ? '' : `: ${problem}`,
  ].join('');
}

const filemarksText = (count: number): string =>
  count === 0 ? '' : count === 1 ? '  filemark\n' : `  ${count} filemarks\n`;

function attributesText(attributes: readonly NamedAttribute[]): string {
  const rows = attributes.map(({ partition, id, name, value }) => [
    `  ${id.toString(16).padStart(4, '0').toUpperCase()}h`,
    partition === undefined ? name : `${name}, partition ${partition}`,
    String(value),
  ]);
  return `attributes\n${formatTable(rows)}`;
}

class JsonTeller implements Teller {
  readonly #printer = new Printer();
  readonly #records: boolean;
  #parts = 0;
  #files = 0;
  #listed = 0;

  constructor(records: boolean) {
    this.#records = records;
  }

  cartridge({ path, label, writeProtected, attributes }: ShownCartridge): Promise<void> {
    const head = JSON.stringify({ path, ...label, writeProtected, attributes });
    return now(this.#printer.print(`${head.slice(0, -1)},"partitions":[`));
  }

  partition(number: number, { capacityBytes, usedBytes, end }: TapePartition): Promise<void> {
    const head = JSON.stringify({
      partition: number,
      capacityBytes,
      usedBytes,
      records: end.object - end.file,
      filemarks: end.file,
    });
    this.#files = 0;
    return now(this.#printer.print(`${this.#parts++ === 0 ? '' : ','}${head.slice(0, -1)},"files":[`));
  }

  record({ object, length, storedBytes, coding }: ListedRecord): Promise<void> | undefined {
    const begin = this.#listed++ === 0 ? `${this.#between()}{"list":[` : ',';
    return this.#printer.print(`${begin}${JSON.stringify({ object, length, storedBytes, coding })}`);
  }

  #between(): string {
    return this.#files++ === 0 ? '' : ',';
  }

  file(file: TapeFile): Promise<void> {
    const text = JSON.stringify(file);
    const listed = this.#records && this.#listed > 0;
    this.#listed = 0;
    return now(this.#printer.print(listed ? `],${text.slice(1)}` : `${this.#between()}${text}`));
  }

  partitionEnd(): Promise<void> {
    return now(this.#printer.print(']}'));
  }

  end(): Promise<void> {
    void this.#printer.print(']}\n');
    return this.#printer.flush();
  }

  inUse(path: string, label: CartridgeLabel, pid: number): Promise<void> {
    void this.#printer.print(`${JSON.stringify({ path, ...label, inUseBy: pid })}\n`);
    return this.#printer.flush();
  }
}
