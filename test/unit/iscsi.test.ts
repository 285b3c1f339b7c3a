/** Parts of lib/iscsi by themselves; what they do together is in test/conformance and test/golden. */
import { PassThrough } from 'node:stream';
import t from 'tap';
import { matchesAny, parseIscsiName, peerName } from '../../lib/iscsi-name.ts';
import { CommandWindow } from '../../lib/iscsi/command-window.ts';
import { formatAddress } from '../../lib/iscsi/address.ts';
import {
  CHAP_DIGESTS,
  SentChallenges,
  chapMatches,
  chapResponse,
  newChallenge,
} from '../../lib/iscsi/login/chap.ts';
import { KEYS, accept, defaults, negotiate, offer } from '../../lib/iscsi/login/keys.ts';
import { formatBinary, parseBinary, parseNumber, parseText } from '../../lib/iscsi/login/text.ts';
import { Outbox } from '../../lib/iscsi/outbox.ts';
import { Random, SEED } from '../harness/random.ts';
import { turns } from '../harness/rig.ts';

/** By CHAP_A, of python3's hashlib, not of ours. */
const RESPONSES: Readonly<Record<number, string>> = {
  5: '03dc98c5a832692b49df73cf48fcb4e9',
  6: '09ebfdae74e311130543d5f597ebd4a0da5458dd',
  7: 'a854c7d54942b83fa107648b337daf41592aae202a020fe10d3eaeed2fbc0162',
  8: '7f9952f2a5b3cf6ba10f62074306b3c3786547143d3481bff8e00a96a6ae345b',
};

void t.test('RFC 7143 4.2.2.1: the window against a model, commands coming in any order', async t => {
  t.comment(`SANLET_SEED=${SEED}`);
  const random = new Random();
  for (const first of [0, 1, 0xffff_ffc0, 0x7fff_fff0]) {
    const depth = random.between(1, 64);
    const window = new CommandWindow(first, depth);
    t.equal(window.maxCmdSN, (first + depth - 1) >>> 0);
    const ran: number[] = [];
    const waiting = new Set<number>();
    const wrong: string[] = [];
    let taken = 0;
    let held = 0;
    for (let i = 0; i < 2000; i++) {
      const before = window.maxCmdSN;
      if (held > 0 && random.chance(3)) {
        window.release();
        held--;
      } else {
        const ahead = random.between(-3, depth + 3);
        const cmdSN = (first + ran.length + ahead) >>> 0;
        const should = ahead >= 0 && ahead < depth - held && !waiting.has(cmdSN);
        if (window.takes(cmdSN) !== should) wrong.push(`takes(${ahead}) with ${held} of ${depth} held`);
        if (!should) continue;
        taken++;
        waiting.add(cmdSN);
        const holds = random.chance(2);
        window.inOrder(cmdSN, holds, () => {
          ran.push(cmdSN);
          waiting.delete(cmdSN);
          if (holds) held++;
        });
      }
      if (((window.maxCmdSN - before) | 0) < 0) wrong.push('MaxCmdSN went back');
      if (window.expCmdSN !== (first + ran.length) >>> 0) wrong.push('ExpCmdSN');
    }
    t.same(wrong, [], `from ${first}, depth ${depth}`);
    t.same(
      ran,
      ran.map((_, i) => (first + i) >>> 0),
      'each once, in order',
    );
    t.ok(taken >= ran.length && ran.length > 50, `${ran.length} ran`);
  }
  const window = new CommandWindow(10, 4);
  t.notOk(window.skip(9, 12), 'before the window');
  t.notOk(window.skip(12, 12), 'not before the one that asks');
  t.ok(window.skip(11, 12));
  t.equal(window.expCmdSN, 10);
  t.ok(window.skip(10, 12));
  t.equal(window.expCmdSN, 12);
});

