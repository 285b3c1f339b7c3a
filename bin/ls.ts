import { formatTable } from '../lib/cli/table.ts';
import { type FoundTarget, inventory } from '../lib/initiator/inventory.ts';
import { portalOf } from '../lib/initiator/url-portal.ts';
import { parseUrl } from '../lib/initiator/url.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';

export async function ls(text: string): Promise<number> {
  const url = parseUrl(text, 'portal');
  const targets = await inventory(portalOf(url), url.target, url.lun);
  for (const target of targets) process.stdout.write(textOf(target));
  return targets.some(({ trouble }) => trouble === undefined) || targets.length === 0
    ? ExitCode.OK
    : ExitCode.FAILED;
}

function textOf({ target, luns, trouble }: FoundTarget): string {
  if (trouble !== undefined) return `${target}\n  ${trouble}\n`;
  const rows = luns.map(({ lun, type, bytes, name, naa, trouble: why }) => [
    `  ${lun}`,
    type,
    bytes === undefined ? '-' : formatSize(bytes),
    name,
    naa ?? '-',
    ...(why === undefined ? [] : [why]),
  ]);
  return `${target}\n${formatTable([['  LUN', 'TYPE', 'SIZE', 'NAME', 'NAA'], ...rows])}`;
}
