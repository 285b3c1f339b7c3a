import { randomBytes } from 'node:crypto';
import { Writer } from '../../../bytes/cursor.ts';
import { bit, u16, u32, u8 } from '../../../bytes/fields.ts';
import { layout } from '../../../bytes/layout.ts';
import type { MaybePromise } from '../../../bytes/maybe-promise.ts';
import { command } from '../../command.ts';
import { invalidFieldInCdb, parameterListLengthError } from '../../sense.ts';
import { goodWithin } from '../../spc/allocation.ts';
import type { Task } from '../../task.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { encryptionCapabilities, managementCapabilities, PLAIN_TEXT_KEY } from './capabilities.ts';
import { SET_DATA_ENCRYPTION, setDataEncryption } from './set-data-encryption.ts';
import { encryptionStatus, nextBlockStatus } from './status-pages.ts';

/** SECURITY PROTOCOL (SPC-4 6.40): what there is, and tape data encryption. */
const INFORMATION = 0x00;
const TAPE_DATA_ENCRYPTION = 0x20;

const RANDOM_BYTES = 32;
/** What may follow the header of the longest page: more is no parameter list of ours. */
const MOST_LIST_BYTES = 4096;
const INCREMENT = 512;

const inCdb = layout(12, {
  opcode: u8(0),
  protocol: u8(1),
  specific: u16(2),
  inc512: bit(4, 7),
  allocationLength: u32(6),
});
const outCdb = layout(12, {
  opcode: u8(0),
  protocol: u8(1),
  specific: u16(2),
  inc512: bit(4, 7),
  transferLength: u32(6),
});

/** A page of tape data encryption in (SSC-4 8.5.2), without its header of code and length. */
interface EncryptionPage {
  readonly code: number;
  body(unit: TapeUnit, task: Task): MaybePromise<Uint8Array>;
}

const codes = (list: readonly number[]): Buffer => {
  const out = Buffer.alloc(2 * list.length);
  list.forEach((code, i) => out.writeUInt16BE(code, 2 * i));
  return out;
};

const pages: readonly EncryptionPage[] = [
  { code: 0x0000, body: () => codes(pages.map(page => page.code)) },
  { code: 0x0001, body: () => codes([SET_DATA_ENCRYPTION]) },
  { code: 0x0010, body: unit => encryptionCapabilities(unit.loaded) },
  { code: 0x0011, body: () => Buffer.of(PLAIN_TEXT_KEY) },
  { code: 0x0012, body: () => managementCapabilities() },
  { code: 0x0020, body: encryptionStatus },
  { code: 0x0021, body: nextBlockStatus },
  { code: 0x0030, body: () => randomBytes(RANDOM_BYTES) },
];

/** Protocol 00h: the list of protocols, and no certificate (SPC-4 7.7.1). */
function information(specific: number): Buffer {
  const out = new Writer();
  switch (specific) {
    case 0x0000:
      return out.zeros(6).uint(2, 2).uint(1, INFORMATION).uint(1, TAPE_DATA_ENCRYPTION).done();
    case 0x0001:
      return out.zeros(4).done();
    default:
      throw invalidFieldInCdb(2);
  }
}

async function encryptionPage(unit: TapeUnit, task: Task, specific: number): Promise<Buffer> {
  const page = pages.find(({ code }) => code === specific);
  if (page === undefined) throw invalidFieldInCdb(2);
  const body = await page.body(unit, task);
  const head = Buffer.alloc(4);
  head.writeUInt16BE(page.code, 0);
  head.writeUInt16BE(body.length, 2);
  return Buffer.concat([head, body]);
}

export const securityProtocolIn = command<TapeUnit>({
  name: 'SECURITY PROTOCOL IN', // SPC-4 6.40
  opcode: 0xa2,
  cdb: inCdb,
  access: 'read',
  ordering: 'exclusive',
  timeoutSeconds: 60,
  async run(unit, task) {
    const length = inCdb.allocationLength.get(task.cdb);
    const specific = inCdb.specific.get(task.cdb);
    const inc512 = inCdb.inc512.get(task.cdb);
    switch (inCdb.protocol.get(task.cdb)) {
      case INFORMATION: {
        const data = information(specific);
        if (!inc512) return goodWithin(task, data, length);
        const padded = Buffer.alloc(Math.ceil(data.length / INCREMENT) * INCREMENT);
        data.copy(padded);
        return goodWithin(task, padded, length * INCREMENT);
      }
      case TAPE_DATA_ENCRYPTION:
        if (inc512) throw invalidFieldInCdb(4, 7); // SSC-4 8.5.2
        return goodWithin(task, await encryptionPage(unit, task, specific), length);
      default:
        throw invalidFieldInCdb(1);
    }
  },
});

export const securityProtocolOut = command<TapeUnit>({
  name: 'SECURITY PROTOCOL OUT', // SPC-4 6.41
  opcode: 0xb5,
  cdb: outCdb,
  access: 'write',
  ordering: 'exclusive',
  timeoutSeconds: 60,
  dataOut(_unit, { cdb }) {
    if (outCdb.protocol.get(cdb) !== TAPE_DATA_ENCRYPTION) throw invalidFieldInCdb(1);
    if (outCdb.specific.get(cdb) !== SET_DATA_ENCRYPTION) throw invalidFieldInCdb(2);
    if (outCdb.inc512.get(cdb)) throw invalidFieldInCdb(4, 7);
    const length = outCdb.transferLength.get(cdb);
    if (length > MOST_LIST_BYTES) throw invalidFieldInCdb(6);
    return length;
  },
  run(unit, task) {
    if (task.dataOut.length < task.wantedOut) throw parameterListLengthError();
    try {
      if (task.wantedOut > 0) setDataEncryption(unit, task); // SPC-4 6.41: a length of 0 is no error
    } finally {
      task.dataOut.fill(0); // there is a key in it, right or wrong, and the transport's buffer is used again
    }
    task.good();
  },
});
