/** Login phase and discovery, by clause of RFC 7143. */
import { connect as connectTcp } from 'node:net';
import t, { type Test } from 'tap';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { San } from '../../lib/san.ts';
import { INITIATOR, Initiator, chapResponse, hexBytes } from '../harness/initiator.ts';
import { type Pdu, text } from '../harness/peer.ts';
import { TARGET, connect, logIn, startSan, until } from '../harness/rig.ts';

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET };
const DISCOVERY = { InitiatorName: INITIATOR, SessionType: 'Discovery' };
const disks = [{ name: 'd0', memory: '1MiB' }];
const FINAL = { transit: true, stage: 1, next: 3 } as const;

const statusOf = (pdu: Pdu): string => pdu.num('status').toString(16).padStart(4, '0');

/** The status that refuses, and that the connection ends with it. */
async function refused(t: Test, peer: Initiator, reply: Pdu, status: string, why: string): Promise<void> {
  t.equal(reply.opcode, Opcode.LOGIN_RESPONSE, `${why}: a Login Response`);
  t.equal(statusOf(reply), status, why);
  t.notOk(reply.flag('final'), `${why}: no transit`);
  await peer.ended;
}

void t.test('RFC 7143 6.3 and 11.13: the plain login', async t => {
  const san = await startSan(t, { disks });
  const peer = connect(t, san);
  const security = await peer.loginStep(
    { transit: true, stage: 0, next: 1 },
    { ...NAMES, SessionType: 'Normal', AuthMethod: 'None' },
  );
  t.same(
    security.pairs,
    [
      ['TargetPortalGroupTag', '1'],
      ['AuthMethod', 'None'],
    ],
    'RFC 7143 13.9: the tag comes with the first answer, once',
  );
  t.equal(statusOf(security), '0000');
  t.ok(security.flag('final'), 'T answers T');
  t.equal(security.num('currentStage'), 0);
  t.equal(security.num('nextStage'), 1);
  t.equal(security.num('tsih'), 0, '11.13.3: TSIH comes with the last response');
  t.equal(security.num('versionMax'), 0);
  t.equal(security.num('versionActive'), 0);
  t.same(security.get('isid'), hexBytes('800000000001'), 'ISID comes back');
  t.equal(security.num('initiatorTaskTag'), 1);
  t.equal(security.num('expCmdSN'), 1, '11.13: the number of the first command');
  const last = await peer.loginStep(FINAL, { HeaderDigest: 'None', MaxRecvDataSegmentLength: '262144' });
  t.ok(last.flag('final'));
  t.equal(last.num('currentStage'), 1);
  t.equal(last.num('nextStage'), 3);
  t.not(last.num('tsih'), 0);
  t.equal(last.num('statSN'), security.num('statSN') + 1, '4.2.2.2');
  t.equal(last.num('expCmdSN'), 1);
  t.equal(last.num('maxCmdSN'), 128, '4.2.2.1: the window');
  t.same(
    last.keys,
    new Map([
      ['HeaderDigest', 'None'],
      ['MaxRecvDataSegmentLength', '1048576'],
    ]),
    '13.12: a declaration is not answered but has its counterpart',
  );
  t.same(await peer.settled(), [], 'full feature phase');
});

void t.test('RFC 7143 6.3.1: stages', async t => {
  const san = await startSan(t, { disks });
  await t.test('security straight to full feature phase', async t => {
    const peer = connect(t, san);
    const reply = await peer.loginStep(
      { transit: true, stage: 0, next: 3 },
      { ...NAMES, AuthMethod: 'None' },
    );
    t.equal(reply.num('nextStage'), 3);
    t.not(reply.num('tsih'), 0);
    t.notOk(reply.keys.has('MaxRecvDataSegmentLength'), '13.12: an operational key');
    t.same(await peer.settled(), []);
  });
  await t.test('operational only, in one exchange', async t => {
    const peer = connect(t, san);
    const reply = await peer.loginStep(FINAL, NAMES);
    t.equal(reply.num('nextStage'), 3);
    t.not(reply.num('tsih'), 0);
  });
  await t.test('without T no stage is left, however often', async t => {
    const peer = connect(t, san);
    for (let i = 0; i < 3; i++) {
      const reply = await peer.loginStep({ stage: 1 }, i === 0 ? NAMES : {});
      t.notOk(reply.flag('final'));
      t.equal(reply.num('currentStage'), 1);
      t.equal(reply.num('nextStage'), 0);
    }
    t.ok((await peer.loginStep(FINAL)).flag('final'));
  });
  const wrong: readonly (readonly [string, Parameters<Initiator['loginStep']>[0]])[] = [
    ['stage 2', { stage: 2 }],
    ['stage 3', { stage: 3 }],
    ['a transit to the same stage', { transit: true, stage: 1, next: 1 }],
    ['a transit back', { transit: true, stage: 1, next: 0 }],
    ['a transit to stage 2', { transit: true, stage: 0, next: 2 }],
    ['T and C together', { transit: true, more: true, stage: 1, next: 3 }],
  ];
  for (const [what, flags] of wrong) {
    const peer = connect(t, san);
    await refused(t, peer, await peer.loginStep(flags, NAMES), '0200', what);
  }
  const back = connect(t, san);
  t.equal((await back.loginStep({ transit: true, stage: 0, next: 1 }, NAMES)).num('nextStage'), 1);
  await refused(t, back, await back.loginStep({ stage: 0 }), '0200', 'a stage that was left');
  const ahead = connect(t, san);
  await ahead.loginStep({ stage: 0 }, NAMES);
  await refused(t, ahead, await ahead.loginStep({ stage: 1 }), '0200', 'a stage that was not agreed');
});

