import { createHash } from 'node:crypto';
import { open } from 'node:fs/promises';

export interface Comparison {
  readonly source: string;
  readonly copy: string;
  /** First byte that differs; undefined when none does. */
  readonly differsAt: number | undefined;
}

/** SHA-256 of a file and of what should be the same bytes, and where they begin to differ. */
export async function compare(
  path: string,
  copy: AsyncIterable<Buffer>,
  signal: AbortSignal,
): Promise<Comparison> {
  const [hashes, file] = [
    { source: createHash('sha256'), copy: createHash('sha256') },
    await open(path, 'r'),
  ];
  let differsAt: number | undefined;
  try {
    let at = 0;
    for await (const theirs of copy) {
      signal.throwIfAborted();
      const { buffer: ours, bytesRead } = await file.read(
        Buffer.allocUnsafe(theirs.length),
        0,
        theirs.length,
        at,
      );
      const read = ours.subarray(0, bytesRead);
      hashes.source.update(read);
      hashes.copy.update(theirs);
      if (differsAt === undefined && !read.equals(theirs)) differsAt = at + firstDifference(read, theirs);
      at += theirs.length;
    }
  } finally {
    await file.close();
  }
  return { source: hashes.source.digest('hex'), copy: hashes.copy.digest('hex'), differsAt };
}

function firstDifference(a: Buffer, b: Buffer): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length : at;
}
