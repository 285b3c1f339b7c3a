import type { LogicalUnit } from './logical-unit.ts';

/** What stands at a LUN of a map: a unit by the name it was configured with. */
export interface MappedLun {
  readonly name: string;
  /** Not to be written by this way. */
  readonly readOnly: boolean;
}

/** What a rule of access shows: names by LUN. */
export type LunMap = ReadonlyMap<number, MappedLun>;

/** A unit as a nexus sees it. */
export interface Sight {
  readonly unit: LogicalUnit;
  readonly readOnly: boolean;
}

/**
 * What one nexus addresses, worked out by its target device when it logs in and whenever units come and go: a command
 * finds its unit with one look, whatever rule let the nexus in.
 */
export class LunView {
  /** Undefined: every unit of the device at its own LUN. */
  map: LunMap | undefined;
  sights: ReadonlyMap<number, Sight> = new Map();

  constructor(map?: LunMap) {
    this.map = map;
  }
}
