/**
 * Every row of every unit with CDBs and parameter lists made from the layouts, from two initiators, several at a time.
 * SANLET_SEED runs it again. Every command must be answered, with sense that can be read and
 * counts that add up; nothing may be logged as an error, nothing held, and a unit that is not addressed does not change.
 */
import t, { type Test } from 'tap';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { MemoryShelf } from '../../lib/backends/tape/shelf-memory.ts';
import { addCopyManager } from '../../lib/copy-manager/copy-manager.ts';
import { TOKEN_BYTES } from '../../lib/copy-manager/tokens/token.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import type { Command } from '../../lib/scsi-cmds/command.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { DeviceType } from '../../lib/scsi-cmds/logical-unit.ts';
import { DiskUnit, disk } from '../../lib/scsi-cmds/sbc/disk-unit.ts';
import { decodeSense } from '../../lib/scsi-cmds/sense.ts';
import { changer } from '../../lib/scsi-cmds/smc/changer-unit.ts';
import { tape } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { Task } from '../../lib/scsi-cmds/task.ts';
import { type Answer, Commander, nexus } from '../harness/commands.ts';
import { Random, SEED, pattern } from '../harness/random.ts';
import { TARGET, garbage, recorder, until } from '../harness/rig.ts';
import { LONG, shareMs } from './budget.ts';
import { fill } from './mutation.ts';
import { type Ground, parameterList, TOKENS } from './parameter-lists.ts';

const MS = shareMs(0.35);
const MIB = 1 << 20;
/** Addresses of a library, and some that are none. */
const ELEMENTS = [0, 1, 0x100, 0x101, 0x300, 0x301, 0x400, 0x401, 0x402, 0x403, 0x404, 0xffff];
/** No command addresses it. */
const CANARY = 3;
/** LUN of the first drive of the library. */
const DRIVES = 4;
const ANSWER_LIMIT_MS = 20_000;
const ROUND = 1_000;
const NOBODY = new Task({ pull: () => {}, ended: () => {} });

const secret = pattern(MIB, 0xca9a);
const STATUSES = new Set<number>(Object.values(Status));

/** A library: the drive that its changer loads, and the changer. */
async function changerOf(
  identity: (name: string) => ReturnType<typeof identify>,
  log: ReturnType<typeof recorder>['log'],
): Promise<{ drives: ReturnType<typeof tape>[]; unit: ReturnType<typeof changer> }> {
  const shelf = new MemoryShelf({ name: 'fuzz', capacityBytes: 4 * MIB });
  for (const barcode of ['F00001L6', 'F00002L6', 'F00003L6']) shelf.make(barcode);
  const drives = [tape({ identity: identity('lib-d0'), log })];
  const unit = changer({ identity: identity('lib'), drives, slots: 4, importExports: 2, shelf, log });
  await unit.begin();
  return { drives, unit };
}