void t.test('RFC 7143 11.13.5: every status that applies', async t => {
  const san = await startSan(t, {
    disks,
    targets: [
      {
        iqn: 'iqn.2026-01.io.sanlet:closed',
        disks,
        initiators: ['iqn.2026-01.test:a*', 'iqn.2026-01.test:b?'],
      },
    ],
  });
  const cases: readonly (readonly [string, string, Record<string, string>])[] = [
    ['0207', '13.5: InitiatorName is missing', { TargetName: TARGET }],
    ['0207', '13.4: TargetName is missing', { InitiatorName: INITIATOR }],
    ['0203', 'an unknown target', { InitiatorName: INITIATOR, TargetName: 'iqn.2026-01.io.sanlet:nobody' }],
    ['0209', '13.21: an unknown session type', { ...NAMES, SessionType: 'Abnormal' }],
    [
      '0200',
      '4.2.7: a name with a blank in it',
      { InitiatorName: 'iqn.2026-01.test:a b', TargetName: TARGET },
    ],
    ['0200', '4.2.7: a name of 224 bytes', { InitiatorName: `iqn.${'x'.repeat(220)}`, TargetName: TARGET }],
    ['0200', '4.2.7: an empty name', { InitiatorName: '', TargetName: TARGET }],
    [
      '0202',
      'an initiator that is not on the list',
      { InitiatorName: INITIATOR, TargetName: 'iqn.2026-01.io.sanlet:closed' },
    ],
    [
      '0202',
      'a pattern stands for the whole name',
      { InitiatorName: 'iqn.2026-01.test:bbb', TargetName: 'iqn.2026-01.io.sanlet:closed' },
    ],
  ];
  for (const [status, why, keys] of cases) {
    const peer = connect(t, san);
    await refused(t, peer, await peer.loginStep(FINAL, keys), status, why);
  }
  for (const initiator of ['iqn.2026-01.test:a', 'IQN.2026-01.TEST:ABC', 'iqn.2026-01.test:bz']) {
    const peer = connect(t, san);
    const reply = await peer.loginStep(FINAL, {
      InitiatorName: initiator,
      TargetName: 'iqn.2026-01.io.sanlet:closed',
    });
    t.equal(statusOf(reply), '0000', `${initiator} is on the list`);
  }
  const upper = connect(t, san);
  const names = { InitiatorName: INITIATOR, TargetName: TARGET.toUpperCase() };
  t.equal(statusOf(await upper.loginStep(FINAL, names)), '0000', '4.2.7.1: case does not count');

  const version = connect(t, san);
  const reply = await version.loginStep(FINAL, NAMES, {}, { versionMin: 1, versionMax: 2 });
  await refused(t, version, reply, '0205', '11.12.4: version 1 is not there');
  t.equal(reply.num('versionMax'), 0, 'and the response says which is');
  const newer = connect(t, san);
  t.equal(statusOf(await newer.loginStep(FINAL, NAMES, {}, { versionMax: 7 })), '0000', 'a range that has 0');

  const unknown = connect(t, san);
  await refused(
    t,
    unknown,
    await unknown.loginStep(FINAL, NAMES, { tsih: 4711 }),
    '020a',
    '6.3.1: unknown TSIH',
  );
  const first = await logIn(t, san);
  const second = connect(t, san);
  const more = await second.loginStep(FINAL, NAMES, { tsih: first.tsih, cid: 1 });
  await refused(t, second, more, '0206', '13.2: one connection more than MaxConnections');
  t.same(await first.settled(), [], 'the session that it would join lives on');

  const isid = connect(t, san);
  await isid.loginStep({ stage: 1 }, NAMES);
  const changed = await isid.loginStep({ stage: 1 }, {}, { isid: '800000000002' });
  await refused(t, isid, changed, '020b', '6.3: another ISID in mid login');
  const tsih = connect(t, san);
  await tsih.loginStep({ stage: 1 }, NAMES);
  await refused(
    t,
    tsih,
    await tsih.loginStep({ stage: 1 }, {}, { tsih: 9 }),
    '020b',
    '6.3: another TSIH in mid login',
  );
  const cid = connect(t, san);
  await cid.loginStep({ stage: 1 }, NAMES);
  await refused(
    t,
    cid,
    await cid.loginStep({ stage: 1 }, {}, { cid: 9 }),
    '020b',
    '6.3: another CID in mid login',
  );
});

