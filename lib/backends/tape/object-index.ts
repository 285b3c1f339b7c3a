/** Objects a chunk of the index holds. */
const CHUNK = 8192;

/**
 * Where the objects of a cartridge lie: 17 bytes a record in memory, so that nothing is ever searched for on the
 * medium. Filemarks are in a list of their own: the one after n filemarks is the n-th, which makes SPACE a look-up.
 */
export class ObjectIndex {
  readonly #offsets: Float64Array[] = [];
  readonly #checksums: Uint32Array[] = [];
  readonly #lengths: Uint32Array[] = [];
  readonly #codings: Uint8Array[] = [];
  /** Object numbers of the filemarks, ascending. */
  readonly #filemarks: number[] = [];
  #objects = 0;
  #end: number;

  /** `start` is the offset of the first object. */
  constructor(start: number) {
    this.#end = start;
  }

  get objects(): number {
    return this.#objects;
  }

  get filemarks(): number {
    return this.#filemarks.length;
  }

  /** Offset behind the last object. */
  get end(): number {
    return this.#end;
  }

  /** Where an object begins; end of data is the object behind the last. */
  offset(object: number): number {
    return object === this.#objects ? this.#end : this.#offsets[Math.floor(object / CHUNK)]![object % CHUNK]!;
  }

  payloadChecksum(object: number): number {
    return this.#checksums[Math.floor(object / CHUNK)]![object % CHUNK]!;
  }

  recordLength(object: number): number {
    return this.#lengths[Math.floor(object / CHUNK)]![object % CHUNK]!;
  }

  coding(object: number): number {
    return this.#codings[Math.floor(object / CHUNK)]![object % CHUNK]!;
  }

  /** Object number of the filemark that has `before` filemarks before it; Infinity when there is none. */
  filemark(before: number): number {
    return this.#filemarks[before] ?? Infinity;
  }

  addRecord(bytes: number, payloadChecksum: number, length: number, coding: number): void {
    const at = this.#objects % CHUNK;
    if (at === 0) {
      this.#offsets.push(new Float64Array(CHUNK));
      this.#checksums.push(new Uint32Array(CHUNK));
      this.#lengths.push(new Uint32Array(CHUNK));
      this.#codings.push(new Uint8Array(CHUNK));
    }
    this.#lengths.at(-1)![at] = length;
    this.#codings.at(-1)![at] = coding;
    this.#offsets.at(-1)![at] = this.#end;
    this.#checksums.at(-1)![at] = payloadChecksum;
    this.#objects++;
    this.#end += bytes;
  }

  addFilemark(bytes: number): void {
    this.#filemarks.push(this.#objects);
    this.addRecord(bytes, 0, 0, 0);
  }

  /** Forgets this object and all behind it. */
  cut(object: number): void {
    const end = this.offset(object);
    this.#filemarks.length = this.filemarksBefore(object);
    this.#objects = object;
    this.#end = end;
    const chunks = Math.ceil(object / CHUNK);
    this.#offsets.length = chunks;
    this.#checksums.length = chunks;
    this.#lengths.length = chunks;
    this.#codings.length = chunks;
  }

  filemarksBefore(object: number): number {
    let low = 0;
    let high = this.#filemarks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#filemarks[middle]! < object) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
