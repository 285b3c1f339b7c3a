import { LRUCache } from 'lru-cache';
import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { after } from '../after.ts';
import { ChunkTable } from './chunk-table.ts';
import { CHUNK_OBJECTS, Chunk } from './chunk.ts';
import type { Place } from './tape-log.ts';

/** Chunks that have been looked at lately: half a mebibyte. */
const RECENT_CHUNKS = 32;

/** Gives back a full chunk from the partition, whose table tells where. */
export type ChunkReader = (chunk: number, table: ChunkTable) => MaybePromise<Chunk>;

/**
 * Where the objects of a partition lie. In memory are the last chunk, which is not full, a table of the chunks before it and
 * a few that have been looked at; all else is in index frames on the partition, one of which is read when it is needed. So
 * the memory is 24 bytes for 1024 objects and a constant, and any place is found with one read.
 */
export class ObjectIndex {
  readonly #read: ChunkReader;
  readonly #table: ChunkTable;
  readonly #recent = new LRUCache<number, Chunk>({ max: RECENT_CHUNKS });
  #last: Chunk | undefined;
  #open: Chunk;
  #end: Place;

  constructor(read: ChunkReader, table = new ChunkTable(), open = new Chunk(BEGINNING)) {
    this.#read = read;
    this.#table = table;
    this.#open = open;
    this.#end = open.end;
  }

  get objects(): number {
    return this.#end.object;
  }

  get filemarks(): number {
    return this.#end.file;
  }

  /** Behind the last object. */
  get end(): Place {
    return this.#end;
  }

  /** The chunk that is being filled. */
  get open(): Chunk {
    return this.#open;
  }

  get table(): ChunkTable {
    return this.#table;
  }

  /** Memory held for what has been written, whatever has been looked at. */
  get heldBytes(): number {
    return this.#table.heldBytes;
  }

  addRecord(storedBytes: number, length: number, coding: number): void {
    this.#open.addRecord(storedBytes, length, coding);
    this.#end = this.#open.end;
  }

  addFilemark(): void {
    this.#open.addFilemark();
    this.#end = this.#open.end;
  }

  /** The open chunk is full, and its index frame of that many bytes now lies behind it: the next one begins. */
  seal(frameBytes: number): void {
    const { offset, file, bytes } = this.#end;
    this.#table.add(offset, file, bytes);
    this.#recent.set(this.#open.number, this.#open);
    this.#open = new Chunk({ ...this.#end, offset: offset + frameBytes });
    this.#end = this.#open.end;
  }

  /** The chunk of an object, or of end of data. */
  chunk(object: number): MaybePromise<Chunk> {
    if (object >= this.#open.start.object) return this.#open;
    const number = Math.floor(object / CHUNK_OBJECTS);
    // Most of the time the one that was looked at last.
    if (this.#last?.number === number) return this.#last;
    const recent = this.#recent.get(number);
    if (recent !== undefined) return (this.#last = recent);
    return after(this.#read(number, this.#table), chunk => {
      this.#recent.set(number, chunk);
      return (this.#last = chunk);
    });
  }

  /** The place of an object that there is, or of end of data. */
  place(object: number): MaybePromise<Place> {
    const chunk = this.chunk(object);
    return chunk instanceof Promise
      ? chunk.then(there => there.place(object - there.start.object))
      : chunk.place(object - chunk.start.object);
  }

  /** The object number of the filemark that has `before` filemarks before it; Infinity when there is none. */
  filemark(before: number): MaybePromise<number> {
    if (before >= this.filemarks) return Infinity;
    const { start } = this.#open;
    const number = before >= start.file ? this.#open.number : this.#table.chunkOfFilemark(before);
    return after(this.chunk(number * CHUNK_OBJECTS), chunk => {
      return chunk.start.object + chunk.filemark(before - chunk.start.file);
    });
  }

  /** Makes `place` end of data. */
  cut(place: Place): MaybePromise<void> {
    return after(this.chunk(place.object), chunk => {
      this.#table.cut(chunk.number);
      this.#last = undefined;
      for (const number of [...this.#recent.keys()]) if (number >= chunk.number) this.#recent.delete(number);
      chunk.cut(place.object - chunk.start.object);
      this.#open = chunk;
      this.#end = chunk.end;
    });
  }
}

const BEGINNING: Place = { object: 0, file: 0, offset: 0, bytes: 0 };
