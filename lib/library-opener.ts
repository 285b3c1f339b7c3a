import type { TapeShelf } from './backends/tape-shelf.ts';
import { openShelfDirectory } from './backends/tape/shelf-directory.ts';
import { MemoryShelf } from './backends/tape/shelf-memory.ts';
import { openUnitState } from './backends/unit-state-file.ts';
import type { ResolvedLibrary } from './config/options.ts';
import type { Log } from './log.ts';
import { identify } from './scsi-cmds/identity.ts';
import { changer } from './scsi-cmds/smc/changer-unit.ts';
import { personalityNamed } from './scsi-cmds/ssc/personality.ts';
import { type TapeUnit, tape } from './scsi-cmds/ssc/tape-unit.ts';
import type { OpenedLibrary } from './served/library.ts';
import type { UnitState } from './state/unit-state.ts';

/** A full library could not turn anything round. */
const FREE_SLOTS = 2;
/** Cartridges that are made at the same time. */
const MAKERS = 8;
/** Manufacturers count capacities in powers of ten. */
const MB = 1_000_000;

/** A library as it comes to be: its shelf, its drives, what lies in them, and the changer. */
export async function openLibrary(
  resolved: ResolvedLibrary,
  { iqn, state, revision, log }: { iqn: string; state: string | undefined; revision: string; log: Log },
): Promise<OpenedLibrary> {
  const { path, bytes, slots, importExports } = resolved;
  const personality = personalityNamed(resolved.drive)!;
  const { mediaType, capacityMb } = personality.native;
  // Of memory nobody has so much: there they have the limit of every cartridge in memory.
  const capacityBytes = bytes ?? (path === undefined ? undefined : capacityMb * MB);
  const made = { mediaType, ...(capacityBytes === undefined ? {} : { capacityBytes }) };
  const shelf =
    path === undefined
      ? new MemoryShelf({ name: resolved.name, ...made })
      : await openShelfDirectory({ path, ...made });
  const opened: { close(): void | Promise<void> }[] = [shelf];
  // What units keep lies with the cartridges; of a library in memory nothing is kept but in a state directory.
  const stateDir = state ?? path;
  const stateOf = async (unit: string): Promise<UnitState | undefined> => {
    const kept = await openUnitState({ target: iqn, unit, readOnly: false, stateDir });
    if (kept !== undefined) opened.push(kept);
    return kept;
  };
  try {
    await fill(shelf, slots, mediaType);
    const drives: TapeUnit[] = [];
    for (const { name } of resolved.drives) {
      const as = { ...personality, revision: personality.revision ?? revision };
      const state = await stateOf(name);
      drives.push(tape({ identity: identify(iqn, name, as), log, state, personality }));
    }
    opened.push(...drives);
    const { name } = resolved.changer;
    const unit = changer({
      identity: identify(iqn, name, { product: 'LIBRARY', revision }),
      drives,
      slots,
      importExports,
      shelf,
      log,
      state: await stateOf(name),
    });
    for (const drive of drives) drive.inAutomation(unit.identity.serial);
    await unit.begin();
    return { drives, changer: unit };
  } catch (error) {
    for (const each of opened.toReversed()) await each.close();
    throw error;
  }
}

/** A shelf on which nothing lies, and never has, gets blank cartridges. */
async function fill(shelf: TapeShelf, slots: number, mediaType: string): Promise<void> {
  if (shelf.places.length > 0 || (await shelf.list()).length > 0) return;
  const wanted = Array.from({ length: Math.max(0, slots - FREE_SLOTS) }, (_, i) => barcode(i + 1, mediaType));
  const make = async (): Promise<void> => {
    for (let label = wanted.shift(); label !== undefined; label = wanted.shift()) await shelf.make(label);
  };
  await Promise.all(Array.from({ length: MAKERS }, make));
}

/** Six characters and what the cartridge is, as labels of LTO have: `SAN001L6`, `SA1000L6`. */
function barcode(number: number, mediaType: string): string {
  const digits = String(number).padStart(3, '0');
  return `${'SAN'.slice(0, 6 - digits.length)}${digits}L${mediaType.slice(-1)}`;
}
