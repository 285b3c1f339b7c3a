import { u16, u64big, u8 } from '../bytes/fields.ts';
import { layout } from '../bytes/layout.ts';
import type { LogicalUnit } from '../scsi-cmds/logical-unit.ts';
import type { Nexus } from '../scsi-cmds/nexus.ts';
import { MAX_ALIAS_BYTES, MAX_ALIASES } from './limits.ts';
import { CopyCode, refused } from './sense.ts';

/** What an alias entry begins with (SPC-4 6.2.2 table 121). */
export const aliasEntry = layout(16, {
  value: u64big(0),
  protocol: u8(8),
  format: u8(11),
  designationLength: u16(14),
});

/** CHANGE ALIASES parameter list and REPORT ALIASES parameter data (SPC-4 6.2.1, 6.30). */
export const ALIAS_HEADER_BYTES = 8;

/** PROTOCOL IDENTIFIER (SPC-4 6.2.2 table 122, 7.5.1). */
const Protocol = { ISCSI: 0x05, LAST: 0x0f, INDEPENDENT: 0x80 } as const;
/** FORMAT CODEs of iSCSI (SPC-4 7.6.2.4 table 484): the name alone, and with an address of three kinds. */
const LAST_ISCSI_FORMAT = 0x03;
const NULL_DESIGNATION = 0x00;

interface Alias {
  readonly unit: LogicalUnit;
  /** The unit's resets when it came: a later one has taken it away. */
  readonly resets: number;
  readonly value: bigint;
  /** The whole entry. */
  readonly bytes: Buffer;
}

/** An entry of a CHANGE ALIASES list. */
interface Change {
  readonly value: bigint;
  /** Undefined: the alias is removed. */
  readonly bytes: Buffer | undefined;
}

/**
 * The aliases that initiators have given: of each I_T nexus its own at each unit, until a reset of the unit or the loss of
 * the nexus (SPC-4 6.2.1).
 */
export class AliasLists {
  readonly #byNexus = new WeakMap<Nexus, readonly Alias[]>();

  /** Entries as REPORT ALIASES has them. */
  entries(nexus: Nexus, unit: LogicalUnit): Buffer[] {
    return this.#living(nexus)
      .filter(alias => alias.unit === unit)
      .map(alias => alias.bytes);
  }

  /** All of the list or nothing of it. Throws what is wrong with it, and INSUFFICIENT RESOURCES. */
  change(nexus: Nexus, unit: LogicalUnit, list: Buffer): void {
    const living = this.#living(nexus);
    const own = new Map(living.filter(alias => alias.unit === unit).map(alias => [alias.value, alias]));
    for (const { value, bytes: entry } of parse(list)) {
      own.delete(value); // the latest comes last
      if (entry !== undefined) own.set(value, { unit, resets: unit.resets, value, bytes: entry });
    }
    const aliases = [...living.filter(alias => alias.unit !== unit), ...own.values()];
    const tooLong = aliases.some(alias => alias.bytes.length > MAX_ALIAS_BYTES);
    if (tooLong || aliases.length > MAX_ALIASES) throw refused(CopyCode.INSUFFICIENT_RESOURCES);
    this.#byNexus.set(nexus, aliases);
  }

  /** The iSCSI name, in lower case, that the alias designates; undefined where it is none. */
  nameOf(nexus: Nexus, unit: LogicalUnit, value: bigint): string | undefined {
    const found = this.#living(nexus).find(alias => alias.unit === unit && alias.value === value);
    if (found === undefined) return undefined;
    const { protocol, format } = aliasEntry;
    if (protocol.get(found.bytes) !== Protocol.ISCSI || format.get(found.bytes) > LAST_ISCSI_FORMAT) {
      return undefined;
    }
    // SPC-4 7.6.2.4.3: the address only may be used to find the node of that name.
    const designation = found.bytes.subarray(aliasEntry.length);
    const end = designation.indexOf(0);
    return end < 0 ? undefined : designation.toString('utf8', 0, end).toLowerCase();
  }

  #living(nexus: Nexus): Alias[] {
    return (this.#byNexus.get(nexus) ?? []).filter(({ unit, resets }) => unit.resets === resets);
  }
}

/** Designations are not looked at before they are used (SPC-4 6.2.3). */
function parse(list: Buffer): Change[] {
  if (list.length < ALIAS_HEADER_BYTES) throw refused(CopyCode.LIST_LENGTH);
  const changes: Change[] = [];
  for (let at = ALIAS_HEADER_BYTES; at < list.length;) {
    const rest = list.subarray(at);
    if (rest.length < aliasEntry.length) throw refused(CopyCode.LIST_LENGTH);
    const length = aliasEntry.designationLength.get(rest);
    const end = aliasEntry.length + length;
    if (length % 4 !== 0) throw refused(CopyCode.INVALID_FIELD, at + aliasEntry.designationLength.offset);
    if (end > rest.length) throw refused(CopyCode.LIST_LENGTH);
    const protocol = aliasEntry.protocol.get(rest);
    const independent = protocol === Protocol.INDEPENDENT;
    if (!independent && protocol > Protocol.LAST) {
      throw refused(CopyCode.INVALID_FIELD, at + aliasEntry.protocol.offset);
    }
    if (independent && aliasEntry.format.get(rest) !== NULL_DESIGNATION) {
      throw refused(CopyCode.INVALID_FIELD, at + aliasEntry.format.offset);
    }
    const value = aliasEntry.value.get(rest);
    changes.push({ value, bytes: independent ? undefined : Buffer.from(rest.subarray(0, end)) });
    at += end;
  }
  return changes;
}
