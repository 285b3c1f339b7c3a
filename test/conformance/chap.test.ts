/** CHAP over the wire, by RFC 7143 12.1.3 and RFC 1994; the checks are those of UNH-IOL's list for targets. */
import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { Initiator as Client } from '../../lib/initiator/initiator.ts';
import type { San } from '../../lib/san.ts';
import { INITIATOR, Initiator, hexBytes } from '../harness/initiator.ts';
import type { Pdu } from '../harness/peer.ts';
import { TARGET, connect, startSan } from '../harness/rig.ts';

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET };
const DIGESTS = { 5: 'md5', 6: 'sha1', 7: 'sha256', 8: 'sha3-256' } as const;
type Code = keyof typeof DIGESTS;
const CODES = [5, 6, 7, 8] as const;
const chap = { user: 'alice', secret: 'a secret of 18 byt' };
const mutual = { user: 'target', secret: 'another of 17 byt' };
const disks = [{ name: 'd0', memory: '1MiB' }];

const statusOf = (pdu: Pdu): string => pdu.num('status').toString(16).padStart(4, '0');

interface Asked {
  readonly code: Code;
  readonly identifier: number;
  readonly challenge: Buffer;
}

const answer = ({ code, identifier, challenge }: Asked, secret: string): Buffer =>
  createHash(DIGESTS[code])
    .update(Buffer.from([identifier]))
    .update(secret)
    .update(challenge)
    .digest();
const hex = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;

/** As far as the challenge; the offer is a CHAP_A list. */
async function challenged(t: Test, san: San, offer: string): Promise<{ peer: Initiator; asked: Asked }> {
  const peer = connect(t, san);
  await peer.loginStep({ stage: 0 }, { ...NAMES, AuthMethod: 'CHAP' });
  const { keys } = await peer.loginStep({ stage: 0 }, { CHAP_A: offer });
  t.same(
    [...keys.keys()],
    ['CHAP_A', 'CHAP_I', 'CHAP_C'],
    'algorithm, identifier and challenge in one answer',
  );
  const asked = {
    code: Number(keys.get('CHAP_A')) as Code,
    identifier: Number(keys.get('CHAP_I')),
    challenge: hexBytes(keys.get('CHAP_C')!.slice(2)),
  };
  return { peer, asked };
}

const prove = (peer: Initiator, keys: Record<string, string>): Promise<Pdu> =>
  peer.loginStep({ transit: true, stage: 0, next: 1 }, keys);

/** A right answer, with what is to differ. */
async function answered(
  t: Test,
  san: San,
  change: (asked: Asked, right: Record<string, string>) => Record<string, string>,
  offer = '5',
): Promise<Pdu> {
  const { peer, asked } = await challenged(t, san, offer);
  const right = { CHAP_N: chap.user, CHAP_R: hex(answer(asked, chap.secret)) };
  const reply = await prove(peer, change(asked, right));
  if (statusOf(reply) !== '0000') {
    await peer.ended;
    t.same(reply.pairs, [], 'a refusal proves nothing');
    t.notOk(reply.flag('final'));
  }
  return reply;
}

void t.test('RFC 7143 12.1.3: every digest, one way and mutual', async t => {
  const san = await startSan(t, { disks, chap: { ...chap, mutual } });
  for (const code of CODES) {
    const right = answer({ code, identifier: 0, challenge: Buffer.alloc(0) }, '').length;
    const { peer, asked } = await challenged(t, san, String(code));
    t.equal(asked.code, code);
    t.ok(
      asked.challenge.length >= right,
      `a challenge of ${asked.challenge.length} bytes for ${DIGESTS[code]}`,
    );
    t.ok(asked.identifier >= 0 && asked.identifier <= 255);
    const ours = { code, identifier: 255, challenge: Buffer.alloc(1024, code) };
    const reply = await prove(peer, {
      CHAP_N: chap.user,
      CHAP_R: hex(answer(asked, chap.secret)),
      CHAP_I: '255',
      CHAP_C: `0b${ours.challenge.toString('base64')}`,
    });
    t.same(
      reply.pairs,
      [
        ['CHAP_N', mutual.user],
        ['CHAP_R', hex(answer(ours, mutual.secret))],
      ],
      `${DIGESTS[code]}: the target proves itself with the same one, to a challenge of 1024 bytes`,
    );
    t.ok(reply.flag('final'));
    const { peer: other, asked: again } = await challenged(t, san, String(code));
    const wrong = code === 5 ? 6 : 5;
    const bad = await prove(other, {
      CHAP_N: chap.user,
      CHAP_R: hex(answer({ ...again, code: wrong }, chap.secret)),
    });
    t.equal(statusOf(bad), '0201', `not with ${DIGESTS[wrong]} where ${DIGESTS[code]} was agreed`);
  }
});

