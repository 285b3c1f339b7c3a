/** lib/bytes: fields, layouts, cursors, serial numbers, the buffer pool. crc32c has a test of its own. */
import t from 'tap';
import { BufferPool, LARGEST_BUFFER } from '../../lib/bytes/buffers.ts';
import { Reader, Writer } from '../../lib/bytes/cursor.ts';
import {
  ascii,
  bit,
  bits,
  bytes,
  type Field,
  i24,
  u16,
  u24,
  u32,
  u48,
  u64,
  u64big,
  u8,
} from '../../lib/bytes/fields.ts';
import { describe, layout, reservedBit } from '../../lib/bytes/layout.ts';
import { settle } from '../../lib/bytes/maybe-promise.ts';
import { serialAdd, serialBefore, serialDistance } from '../../lib/bytes/serial.ts';

void t.test('fields: each value lies where it should, and touches nothing else', async t => {
  const cases: readonly (readonly [string, Field<number>, number, string])[] = [
    ['u8', u8(1), 0xab, '00ab000000000000000000'],
    ['u16', u16(1), 0xabcd, '00abcd0000000000000000'],
    ['u24', u24(1), 0xabcdef, '00abcdef00000000000000'],
    ['u32', u32(1), 0xfedcba98, '00fedcba98000000000000'],
    ['u48', u48(1), 0xfedcba987654, '00fedcba98765400000000'],
    ['u64', u64(1), Number.MAX_SAFE_INTEGER, '00001fffffffffffff0000'],
    ['u64', u64(1), 0x1_0000_0000, '0000000001000000000000'],
    ['i24', i24(1), -2, '00fffffe00000000000000'],
    ['i24', i24(1), 0x7f_ffff, '007fffff00000000000000'],
    ['bits', bits(1, 2, 3), 5, '0014000000000000000000'],
  ];
  for (const [name, field, value, hex] of cases) {
    const into = Buffer.alloc(11);
    field.set(into, value);
    t.equal(into.toString('hex'), hex, name);
    t.equal(field.get(into), value, `${name}: back`);
    const full = Buffer.alloc(11, 0xff);
    field.set(full, 0);
    field.mask.forEach((mask, i) => {
      full[field.offset + i]! |= mask;
    });
    t.ok(full.equals(Buffer.alloc(11, 0xff)), `${name}: the bits of its mask and no other`);
    t.equal(field.mask.length, field.bytes);
  }
  const flag = Buffer.alloc(1);
  bit(0, 6).set(flag, true);
  t.equal(flag[0], 0x40);
  t.equal(bit(0, 6).get(flag), true);
  t.equal(bit(0, 7).get(flag), false);
  bit(0, 6).set(flag, false);
  t.equal(flag[0], 0);
});

void t.test('fields: 64 bits that a Number cannot hold never read as small ones', async t => {
  const all = Buffer.alloc(8, 0xff);
  t.ok(u64(0).get(all) >= Number.MAX_SAFE_INTEGER);
  t.equal(u64big(0).get(all), 2n ** 64n - 1n);
  u64big(0).set(all, 0x0123456789abcdefn);
  t.equal(all.toString('hex'), '0123456789abcdef');
  t.equal(u64big(0).get(all), 0x0123456789abcdefn);
});

void t.test('fields: bytes and ascii', async t => {
  const into = Buffer.alloc(10, 0xee);
  bytes(1, 4).set(into, Uint8Array.of(1, 2));
  t.equal(into.toString('hex'), 'ee01020000eeeeeeeeee', 'filled with zeros');
  bytes(1, 4).set(into, Uint8Array.of(9, 8, 7, 6, 5, 4));
  t.equal(into.toString('hex'), 'ee09080706eeeeeeeeee', 'cut to its length');
  ascii(5, 4).set(into, 'ab');
  t.equal(into.toString('latin1', 5, 9), 'ab  ');
  t.equal(ascii(5, 4).get(into), 'ab');
  ascii(5, 4).set(into, 'abcdefgh');
  t.equal(into.toString('latin1', 5), 'abcd\u00ee');
});

