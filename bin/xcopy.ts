import { startProgress } from '../lib/cli/progress.ts';
import { formatTime } from '../lib/cli/table.ts';
import { parseIsid } from '../lib/initiator/isid.ts';
import { type BegunCopy, copyUrls, type UrlCopy, type UrlCopyOptions } from '../lib/initiator/url-copy.ts';
import { withoutSecret } from '../lib/initiator/url.ts';
import { readSegmentFile } from '../lib/cli/segment-file.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';

export interface XcopyOptions extends Omit<UrlCopyOptions, 'segments' | 'isid'> {
  readonly segments?: string;
  readonly isid?: string;
  readonly json?: boolean;
}

export function xcopy(
  source: string,
  destination: string | undefined,
  { segments: file, isid, json, ...options }: XcopyOptions,
): Promise<number> {
  return interruptible(async signal => {
    const segments = file === undefined ? undefined : { file, content: await readSegmentFile(file) };
    const report = await copyUrls(
      source,
      destination,
      { ...options, segments, isid: isid === undefined ? undefined : parseIsid(isid) },
      { signal, begin: (what, bytes) => startProgress(process.stderr, what, bytes) },
    );
    const ends = {
      source: withoutSecret(source),
      ...(destination === undefined ? {} : { destination: withoutSecret(destination) }),
    };
    const told = 'listId' in report ? begun(ends, report) : ended(ends, report);
    process.stdout.write(json === true ? `${JSON.stringify(told.json)}\n` : told.text);
    return ExitCode.OK;
  });
}

interface Ends {
  readonly source: string;
  readonly destination?: string;
}

interface Told {
  readonly json: object;
  readonly text: string;
}

const begun = (ends: Ends, { kind, listId, isid }: BegunCopy): Told => ({
  json: { ...ends, kind, listId, isid },
  text:
    `copying ${kind.startsWith('a ') ? kind : `from ${kind}`} in the background: list id ${listId}, ISID ${isid}\n` +
    `follow it: sanlet copies ${ends.source} --isid ${isid} --list-id ${listId} --follow\n`,
});

const ended = (ends: Ends, report: UrlCopy): Told => ({ json: jsonOf(ends, report), text: textOf(report) });

const STOPS = {
  count: 'the blocks that were asked for',
  'end of the disk': 'the end of the disk',
  'full disk': 'the disk is full',
  filemark: 'a filemark',
  'filemarks or end of data': 'the filemarks that were asked for, or the end of data',
  'end of data': 'the end of data',
  'end of the list': 'the last segment',
} as const;

function textOf({ kind, command, outcome }: UrlCopy): string {
  const { bytes, blocks, elapsedMs, carriedBytes, commands, stop, padding, leftOver } = outcome;
  const rate = `${formatSize((bytes * 1000) / elapsedMs)}/s`;
  return (
    `copied ${kind.startsWith('a ') ? 'by' : 'from'} ${kind}: ${bytes} bytes${blocks === undefined ? '' : ` (${blocks} blocks)`} in ${formatTime(elapsedMs)}, ${rate}\n` +
    `stopped by: ${STOPS[stop]}\n` +
    (padding === 0
      ? ''
      : `padded: the last ${toTape(kind) ? 'record' : 'block'} ends with ${padding} bytes of zeros\n`) +
    (leftOver === 0
      ? ''
      : `left over: the last ${leftOver} bytes of the ${fromTape(kind) ? 'record' : 'blocks'} that ${fromTape(kind) ? 'was' : 'were'} read last\n`) +
    `carried by the initiator: ${formatSize(carriedBytes)} for ${commands} ${command} command${commands === 1 ? '' : 's'}\n`
  );
}

const fromTape = (kind: string): boolean => kind.startsWith('tape');
const toTape = (kind: string): boolean => kind.endsWith('tape');

const jsonOf = (ends: Ends, { kind, record, outcome }: UrlCopy): object => ({
  ...ends,
  kind,
  copiedBytes: outcome.bytes,
  blocks: outcome.blocks,
  // Only where records and blocks do not end together.
  ...(outcome.padding === 0 ? {} : { paddingBytes: outcome.padding }),
  ...(outcome.leftOver === 0 ? {} : { leftOverBytes: outcome.leftOver }),
  record,
  stop: outcome.stop,
  commands: outcome.commands,
  segments: outcome.segments,
  carriedBytes: outcome.carriedBytes,
  seconds: outcome.elapsedMs / 1000,
  bytesPerSecond: Math.round((outcome.bytes * 1000) / outcome.elapsedMs),
});