void t.test('RFC 7143 6.1 and 6.2: text, key lists and their limits', async t => {
  const san = await startSan(t, { disks });
  await t.test('6.2: a list in pieces, C bit', async t => {
    const peer = connect(t, san);
    const whole = text({
      ...NAMES,
      HeaderDigest: 'CRC32C,None',
      MaxBurstLength: '65536',
      ImmediateData: 'No',
    });
    for (let at = 0; at + 7 < whole.length; at += 7) {
      const reply = await peer.loginStep({ more: true, stage: 1 }, whole.subarray(at, at + 7));
      t.equal(reply.data.length, 0, 'an empty response asks for the rest');
      t.notOk(reply.flag('continue'));
      t.notOk(reply.flag('final'));
    }
    const rest = whole.subarray(Math.floor((whole.length - 1) / 7) * 7);
    const reply = await peer.loginStep(FINAL, rest);
    t.equal(statusOf(reply), '0000');
    t.same(
      reply.keys,
      new Map([
        ['TargetPortalGroupTag', '1'],
        ['HeaderDigest', 'CRC32C'],
        ['MaxBurstLength', '65536'],
        ['ImmediateData', 'No'],
        ['MaxRecvDataSegmentLength', '1048576'],
      ]),
    );
  });
  await t.test('6.2: an answer that is longer than a PDU goes in pieces', async t => {
    const peer = connect(t, san);
    const keys = Array.from({ length: 420 }, (_, i) => `X-org.example.key-number-${i}=value`);
    const whole = text([`InitiatorName=${INITIATOR}`, `TargetName=${TARGET}`, ...keys]);
    const cut = 8192;
    t.ok(whole.length > cut && whole.length <= 2 * cut, 'two pieces');
    await peer.loginStep({ more: true, stage: 1 }, whole.subarray(0, cut));
    let reply = await peer.loginStep(FINAL, whole.subarray(cut));
    const found: string[] = [];
    const told: Buffer[] = [];
    for (let i = 0; reply.flag('continue') && i < 10; i++) {
      t.ok(reply.data.length <= 8192, '13.12: no more than 8192 bytes in the login phase');
      t.notOk(reply.flag('final'), '11.13.2: no T with C');
      told.push(reply.data);
      reply = await peer.loginStep(FINAL);
    }
    told.push(reply.data);
    t.ok(reply.data.length <= 8192, 'nor in the last one');
    t.equal(told.length, 3, 'three pieces');
    t.ok(reply.flag('final'), 'the last one has T');
    t.not(reply.num('tsih'), 0);
    found.push(...Buffer.concat(told).toString().split('\0'));
    for (const key of keys) t.ok(found.includes(key.replace(/=value$/, '=NotUnderstood')), key);
    t.same(await peer.settled(), [], 'full feature phase');
  });
  const refusals: readonly (readonly [string, Buffer | string[]])[] = [
    ['no =', Buffer.from('InitiatorName\0')],
    ['no key', Buffer.from('=value\0')],
    ['no NUL at the end', Buffer.from(`InitiatorName=${INITIATOR}`)],
    ['a key of 64 bytes', [`InitiatorName=${INITIATOR}`, `TargetName=${TARGET}`, `X-${'k'.repeat(62)}=1`]],
    [
      '6.2: a key offered twice',
      [`InitiatorName=${INITIATOR}`, `TargetName=${TARGET}`, 'MaxBurstLength=512', 'MaxBurstLength=512'],
    ],
  ];
  for (const [what, keys] of refusals) {
    const peer = connect(t, san);
    await refused(t, peer, await peer.loginStep(FINAL, keys), '0200', what);
  }
  const twice = connect(t, san);
  await twice.loginStep({ stage: 1 }, { ...NAMES, InitialR2T: 'No' });
  await refused(
    t,
    twice,
    await twice.loginStep(FINAL, { InitialR2T: 'No' }),
    '0200',
    '6.2: again in a later request',
  );

  await t.test('13.12: a segment of more than 8192 bytes ends the connection', async t => {
    const peer = connect(t, san);
    peer.loginStep(FINAL, Buffer.alloc(8196, 'a')).catch(() => {});
    await peer.ended;
    t.equal(peer.pdus.length, 0);
  });
  await t.test('a text that never ends is cut off', async t => {
    const peer = connect(t, san);
    let reply: Pdu | undefined;
    for (let i = 0; i < 12 && (reply === undefined || statusOf(reply) === '0000'); i++) {
      reply = await peer.loginStep({ more: true, stage: 1 }, Buffer.alloc(8192, 'a'));
    }
    await refused(t, peer, reply!, '0200', 'more than 64 KiB');
  });
  await t.test('a login that never ends is cut off', async t => {
    const peer = connect(t, san);
    let reply = await peer.loginStep({ stage: 1 }, NAMES);
    for (let i = 0; i < 100 && statusOf(reply) === '0000'; i++) reply = await peer.loginStep({ stage: 1 });
    await refused(t, peer, reply, '0200', 'too many requests');
  });
  await t.test('RFC 7143 7.10: no Login Request first', async t => {
    for (const opcode of [
      Opcode.NOP_OUT,
      Opcode.SCSI_COMMAND,
      Opcode.TEXT_REQUEST,
      Opcode.LOGOUT_REQUEST,
      0x1f,
      0x23,
    ]) {
      const peer = connect(t, san);
      peer.sendHeader(Object.assign(Buffer.alloc(48), { 0: opcode, 1: 0x80 }));
      await peer.ended;
      t.same(peer.pdus, [], `opcode ${opcode.toString(16)}h`);
    }
    const mid = connect(t, san);
    await mid.loginStep({ stage: 1 }, NAMES);
    mid.send(Opcode.NOP_OUT, { immediate: true, final: true, initiatorTaskTag: 5 });
    await mid.ended;
    t.equal(statusOf(mid.pdus[1]!), '020b', '4.2.3: in mid login it is answered');
    t.equal(mid.pdus.length, 2);
  });
});

