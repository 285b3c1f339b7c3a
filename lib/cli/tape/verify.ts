import { stat } from 'node:fs/promises';
import { verifyCartridge } from '../../backends/tape/verify-cartridge.ts';
import type { CartridgeFlaw, CartridgeReport, FlawKind } from '../../backends/tape/verify-cartridge.ts';
import { cartridgesIn } from './list.ts';
import { mustBeThere } from './cartridge.ts';
import type { Watch } from './export.ts';
import { basename } from 'node:path';

/** What verifying one cartridge has found. */
export interface Verified {
  readonly path: string;
  /** Nothing that was written is lost or changed. */
  readonly whole: boolean;
  /** A sentence each, with the byte of the file where it begins. */
  readonly damage: readonly string[];
  /** How much damage there is; more than the sentences when it is everywhere. */
  readonly damages: number;
  /** What is no damage and worth telling. */
  readonly notes: readonly string[];
  /** Why it cannot be read as a cartridge at all, or not now; then there is no report. */
  readonly problem?: string;
  readonly report?: CartridgeReport;
}

const many = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** A row a kind of flaw; `unfinished` is none. */
const SENTENCES: Readonly<Record<FlawKind, (flaw: CartridgeFlaw) => string>> = {
  record: ({ object }) => `record ${object} fails its checksum`,
  frame: ({ object, objects = 0 }) =>
    objects <= 1
      ? `the header of object ${object} is damaged, and the object is lost`
      : `the header of object ${object} is damaged, and ${objects} objects from there on are lost`,
  index: ({ object }) => `the index before object ${object} is damaged`,
  missing: ({ bytes, object }) =>
    `${many(bytes, 'byte')} that were written are missing, from object ${object} on`,
  point: ({ point }) =>
    `what the cartridge keeps of ${point === undefined ? 'its end' : `its ${point} end`} is damaged`,
  label: () => 'a copy of the label is damaged or out of date',
  attributes: () => 'a copy of the attributes is damaged or out of date',
  unused: ({ bytes }) => `${many(bytes, 'byte')} that nothing uses are not zero`,
  unreadable: ({ bytes }) => `the file cannot be read for ${many(bytes, 'byte')}`,
  unfinished: ({ bytes }) =>
    `${many(bytes, 'byte')} behind the end were begun and not finished by a process that was killed; nothing that was promised`,
};

const sentenceOf = (flaw: CartridgeFlaw, severalPartitions: boolean): string => {
  const where = severalPartitions && flaw.partition !== undefined ? `partition ${flaw.partition}, ` : '';
  return `${where}byte ${flaw.byte}: ${SENTENCES[flaw.kind](flaw)}`;
};

/** Verifies the cartridges of files and directories, one behind the other, and gives each when it is done. */
export async function* verifyCartridges(paths: readonly string[], watch: Watch): AsyncGenerator<Verified> {
  const found: string[] = [];
  for (const path of paths) {
    const stats = await mustBeThere(path);
    found.push(...(stats.isDirectory() ? await cartridgesIn(path) : [path]));
  }
  for (const path of found) yield await verified(path, watch);
}

async function verified(path: string, { signal, begin }: Watch): Promise<Verified> {
  const stats = await stat(path).catch(() => undefined);
  const progress = await begin(`verifying ${basename(path)}`, stats?.size);
  let report: CartridgeReport;
  try {
    report = await verifyCartridge(path, { signal, onProgress: done => progress.update(done) });
  } catch (error) {
    signal.throwIfAborted();
    const problem = (error as Error).message;
    return { path, whole: false, damage: [], damages: 0, notes: [], problem };
  } finally {
    progress.done();
  }
  const several = report.partitions.length > 1;
  const unfinished = report.flaws.filter(({ kind }) => kind === 'unfinished');
  const damages = report.flawCount - unfinished.length;
  return {
    path,
    whole: damages === 0,
    damage: report.flaws.filter(({ kind }) => kind !== 'unfinished').map(flaw => sentenceOf(flaw, several)),
    damages,
    notes: unfinished.map(flaw => sentenceOf(flaw, several)),
    report,
  };
}
