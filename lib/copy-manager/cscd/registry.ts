import { alias } from './alias.ts';
import type { CscdType } from './descriptor.ts';
import { identification } from './identification.ts';
import { iscsiIpv4, iscsiIpv6 } from './iscsi-address.ts';
import { OWN_UNIT, TOKENS_UNIT } from './ids.ts';
import { rod } from './rod.ts';

/** CSCD descriptor types by code (SPC-4 6.4.5.1 table 131). */
export const cscdTypes: ReadonlyMap<number, CscdType> = new Map(
  [identification, iscsiIpv4, alias, iscsiIpv6, rod].map(type => [type.code, type]),
);

/** CSCD descriptor IDs above 07FFh that segments may use (SPC-4 6.4.6.1 table 148). */
export const NULL_BLOCK = 0xc000;
export const NULL_STREAM = 0xc001;
export const CSCD_IDS: readonly number[] = [NULL_BLOCK, NULL_STREAM, TOKENS_UNIT, OWN_UNIT];

const NULLS: ReadonlyMap<number, 'block' | 'stream'> = new Map([
  [NULL_BLOCK, 'block'],
  [NULL_STREAM, 'stream'],
]);

/** What the null device of that ID is; undefined for every other ID. */
export const nullRole = (id: number): 'block' | 'stream' | undefined => NULLS.get(id);
