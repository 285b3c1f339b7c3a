import type { BlockCscd, End, Sink, Source, StreamCscd } from './end.ts';
import type { Initiator } from './initiator.ts';
import { CHUNK_BYTES } from './limits.ts';
import { CopyAbort, CopyCode, type CopyPointer } from './sense.ts';

/**
 * The null block device and the null stream device (SPC-4 6.4.6.1 table 148): no command is sent to them. What is written
 * there is gone; there is nothing to be read. Residual data of earlier segments can be flushed to them and discarded from
 * them, so that their PAD counts as one.
 */
export function nullEnd(kind: 'block' | 'stream', initiator: Initiator, pointer: CopyPointer): End {
  const unreachable = (): CopyAbort => new CopyAbort(CopyCode.UNREACHABLE, pointer);
  const source = (): Source => ({
    depth: 1,
    next: missing => missing,
    read: (_bytes, done) => initiator.readZeros(0, done),
    outcome: () => ({ bytes: 0, abort: unreachable() }),
  });
  const sink = (unit: number, most: number): Sink => ({
    depth: 1,
    unit,
    most,
    write: (from, done) => initiator.writeNothing(from, done),
    outcome: errand => ({ bytes: errand.out.length, abort: undefined }),
  });
  const block: BlockCscd = {
    kind: 'block',
    lun: undefined,
    pad: true,
    blockBytes: 512,
    blocks: Number.MAX_SAFE_INTEGER,
    holes: () => [],
    source,
    sink: () => sink(512, CHUNK_BYTES),
    block: () => Promise.resolve(Buffer.alloc(512)),
    command: () => Promise.reject(unreachable()),
  };
  const stream: StreamCscd = {
    kind: 'stream',
    lun: undefined,
    pad: true,
    blockBytes: 1,
    source,
    sink: length => sink(length, length),
    object: () => Promise.reject(unreachable()),
    back: () => Promise.resolve(),
    put: record => Promise.resolve({ bytes: record.length, abort: undefined }),
    filemarks: () => Promise.resolve(),
    command: () => Promise.reject(unreachable()),
  };
  return kind === 'block' ? block : stream;
}
