/** Every command of a disk and of a tape against a persistent reservation of another nexus. */
import t from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { addCopyManager } from '../../lib/copy-manager/copy-manager.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import type { Command } from '../../lib/scsi-cmds/command.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { tape } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { Commander, nexus } from '../harness/commands.ts';

const TARGET = 'iqn.2026-01.io.sanlet:test';

/**
 * What a nexus may do that is neither the holder nor registered: everything, what a write exclusive reservation lets
 * through, or nothing (SPC-4 table 65, SBC-3 4.17, SSC-4 4.2.15). Names without their CDB's length, service actions of a
 * command together.
 */
const TABLE: Readonly<Record<'allowed' | 'with write exclusive' | 'conflict', readonly string[]>> = {
  allowed: [
    // SPC-4
    'INQUIRY',
    'LOG SENSE',
    'PERSISTENT RESERVE IN',
    'PERSISTENT RESERVE OUT', // their registrations and keys decide
    'PREVENT ALLOW MEDIUM REMOVAL', // with PREVENT = 0
    'READ MEDIA SERIAL NUMBER',
    'REPORT ALIASES',
    'REPORT LUNS',
    'REPORT PRIORITY',
    'REPORT TARGET PORT GROUPS',
    'REPORT TIMESTAMP',
    'REQUEST SENSE',
    'TEST UNIT READY',
    'COPY OPERATION ABORT',
    'RECEIVE COPY DATA',
    'RECEIVE COPY FAILURE DETAILS',
    'RECEIVE COPY OPERATING PARAMETERS',
    'RECEIVE COPY STATUS',
    'RECEIVE ROD TOKEN INFORMATION',
    'REPORT ALL ROD TOKENS',
    // SBC-3
    'READ CAPACITY',
    'REPORT PROVISIONING INITIALIZATION PATTERN',
    'REPORT REFERRALS',
    // SSC-4
    'READ BLOCK LIMITS',
    'REPORT DENSITY SUPPORT',
  ],
  'with write exclusive': [
    'MODE SENSE',
    'READ ATTRIBUTE',
    'READ BUFFER',
    'RECEIVE DIAGNOSTIC RESULTS',
    'REPORT IDENTIFYING INFORMATION',
    'REPORT SUPPORTED OPERATION CODES',
    'REPORT SUPPORTED TASK MANAGEMENT FUNCTIONS',
    'SECURITY PROTOCOL IN',
    'BACKGROUND CONTROL',
    'GET LBA STATUS',
    'GET STREAM STATUS',
    'PRE-FETCH',
    'READ',
    'READ DEFECT DATA',
    'VERIFY',
    'LOCATE',
    'READ POSITION',
    'READ REVERSE',
    'REWIND',
    'SPACE',
  ],
  conflict: [
    'CHANGE ALIASES',
    'EXTENDED COPY',
    'POPULATE TOKEN',
    'WRITE USING TOKEN',
    'LOG SELECT',
    'MODE SELECT',
    'RELEASE', // while there are registrations
    'RESERVE',
    'SECURITY PROTOCOL OUT',
    'SEND DIAGNOSTIC',
    'SET IDENTIFYING INFORMATION',
    'SET PRIORITY',
    'SET TARGET PORT GROUPS',
    'SET TIMESTAMP',
    'WRITE ATTRIBUTE',
    'WRITE BUFFER',
    'COMPARE AND WRITE',
    'FORMAT UNIT',
    'ORWRITE',
    'READ LONG',
    'REASSIGN BLOCKS',
    'SANITIZE',
    'START STOP UNIT', // with START = 0
    'STREAM CONTROL',
    'SYNCHRONIZE CACHE',
    'UNMAP',
    'WRITE',
    'WRITE AND VERIFY',
    'WRITE ATOMIC',
    'WRITE LONG',
    'WRITE SAME',
    'ALLOW OVERWRITE',
    'ERASE',
    'FORMAT MEDIUM',
    'LOAD UNLOAD',
    'SET CAPACITY',
    'WRITE FILEMARKS',
  ],
};

