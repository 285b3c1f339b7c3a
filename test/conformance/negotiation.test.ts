/** Keys where and when they may come, by RFC 7143 6 and 13; the checks are those of UNH-IOL's lists for targets. */
import t, { type Test } from 'tap';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import type { San } from '../../lib/san.ts';
import { INITIATOR, Initiator } from '../harness/initiator.ts';
import type { Pdu } from '../harness/peer.ts';
import { TARGET, connect, logIn, startSan } from '../harness/rig.ts';

const NAMES = { InitiatorName: INITIATOR, TargetName: TARGET };
const FINAL = { transit: true, stage: 1, next: 3 } as const;
const disks = [{ name: 'd0', memory: '1MiB' }];
const statusOf = (pdu: Pdu): string => pdu.num('status').toString(16).padStart(4, '0');

type Keys = Parameters<Initiator['loginStep']>[1];
type Flags = Parameters<Initiator['loginStep']>[0];

/** The last answer to these requests on one connection. */
async function after(t: Test, san: San, steps: readonly (readonly [Flags, Keys])[]): Promise<Pdu> {
  const peer = connect(t, san);
  let reply: Pdu | undefined;
  for (const [flags, keys] of steps) reply = await peer.loginStep(flags, keys);
  if (statusOf(reply!) !== '0000') {
    t.notOk(reply!.flag('final'), 'a refusal leaves no stage');
    await peer.ended;
  }
  return reply!;
}

void t.test('RFC 7143 6.3: nothing is said twice in a login', async t => {
  const san = await startSan(t, { disks });
  const names = [`InitiatorName=${INITIATOR}`, `TargetName=${TARGET}`];
  const cases: readonly (readonly [string, readonly (readonly [Flags, Keys])[]])[] = [
    ['InitiatorName twice in a text', [[FINAL, [...names, `InitiatorName=${INITIATOR}`]]]],
    ['TargetName twice in a text', [[FINAL, [...names, `TargetName=${TARGET}`]]]],
    ['SessionType twice in a text', [[FINAL, [...names, 'SessionType=Normal', 'SessionType=Discovery']]]],
    ['InitiatorAlias twice in a text', [[FINAL, [...names, 'InitiatorAlias=a', 'InitiatorAlias=a']]]],
    ['AuthMethod twice in a text', [[{ stage: 0 }, [...names, 'AuthMethod=None', 'AuthMethod=None']]]],
    ['an unknown key twice in a text', [[FINAL, [...names, 'X-a.b.c=1', 'X-a.b.c=1']]]],
    ...(['InitiatorName', 'TargetName', 'SessionType', 'InitiatorAlias'] as const).map(
      key =>
        [
          `${key} again in a later request`,
          [
            [{ stage: 1 }, [...names, 'SessionType=Normal', 'InitiatorAlias=a']],
            [
              FINAL,
              [`${key}=${key === 'InitiatorName' ? INITIATOR : key === 'TargetName' ? TARGET : 'Normal'}`],
            ],
          ],
        ] as const,
    ),
    [
      'MaxRecvDataSegmentLength again',
      [
        [{ stage: 1 }, [...names, 'MaxRecvDataSegmentLength=4096']],
        [FINAL, ['MaxRecvDataSegmentLength=4096']],
      ],
    ],
    [
      'ImmediateData again, with the other value',
      [
        [{ stage: 1 }, [...names, 'ImmediateData=No']],
        [FINAL, ['ImmediateData=Yes']],
      ],
    ],
  ];
  for (const [what, steps] of cases) t.equal(statusOf(await after(t, san, steps)), '0200', what);
});

