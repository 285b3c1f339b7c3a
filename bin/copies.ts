import { formatTable } from '../lib/cli/table.ts';
import type { KnownCopy } from '../lib/initiator/copies.ts';
import { parseIsid } from '../lib/initiator/isid.ts';
import { urlCopies } from '../lib/initiator/url-copy.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';

export interface CopiesOptions {
  readonly isid: string;
  readonly listId?: number;
  readonly follow?: boolean;
  readonly abort?: number;
  readonly json?: boolean;
}

export function copies(url: string, { isid, json, ...options }: CopiesOptions): Promise<number> {
  return interruptible(async signal => {
    let last = '';
    const found = await urlCopies(url, { ...options, isid: parseIsid(isid) }, signal, now => {
      const line = now.map(progressOf).join(', ');
      if (line !== last) process.stderr.write(`${line}\n`);
      last = line;
    });
    process.stdout.write(json === true ? `${JSON.stringify({ isid, copies: found })}\n` : textOf(found));
    return found.some(({ state }) => state === 'failed') ? ExitCode.FAILED : ExitCode.OK;
  });
}

const progressOf = ({ listId, state, bytes }: KnownCopy): string =>
  `list id ${listId}: ${state}, ${formatSize(bytes)}`;

function textOf(found: readonly KnownCopy[]): string {
  if (found.length === 0) return 'no copies with that ISID and list ids 1 to 64\n';
  const rows = found.map(({ listId, state, bytes, segments, why }) => [
    `${listId}`,
    state,
    formatSize(bytes),
    `${segments}`,
    ...(why === undefined ? [] : [why]),
  ]);
  return formatTable([['LIST ID', 'STATE', 'WRITTEN', 'SEGMENTS'], ...rows]);
}
