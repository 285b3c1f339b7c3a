import type { Flow } from './recording/recorder.ts';

/** Bytes of records as initiators know them, and as they lie on the medium. */
export class ByteCounts {
  hostWritten = 0;
  mediumWritten = 0;
  hostRead = 0;
  mediumRead = 0;
}

/** What a drive counts: since somebody set the counters back, and since the cartridge was loaded. */
export class TapeStatistics implements Flow {
  readonly counted = new ByteCounts();
  mount = new ByteCounts();
  /** Records of this load: what takes the place of data sets here. */
  recordsWritten = 0;
  recordsRead = 0;
  /** Loads since the start, and since the counters were set back. */
  loads = 0;
  loadsCounted = 0;
  readonly startedAt = Date.now();
  loadedAt = Date.now();

  written(recordBytes: number, storedBytes: number): void {
    this.counted.hostWritten += recordBytes;
    this.counted.mediumWritten += storedBytes;
    this.recordsWritten++;
    this.mount.hostWritten += recordBytes;
    this.mount.mediumWritten += storedBytes;
  }

  read(recordBytes: number, storedBytes: number): void {
    this.counted.hostRead += recordBytes;
    this.counted.mediumRead += storedBytes;
    this.recordsRead++;
    this.mount.hostRead += recordBytes;
    this.mount.mediumRead += storedBytes;
  }

  /** A cartridge has been threaded. */
  loaded(): void {
    this.mount = new ByteCounts();
    this.recordsWritten = 0;
    this.recordsRead = 0;
    this.loads++;
    this.loadsCounted++;
    this.loadedAt = Date.now();
  }
}