/** The answer to one key, in a login of its own. */
async function answered(
  t: Test,
  san: San,
  key: string,
  value: string,
  names: Record<string, string> = NAMES,
): Promise<string | undefined> {
  const peer = connect(t, san);
  const reply = await peer.loginStep(FINAL, { ...names, [key]: value });
  if (statusOf(reply) !== '0000') return statusOf(reply);
  const found = reply.pairs.filter(([name]) => name === key).map(([, told]) => told);
  peer.stream.destroy();
  return found.length > 1 ? `several: ${found.join()}` : found[0];
}

void t.test('RFC 7143 13: the answer to every key', async t => {
  const san = await startSan(t, { disks });
  const normal: readonly (readonly [string, string, string | undefined, string])[] = [
    ['HeaderDigest', 'None', 'None', '13.1'],
    ['HeaderDigest', 'CRC32C', 'CRC32C', '13.1'],
    ['HeaderDigest', 'None,CRC32C', 'None', '6.2.1: the first of the list'],
    ['HeaderDigest', 'CRC32C,None', 'CRC32C', '6.2.1: the first of the list'],
    ['DataDigest', 'X-md5,SHA3,CRC32C,None', 'CRC32C', '6.2.1: the first one that is known'],
    ['DataDigest', 'X-md5,None,CRC32C', 'None', '6.2.1: the first one that is known'],
    ['DataDigest', 'X-md5', 'Reject', '6.2.1: none is known'],
    ['MaxConnections', '1', '1', '13.2'],
    ['MaxConnections', '65535', '8', '13.2: the minimum'],
    ['MaxConnections', '0', 'Reject', '13.2: 1 to 65535'],
    ['MaxConnections', '65536', 'Reject', '13.2: 1 to 65535'],
    ['InitialR2T', 'Yes', 'Yes', '13.10: OR'],
    ['InitialR2T', 'No', 'No', '13.10: OR'],
    ['InitialR2T', 'yes', 'Reject', '6.1: case counts in values'],
    ['ImmediateData', 'Yes', 'Yes', '13.11: AND'],
    ['ImmediateData', 'No', 'No', '13.11: AND'],
    ['ImmediateData', 'maybe', 'Reject', '13.11'],
    ['MaxRecvDataSegmentLength', '512', '1048576', '13.12'],
    ['MaxRecvDataSegmentLength', '16777215', '1048576', '13.12'],
    ['MaxRecvDataSegmentLength', '511', 'Reject', '13.12: 512 to 2^24 - 1'],
    ['MaxRecvDataSegmentLength', '16777216', 'Reject', '13.12: 512 to 2^24 - 1'],
    ['MaxBurstLength', '512', '512', '13.13'],
    ['MaxBurstLength', '16776192', '1048576', '13.13: the minimum'],
    ['MaxBurstLength', '0x10000', '65536', '6.1: hexadecimal'],
    ['MaxBurstLength', '511', 'Reject', '13.13: 512 to 2^24 - 1'],
    ['MaxBurstLength', '16777216', 'Reject', '13.13: 512 to 2^24 - 1'],
    ['MaxBurstLength', '-1', 'Reject', '6.1: no number'],
    ['MaxBurstLength', '1e5', 'Reject', '6.1: no number'],
    ['MaxBurstLength', '', 'Reject', '6.1: no number'],
    ['FirstBurstLength', '512', '512', '13.14'],
    [
      'FirstBurstLength',
      '16777215',
      '262144',
      '13.14: the minimum, and no more than the default MaxBurstLength',
    ],
    ['DefaultTime2Wait', '0', '2', '13.15: the maximum'],
    ['DefaultTime2Wait', '3600', '3600', '13.15: the maximum'],
    ['DefaultTime2Wait', '3601', 'Reject', '13.15: 0 to 3600'],
    ['DefaultTime2Retain', '0', '0', '13.16: the minimum'],
    ['DefaultTime2Retain', '3600', '20', '13.16: the minimum'],
    ['DefaultTime2Retain', '3601', 'Reject', '13.16: 0 to 3600'],
    ['MaxOutstandingR2T', '1', '1', '13.17'],
    ['MaxOutstandingR2T', '65535', '8', '13.17: the minimum'],
    ['MaxOutstandingR2T', '0', 'Reject', '13.17: 1 to 65535'],
    ['DataPDUInOrder', 'No', 'Yes', '13.18: OR'],
    ['DataSequenceInOrder', 'No', 'Yes', '13.19: OR'],
    ['ErrorRecoveryLevel', '0', '0', '13.20'],
    ['ErrorRecoveryLevel', '1', '1', '13.20: the minimum'],
    ['ErrorRecoveryLevel', '2', '2', '13.20: the minimum'],
    ['ErrorRecoveryLevel', '3', 'Reject', '13.20: 0 to 2'],
    ['TaskReporting', 'FastAbort,RFC3720', 'RFC3720', '13.23'],
    ['iSCSIProtocolLevel', '1', '1', '13.24'],
    ['iSCSIProtocolLevel', '2', '1', '13.24: the minimum'],
    ['iSCSIProtocolLevel', '0', '0', '13.24: the minimum'],
    ['IFMarker', 'Yes', 'No', '13.25'],
    ['OFMarker', 'No', 'No', '13.25'],
    ['IFMarkInt', '2048~8192', 'Reject', '13.25'],
    ['OFMarkInt', '2048', 'Reject', '13.25'],
    ['X-com.example.key', 'anything', 'NotUnderstood', '6.2'],
    ['MaxburstLength', '512', 'NotUnderstood', '6.1: case counts in keys'],
    ['InitiatorAlias', 'mine', undefined, '13.7: told, not negotiated'],
  ];
  for (const [key, value, wanted, why] of normal) {
    t.equal(await answered(t, san, key, value), wanted, `${key}=${value}: ${why}`);
  }
  const irrelevant = [
    ['MaxConnections', '1'],
    ['InitialR2T', 'No'],
    ['ImmediateData', 'Yes'],
    ['MaxBurstLength', '65536'],
    ['FirstBurstLength', '65536'],
    ['MaxOutstandingR2T', '1'],
    ['DataPDUInOrder', 'Yes'],
    ['DataSequenceInOrder', 'Yes'],
    ['TaskReporting', 'RFC3720'],
    ['iSCSIProtocolLevel', '1'],
  ] as const;
  for (const [key, value] of irrelevant) {
    t.equal(await answered(t, san, key, value, DISCOVERY), 'Irrelevant', `${key} in a discovery session`);
  }
  for (const [key, value, wanted] of [
    ['HeaderDigest', 'CRC32C', 'CRC32C'],
    ['ErrorRecoveryLevel', '1', '0'],
    ['DefaultTime2Wait', '2', '2'],
    ['MaxRecvDataSegmentLength', '4096', '1048576'],
    ['IFMarker', 'No', 'No'],
  ] as const) {
    t.equal(await answered(t, san, key, value, DISCOVERY), wanted, `${key} counts in a discovery session`);
  }
});

