import t from 'tap';
import { crc32c, crc32cScript, crc32cWasm } from '../../lib/bytes/crc32c.ts';

const seed = Number(process.env['SANLET_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
let state = seed;
/** Below `limit`; Lehmer's generator, so that a seed names the whole run. */
const random = (limit: number): number => {
  state = (Math.imul(state, 48271) + 11) & 0x7fff_ffff;
  return state % limit;
};

const upwards = Uint8Array.from({ length: 32 }, (_, i) => i);
/** RFC 3720 B.4. */
const readPdu = Buffer.from(
  '01c000000000000000000000000000001400000000000400000000140000001828000000000000000200000000000000',
  'hex',
);

const vectors: readonly (readonly [string, Uint8Array, number])[] = [
  ['nothing', new Uint8Array(0), 0],
  ['32 bytes of zeros', new Uint8Array(32), 0x8a91_36aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8_ab43],
  ['32 incrementing bytes', upwards, 0x46dd_794e],
  ['32 decrementing bytes', upwards.toReversed(), 0x113f_db5c],
  ['an iSCSI READ (10)', readPdu, 0xd996_3a56],
  ['123456789', Buffer.from('123456789'), 0xe306_9283],
];

void t.test('RFC 3720 B.4 vectors', async t => {
  t.equal(readPdu.length, 48, 'the PDU is whole');
  for (const [name, bytes, sum] of vectors) {
    t.equal(crc32c(bytes), sum, name);
    t.equal(crc32cScript(bytes), sum, `${name}, in script`);
    t.equal(crc32cWasm(bytes), sum, `${name}, in WebAssembly`);
  }
});

/** The definition, bit by bit. */
function slow(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f6_3b78 : 0);
  }
  return ~crc >>> 0;
}

void t.test('both ways agree with the definition at any length and offset', async t => {
  t.comment(`SANLET_SEED=${seed}`);
  const pool = Buffer.alloc(4096).map(() => random(256));
  let script = 0;
  let wasm = 0;
  let split = 0;
  for (let round = 0; round < 400; round++) {
    const at = random(64);
    const bytes = pool.subarray(at, at + random(round % 4 === 0 ? 4000 : 200));
    const sum = slow(bytes);
    const middle = random(bytes.length + 1);
    const head = bytes.subarray(0, middle);
    const tail = bytes.subarray(middle);
    if (crc32cScript(bytes) !== sum) script++;
    if (crc32cWasm(bytes) !== sum) wasm++;
    if (crc32c(tail, crc32c(head)) !== sum || crc32cScript(tail, crc32cWasm(head)) !== sum) split++;
  }
  t.equal(script, 0, 'script');
  t.equal(wasm, 0, 'WebAssembly');
  t.equal(split, 0, 'in two parts');
});

void t.test('more than fits into the memory of the module at once', async t => {
  for (const length of [49151, 49152, 49153, 200_001, 1 << 20]) {
    const bytes = Buffer.alloc(length).map(() => random(256));
    t.equal(crc32cWasm(bytes), crc32cScript(bytes), `${length} bytes`);
    t.not(crc32cWasm(bytes), crc32cWasm(bytes.subarray(1)), 'and every byte counts');
  }
});