void t.test('layout: what cannot be is refused, the rest is derived', async t => {
  t.throws(() => layout(4, { a: u32(1) }), { message: 'a ends past byte 4' });
  t.throws(() => layout(4, { a: u16(0), b: u8(1) }), { message: 'b overlaps another field at byte 1' });
  t.throws(() => layout(1, { a: bits(0, 0, 4), b: bit(0, 3) }), RangeError);
  const made = layout(4, { a: u8(0), b: bits(1, 4, 4), c: bit(1, 0), d: bytes(2, 1) });
  t.same(Buffer.from(made.usage), Buffer.from('fff1ff00', 'hex'));
  t.equal(made.length, 4);
  t.throws(() => Object.assign(made, { a: u8(3) }), TypeError);
  t.equal(reservedBit(made.usage, Buffer.from('fff1ff00', 'hex')), undefined);
  t.same(reservedBit(made.usage, Buffer.from('00020000', 'hex')), { byte: 1, bit: 1 });
  t.same(
    reservedBit(made.usage, Buffer.from('000e0080', 'hex')),
    { byte: 1, bit: 3 },
    'the first byte, its highest bit',
  );
  t.same(reservedBit(made.usage, Buffer.from('000e0080', 'hex'), 2), { byte: 3, bit: 7 });
  t.equal(reservedBit(made.usage, Buffer.from('00', 'hex')), undefined, 'shorter than the layout');
  t.equal(describe(made, Buffer.from('1b51aa00', 'hex')), 'a=0x1b b=5 c=true d=aa');
});

void t.test('cursor', async t => {
  const reader = new Reader(Buffer.from('0102030405060708090a', 'hex'), 1, 9);
  t.equal(reader.left, 8);
  t.equal(reader.uint(1), 2);
  t.equal(reader.uint(3), 0x030405);
  t.same(Buffer.from(reader.take(2)).toString('hex'), '0607');
  t.throws(() => reader.take(3), RangeError);
  t.throws(() => reader.take(-1), RangeError);
  t.equal(reader.left, 2, 'a read that fails takes nothing');
  t.equal(new Reader(Buffer.alloc(4), 0, 100).left, 4, 'no further than the bytes');
  const writer = new Writer();
  const length = writer.uint(1, 7).lengthField(2, 4);
  writer.uint(3, 0x010203).zeros(2).put(Buffer.from('ff', 'hex'));
  length();
  t.equal(writer.done().toString('hex'), '07000a0102030000ff');
  for (let i = 0; i < 400; i++) writer.uint(8, i);
  t.equal(writer.length, 9 + 3200);
  t.equal(writer.done().readUIntBE(9 + 399 * 8 + 2, 6), 399, 'grown, nothing lost');
});

void t.test('RFC 1982: serial numbers', async t => {
  t.equal(serialAdd(0xffff_ffff, 1), 0);
  t.equal(serialAdd(0, -1), 0xffff_ffff);
  t.equal(serialDistance(2, 0xffff_fffe), 4);
  t.equal(serialDistance(0xffff_fffe, 2), -4);
  t.ok(serialBefore(0xffff_ffff, 0));
  t.notOk(serialBefore(0, 0xffff_ffff));
  t.notOk(serialBefore(5, 5));
});

void t.test('the buffer pool gives what fits and keeps no more than it may', async t => {
  const pool = new BufferPool(64 * 1024);
  for (const [wanted, length] of [
    [0, 4096],
    [1, 4096],
    [4096, 4096],
    [4097, 8192],
    [8193, 16384],
    [65537, 131072],
    [LARGEST_BUFFER, LARGEST_BUFFER],
    [LARGEST_BUFFER - 1, LARGEST_BUFFER],
  ] as const) {
    t.equal(pool.take(wanted).length, length, `${wanted} bytes`);
  }
  t.equal(pool.take(LARGEST_BUFFER + 1).length, LARGEST_BUFFER + 1, 'above that, exactly');
  const one = pool.take(4096);
  const two = pool.take(4096);
  t.not(one, two);
  pool.give(one);
  t.equal(pool.keptBytes, 4096);
  t.equal(pool.take(100), one, 'what was given back is taken first');
  t.equal(pool.keptBytes, 0);
  for (let i = 0; i < 100; i++) pool.give(Buffer.alloc(4096));
  t.equal(pool.keptBytes, 64 * 1024, 'the limit');
  pool.give(Buffer.alloc(5000));
  pool.give(Buffer.alloc(LARGEST_BUFFER * 2));
  t.equal(pool.keptBytes, 64 * 1024, 'what is of no class is not kept');
});

void t.test('settle: one path for now and later', async t => {
  const told: string[] = [];
  const done = (value: string): void => void told.push(value);
  const failed = (error: unknown): void => void told.push(`failed ${(error as Error).message}`);
  settle(() => 'now', done, failed);
  t.same(told, ['now'], 'at once');
  settle(
    () => {
      throw new Error('thrown');
    },
    done,
    failed,
  );
  settle(() => Promise.resolve('later'), done, failed);
  settle<string>(() => Promise.reject(new Error('rejected')), done, failed);
  t.equal(told.length, 2);
  await new Promise(resolve => setImmediate(resolve));
  t.same(told, ['now', 'failed thrown', 'later', 'failed rejected']);
});