async function round(t: Test, seed: number, end: number, seen: Map<string, number>): Promise<number> {
  const random = new Random(seed);
  const { log, errors } = recorder();
  const device = new TargetDevice(TARGET, absentUnit(log));
  const identity = (name: string): ReturnType<typeof identify> =>
    identify(TARGET, name, { product: 'fuzz', revision: '0.1' });
  const canary = memoryDisk({ bytes: 2 * MIB, blockSize: 512 });
  await canary.write(secret, 0);
  const small = (blockSize: number): ReturnType<typeof memoryDisk> =>
    memoryDisk({ bytes: 8 * MIB, blockSize });
  device.add(0, disk({ identity: identity('d0'), backend: small(512), log }));
  device.add(
    1,
    tape({ identity: identity('t1'), medium: memoryCartridge({ capacityBytes: 16 * MIB }), log }),
  );
  device.add(2, disk({ identity: identity('d2'), backend: small(4096), removable: true, log }));
  device.add(CANARY, disk({ identity: identity('canary'), backend: canary, log }));
  const copies = addCopyManager(device);
  const library = await changerOf(identity, log);
  library.drives.forEach((drive, i) => device.add(DRIVES + i, drive));
  device.add(DRIVES + library.drives.length, library.unit);
  const units = device.units.filter(([lun]) => lun !== CANARY);
  const ground: Ground = { random, units, heard: new Map() };
  const hosts = [
    await new Commander(device).clear(),
    await new Commander(device, nexus('iqn.2026-01.test:fuzz')).clear(),
  ];

  const send = async (): Promise<void> => {
    const [lun, unit] = random.pick(units);
    const row = random.pick(unit.commands.all());
    const blockSize = unit instanceof DiskUnit ? unit.blockSize : 512;
    const blocks = unit instanceof DiskUnit ? unit.blocks : 1000;
    let out = row.dataOut === undefined ? undefined : parameterList(row.name, lun, ground);
    const length = out?.length ?? random.pick([0, 4, 8, 24, 255, 512, 4096]);
    const cdb = cdbOf(random, row, (name, bytes) => {
      if (/parameterListLength|listLength/i.test(name)) return length;
      if (/allocationLength|length/i.test(name)) return random.pick([0, 4, 36, 255, 1024, 65_535]);
      if (name === 'transport') return random.pick([0, 0, 1, 1, 0x400]);
      if (name.startsWith('invert')) return random.chance(8) ? 1 : 0;
      if (unit.deviceType === DeviceType.CHANGER && bytes === 2 && !/length|number/i.test(name)) {
        return random.pick(ELEMENTS);
      }
      if (name === 'numberOfElements') return random.pick([0, 1, 5, 255, 65_535]);
      if (name === 'elementType') return random.below(5);
      if (/lba|address|identifier/i.test(name))
        return random.pick([0, 1, random.below(blocks), blocks - 1, blocks]);
      if (/blocks|count/i.test(name)) return random.pick([0, 1, 1, 2, 8, 16, 64]);
      if (name === 'type') return random.pick([1, 3, 5, 6, 7, 8]);
      if (name === 'scope') return 0;
      if (name === 'page' || name === 'pageCode') return random.pick([0, 0x3f, 0x0a, 0x08, 0x0c, 0x2e, 0x83]);
      return bytes === 1 && random.chance(3) ? 1 : 0;
    });
    if (row.dataOut !== undefined && out === undefined) {
      out = random.bytes(Math.min(wantedBy(row, unit, cdb, blockSize) ?? length, MIB));
      if (random.chance(10)) out = out.subarray(0, random.below(out.length + 1));
    }
    const expectIn = random.pick([0, 4, 255, 4096, 1 << 20]);
    const what = `${row.name} ${cdb.toString('hex')} on LUN ${lun}, ${out?.length ?? 0} bytes out, seed ${seed}`;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>(resolve => {
      timer = setTimeout(() => resolve(undefined), ANSWER_LIMIT_MS);
    });
    const host = random.pick(hosts);
    const attribute = random.chance(8) ? random.between(1, 3) : undefined;
    const answer = await Promise.race([
      host.send(lun, cdb, {
        expectIn,
        ...(out === undefined ? {} : { out }),
        ...(attribute === undefined ? {} : { attribute }),
      }),
      late,
    ]);
    clearTimeout(timer);
    if (answer === undefined) return t.fail(`no answer to ${what}`) as unknown as undefined;
    const wrong = wrongIn(answer, expectIn);
    if (wrong !== undefined) t.fail(`${wrong}: ${what}`);
    if (row.name === 'RECEIVE ROD TOKEN INFORMATION' && answer.status === 0) keepTokens(ground, answer.data);
    if (/^(MODE|LOG) SENSE/.test(row.name) && answer.status === 0)
      ground.heard.set(`${row.name} ${lun}`, answer.data);
    const key = `${row.name}: ${answer.status === 0 ? 'GOOD' : answer.said || answer.status}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  };

  let commands = 0;
  while (commands < ROUND && performance.now() < end && errors.length === 0) {
    const together = random.chance(5) ? random.between(2, 8) : 1;
    await Promise.all(Array.from({ length: together }, send));
    commands += together;
  }
  await copies.stop();
  const idle = await until(() => device.units.every(([, unit]) => unit.tasks.length === 0));
  if (!idle) t.fail(`a task is left, seed ${seed}`);
  const found = Buffer.alloc(secret.length);
  await canary.read(found, 0);
  if (!found.equals(secret)) t.fail(`the canary has changed, seed ${seed}`);
  if (canary.mappedBytes !== secret.length) t.fail(`the canary has grown, seed ${seed}`);
  if (errors.length > 0) t.fail(`${errors.join('\n')}, seed ${seed}`);
  await device.close();
  return commands;
}

/** ROD token descriptors stand behind the sense data, of which byte 13 says the length (SPC-4 6.26). */
function keepTokens({ random, heard }: Ground, data: Buffer): void {
  for (let at = 36 + (data[13] ?? 0) + 2; at + TOKEN_BYTES <= data.length; at += 2 + TOKEN_BYTES) {
    heard.set(`token ${random.below(TOKENS)}`, Buffer.from(data.subarray(at, at + TOKEN_BYTES)));
  }
}

function cdbOf(
  random: Random,
  row: Command<never>,
  right: (name: string, bytes: number) => number | undefined,
): Buffer {
  const cdb = Buffer.alloc(row.cdb.length);
  fill(random, cdb, row.cdb, right, 25);
  cdb[0] = row.opcode;
  if (row.opcode === 0x7f) {
    cdb[7] = cdb.length - 8;
    cdb.writeUInt16BE(row.serviceAction ?? 0, 8);
  } else if (row.serviceAction !== undefined) cdb[1] = (cdb[1]! & 0xe0) | row.serviceAction;
  return cdb;
}

/** What the row itself says that it wants. */
function wantedBy(row: Command<never>, unit: unknown, cdb: Buffer, blockSize: number): number | undefined {
  for (const expected of [1 << 24, blockSize, 2 * blockSize, 4 * blockSize, 16 * blockSize]) {
    NOBODY.cdb = Buffer.alloc(Math.max(16, cdb.length));
    cdb.copy(NOBODY.cdb);
    NOBODY.expectedOut = expected;
    try {
      return row.dataOut!(unit as never, NOBODY);
    } catch {
      // Refused, or refused with so much: the next.
    }
  }
  return undefined;
}

function wrongIn({ status, sense, data, totalIn, aborted }: Answer, expectIn: number): string | undefined {
  if (aborted) return undefined;
  if (!STATUSES.has(status)) return `status ${status}`;
  if (data.length > expectIn) return 'more data than was expected';
  if (data.length > totalIn) return `${data.length} bytes came of ${totalIn}`;
  if (status !== Status.CHECK_CONDITION) return undefined;
  const decoded = decodeSense(sense);
  if (decoded === undefined) return `sense ${sense.toString('hex')}`;
  if (sense.length !== 8 + sense[7]!) return `sense of ${sense.length} bytes says ${sense[7]} more`;
  // LOGICAL UNIT FAILED SELF-TEST is what a unit without its medium says.
  if (decoded.key === 4 && decoded.code !== 0x3e03) return `HARDWARE ERROR ${sense.toString('hex')}`;
  return undefined;
}

t.comment(`SANLET_SEED=${SEED}`);

void t.test('CDBs and parameter lists from their layouts', { timeout: MS + 60_000 }, async t => {
  const seen = new Map<string, number>();
  const end = performance.now() + MS;
  await garbage();
  const before = process.memoryUsage().arrayBuffers;
  let commands = 0;
  for (let i = 0; performance.now() < end; i++) commands += await round(t, SEED + i, end, seen);
  await garbage();
  const grown = Math.round((process.memoryUsage().arrayBuffers - before) / MIB);
  t.ok(grown < 128, `${grown} MiB more than before`);
  t.ok(commands > 300, `${commands} commands, ${seen.size} kinds of answers`);
  if (LONG) {
    for (const line of [...seen].map(([key, count]) => `${key} ${count}`).toSorted()) t.comment(line);
  }
});
