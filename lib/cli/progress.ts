import { formatSize } from '../sizes.ts';

/** How far something is: told while it goes on, and done once. */
export interface Progress {
  update(bytes: number): void;
  done(): void;
}

/** Where nobody watches, a line now and then is enough. */
const LINE_EVERY_MS = 5_000;

/** A bar on a terminal; a line at the start and now and then elsewhere, and where nobody knows how much there is. */
export async function startProgress(
  stream: NodeJS.WriteStream,
  what: string,
  bytes: number | undefined,
): Promise<Progress> {
  return stream.isTTY && bytes !== undefined ? bar(stream, what, bytes) : lines(stream, what, bytes);
}

async function bar(stream: NodeJS.WriteStream, what: string, bytes: number): Promise<Progress> {
  const { default: cliProgress } = await import('cli-progress');
  const single = new cliProgress.SingleBar({
    format: `${what} {bar} {percentage}% of ${formatSize(bytes)}, {duration_formatted}`,
    stream,
    hideCursor: true,
    gracefulExit: false,
    barsize: 32,
    barCompleteChar: '█',
    barIncompleteChar: '░',
  });
  single.start(bytes, 0);
  return { update: now => single.update(now), done: () => single.stop() };
}

function lines(stream: NodeJS.WriteStream, what: string, bytes: number | undefined): Progress {
  stream.write(bytes === undefined ? `${what}\n` : `${what}: ${formatSize(bytes)}\n`);
  const of = bytes === undefined ? '' : ` of ${formatSize(bytes)}`;
  let last = performance.now();
  return {
    update(now) {
      if (performance.now() - last < LINE_EVERY_MS || (bytes !== undefined && now >= bytes)) return;
      last = performance.now();
      stream.write(`${what}: ${formatSize(now)}${of}\n`);
    },
    done() {},
  };
}