void t.test('RFC 7143 6.2.1: the target chooses the first of the list that it allows', async t => {
  const any = await startSan(t, { disks, chap });
  const strong = await startSan(t, { disks, chap: { ...chap, digests: ['SHA256', 'SHA3-256'] } });
  for (const [san, offer, code] of [
    [any, '5,6,7,8', 5],
    [any, '8,7,6,5', 8],
    [any, '9,1,junk,-7,,6', 6],
    [any, '0x7', 7],
    [strong, '5,6,7,8', 7],
    [strong, '5,8,7', 8],
  ] as const) {
    t.equal((await challenged(t, san, offer)).asked.code, code, offer);
  }
  for (const [san, offer] of [
    [any, '9'],
    [any, '0'],
    [any, 'MD5'],
    [any, ''],
    [any, '261'],
    [strong, '5'],
    [strong, '5,6'],
  ] as const) {
    const peer = connect(t, san);
    await peer.loginStep({ stage: 0 }, { ...NAMES, AuthMethod: 'CHAP' });
    const reply = await peer.loginStep({ stage: 0 }, { CHAP_A: offer });
    t.equal(statusOf(reply), '0201', `none of ${JSON.stringify(offer)}`);
    t.same(reply.pairs, []);
    await peer.ended;
  }
});