void t.test('RFC 7143 6.2: what one side answers the other side accepts, for every key', async t => {
  const values = [
    'None',
    'CRC32C',
    'CRC32C,None',
    'Yes',
    'No',
    '0',
    '1',
    '2',
    '512',
    '3600',
    '65536',
    '16777215',
    '16777216',
    'junk',
    '',
  ];
  const refused: string[] = [];
  let settled = 0;
  for (const row of KEYS.values()) {
    for (const value of values) {
      const target = defaults();
      const answer = negotiate(row, value, { ...defaults(), headerDigest: true, initialR2T: false }, target);
      if (answer === undefined || answer === 'Reject' || row.kind === 'constant') continue;
      const initiator = { ...defaults(), headerDigest: true, dataDigest: true };
      const into = defaults();
      // The initiator's own wish is what it offered.
      if ('into' in row && (row.kind === 'minimum' || row.kind === 'maximum'))
        initiator[row.into] = Number(value);
      if (!accept(row, answer, initiator, into)) refused.push(`${row.name}=${value} answered ${answer}`);
      if ('into' in row && into[row.into] !== target[row.into])
        refused.push(`${row.name}=${value}: two results`);
      settled++;
    }
    const own = offer(row, defaults());
    if (row.kind !== 'constant' || row.answer !== 'Reject') {
      t.not(negotiate(row, own, defaults(), defaults()), 'Reject', `${row.name}=${own} can be offered`);
    }
  }
  t.same(refused, []);
  t.ok(settled > 30, `${settled} answers`);
  const minimum = KEYS.get('MaxBurstLength')!;
  const mine = { ...defaults(), maxBurstLength: 65536 };
  t.notOk(accept(minimum, '65537', mine, defaults()), 'more than was offered');
  t.notOk(accept(minimum, 'x', mine, defaults()));
  t.notOk(accept(minimum, 'Reject', mine, defaults()));
  t.ok(accept(minimum, '512', mine, defaults()));
  t.notOk(accept(KEYS.get('DefaultTime2Wait')!, '1', defaults(), defaults()), 'less than was offered');
  t.notOk(accept(KEYS.get('DataDigest')!, 'CRC32C', defaults(), defaults()), 'a digest that was not offered');
  t.notOk(accept(KEYS.get('InitialR2T')!, 'Maybe', defaults(), defaults()));
});

void t.test('RFC 7143 6.1: numbers and binary values', async t => {
  for (const [text, value] of [
    ['0', 0],
    ['4294967295', 0xffff_ffff],
    ['4294967296', undefined],
    ['0xffffffff', 0xffff_ffff],
    ['0X1f', 31],
    ['0x', undefined],
    ['0x123456789', undefined],
    ['-1', undefined],
    ['1.5', undefined],
    [' 1', undefined],
    ['', undefined],
    ['1~2', undefined],
  ] as const) {
    t.equal(parseNumber(text), value, JSON.stringify(text));
  }
  for (const [text, hex] of [
    ['0x0aFF', '0aff'],
    ['0X1', '01'],
    ['0x123', '0123'],
    ['0bAQID', '010203'],
    ['0BAQI=', '0102'],
    ['0x', undefined],
    ['0b', undefined],
    ['0xzz', undefined],
    ['abcd', undefined],
    ['', undefined],
  ] as const) {
    t.equal(parseBinary(text)?.toString('hex'), hex, JSON.stringify(text));
  }
  t.equal(formatBinary(Uint8Array.of(0, 255)), '0x00ff');
  t.equal(parseText(Buffer.from(`${'k'.repeat(63)}=1\0`))?.length, 1, 'a key of 63 bytes');
  t.equal(parseText(Buffer.from(`${'k'.repeat(64)}=1\0`)), undefined);
  t.equal(parseText(Buffer.from(`k=${'v'.repeat(8192)}\0`))?.length, 1);
  t.equal(parseText(Buffer.from(`k=${'v'.repeat(8193)}\0`)), undefined);
});

void t.test('RFC 7143 12.1.3 and RFC 1994 4.1: the CHAP response', async t => {
  t.same(
    CHAP_DIGESTS.map(({ code }) => code),
    [8, 7, 6, 5],
    'IANA: SHA3-256, SHA-256, SHA-1, MD5',
  );
  for (const digest of CHAP_DIGESTS) {
    const bytes = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
    const challenge = { digest, identifier: 0x2a, challenge: bytes };
    const response = RESPONSES[digest.code]!;
    t.equal(chapResponse(challenge, 'secret').toString('hex'), response, digest.name);
    t.equal(response.length, 2 * digest.bytes);
    t.ok(chapMatches(challenge, 'secret', Buffer.from(response, 'hex')));
    t.notOk(chapMatches(challenge, 'Secret', Buffer.from(response, 'hex')));
    t.notOk(chapMatches({ ...challenge, identifier: 0x2b }, 'secret', Buffer.from(response, 'hex')));
    t.notOk(chapMatches(challenge, 'secret', Buffer.from(response.slice(2), 'hex')));
    t.equal(newChallenge(digest).challenge.length, digest.bytes);
  }
  const sent = new SentChallenges();
  const made = Array.from({ length: 1500 }, () => sent.new(CHAP_DIGESTS[3]!).challenge);
  t.equal(new Set(made.map(each => each.toString('hex'))).size, 1500, 'each challenge is a new one');
  t.ok(
    made.slice(-1024).every(each => sent.has(each)),
    'the last ones are known again',
  );
  t.notOk(sent.has(made[0]!), 'and no more than so many');
});

