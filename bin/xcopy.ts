import { startProgress } from '../lib/cli/progress.ts';
import { formatTime } from '../lib/cli/table.ts';
import { copyUrls, type UrlCopy, type UrlCopyOptions } from '../lib/initiator/url-copy.ts';
import { withoutSecret } from '../lib/initiator/url.ts';
import { formatSize } from '../lib/sizes.ts';
import { ExitCode } from './failure.ts';
import { interruptible } from './interrupt.ts';

export interface XcopyOptions extends UrlCopyOptions {
  readonly json?: boolean;
}

export function xcopy(source: string, destination: string, options: XcopyOptions): Promise<number> {
  return interruptible(async signal => {
    const report = await copyUrls(source, destination, options, {
      signal,
      begin: (what, bytes) => startProgress(process.stderr, what, bytes),
    });
    process.stdout.write(
      options.json === true ? `${JSON.stringify(jsonOf(source, destination, report))}\n` : textOf(report),
    );
    return ExitCode.OK;
  });
}

const STOPS = {
  count: 'the blocks that were asked for',
  'end of the disk': 'the end of the disk',
  'full disk': 'the disk is full',
  filemark: 'a filemark',
  'filemarks or end of data': 'the filemarks that were asked for, or the end of data',
  'end of data': 'the end of data',
  'end of the list': 'the last segment',
} as const;

function textOf({ kind, outcome }: UrlCopy): string {
  const { bytes, blocks, elapsedMs, carriedBytes, commands, stop, padding, leftOver } = outcome;
  const rate = `${formatSize((bytes * 1000) / elapsedMs)}/s`;
  return (
    `copied from ${kind}: ${bytes} bytes${blocks === undefined ? '' : ` (${blocks} blocks)`} in ${formatTime(elapsedMs)}, ${rate}\n` +
    `stopped by: ${STOPS[stop]}\n` +
    (padding === 0 ? '' : `padded: the last block ends with ${padding} bytes of zeros\n`) +
    (leftOver === 0 ? '' : `left over: the last ${leftOver} bytes of the record that was read last\n`) +
    `carried by the initiator: ${formatSize(carriedBytes)} for ${commands} EXTENDED COPY command${commands === 1 ? '' : 's'}\n`
  );
}

const jsonOf = (source: string, destination: string, { kind, record, outcome }: UrlCopy): object => ({
  source: withoutSecret(source),
  destination: withoutSecret(destination),
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