/** `READ(10)` and `READ POSITION LONG FORM` are found by the longest name that they begin with. */
function expected(name: string): keyof typeof TABLE | undefined {
  let best = '';
  let verdict: keyof typeof TABLE | undefined;
  for (const [each, names] of Object.entries(TABLE)) {
    for (const known of names) {
      if (known.length > best.length && new RegExp(`^${known}\\b`).test(name)) {
        best = known;
        verdict = each as keyof typeof TABLE;
      }
    }
  }
  return verdict;
}

/** The CDB with nothing but its operation code and service action: a conflict is found before anything else is. */
function bare({ opcode, serviceAction }: Command<never>): Buffer {
  const cdb = Buffer.alloc(opcode === 0x7f ? 32 : 16);
  cdb[0] = opcode;
  if (opcode === 0x7f) cdb.writeUInt16BE(serviceAction ?? 0, 8);
  else if (serviceAction !== undefined) cdb[1] = serviceAction;
  if (opcode === 0x7f) cdb[7] = 24;
  return cdb;
}

for (const type of ['disk', 'tape'] as const) {
  void t.test(`SPC-4 table 65: each command of a ${type}`, async t => {
    const device = new TargetDevice(TARGET, absentUnit());
    const identity = identify(TARGET, 'u0', { product: 'unit', revision: '0.1' });
    const unit =
      type === 'disk'
        ? disk({ identity, backend: memoryDisk({ bytes: 1 << 20, blockSize: 512 }) })
        : tape({ identity, medium: memoryCartridge({}) });
    device.add(0, unit);
    addCopyManager(device);
    const [holder, registered, stranger] = ['a', 'b', 'c'].map(
      (name, i) => new Commander(device, nexus(`iqn.2026-01.test:${name}`, `40000000000${i}`)),
    ) as [Commander, Commander, Commander];
    const persistentReserveOut = async (
      who: Commander,
      action: number,
      reservation: number,
      keys: string,
    ) => {
      const out = Buffer.from(keys.padEnd(48, '0'), 'hex');
      const { status } = await who.send(0, Uint8Array.of(0x5f, action, reservation, 0, 0, 0, 0, 0, 24), {
        out,
      });
      t.equal(status, Status.GOOD);
    };
    for (const who of [holder, registered, stranger]) await who.clear();
    await persistentReserveOut(holder, 0, 0, '000000000000000000000000000000a1');
    await persistentReserveOut(registered, 0, 0, '000000000000000000000000000000b2');
    for (const reservation of [1, 3, 5, 6, 7, 8]) {
      await persistentReserveOut(holder, 1, reservation, '00000000000000a1');
      const exclusive = [3, 6, 8].includes(reservation);
      for (const row of unit.commands.all()) {
        const verdict = expected(row.name);
        if (verdict === undefined) {
          t.fail(`${row.name} has no line in the table`);
          continue;
        }
        const passes = verdict === 'allowed' || (verdict === 'with write exclusive' && !exclusive);
        const { status } = await stranger.send(0, bare(row));
        t.equal(
          status === Status.RESERVATION_CONFLICT,
          !passes,
          `${row.name}, type ${reservation}: ${passes ? 'passes' : 'conflicts'}`,
        );
        // Who shares in it has the holder's rights, who does not a stranger's; a register and release would end it.
        if ([0x5e, 0x5f, 0x16, 0x17, 0x56, 0x57].includes(row.opcode)) continue;
        const other = await registered.send(0, bare(row));
        t.equal(
          other.status === Status.RESERVATION_CONFLICT,
          !passes && reservation < 5,
          `${row.name}, type ${reservation}, registered`,
        );
        for (const who of [holder, registered, stranger]) await who.clear();
      }
      await persistentReserveOut(holder, 2, reservation, '00000000000000a1');
      for (const who of [holder, registered, stranger]) await who.clear();
    }
  });
}