void t.test('RFC 7143 4.2.7: names', async t => {
  for (const [name, formed] of [
    ['iqn.2026-01.io.sanlet:san', true],
    ['iqn.2026-01.io.sanlet', true],
    ['IQN.2026-12.io.sanlet:a:b', true],
    ['iqn.2026-13.io.sanlet', false],
    ['iqn.26-01.io.sanlet', false],
    ['eui.02004567a425678d', true],
    ['eui.02004567a425678', false],
    ['naa.52004567ba64678d', true],
    ['naa.62004567ba64678d0123456789abcdef', true],
    ['naa.62004567ba64678d01', false],
    ['sanlet', false],
    [`iqn.2026-01.io.sanlet:${'x'.repeat(201)}`, true],
    [`iqn.2026-01.io.sanlet:${'x'.repeat(202)}`, false],
  ] as const) {
    t.equal(typeof parseIscsiName(name) === 'object', formed, name.slice(0, 40));
  }
  for (const [name, taken] of [
    ['IQN.1991-05.com.microsoft:My_Host', 'iqn.1991-05.com.microsoft:my_host'],
    ['iqn.test:without-a-date', 'iqn.test:without-a-date'],
    ['eui.02004567A425678D', 'eui.02004567a425678d'],
    ['naa.52004567BA64678D', 'naa.52004567ba64678d'],
    ['iqn.2026-01.test:\u{ff21}', 'iqn.2026-01.test:a'],
    ['anything.goes', undefined],
    ['iqn', undefined],
    ['iqn.', undefined],
    ['eui.0200', undefined],
    ['naa.02004567a425678g', undefined],
    ['iqn.2026-01.test:a b', undefined],
    ['iqn.2026-01.test:a\u0001', undefined],
    ['iqn.2026-01.test:a,i,0x800000000001', undefined],
    [`iqn.2026-01.io.sanlet:${'x'.repeat(202)}`, undefined],
    ['', undefined],
  ] as const) {
    t.equal(peerName(name), taken, `a peer called ${JSON.stringify(name.slice(0, 40))}`);
  }
  for (const [pattern, name, matches] of [
    ['*', 'iqn.x', true],
    ['iqn.*:host-?', 'iqn.2026:host-1', true],
    ['iqn.*:host-?', 'iqn.2026:host-12', false],
    ['iqn.a', 'iqnxa', false],
    ['iqn.(a|b)+', 'iqn.aab', false],
    ['IQN.A', 'iqn.a', true],
    ['iqn.a', 'iqn.ab', false],
    ['*a*b*', 'xxaxxbxx', true],
    ['*a*b', 'xxaxxbxx', false],
    ['a**', 'a', true],
    ['', 'a', false],
  ] as const) {
    t.equal(matchesAny([pattern], name), matches, `${pattern} and ${name}`);
  }
  t.notOk(matchesAny([], 'iqn.x'));
  t.notOk(matchesAny(['*a'.repeat(40)], 'a'.repeat(223).concat('b')), 'and soon');
  t.equal(formatAddress({ host: '::1', port: 3260 }), '[::1]:3260');
  t.equal(formatAddress({ host: 'a.b', port: 1 }), 'a.b:1');
});

void t.test('the outbox: one write a turn, in order, and every sender is told once', async t => {
  const out = new PassThrough({ highWaterMark: 1 << 20 });
  let flushes = 0;
  const uncork = out.uncork.bind(out);
  out.uncork = () => {
    flushes++;
    uncork();
  };
  const outbox = new Outbox(out);
  const told: number[] = [];
  for (let i = 0; i < 10; i++) {
    const header = outbox.header();
    header[0] = i;
    outbox.push(header, Buffer.alloc(100, i), i, () => told.push(i));
    outbox.schedule();
  }
  t.equal(outbox.bytes, 10 * 48 + 45);
  t.equal(flushes, 0, 'nothing leaves yet');
  await turns(3);
  t.equal(flushes, 1, 'then all of it at once');
  t.same(told, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  const wire = out.read() as Buffer;
  t.equal(
    wire.length,
    10 * 48 + 4 * (1 + 1 + 1 + 1 + 2 + 2 + 2 + 2 + 3),
    'cut to their lengths, padded to four',
  );
  const again = outbox.header();
  t.ok(again.equals(Buffer.alloc(48)), 'a header that is used again is zeros');
  outbox.push(again, undefined, 0, () => told.push(10));
  outbox.close();
  outbox.push(outbox.header(), undefined, 0, () => told.push(11));
  t.equal(told.length, 10, 'never at once');
  await turns(2);
  t.same(told.slice(10), [10, 11], 'nor forgotten when it closes');
  t.equal(out.read(), null);

  const broken = new PassThrough();
  broken.on('error', () => {});
  const late = new Outbox(broken);
  late.push(late.header(), undefined, 0, () => told.push(12));
  broken.destroy();
  late.flush();
  await turns(2);
  t.equal(told.at(-1), 12, 'nor when the transport is gone');
});

void t.test('RFC 7143 4.2.3.3: no more wait for a CmdSN than there are numbers', t => {
  const window = new CommandWindow(10, 4);
  let run = 0;
  for (let i = 0; i < 1_000; i++) window.whenReached(12, () => run++);
  t.equal(run, 996);
  window.inOrder(10, false, () => {});
  window.inOrder(11, false, () => {});
  t.equal(run, 1_000);
  t.end();
});