void t.test('RFC 7143 6.2.1: what open-iscsi, libiscsi and Windows offer', async t => {
  const san = await startSan(t, { disks });
  const openIscsi = await logIn(t, san, {
    keys: {
      HeaderDigest: 'None',
      DataDigest: 'None',
      DefaultTime2Wait: '2',
      DefaultTime2Retain: '0',
      IFMarker: 'No',
      OFMarker: 'No',
      ErrorRecoveryLevel: '0',
      InitialR2T: 'No',
      ImmediateData: 'Yes',
      MaxBurstLength: '16776192',
      FirstBurstLength: '262144',
      MaxOutstandingR2T: '1',
      MaxConnections: '1',
      DataPDUInOrder: 'Yes',
      DataSequenceInOrder: 'Yes',
      MaxRecvDataSegmentLength: '262144',
    },
  });
  t.equal(openIscsi.agreed.get('FirstBurstLength'), '262144');
  t.equal(openIscsi.agreed.get('MaxBurstLength'), '1048576');
  t.same(
    [...openIscsi.agreed].filter(([, value]) => value === 'NotUnderstood' || value === 'Reject'),
    [],
    'every one is understood',
  );
});

void t.test('RFC 7143 12.1: CHAP', async t => {
  const chap = { user: 'alice', secret: 'a secret of 18 byt' };
  const mutual = { user: 'target', secret: 'another of 17 byt' };
  const san = await startSan(t, {
    disks,
    chap: { ...chap, mutual },
    discoveryChap: { user: 'finder', secret: 'only for discovery' },
    targets: [
      { iqn: 'iqn.2026-01.io.sanlet:open', disks },
      { iqn: 'iqn.2026-01.io.sanlet:other', disks, chap: { user: 'bob', secret: 'the secret of bob' } },
    ],
  });
  await t.test('one way', async t => {
    const peer = await connect(t, san).login({ target: TARGET, chap });
    t.not(peer.tsih, 0);
  });
  await t.test('mutual', async t => {
    const peer = await connect(t, san).login({ target: TARGET, chap: { ...chap, mutual } });
    t.not(peer.tsih, 0);
  });
  await t.test('security straight to full feature phase', async t => {
    const peer = connect(t, san);
    await peer.loginStep({ stage: 0 }, { ...NAMES, AuthMethod: 'CHAP,None' });
    const asked = (await peer.loginStep({ stage: 0 }, { CHAP_A: '9,5' })).keys;
    t.equal(asked.get('CHAP_A'), '5', 'the algorithm that is known');
    const challenge = hexBytes(asked.get('CHAP_C')!.slice(2));
    t.ok(challenge.length >= 16);
    const CHAP_R = chapResponse(Number(asked.get('CHAP_I')), chap.secret, challenge);
    const reply = await peer.loginStep({ transit: true, stage: 0, next: 3 }, { CHAP_N: chap.user, CHAP_R });
    t.equal(reply.num('nextStage'), 3);
    t.not(reply.num('tsih'), 0);
  });
  await t.test('T too early is not answered with T', async t => {
    const peer = connect(t, san);
    const first = await peer.loginStep(
      { transit: true, stage: 0, next: 1 },
      { ...NAMES, AuthMethod: 'None,CHAP' },
    );
    t.equal(first.keys.get('AuthMethod'), 'CHAP', 'None is not allowed here');
    t.notOk(first.flag('final'));
    const second = await peer.loginStep({ transit: true, stage: 0, next: 1 }, { CHAP_A: '5' });
    t.notOk(second.flag('final'));
    t.equal(second.num('nextStage'), 0);
  });
  await t.test('a response in base64', async t => {
    const peer = connect(t, san);
    await peer.loginStep({ stage: 0 }, { ...NAMES, AuthMethod: 'CHAP' });
    const asked = (await peer.loginStep({ stage: 0 }, { CHAP_A: '5' })).keys;
    const hex = chapResponse(
      Number(asked.get('CHAP_I')),
      chap.secret,
      hexBytes(asked.get('CHAP_C')!.slice(2)),
    );
    const CHAP_R = `0b${hexBytes(hex.slice(2)).toString('base64')}`;
    const reply = await peer.loginStep({ transit: true, stage: 0, next: 1 }, { CHAP_N: chap.user, CHAP_R });
    t.equal(statusOf(reply), '0000');
    t.ok(reply.flag('final'));
  });

  type Step = (asked: ReadonlyMap<string, string>) => Record<string, string>;
  /** Goes as far as the challenge, then answers with what `step` makes of it. */
  async function answer(
    t: Test,
    why: string,
    step: Step,
    names: Record<string, string> = NAMES,
  ): Promise<void> {
    const peer = connect(t, san);
    await peer.loginStep({ stage: 0 }, { ...names, AuthMethod: 'CHAP' });
    const asked = (await peer.loginStep({ stage: 0 }, { CHAP_A: '5' })).keys;
    const reply = await peer.loginStep({ transit: true, stage: 0, next: 1 }, step(asked));
    await refused(t, peer, reply, '0201', why);
  }
  const right = (asked: ReadonlyMap<string, string>, secret = chap.secret): string =>
    chapResponse(Number(asked.get('CHAP_I')), secret, hexBytes(asked.get('CHAP_C')!.slice(2)));
  const wrongs: readonly (readonly [string, Step])[] = [
    ['a wrong secret', asked => ({ CHAP_N: chap.user, CHAP_R: right(asked, 'a secret of 18 byT') })],
    ['a wrong name', asked => ({ CHAP_N: 'mallory', CHAP_R: right(asked) })],
    ['the name of another target', asked => ({ CHAP_N: 'bob', CHAP_R: right(asked, 'the secret of bob') })],
    [
      'the secret of the other direction',
      asked => ({ CHAP_N: mutual.user, CHAP_R: right(asked, mutual.secret) }),
    ],
    ['no name', asked => ({ CHAP_R: right(asked) })],
    ['no response', () => ({ CHAP_N: chap.user })],
    ['a short response', asked => ({ CHAP_N: chap.user, CHAP_R: right(asked).slice(0, -2) })],
    ['an empty response', () => ({ CHAP_N: chap.user, CHAP_R: '0x' })],
    ['a response that is no number', () => ({ CHAP_N: chap.user, CHAP_R: 'secret' })],
    [
      '12.1.3: our challenge sent back',
      asked => ({
        CHAP_N: chap.user,
        CHAP_R: right(asked),
        CHAP_I: asked.get('CHAP_I')!,
        CHAP_C: asked.get('CHAP_C')!,
      }),
    ],
    [
      'a challenge of 1025 bytes',
      asked => ({ CHAP_N: chap.user, CHAP_R: right(asked), CHAP_I: '1', CHAP_C: `0x${'00'.repeat(1025)}` }),
    ],
    [
      'an identifier of 256',
      asked => ({ CHAP_N: chap.user, CHAP_R: right(asked), CHAP_I: '256', CHAP_C: '0x1234' }),
    ],
    [
      'a challenge without identifier',
      asked => ({ CHAP_N: chap.user, CHAP_R: right(asked), CHAP_C: '0x1234' }),
    ],
    ['an identifier without challenge', asked => ({ CHAP_N: chap.user, CHAP_R: right(asked), CHAP_I: '1' })],
    ['the algorithm again', () => ({ CHAP_A: '5' })],
  ];
  for (const [why, step] of wrongs) await answer(t, why, step);

  const early: readonly (readonly [string, Record<string, string>])[] = [
    ['no CHAP offered', { ...NAMES, AuthMethod: 'None' }],
    ['other methods only', { ...NAMES, AuthMethod: 'KRB5,SRP' }],
    ['CHAP keys before the method', { ...NAMES, CHAP_A: '5' }],
    ['method and algorithm at once', { ...NAMES, AuthMethod: 'CHAP', CHAP_A: '5' }],
  ];
  for (const [why, keys] of early) {
    const peer = connect(t, san);
    await refused(t, peer, await peer.loginStep({ stage: 0 }, keys), '0201', why);
  }
  const algorithm = connect(t, san);
  await algorithm.loginStep({ stage: 0 }, { ...NAMES, AuthMethod: 'CHAP' });
  await refused(
    t,
    algorithm,
    await algorithm.loginStep({ stage: 0 }, { CHAP_A: '9,junk,' }),
    '0201',
    '12.1.3: no algorithm in common',
  );
  const skipping = connect(t, san);
  await skipping.loginStep({ stage: 0 }, { ...NAMES, AuthMethod: 'CHAP' });
  await refused(
    t,
    skipping,
    await skipping.loginStep({ stage: 0 }, { CHAP_N: 'alice', CHAP_R: '0x00' }),
    '0201',
    'a response before the challenge',
  );
  const skipped = connect(t, san);
  await refused(t, skipped, await skipped.loginStep(FINAL, NAMES), '0201', 'the security stage left out');
  const half = connect(t, san);
  await half.loginStep({ stage: 0 }, { ...NAMES, AuthMethod: 'CHAP' });
  const through = await half.loginStep({ transit: true, stage: 0, next: 3 }, {});
  t.not(`${statusOf(through)} ${through.flag('final')}`, '0000 true', 'CHAP left halfway opens nothing');

  await t.test('each target has its own', async t => {
    const open = await connect(t, san).login({ target: 'iqn.2026-01.io.sanlet:open' });
    t.not(open.tsih, 0, 'none asked');
    const bob = await connect(t, san).login({
      target: 'iqn.2026-01.io.sanlet:other',
      chap: { user: 'bob', secret: 'the secret of bob' },
    });
    t.not(bob.tsih, 0);
    await t.rejects(connect(t, san).login({ target: 'iqn.2026-01.io.sanlet:other', chap }), {
      message: 'login refused: 0201',
    });
    const wanting = connect(t, san);
    const reply = await wanting.loginStep(
      { stage: 0 },
      { InitiatorName: INITIATOR, TargetName: 'iqn.2026-01.io.sanlet:open', AuthMethod: 'CHAP' },
    );
    await refused(t, wanting, reply, '0201', 'CHAP alone where the target has no secret');
    const mutualOnly = connect(t, san);
    await t.rejects(
      mutualOnly.login({
        target: 'iqn.2026-01.io.sanlet:other',
        chap: { user: 'bob', secret: 'the secret of bob', mutual },
      }),
      { message: 'login refused: 0201' },
      'mutual where the target has no name of its own',
    );
  });
  await t.test('and so has discovery', async t => {
    await t.rejects(connect(t, san).login({}), { message: 'login refused: 0201' });
    await t.rejects(connect(t, san).login({ chap }), { message: 'login refused: 0201' });
    const finder = await connect(t, san).login({ chap: { user: 'finder', secret: 'only for discovery' } });
    const list = await finder.ask({ SendTargets: 'All' });
    t.equal(list.pairs.filter(([key]) => key === 'TargetName').length, 3);
  });
});