void t.test('RFC 7143 13: each key in its stage, from its side', async t => {
  const san = await startSan(t, { disks });
  const SECURITY = { transit: true, stage: 0, next: 1 } as const;
  const operational = [
    'HeaderDigest=None',
    'MaxConnections=1',
    'InitialR2T=Yes',
    'MaxRecvDataSegmentLength=8192',
    'ErrorRecoveryLevel=0',
    'TaskReporting=RFC3720',
    'IFMarker=No',
  ];
  for (const pair of operational) {
    const [key, value] = pair.split('=') as [string, string];
    const reply = await after(t, san, [[SECURITY, { ...NAMES, AuthMethod: 'None', [key]: value }]]);
    t.equal(statusOf(reply), '0200', `${key} is no key of the security stage`);
  }
  for (const key of ['AuthMethod', 'CHAP_A', 'SRP_U', 'KRB_AP_REQ']) {
    const reply = await after(t, san, [[FINAL, { ...NAMES, [key]: 'None' }]]);
    t.equal(statusOf(reply), '0200', `${key} is no key of the operational stage`);
  }
  for (const key of ['TargetAlias', 'TargetAddress', 'TargetPortalGroupTag']) {
    const reply = await after(t, san, [[FINAL, { ...NAMES, [key]: '1' }]]);
    t.equal(statusOf(reply), '0200', `${key} is the target's to tell`);
  }
  const alias = await after(t, san, [
    [SECURITY, { ...NAMES, AuthMethod: 'None', InitiatorAlias: 'a'.repeat(255) }],
  ]);
  t.equal(statusOf(alias), '0000', '13.7: InitiatorAlias in any stage');
  t.notOk(alias.keys.has('InitiatorAlias'), 'which is not answered');
  const long = await after(t, san, [[FINAL, { ...NAMES, InitiatorAlias: 'a'.repeat(256) }]]);
  t.equal(statusOf(long), '0200', '6.1: a value of more than 255 bytes');
  const unknown = await after(t, san, [[SECURITY, { ...NAMES, AuthMethod: 'None', 'X-org.example.a': '1' }]]);
  t.equal(unknown.keys.get('X-org.example.a'), 'NotUnderstood', '6.2: an unknown key in any stage');
  const all = await after(t, san, [[FINAL, { ...NAMES, SendTargets: 'All' }]]);
  t.equal(all.keys.get('SendTargets'), 'Reject', '13.3: full feature phase only');
});

void t.test('RFC 7143 6.2: offers that go together', async t => {
  const san = await startSan(t, { disks });
  for (const [offers, wanted, why] of [
    [
      { FirstBurstLength: '65536', MaxBurstLength: '4096' },
      { FirstBurstLength: '4096' },
      '13.14, said before',
    ],
    [{ MaxBurstLength: '512', FirstBurstLength: '512' }, { FirstBurstLength: '512' }, '13.14'],
    [{ TaskReporting: 'FastAbort' }, { TaskReporting: 'Reject' }, '6.2.1: none of the list'],
    [{ TaskReporting: 'ResponseFence,RFC3720' }, { TaskReporting: 'RFC3720' }, '13.23'],
    [{ 'X#NodeArchitecture': 'linux' }, { 'X#NodeArchitecture': 'NotUnderstood' }, '13.26'],
    [{ 'Y-org.example.digest': '1' }, { 'Y-org.example.digest': 'NotUnderstood' }, '6.2'],
    [{ 'Z-org.example.method': '' }, { 'Z-org.example.method': 'NotUnderstood' }, '6.2'],
    [{ HeaderDigest: 'crc32c' }, { HeaderDigest: 'Reject' }, '6.1: case counts'],
    [{ HeaderDigest: '' }, { HeaderDigest: 'Reject' }, '6.1: an empty list'],
    [{ MaxOutstandingR2T: '0x2' }, { MaxOutstandingR2T: '2' }, '6.1: hexadecimal'],
  ] as const) {
    const reply = await after(t, san, [[FINAL, { ...NAMES, ...offers }]]);
    t.equal(statusOf(reply), '0000');
    for (const [key, value] of Object.entries(wanted)) t.equal(reply.keys.get(key), value, `${key}: ${why}`);
    const keys = reply.pairs.map(([key]) => key);
    t.equal(new Set(keys).size, keys.length, 'each key once');
  }
});

