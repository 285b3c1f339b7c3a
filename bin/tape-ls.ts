import { listCartridges } from '../lib/cli/tape/list.ts';
import type { ListedCartridge } from '../lib/cli/tape/list.ts';
import { formatTable } from '../lib/cli/table.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';

export function ls(paths: readonly string[], { json }: { json?: boolean }): Promise<number> {
  return interruptible(async signal => {
    const found = await listCartridges(paths, signal);
    process.stdout.write(json === true ? `${JSON.stringify(found)}\n` : textOf(found));
    return found.some(({ problem }) => problem !== undefined) ? ExitCode.FAILED : ExitCode.OK;
  });
}

function textOf(found: readonly ListedCartridge[]): string {
  if (found.length === 0) return 'no cartridges\n';
  const rows = found.map(each => [
    each.barcode === '' ? '-' : each.barcode,
    each.mediaType === '' ? '-' : each.mediaType,
    sizeOf(each.capacityBytes),
    each.usedBytes === undefined ? '-' : formatSize(each.usedBytes),
    String(each.files ?? '-'),
    String(each.records ?? '-'),
    each.path,
    stateOf(each),
  ]);
  const head = ['BARCODE', 'TYPE', 'SIZE', 'USED', 'FILES', 'RECORDS', 'FILE', ''];
  return formatTable([head, ...rows], [2, 3, 4, 5]);
}

const sizeOf = (bytes: number | undefined): string =>
  bytes === undefined ? '-' : bytes === 0 ? 'no limit' : formatSize(bytes);

function stateOf({ worm, writeProtected, partitions = 1, inUseBy, problem }: ListedCartridge): string {
  return [
    worm ? 'WORM' : '',
    partitions > 1 ? `${partitions} partitions` : '',
    writeProtected ? 'write-protected' : '',
    inUseBy === undefined ? '' : `in use by process ${inUseBy}`,
    problem ?? '',
  ]
    .filter(word => word !== '')
    .join(', ');
}