void t.test('RFC 7143 12.1.3: CHAP_N, CHAP_R, CHAP_I and CHAP_C, right and wrong', async t => {
  const long = { user: 'u'.repeat(255), secret: 's'.repeat(255) };
  const san = await startSan(t, { disks, chap: { ...chap, mutual } });
  const longSan = await startSan(t, { disks, chap: long });
  const both = { CHAP_I: '7', CHAP_C: '0x0011' };
  const good: readonly (readonly [
    string,
    (asked: Asked, right: Record<string, string>) => Record<string, string>,
  ])[] = [
    ['in hexadecimal', (_asked, right) => right],
    ['in upper case', (_asked, right) => ({ ...right, CHAP_R: right['CHAP_R']!.toUpperCase() })],
    [
      'in base64',
      (asked, right) => ({ ...right, CHAP_R: `0b${answer(asked, chap.secret).toString('base64')}` }),
    ],
    [
      'the keys in another order',
      (_asked, right) => ({ CHAP_R: right['CHAP_R']!, CHAP_N: right['CHAP_N']! }),
    ],
    ['a challenge of one byte', (_asked, right) => ({ ...right, CHAP_I: '0', CHAP_C: '0xa5' })],
    [
      'the same identifier back',
      (asked, right) => ({ ...right, CHAP_I: `${asked.identifier}`, CHAP_C: '0xa5a5' }),
    ],
    ['an identifier in hexadecimal', (_asked, right) => ({ ...right, CHAP_I: '0xff', CHAP_C: '0xa5a5' })],
  ];
  for (const [what, change] of good) t.equal(statusOf(await answered(t, san, change)), '0000', what);
  const { peer, asked } = await challenged(t, longSan, '7');
  const reply = await prove(peer, { CHAP_N: long.user, CHAP_R: hex(answer(asked, long.secret)) });
  t.equal(statusOf(reply), '0000', '6.1: a name of 255 bytes');

  const bad: typeof good = [
    ['CHAP_N too long', (_asked, right) => ({ ...right, CHAP_N: 'n'.repeat(256) })],
    ['CHAP_N of the target', (_asked, right) => ({ ...right, CHAP_N: mutual.user })],
    ['CHAP_N in another case', (_asked, right) => ({ ...right, CHAP_N: 'Alice' })],
    ['CHAP_N empty', (_asked, right) => ({ ...right, CHAP_N: '' })],
    ['CHAP_R one byte short', (_asked, right) => ({ ...right, CHAP_R: right['CHAP_R']!.slice(0, -2) })],
    ['CHAP_R one byte long', (_asked, right) => ({ ...right, CHAP_R: `${right['CHAP_R']!}00` })],
    ['CHAP_R of 1024 bytes', (_asked, right) => ({ ...right, CHAP_R: `0x${'00'.repeat(1024)}` })],
    ['CHAP_R without 0x', (_asked, right) => ({ ...right, CHAP_R: right['CHAP_R']!.slice(2) })],
    ['CHAP_R reflects CHAP_C', (asked, right) => ({ ...right, CHAP_R: hex(asked.challenge) })],
    ['CHAP_A again', (_asked, right) => ({ ...right, CHAP_A: '5' })],
    ['AuthMethod again', (_asked, right) => ({ ...right, AuthMethod: 'CHAP' })],
    ['CHAP_I of 256', (_asked, right) => ({ ...right, ...both, CHAP_I: '256' })],
    ['CHAP_I of -1', (_asked, right) => ({ ...right, ...both, CHAP_I: '-1' })],
    ['CHAP_I that is no number', (_asked, right) => ({ ...right, ...both, CHAP_I: 'one' })],
    ['CHAP_I without CHAP_C', (_asked, right) => ({ ...right, CHAP_I: '1' })],
    ['CHAP_C without CHAP_I', (_asked, right) => ({ ...right, CHAP_C: '0x00' })],
    ['CHAP_C empty', (_asked, right) => ({ ...right, ...both, CHAP_C: '0x' })],
    ['CHAP_C of 1025 bytes', (_asked, right) => ({ ...right, ...both, CHAP_C: `0x${'00'.repeat(1025)}` })],
    ['CHAP_C that is none', (_asked, right) => ({ ...right, ...both, CHAP_C: 'challenge' })],
    ['CHAP_C reflected', (asked, right) => ({ ...right, CHAP_I: '9', CHAP_C: hex(asked.challenge) })],
    [
      'CHAP_C reflected in base64',
      (asked, right) => ({ ...right, CHAP_I: '9', CHAP_C: `0b${asked.challenge.toString('base64')}` }),
    ],
  ];
  for (const [what, change] of bad) t.equal(statusOf(await answered(t, san, change)), '0201', what);

  const first = await challenged(t, san, '5');
  const over = await answered(t, san, (_asked, right) => ({
    ...right,
    CHAP_I: '9',
    CHAP_C: hex(first.asked.challenge),
  }));
  t.equal(statusOf(over), '0201', 'CHAP_C of another connection');
  const own = await prove(first.peer, { CHAP_N: chap.user, CHAP_R: hex(answer(first.asked, chap.secret)) });
  t.equal(statusOf(own), '0000', 'which goes on');

  const twice = await challenged(t, san, '5');
  const right = hex(answer(twice.asked, chap.secret));
  const pairs = [`CHAP_N=${chap.user}`, `CHAP_R=${right}`, `CHAP_R=${right}`];
  const doubled = await twice.peer.loginStep({ transit: true, stage: 0, next: 1 }, pairs);
  t.equal(statusOf(doubled), '0200', '6.3: a key twice in one text');
  const challenges = await Promise.all(Array.from({ length: 20 }, () => challenged(t, san, '8')));
  t.equal(
    new Set(challenges.map(each => hex(each.asked.challenge))).size,
    20,
    'RFC 1994 2.3: never the same',
  );
});

