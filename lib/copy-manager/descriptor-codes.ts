import { cscdTypes } from './cscd/registry.ts';
import { segmentTypes } from './segments/registry.ts';

/** Implemented descriptor type codes, of segments and CSCDs, ascending (SPC-4 6.22, 7.8.17.6). */
export const descriptorCodes = (): readonly number[] =>
  [...segmentTypes.keys(), ...cscdTypes.keys()].sort((a, b) => a - b);
