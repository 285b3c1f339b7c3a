import { cdbOf, type Unit } from './unit.ts';

/** Tape commands wait for the medium: minutes, not seconds. */
export const TAPE_TIMEOUT_MS = 10 * 60_000;

/** SSC-4 7.10, not IMMED: answered once it is there. */
export const rewind = async (unit: Unit): Promise<void> => {
  await unit.run('REWIND', cdbOf(6, 0x01), { timeoutMs: TAPE_TIMEOUT_MS });
};

/** SSC-4 6.12, not IMMED: what was written before is on the medium when it is answered. */
export const writeFilemarks = async (unit: Unit, count: number): Promise<void> => {
  const cdb = cdbOf(6, 0x10);
  cdb.writeUIntBE(count, 2, 3);
  await unit.run('WRITE FILEMARKS', cdb, { timeoutMs: TAPE_TIMEOUT_MS });
};

/** SPACE(6), SSC-4 6.6; backwards when `count` is negative. */
const space =
  (code: number) =>
  async (unit: Unit, count: number): Promise<void> => {
    const cdb = cdbOf(6, 0x11, code);
    cdb.writeIntBE(count, 2, 3);
    await unit.run('SPACE(6)', cdb, { timeoutMs: TAPE_TIMEOUT_MS });
  };

export const spaceRecords = space(0);
export const spaceFilemarks = space(1);