void t.test('RFC 7143 12.1: the order of the steps', async t => {
  const san = await startSan(t, { disks, chap });
  const first: readonly (readonly [string, Record<string, string>, string])[] = [
    ['None alone', { AuthMethod: 'None' }, '0201'],
    ['methods that are not there', { AuthMethod: 'KRB5,SPKM1,SRP,X-org.example.mine' }, '0201'],
    ['CHAP in lower case', { AuthMethod: 'chap' }, '0201'],
    ['CHAP_N before the method', { CHAP_N: chap.user }, '0201'],
    ['SRP keys', { SRP_U: chap.user }, '0201'],
    ['an operational key', { AuthMethod: 'CHAP', HeaderDigest: 'None' }, '0200'],
  ];
  for (const [what, keys, status] of first) {
    const peer = connect(t, san);
    const reply = await peer.loginStep({ stage: 0 }, { ...NAMES, ...keys });
    t.equal(statusOf(reply), status, what);
    await peer.ended;
  }
  for (const next of [1, 3] as const) {
    const peer = connect(t, san);
    const early = { transit: true, stage: 0, next };
    const steps: readonly Record<string, string>[] = [{ ...NAMES, AuthMethod: 'CHAP' }, { CHAP_A: '7' }];
    for (const keys of steps) {
      const reply = await peer.loginStep(early, keys);
      t.equal(statusOf(reply), '0000');
      t.notOk(reply.flag('final'), `T before the proof is not answered with T (to stage ${next})`);
      t.equal(reply.num('nextStage'), 0);
    }
  }
  await t.test('a proof without T leaves the stage later', async t => {
    const { peer, asked } = await challenged(t, san, '5');
    const keys = { CHAP_N: chap.user, CHAP_R: hex(answer(asked, chap.secret)) };
    t.notOk((await peer.loginStep({ stage: 0 }, keys)).flag('final'));
    const reply = await peer.loginStep({ transit: true, stage: 0, next: 1 });
    t.ok(reply.flag('final'));
    t.ok((await peer.loginStep({ transit: true, stage: 1, next: 3 })).flag('final'));
    t.same(await peer.settled(), []);
  });
  await t.test('security keys in the operational stage', async t => {
    const { peer, asked } = await challenged(t, san, '5');
    await prove(peer, { CHAP_N: chap.user, CHAP_R: hex(answer(asked, chap.secret)) });
    const reply = await peer.loginStep({ transit: true, stage: 1, next: 3 }, { CHAP_A: '5' });
    t.equal(statusOf(reply), '0200');
    await peer.ended;
  });
});

void t.test('RFC 7143 12.1.3: our own initiator with our own target', async t => {
  const { secret } = chap;
  for (const digests of [undefined, ['SHA3-256'], ['SHA256'], ['SHA1'], ['MD5']] as const) {
    const san = await startSan(t, {
      disks,
      chap: { ...chap, mutual, ...(digests === undefined ? {} : { digests: [...digests] }) },
    });
    const port = Number(san.portal.split(':')[1]);
    const at = { host: '127.0.0.1', port, target: TARGET, user: chap.user, secret };
    for (const options of [at, { ...at, mutual }]) {
      const session = await Client.login(options);
      t.not(session.tsih, 0, `${digests?.[0] ?? 'any'}${'mutual' in options ? ', mutual' : ''}`);
      await session.logout();
    }
    await t.rejects(Client.login({ ...at, mutual: { ...mutual, secret: 'not the secret' } }), {
      message: /could not prove/,
    });
    if (digests?.[0] === 'MD5') {
      await t.rejects(Client.login({ ...at, chapDigests: ['SHA256', 'SHA1'] }), {
        message: /CHAP authentication failed/,
      });
    }
  }
  await t.rejects(Client.login({ target: TARGET, ...chap, mutual: { user: 'target', secret } }), {
    message: /different secrets/,
  });
});