void t.test('RFC 7143 11.12: the fields of a Login Request', async t => {
  const san = await startSan(t, { disks });
  for (const isid of [
    '000000000001',
    '400000000001',
    '800000000001',
    'c00000000001',
    '23d000000000',
    'ffffffffffff',
  ]) {
    const peer = connect(t, san);
    const reply = await peer.loginStep(FINAL, NAMES, { isid });
    t.equal(statusOf(reply), '0000', `11.12.5: ISID ${isid}`);
    t.equal(Buffer.from(reply.get('isid') as Uint8Array).toString('hex'), isid);
  }
  await t.test('6.3: StatSN and CmdSN over a login of several requests', async t => {
    const peer = connect(t, san);
    const first = await peer.loginStep({ stage: 0 }, { ...NAMES, AuthMethod: 'None' });
    const second = await peer.loginStep({ transit: true, stage: 0, next: 1 });
    const third = await peer.loginStep(FINAL);
    t.same(
      [first, second, third].map(reply => reply.num('statSN') - first.num('statSN')),
      [0, 1, 2],
      '4.2.2.2: one for each response',
    );
    for (const reply of [first, second, third]) t.equal(reply.num('expCmdSN'), 1);
    t.same([first.num('tsih'), second.num('tsih')], [0, 0]);
    t.not(third.num('tsih'), 0);
    peer.start(0, '00');
    t.equal((await peer.next()).num('statSN'), third.num('statSN') + 1);
  });
  await t.test('11.12.4: versions', async t => {
    for (const [versionMin, versionMax, status] of [
      [0, 0, '0000'],
      [0, 255, '0000'],
      [1, 1, '0205'],
      [255, 255, '0205'],
    ] as const) {
      const peer = connect(t, san);
      const reply = await peer.loginStep(FINAL, NAMES, {}, { versionMin, versionMax });
      t.equal(statusOf(reply), status, `${versionMin} to ${versionMax}`);
      t.same([reply.num('versionMax'), reply.num('versionActive')], [0, 0]);
    }
  });
});

void t.test('RFC 7143 4.2.3: what is no Login Request within a login', async t => {
  const san = await startSan(t, { disks });
  for (const opcode of [
    Opcode.NOP_OUT,
    Opcode.SCSI_COMMAND,
    Opcode.TEXT_REQUEST,
    Opcode.LOGOUT_REQUEST,
    0x1c,
  ]) {
    const peer = connect(t, san);
    await peer.loginStep({ stage: 1 }, NAMES);
    peer.sendHeader(Object.assign(Buffer.alloc(48), { 0: opcode | 0x40, 1: 0x80, 16: 0x55 }));
    const reply = await peer.next();
    t.equal(reply.opcode, Opcode.LOGIN_RESPONSE);
    t.equal(statusOf(reply), '020b', `opcode ${opcode.toString(16)}h: invalid during login`);
    await peer.ended;
  }
});

void t.test('RFC 7143 13: keys of a Text Request in full feature phase', async t => {
  const san = await startSan(t, { disks });
  const peer = await logIn(t, san);
  for (const [keys, wanted] of [
    [{ InitiatorAlias: 'mine' }, []],
    [{ InitiatorName: INITIATOR }, [['InitiatorName', 'Reject']]],
    [{ SessionType: 'Normal' }, [['SessionType', 'Reject']]],
    [{ TargetAddress: '1.2.3.4:1,1' }, [['TargetAddress', 'Reject']]],
    [{ AuthMethod: 'CHAP' }, [['AuthMethod', 'Reject']]],
    [{ CHAP_A: '5' }, [['CHAP_A', 'Reject']]],
    [{ HeaderDigest: 'CRC32C' }, [['HeaderDigest', 'Reject']]],
    [{ MaxConnections: '4' }, [['MaxConnections', 'Reject']]],
    [{ 'X-org.example.a': '1' }, [['X-org.example.a', 'NotUnderstood']]],
    [{ MaxRecvDataSegmentLength: '511' }, [['MaxRecvDataSegmentLength', 'Reject']]],
  ] as const) {
    const reply = await peer.ask(keys);
    t.equal(reply.opcode, Opcode.TEXT_RESPONSE);
    t.ok(reply.flag('final'));
    t.same(reply.pairs, wanted, JSON.stringify(keys));
  }
  peer.send(
    Opcode.TEXT_REQUEST,
    { final: true, initiatorTaskTag: 77, targetTransferTag: 0xffff_ffff, cmdSN: peer.cmdSN, immediate: true },
    Buffer.from('SendTargets=\0SendTargets=\0'),
  );
  const reject = await peer.nextOf(Opcode.REJECT);
  t.equal(reject.num('reason'), 0x04, '6.2: a key twice is a protocol error');
  t.same(await peer.settled(), []);
});