void t.test('RFC 7143 appendix C: SendTargets', async t => {
  const many = Array.from({ length: 40 }, (_, i) => ({
    iqn: `iqn.2026-01.io.sanlet:target-with-a-rather-long-name-${i}`,
    disks,
  }));
  const san = await startSan(t, {
    disks,
    portals: ['127.0.0.1:0', '127.0.0.1:0'],
    targets: [{ iqn: 'iqn.2026-01.io.sanlet:private', disks, initiators: ['iqn.nobody'] }, ...many],
  });
  const addresses = san.portals.map(portal => ['TargetAddress', `${portal},1`]);
  const of = (iqn: string): string[][] => [['TargetName', iqn], ...addresses];

  await t.test('All, in a discovery session, in pieces of what it can take', async t => {
    const peer = await connect(t, san).login({ keys: { MaxRecvDataSegmentLength: '512' } });
    const tag = peer.newTag();
    let reply = await peer.ask({ SendTargets: 'All' }, { tag });
    const pieces: Buffer[] = [];
    while (!reply.flag('final') && pieces.length < 100) {
      t.equal(reply.data.length, 512);
      t.ok(reply.flag('continue'), '11.11: C while there is more');
      t.not(reply.num('targetTransferTag'), 0xffff_ffff);
      t.equal(reply.num('initiatorTaskTag'), tag);
      pieces.push(reply.data);
      reply = await peer.ask({}, { transferTag: reply.num('targetTransferTag'), tag });
    }
    pieces.push(reply.data);
    t.ok(pieces.length > 10, `${pieces.length} pieces`);
    t.equal(reply.num('targetTransferTag'), 0xffff_ffff, 'and none with F');
    t.notOk(reply.flag('continue'));
    const found = Buffer.concat(pieces)
      .toString()
      .split('\0')
      .slice(0, -1)
      .map(pair => pair.split('='));
    t.same(
      found,
      [of(TARGET), ...many.map(({ iqn }) => of(iqn))].flat(),
      'all but those that refuse this initiator',
    );
  });
  await t.test('one by its name', async t => {
    const peer = await connect(t, san).login({});
    t.same((await peer.ask({ SendTargets: many[7]!.iqn })).pairs, of(many[7]!.iqn));
    t.same((await peer.ask({ SendTargets: 'iqn.2026-01.io.sanlet:nobody' })).pairs, []);
    t.same(
      (await peer.ask({ SendTargets: 'iqn.2026-01.io.sanlet:private' })).pairs,
      [],
      'nor one that refuses',
    );
  });
  await t.test('in a normal session', async t => {
    const peer = await logIn(t, san);
    t.same((await peer.ask({ SendTargets: '' })).pairs, of(TARGET), 'nothing stands for its own target');
    t.same((await peer.ask({ SendTargets: TARGET })).pairs, of(TARGET));
    t.same((await peer.ask({ SendTargets: many[7]!.iqn })).pairs, [], 'never another one');
    t.same((await peer.ask({ SendTargets: 'All' })).pairs, [['SendTargets', 'Reject']]);
  });
  await t.test('over TCP, by every portal', async t => {
    t.not(san.portals[0], san.portals[1]);
    for (const portal of san.portals) {
      const [host, port] = portal.split(':') as [string, string];
      const peer = new Initiator(connectTcp(Number(port), host));
      t.teardown(() => peer.stream.destroy());
      await peer.login({});
      t.same((await peer.ask({ SendTargets: TARGET })).pairs, of(TARGET));
    }
  });
  await t.test('a wildcard portal answers with the address that the asker came in by', async t => {
    const wild = await startSan(t, { disks, portals: ['0.0.0.0:0'] });
    const port = wild.portal.split(':')[1]!;
    const peer = new Initiator(connectTcp(Number(port), '127.0.0.1'));
    t.teardown(() => peer.stream.destroy());
    await peer.login({});
    t.same((await peer.ask({ SendTargets: 'All' })).pairs, [
      ['TargetName', TARGET],
      ['TargetAddress', `127.0.0.1:${port},1`],
    ]);
  });
  await t.test('an advertised address takes their place', async t => {
    const behind = await startSan(t, {
      disks,
      portals: ['127.0.0.1:0', '127.0.0.1:0'],
      advertise: 'san.example:3261',
    });
    const peer = await connect(t, behind).login({});
    t.same((await peer.ask({ SendTargets: 'All' })).pairs, [
      ['TargetName', TARGET],
      ['TargetAddress', 'san.example:3261,1'],
    ]);
  });
});

void t.test('RFC 7143 4.3: a discovery session takes Text, NOP and Logout only', async t => {
  const san = await startSan(t, { disks });
  const peer = await connect(t, san).login({});
  t.not(peer.tsih, 0, '11.13.3: it has a TSIH, too');
  peer.start(0, '00');
  const reject = await peer.next();
  t.equal(reject.opcode, Opcode.REJECT, 'a SCSI command is rejected');
  t.equal(reject.num('reason'), 0x04, '11.17.1: protocol error');
  t.equal(reject.data.length, 48);
  peer.send(Opcode.TASK_MANAGEMENT_REQUEST, {
    immediate: true,
    final: true,
    function: 5,
    initiatorTaskTag: 9,
    cmdSN: peer.cmdSN,
  });
  t.equal((await peer.next()).opcode, Opcode.REJECT, 'task management, too');
  t.same(await peer.settled(), []);
  const list = await peer.ask({ SendTargets: 'All' });
  t.equal(list.keys.get('TargetName'), TARGET, 'and the session goes on, in CmdSN order');
  t.equal((await peer.logout()).num('response'), 0);
  await peer.ended;
});

void t.test('RFC 7143 6.3.5: discovery sessions of one initiator live side by side', async t => {
  const san = await startSan(t, { disks });
  const one = await connect(t, san).login({});
  const two = await connect(t, san).login({});
  t.not(one.tsih, two.tsih);
  t.same(await one.settled(), []);
  t.same(await two.settled(), []);
});

void t.test('a login that is refused leaves no socket behind, whether or not the peer closes', async t => {
  const san = await San.start({ iqn: TARGET, disks });
  const [host, port] = san.portal.split(':') as [string, string];
  const socket = connectTcp({ port: Number(port), host, allowHalfOpen: true });
  const peer = new Initiator(socket);
  t.teardown(() => socket.destroy());
  t.equal(statusOf(await peer.loginStep(FINAL, { InitiatorName: INITIATOR })), '0207');
  let stopped = false;
  void san.stop().then(() => {
    stopped = true;
  });
  t.ok(await until(() => stopped, 3_000), 'stop does not wait for it');
});
