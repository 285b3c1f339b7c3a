import { createServer, type Socket } from 'node:net';
import { duplexPair } from 'node:stream';
import t from 'tap';
import { CHAP_DIGESTS, chapMatches, chapResponse } from '../../lib/iscsi/login/chap.ts';
import { formatText, parseText } from '../../lib/iscsi/login/text.ts';
import { dataIn, dataOut, r2t } from '../../lib/iscsi/pdu/data.ts';
import { common, NO_TAG, Opcode, responseNumbers } from '../../lib/iscsi/pdu/header.ts';
import { loginRequest, LoginStatus } from '../../lib/iscsi/pdu/login.ts';
import { nopIn } from '../../lib/iscsi/pdu/nop.ts';
import { scsiCommand } from '../../lib/iscsi/pdu/scsi-command.ts';
import { scsiResponse } from '../../lib/iscsi/pdu/scsi-response.ts';
import {
  TaskFunction,
  taskManagementRequest,
  taskManagementResponse,
} from '../../lib/iscsi/pdu/task-management.ts';
import { textRequest, textResponse } from '../../lib/iscsi/pdu/text.ts';
import { readAll, readBlocks, writeBlocks } from '../../lib/initiator/block-commands.ts';
import { Copy } from '../../lib/initiator/copy.ts';
import { parameterList, segmentDescriptor } from '../../lib/initiator/copy-list.ts';
import { checkRecord, copyCommands, type CopyExtent } from '../../lib/initiator/copy-plan.ts';
import { SegmentType } from '../../lib/initiator/copy-segments.ts';
import { parseDesignators, unitDesignator } from '../../lib/initiator/designators.ts';
import { Initiator, type LoginOptions } from '../../lib/initiator/initiator.ts';
import { InitiatorError } from '../../lib/initiator/initiator-error.ts';
import { inventory } from '../../lib/initiator/inventory.ts';
import { lunBytes, lunNumber } from '../../lib/initiator/lun.ts';
import { readCapacity } from '../../lib/initiator/read-capacity.ts';
import { describeSense, readSense } from '../../lib/initiator/sense.ts';
import type { Session } from '../../lib/initiator/session.ts';
import { rewind, writeFilemarks } from '../../lib/initiator/tape-commands.ts';
import { cdbOf, Unit } from '../../lib/initiator/unit.ts';
import { copyUrls } from '../../lib/initiator/url-copy.ts';
import { formatUrl, parseUrl, withoutSecret } from '../../lib/initiator/url.ts';
import { San } from '../../lib/san.ts';
import { type Pdu, ScriptedTarget } from '../harness/scripted-target.ts';

const TARGET = 'iqn.2026-01.io.test:a';

/** Fault and sentence of the InitiatorError that `work` rejects with. */
const failure = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) =>
      error instanceof InitiatorError ? `${error.fault}: ${error.message}` : Promise.reject(error as Error),
  );

const login = (target: ScriptedTarget, more: Partial<LoginOptions> = {}): Promise<Session> =>
  Initiator.login({
    stream: target.stream,
    target: TARGET,
    loginTimeoutMs: 2_000,
    commandTimeoutMs: 2_000,
    ...more,
  });

/** Logged in to a scripted target. */
async function joined(
  answers: Record<string, string> = {},
  more: Partial<LoginOptions> = {},
): Promise<{ target: ScriptedTarget; session: Session }> {
  const target = new ScriptedTarget();
  const [session] = await Promise.all([login(target, more), target.acceptLogin(answers)]);
  return { target, session };
}

/** GOOD, or what `fill` makes of it. */
const respond = (
  target: ScriptedTarget,
  to: Pdu,
  fill: (header: Buffer) => void = () => undefined,
  data?: Buffer,
): void =>
  target.send(
    Opcode.SCSI_RESPONSE,
    header => {
      scsiResponse.initiatorTaskTag.set(header, common.initiatorTaskTag.get(to.header));
      fill(header);
    },
    data,
  );

void t.test('login', async t => {
  await t.test('names, stages and offers', async t => {
    const target = new ScriptedTarget();
    const session = login(target, {
      initiatorName: 'iqn.2026-01.io.test:i',
      isid: Buffer.from('800102030405', 'hex'),
    });
    const security = await target.login();
    t.strictSame(security.pairs, {
      InitiatorName: 'iqn.2026-01.io.test:i',
      SessionType: 'Normal',
      TargetName: TARGET,
      AuthMethod: 'None',
    });
    t.equal(Buffer.from(loginRequest.isid.get(security.header)).toString('hex'), '800102030405');
    t.strictSame(
      [loginRequest.currentStage.get(security.header), loginRequest.nextStage.get(security.header)],
      [0, 1],
    );
    target.loginAnswer(security.header, { AuthMethod: 'None', TargetPortalGroupTag: '1' });
    const { header, pairs } = await target.login();
    t.strictSame([loginRequest.currentStage.get(header), loginRequest.nextStage.get(header)], [1, 3]);
    t.match(pairs, {
      HeaderDigest: 'None',
      DataDigest: 'None',
      InitialR2T: 'No',
      ImmediateData: 'Yes',
      ErrorRecoveryLevel: '0',
    });
    target.loginAnswer(header, {
      HeaderDigest: 'None',
      InitialR2T: 'Yes',
      ImmediateData: 'No',
      MaxRecvDataSegmentLength: '4096',
      MaxBurstLength: '16384',
      FirstBurstLength: '8192',
      MaxOutstandingR2T: '1',
      TargetAlias: 'x',
      MaxConnections: '1',
    });
    const { parameters, tsih } = await session;
    t.match(parameters, {
      initialR2T: true,
      immediateData: false,
      maxRecvDataSegmentLength: 4096,
      maxBurstLength: 16_384,
      firstBurstLength: 8192,
    });
    t.equal(tsih, 7);
    target.drop();
  });

  await t.test('what the target offers itself is answered', async t => {
    const target = new ScriptedTarget();
    const session = login(target);
    target.loginAnswer((await target.login()).header);
    target.loginAnswer(
      (await target.login()).header,
      { OFMarker: 'Yes', 'X-com.example': 'a', Strange: 'b' },
      { transit: false },
    );
    const { header, pairs } = await target.login();
    t.strictSame(pairs, { OFMarker: 'No', Strange: 'NotUnderstood' });
    target.loginAnswer(header);
    await session;
    target.drop();
  });

  await t.test('an answer in several PDUs (C bit), cut anywhere', async t => {
    const target = new ScriptedTarget();
    const session = login(target);
    target.loginAnswer((await target.login()).header);
    const text = formatText([{ key: 'MaxBurstLength', value: '65536' }]);
    const { header } = await target.login();
    target.loginAnswer(header, {}, { transit: false, continue: true, text: text.subarray(0, 7) });
    const more = await target.login();
    t.strictSame(more.pairs, {});
    target.loginAnswer(header, {}, { text: text.subarray(7), transit: true });
    t.equal((await session).parameters.maxBurstLength, 65_536);
    target.drop();
  });

  await t.test('refusals, by status (RFC 7143 11.13.5)', async t => {
    for (const [status, sentence] of [
      [LoginStatus.NOT_FOUND, `not-found: there is no target ${TARGET} at the target`],
      [LoginStatus.TARGET_REMOVED, /^not-found: .* is no longer at/],
      [LoginStatus.AUTHENTICATION_FAILURE, /^authentication: .* wants CHAP: name a user and secret/],
      [LoginStatus.AUTHORIZATION_FAILURE, /^authentication: .* does not let this initiator in/],
      [LoginStatus.MOVED_TEMPORARILY, /^login: .* has moved from the target to 10\.0\.0\.1:3260,1/],
      [LoginStatus.TOO_MANY_CONNECTIONS, /^login: .*: too many connections \(0206h\)/],
      [LoginStatus.OUT_OF_RESOURCES, /out of resources \(0302h\)/],
      [0x0b0b, /unknown status \(0b0bh\)/],
    ] as [number, string | RegExp][]) {
      const target = new ScriptedTarget();
      const session = failure(login(target));
      const { header } = await target.login();
      target.loginAnswer(header, { TargetAddress: '10.0.0.1:3260,1' }, { status });
      const got = await session;
      if (typeof sentence === 'string') t.equal(got, sentence);
      else t.match(got, sentence);
    }
  });

  await t.test('what no target may answer', async t => {
    for (const [answers, sentence] of [
      [{ MaxBurstLength: '16777215' }, /protocol: .* answers MaxBurstLength=16777215 to an offer of 1048576/],
      [{ HeaderDigest: 'CRC32C' }, /answers HeaderDigest=CRC32C to an offer of None/],
      [{ ErrorRecoveryLevel: '2' }, /answers ErrorRecoveryLevel=2/],
      [{ InitialR2T: 'Maybe' }, /answers InitialR2T=Maybe/],
      [{ MaxRecvDataSegmentLength: '1' }, /declares MaxRecvDataSegmentLength=1/],
    ] as [Record<string, string>, RegExp][]) {
      const target = new ScriptedTarget();
      const session = failure(login(target));
      await target.acceptLogin(answers);
      t.match(await session, sentence);
    }
    const text = new ScriptedTarget();
    const untold = failure(login(text));
    text.loginAnswer((await text.login()).header, {}, { text: Buffer.from('no equals sign') });
    t.match(await untold, /protocol: .* login text that is no list of key=value/);
    const circles = new ScriptedTarget();
    const endless = failure(login(circles));
    void (async () => {
      for (let i = 0; i < 40; i++)
        circles.loginAnswer((await circles.login()).header, {}, { transit: false });
    })();
    t.match(await endless, /protocol: .* does not come to the end of the login/);
    circles.drop();
  });

  await t.test('a peer that drops, is silent or sends garbage', async t => {
    const dropped = new ScriptedTarget();
    const gone = failure(login(dropped));
    await dropped.login();
    dropped.drop();
    t.match(await gone, /^closed: /);

    const silent = new ScriptedTarget();
    t.equal(
      await failure(login(silent, { loginTimeoutMs: 50 })),
      'timeout: the target has not answered the login within 0.05 s',
    );

    for (const bytes of [
      Buffer.from(`HTTP/1.1 400 Bad Request\r\n${'x'.repeat(100)}`),
      Buffer.alloc(4096),
      Buffer.alloc(4096, 0xff),
    ]) {
      const garbage = new ScriptedTarget();
      const session = failure(login(garbage, { loginTimeoutMs: 500 }));
      await garbage.login();
      garbage.raw(bytes);
      t.match(await session, /^(protocol|timeout): /, bytes.toString('latin1', 0, 4));
      garbage.drop();
    }
  });

  await t.test('connections', async t => {
    const closed = createServer();
    const port = await new Promise<number>(resolve => {
      closed.listen(0, '127.0.0.1', () => resolve((closed.address() as { port: number }).port));
    });
    const sockets: Socket[] = [];
    closed.on('connection', socket => sockets.push(socket));
    t.match(
      await failure(Initiator.login({ port, target: TARGET, loginTimeoutMs: 50 })),
      /^timeout: 127\.0\.0\.1:\d+ has not answered the login/,
    );
    for (const socket of sockets) socket.destroy();
    await new Promise(resolve => closed.close(resolve));
    t.equal(
      await failure(Initiator.login({ port, target: TARGET })),
      `connect: cannot connect to 127.0.0.1:${port}: nothing listens there`,
    );
    t.match(
      await failure(Initiator.login({ target: TARGET, user: 'u' })),
      /usage: CHAP needs a user and a secret/,
    );
    t.match(
      await failure(Initiator.login({ target: TARGET, mutual: { user: 'u', secret: 's' } })),
      /usage: mutual CHAP needs/,
    );
    t.match(
      await failure(Initiator.login({ target: TARGET, isid: Buffer.alloc(5) })),
      /usage: an ISID has six bytes/,
    );
  });
});

void t.test('CHAP (RFC 7143 12.1.3)', async t => {
  const MD5 = CHAP_DIGESTS.find(({ code }) => code === 5)!;
  const challenge = {
    digest: MD5,
    identifier: 5,
    challenge: Buffer.from('00112233445566778899aabbccddeeff', 'hex'),
  };
  const ask = { CHAP_A: '5', CHAP_I: '5', CHAP_C: `0x${challenge.challenge.toString('hex')}` };
  const mutual = { user: 'target', secret: 'other secret' };

  /** The security stage as a target does it; gives back what the initiator proved. */
  const challengeIt = async (
    target: ScriptedTarget,
    proof: (pairs: Record<string, string>) => Record<string, string>,
  ): Promise<Record<string, string>> => {
    const method = await target.login();
    target.loginAnswer(method.header, { AuthMethod: 'CHAP' });
    const algorithm = await target.login();
    target.loginAnswer(algorithm.header, ask);
    const response = await target.login();
    target.loginAnswer(response.header, proof(response.pairs));
    return { ...method.pairs, ...response.pairs };
  };

  await t.test('one-way', async t => {
    const target = new ScriptedTarget();
    const session = login(target, { user: 'bob', secret: 'a secret' });
    const said = await challengeIt(target, () => ({}));
    t.equal(said.AuthMethod, 'CHAP,None');
    t.equal(said.CHAP_N, 'bob');
    t.ok(chapMatches(challenge, 'a secret', Buffer.from(said.CHAP_R!.slice(2), 'hex')));
    t.equal(said.CHAP_C, undefined);
    target.loginAnswer((await target.login()).header);
    await session;
    target.drop();
  });

  await t.test('mutual, proved and not', async t => {
    const prove =
      (secret: string, name = 'target') =>
      (pairs: Record<string, string>) => ({
        CHAP_N: name,
        CHAP_R: `0x${chapResponse({ digest: MD5, identifier: Number(pairs.CHAP_I), challenge: Buffer.from(pairs.CHAP_C!.slice(2), 'hex') }, secret).toString('hex')}`,
      });
    for (const [proof, ok] of [
      [prove('other secret'), true],
      [prove('wrong secret'), false],
      [prove('other secret', 'mallory'), false],
      [() => ({}), false],
      [() => ({ CHAP_N: 'target', CHAP_R: 'nonsense' }), false],
    ] as [(pairs: Record<string, string>) => Record<string, string>, boolean][]) {
      const target = new ScriptedTarget();
      const session = login(target, { user: 'bob', secret: 'a secret', mutual });
      const outcome = failure(session);
      const said = await challengeIt(target, proof);
      t.equal(said.AuthMethod, 'CHAP', 'None is not offered');
      if (ok) {
        target.loginAnswer((await target.login()).header);
        t.equal(await outcome, 'no error');
      } else
        t.equal(
          await outcome,
          'authentication: the target could not prove that it is target (mutual CHAP failed)',
        );
      target.drop();
    }
  });

  await t.test('targets that do not do it', async t => {
    const none = new ScriptedTarget();
    const session = login(none, { user: 'bob', secret: 'a secret' });
    none.loginAnswer((await none.login()).header, { AuthMethod: 'None' });
    none.loginAnswer((await none.login()).header);
    none.loginAnswer((await none.login()).header);
    t.ok(await session, 'without mutual CHAP a target may let us in as we are');
    none.drop();
    for (const [answer, more, sentence] of [
      [{ AuthMethod: 'None' }, { mutual }, /authentication: .* does not do CHAP \(AuthMethod=None\)/],
      [{ AuthMethod: 'KRB5' }, {}, /does not do CHAP \(AuthMethod=KRB5\)/],
      [{}, {}, /does not do CHAP \(AuthMethod=nothing\)/],
    ] as [Record<string, string>, object, RegExp][]) {
      const target = new ScriptedTarget();
      const outcome = failure(login(target, { user: 'bob', secret: 's', ...more }));
      target.loginAnswer((await target.login()).header, answer);
      t.match(await outcome, sentence);
    }
    for (const wrong of [
      { ...ask, CHAP_A: '9' },
      { ...ask, CHAP_I: '256' },
      { ...ask, CHAP_C: 'zz' },
      { ...ask, CHAP_C: `0x${'00'.repeat(1025)}` },
    ]) {
      const target = new ScriptedTarget();
      const outcome = failure(login(target, { user: 'bob', secret: 's' }));
      target.loginAnswer((await target.login()).header, { AuthMethod: 'CHAP' });
      target.loginAnswer((await target.login()).header, wrong);
      t.match(await outcome, /^protocol: .*CHAP/);
    }
    const wants = new ScriptedTarget();
    const outcome = failure(login(wants));
    wants.loginAnswer((await wants.login()).header, { AuthMethod: 'CHAP' }, { transit: false });
    t.match(await outcome, /authentication: .* wants CHAP/);
  });
});

void t.test('full feature phase', async t => {
  await t.test('read data in pieces, with status, sense and residuals', async t => {
    const { target, session } = await joined();
    const answer = session.command(300, Buffer.from('28000000000000000200', 'hex'), { dataIn: 1024 });
    const pdu = await target.next();
    t.match(
      [
        scsiCommand.read.get(pdu.header),
        scsiCommand.write.get(pdu.header),
        scsiCommand.final.get(pdu.header),
        scsiCommand.expectedDataTransferLength.get(pdu.header),
        scsiCommand.cmdSN.get(pdu.header),
        Buffer.from(scsiCommand.lun.get(pdu.header)).toString('hex'),
      ],
      [true, false, true, 1024, 1, '412c000000000000'],
    );
    const piece = (from: number, length: number, status: boolean): void =>
      target.send(
        Opcode.DATA_IN,
        header => {
          dataIn.initiatorTaskTag.set(header, common.initiatorTaskTag.get(pdu.header));
          dataIn.bufferOffset.set(header, from);
          dataIn.hasStatus.set(header, status);
          dataIn.underflow.set(header, status);
          dataIn.residualCount.set(header, status ? 1024 - from - length : 0);
        },
        Buffer.alloc(length, from / 256 + 1),
      );
    piece(0, 512, false);
    piece(512, 255, true);
    const result = await answer;
    t.match(
      { status: result.status, length: result.data.length, residual: result.residual },
      { status: 0, length: 767, residual: 257 },
    );
    t.strictSame([result.data[0], result.data[766]], [1, 3]);

    const check = session.command(0, Buffer.alloc(6));
    const sense = Buffer.from('70000200000000000000000004010000000000', 'hex').subarray(0, 18);
    respond(
      target,
      await target.next(),
      header => scsiResponse.status.set(header, 2),
      Buffer.concat([Buffer.from([0, 18]), sense]),
    );
    const failed = await check;
    t.equal(failed.status, 2);
    t.equal(describeSense(readSense(failed.sense)), 'not ready, 04/01 (logical unit is becoming ready)');

    const over = session.command(0, Buffer.alloc(6), { dataIn: 4 });
    respond(target, await target.next(), header => {
      scsiResponse.overflow.set(header, true);
      scsiResponse.residualCount.set(header, 10);
    });
    t.equal((await over).residual, -10);
    const inside = failure(session.command(0, Buffer.alloc(6)));
    respond(target, await target.next(), header => scsiResponse.response.set(header, 1));
    t.match(await inside, /^target: the target failed inside/);
    t.match(session.counters, { payloadIn: 767, commands: 4 });
    target.drop();
  });

  await t.test('write data: immediate, unsolicited, and by R2T in order (RFC 7143 4.2.4)', async t => {
    const data = Buffer.from(Array.from({ length: 10_000 }, (_, i) => i % 251));
    for (const [initialR2T, immediateData, wanted] of [
      ['No', 'Yes', { immediate: 1024, unsolicited: 3072 }],
      ['No', 'No', { immediate: 0, unsolicited: 4096 }],
      ['Yes', 'Yes', { immediate: 1024, unsolicited: 0 }],
      ['Yes', 'No', { immediate: 0, unsolicited: 0 }],
    ] as const) {
      const { target, session } = await joined({
        InitialR2T: initialR2T,
        ImmediateData: immediateData,
        FirstBurstLength: '4096',
        MaxBurstLength: '8192',
        MaxRecvDataSegmentLength: '1024',
      });
      const answer = session.command(1, Buffer.alloc(10), { dataOut: data });
      const command = await target.next();
      const landed = Buffer.alloc(data.length);
      command.data.copy(landed);
      t.equal(command.data.length, wanted.immediate);
      t.equal(scsiCommand.final.get(command.header), wanted.unsolicited === 0);
      const sequence = async (from: number, end: number, tag: number): Promise<void> => {
        for (let at = from, dataSN = 0; at < end; dataSN++) {
          const pdu = await target.next();
          t.equal(common.opcode.get(pdu.header), Opcode.DATA_OUT);
          t.equal(dataOut.bufferOffset.get(pdu.header), at);
          t.equal(dataOut.dataSN.get(pdu.header), dataSN);
          t.equal(dataOut.targetTransferTag.get(pdu.header), tag);
          pdu.data.copy(landed, at);
          at += pdu.data.length;
          t.equal(dataOut.final.get(pdu.header), at === end, 'F at the end of the sequence only');
        }
      };
      const first = wanted.immediate + wanted.unsolicited;
      await sequence(wanted.immediate, first, NO_TAG);
      const ready = (tag: number, from: number, length: number): void =>
        target.send(Opcode.R2T, header => {
          r2t.initiatorTaskTag.set(header, common.initiatorTaskTag.get(command.header));
          r2t.targetTransferTag.set(header, tag);
          r2t.bufferOffset.set(header, from);
          r2t.desiredDataTransferLength.set(header, length);
        });
      ready(11, first, 3000);
      ready(12, first + 3000, data.length - first - 3000);
      await sequence(first, first + 3000, 11);
      await sequence(first + 3000, data.length, 12);
      respond(target, command);
      t.equal((await answer).status, 0);
      t.ok(landed.equals(data));
      t.equal(session.counters.payloadOut, data.length);
      target.drop();
    }
  });

  await t.test('what a target may not send ends the session and everything in it', async t => {
    for (const [name, misbehave, sentence] of [
      [
        'Data-In out of bounds',
        (target, pdu) =>
          target.send(
            Opcode.DATA_IN,
            header => {
              dataIn.initiatorTaskTag.set(header, common.initiatorTaskTag.get(pdu.header));
              dataIn.bufferOffset.set(header, 8);
            },
            Buffer.alloc(16),
          ),
        /sends 16 bytes for offset 8, where offset 0 of 16 is due/,
      ],
      [
        'too much in one PDU',
        (target, pdu) =>
          target.send(
            Opcode.DATA_IN,
            header => {
              dataIn.initiatorTaskTag.set(header, common.initiatorTaskTag.get(pdu.header));
            },
            Buffer.alloc(300_000),
          ),
        /sends 300000 bytes in one PDU, where 262144 were agreed on/,
      ],
      [
        'R2T for what there is not',
        (target, pdu) =>
          target.send(Opcode.R2T, header => {
            r2t.initiatorTaskTag.set(header, common.initiatorTaskTag.get(pdu.header));
            r2t.desiredDataTransferLength.set(header, 512);
          }),
        /asks for 512 bytes at 0 of 0/,
      ],
      [
        'an opcode of ours',
        target => target.send(Opcode.SCSI_COMMAND, () => undefined),
        /sends opcode 1h, which no target does/,
      ],
      [
        'that it goes away',
        target => target.send(Opcode.ASYNC_MESSAGE, header => header.writeUInt8(2, 36)),
        /drops the connection/,
      ],
    ] as [string, (target: ScriptedTarget, pdu: Pdu) => void, RegExp][]) {
      const { target, session } = await joined();
      const answer = failure(session.command(0, Buffer.alloc(6), { dataIn: 16 }));
      misbehave(target, await target.next());
      t.match(await answer, sentence, name);
      t.match(await failure(session.command(0, Buffer.alloc(6))), sentence, 'and after it');
      await session.logout();
    }
  });

  await t.test('the command window (RFC 7143 4.2.2.1)', async t => {
    const { target, session } = await joined();
    const narrow = (to: Pdu, max: number): void =>
      respond(target, to, header => responseNumbers.maxCmdSN.set(header, max));
    // The login left MaxCmdSN at 64: 64 commands go out at once, the 65th waits for the window.
    const answers = Array.from({ length: 66 }, () => session.command(0, Buffer.alloc(6)));
    const sent: Pdu[] = [];
    for (let i = 0; i < 64; i++) sent.push(await target.next());
    await new Promise(resolve => setImmediate(resolve));
    t.equal(target.received.length, 0);
    t.strictSame(
      sent.map(({ header }) => scsiCommand.cmdSN.get(header)),
      Array.from({ length: 64 }, (_, i) => i + 1),
    );
    narrow(sent[0]!, 65);
    sent.push(await target.next());
    await new Promise(resolve => setImmediate(resolve));
    t.equal(target.received.length, 0, 'one more, not two');
    t.equal(scsiCommand.expStatSN.get(sent[64]!.header), target.statSN);
    narrow(sent[1]!, 64);
    await new Promise(resolve => setImmediate(resolve));
    t.equal(target.received.length, 0, 'a window that goes back is not believed');
    narrow(sent[2]!, 100);
    sent.push(await target.next());
    for (const pdu of sent.slice(3)) narrow(pdu, 100);
    t.equal((await Promise.all(answers)).length, 66);
    target.drop();
  });

  await t.test('timeouts and aborts', async t => {
    const { target, session } = await joined();
    const late = failure(session.command(3, Buffer.alloc(6), { timeoutMs: 20 }));
    const command = await target.next();
    const abort = await target.next();
    t.strictSame(
      [
        taskManagementRequest.function.get(abort.header),
        taskManagementRequest.referencedTaskTag.get(abort.header),
        taskManagementRequest.refCmdSN.get(abort.header),
        taskManagementRequest.lun.get(abort.header)[1],
        taskManagementRequest.immediate.get(abort.header),
      ],
      [TaskFunction.ABORT_TASK, common.initiatorTaskTag.get(command.header), 1, 3, true],
    );
    target.send(Opcode.TASK_MANAGEMENT_RESPONSE, header =>
      taskManagementResponse.initiatorTaskTag.set(header, common.initiatorTaskTag.get(abort.header)),
    );
    t.equal(await late, 'timeout: the target has not answered a command within 0.02 s');
    respond(target, command); // too late, and nobody is hurt

    const abortion = new AbortController();
    const unwanted = failure(session.command(0, Buffer.alloc(6), { signal: abortion.signal }));
    await target.next();
    abortion.abort();
    const second = await target.next();
    target.send(Opcode.TASK_MANAGEMENT_RESPONSE, header =>
      taskManagementResponse.initiatorTaskTag.set(header, common.initiatorTaskTag.get(second.header)),
    );
    t.match(await unwanted, /^aborted: /);

    const reset = session.lunReset(2);
    const pdu = await target.next();
    t.equal(taskManagementRequest.function.get(pdu.header), TaskFunction.LOGICAL_UNIT_RESET);
    target.send(Opcode.TASK_MANAGEMENT_RESPONSE, header => {
      taskManagementResponse.initiatorTaskTag.set(header, common.initiatorTaskTag.get(pdu.header));
      taskManagementResponse.response.set(header, 2);
    });
    t.equal(await reset, 2);

    const dropped = failure(session.command(0, Buffer.alloc(6)));
    await target.next();
    target.drop();
    t.match(await dropped, /^closed: /);
    t.match(session.error?.fault, 'closed');
  });

  await t.test('NOP both ways, Reject, logout', async t => {
    const { target, session } = await joined({ MaxRecvDataSegmentLength: '512' });
    target.send(
      Opcode.NOP_IN,
      header => {
        nopIn.initiatorTaskTag.set(header, NO_TAG);
        nopIn.targetTransferTag.set(header, 99);
      },
      Buffer.alloc(600, 7),
    );
    const pong = await target.next();
    t.strictSame(
      [
        common.opcode.get(pong.header),
        nopIn.targetTransferTag.get(pong.header),
        common.initiatorTaskTag.get(pong.header),
        pong.data.length,
      ],
      [Opcode.NOP_OUT, 99, NO_TAG, 512],
    );
    const ping = session.ping(Buffer.from('there?'));
    const out = await target.next();
    target.send(
      Opcode.NOP_IN,
      header => {
        nopIn.initiatorTaskTag.set(header, common.initiatorTaskTag.get(out.header));
        nopIn.targetTransferTag.set(header, NO_TAG);
      },
      out.data,
    );
    t.equal((await ping).toString(), 'there?');

    const refused = failure(session.command(0, Buffer.alloc(6)));
    const command = await target.next();
    target.send(Opcode.REJECT, header => header.writeUInt8(0x09, 2), command.header);
    t.match(await refused, /^protocol: .* rejects a PDU of ours \(reason 9h\)/);

    const cut = failure(session.command(0, Buffer.alloc(6)));
    await target.next();
    const logout = session.logout();
    const request = await target.next();
    t.equal(common.opcode.get(request.header), Opcode.LOGOUT_REQUEST);
    target.send(Opcode.LOGOUT_RESPONSE, header =>
      common.initiatorTaskTag.set(header, common.initiatorTaskTag.get(request.header)),
    );
    await logout;
    await session.logout();
    t.match(await cut, /^closed: the session has been logged out/);
    t.match(await failure(session.command(0, Buffer.alloc(6))), /^closed: /);
    target.drop();
  });

  await t.test('misuse', async t => {
    const { target, session } = await joined();
    t.match(await failure(session.command(0, Buffer.alloc(32))), /usage: a CDB of 32 bytes/);
    t.match(
      await failure(session.command(0, Buffer.alloc(6), { dataOut: Buffer.alloc(1), dataIn: 1 })),
      /not both/,
    );
    target.drop();
  });

  await t.test('discovery, in several answers (RFC 7143 4.3, appendix C)', async t => {
    const target = new ScriptedTarget();
    const found = Initiator.discover({ stream: target.stream });
    const { header, pairs } = await target.login();
    t.equal(pairs.SessionType, 'Discovery');
    t.equal(pairs.TargetName, undefined);
    target.loginAnswer(header);
    const operational = await target.login();
    t.equal(operational.pairs.MaxBurstLength, undefined, 'keys of normal sessions are not spoken of');
    target.loginAnswer(operational.header);
    const text = formatText([
      { key: 'TargetName', value: 'iqn.2026-01.io.x:a' },
      { key: 'TargetAddress', value: '10.0.0.1:3260,1' },
      { key: 'TargetAddress', value: '[fe80::1]:3260,1' },
      { key: 'TargetName', value: 'iqn.2026-01.io.x:b' },
    ]);
    const ask = await target.next();
    t.strictSame(parseText(ask.data), [{ key: 'SendTargets', value: 'All' }]);
    const part = (to: Pdu, from: number, end: number, last: boolean): void =>
      target.send(
        Opcode.TEXT_RESPONSE,
        head => {
          textResponse.initiatorTaskTag.set(head, common.initiatorTaskTag.get(to.header));
          textResponse.final.set(head, last);
          textResponse.targetTransferTag.set(head, last ? NO_TAG : 5);
        },
        text.subarray(from, end),
      );
    part(ask, 0, 50, false);
    const more = await target.next();
    t.equal(textRequest.targetTransferTag.get(more.header), 5);
    t.equal(more.data.length, 0);
    part(more, 50, text.length, true);
    const logout = await target.next();
    target.send(Opcode.LOGOUT_RESPONSE, head =>
      common.initiatorTaskTag.set(head, common.initiatorTaskTag.get(logout.header)),
    );
    t.strictSame(await found, [
      { name: 'iqn.2026-01.io.x:a', addresses: ['10.0.0.1:3260,1', '[fe80::1]:3260,1'] },
      { name: 'iqn.2026-01.io.x:b', addresses: [] },
    ]);
    target.drop();
  });
});

void t.test('URLs', t => {
  for (const [text, parts] of [
    [
      'iscsi://127.0.0.1/iqn.2026-01.io.x:a/0',
      { host: '127.0.0.1', port: 3260, target: 'iqn.2026-01.io.x:a', lun: 0 },
    ],
    [
      'iscsi://host:1/iqn.2026-01.io.x:a:b/16383',
      { host: 'host', port: 1, target: 'iqn.2026-01.io.x:a:b', lun: 16_383 },
    ],
    ['iscsi://[::1]:3261/iqn.a/1', { host: '::1', port: 3261, target: 'iqn.a', lun: 1 }],
    ['iscsi://[fe80::1]/iqn.a/1', { host: 'fe80::1', port: 3260, target: 'iqn.a', lun: 1 }],
    [
      'iscsi://bob%s3cret@h/iqn.a/1',
      { host: 'h', port: 3260, target: 'iqn.a', lun: 1, user: 'bob', secret: 's3cret' },
    ],
    [
      'iscsi://bob:s3:c%ret@h/iqn.a/1',
      { host: 'h', port: 3260, target: 'iqn.a', lun: 1, user: 'bob:s3:c', secret: 'ret' },
    ],
    [
      'iscsi://bob:pass@h/iqn.a/1',
      { host: 'h', port: 3260, target: 'iqn.a', lun: 1, user: 'bob', secret: 'pass' },
    ],
    ['iscsi://bob@h/iqn.a/1', { host: 'h', port: 3260, target: 'iqn.a', lun: 1, user: 'bob' }],
    [
      'iscsi://b%p@ss@h/iqn.a/1',
      { host: 'h', port: 3260, target: 'iqn.a', lun: 1, user: 'b', secret: 'p@ss' },
    ],
    ['iscsi://h/iqn.2026-01.io%2Ex%3Aa/1', { host: 'h', port: 3260, target: 'iqn.2026-01.io.x:a', lun: 1 }],
    [
      'iscsi://b%s@h/iqn.a/1?target_user=t&target_password=p&header_digest=crc32c&data_digest=CRC32C',
      {
        host: 'h',
        port: 3260,
        target: 'iqn.a',
        lun: 1,
        user: 'b',
        secret: 's',
        mutual: { user: 't', secret: 'p' },
        headerDigest: true,
        dataDigest: true,
      },
    ],
  ] as [string, object][]) {
    t.strictSame(parseUrl(text), parts, text);
  }
  t.strictSame(parseUrl('iscsi://h', 'portal'), { host: 'h', port: 3260 });
  t.strictSame(parseUrl('iscsi://h/', 'portal'), { host: 'h', port: 3260 });
  t.strictSame(parseUrl('iscsi://h/iqn.a/', 'target'), { host: 'h', port: 3260, target: 'iqn.a' });
  for (const [text, words] of [
    ['http://h/iqn.a/1', /does not begin with iscsi:\/\//],
    ['iscsi://', /names no host|names no target/],
    ['iscsi:///iqn.a/1', /names no host/],
    ['iscsi://h', /names no target/],
    ['iscsi://h/iqn.a', /names no LUN/],
    ['iscsi://h//1', /empty target name/],
    ['iscsi://h/iqn.a/x', /"x" is no LUN/],
    ['iscsi://h/iqn.a/16384', /"16384" is no LUN/],
    ['iscsi://h/iqn.a/1/2', /has more behind its LUN/],
    ['iscsi://h:0/iqn.a/1', /0 is no port/],
    ['iscsi://h:99999/iqn.a/1', /99999 is no port/],
    ['iscsi://h:x/iqn.a/1', /"h:x" is no host and port/],
    ['iscsi://::1/iqn.a/1', /is no host and port/],
    ['iscsi://@h/iqn.a/1', /empty user/],
    ['iscsi://b%@h/iqn.a/1', /empty secret/],
    ['iscsi://h/iqn%zz/1', /badly percent-encoded/],
    ['iscsi://h/iqn.a/1?foo=1', /unknown word "foo"/],
    ['iscsi://h/iqn.a/1?target_user=a', /target_user and target_password together/],
    ['iscsi://h/iqn.a/1?data_digest=md5', /neither none nor crc32c/],
  ] as [string, RegExp][]) {
    t.throws(() => parseUrl(text), { name: 'InitiatorError', fault: 'usage', message: words }, text);
  }
  t.notMatch(
    (() => {
      try {
        return parseUrl('iscsi://bob%hush@h/iqn.a/x');
      } catch (error) {
        return (error as Error).message;
      }
    })(),
    /hush/,
    'no secret in a message',
  );
  t.equal(
    withoutSecret('iscsi://bob%hush@h/iqn.a/1?target_user=a&target_password=hush'),
    'iscsi://bob@h/iqn.a/1?target_user=a&target_password=',
  );
  t.equal(formatUrl({ host: '::1', port: 3260, target: 'iqn.a', lun: 0 }), 'iscsi://[::1]:3260/iqn.a/0');
  t.end();
});

void t.test('LUN fields, sense and designators', t => {
  for (const lun of [0, 1, 255, 256, 16_383]) t.equal(lunNumber(lunBytes(lun)), lun);
  t.equal(lunNumber(Buffer.from('c101000000000000', 'hex')), undefined, 'a well-known LUN');
  t.equal(lunNumber(Buffer.from('0000000100000000', 'hex')), undefined, 'a second level');

  const fixed = Buffer.alloc(18 + 19);
  fixed.set([0xf0, 0, 0x0a, 0, 0, 0, 7, 29]);
  fixed.set([18, 0, 0, 3, 0x0d, 0x01], 8);
  fixed.set([2, 0xf0, 0, 0x80, 0, 0, 1, 0, 10, 0, 0, 0, 0, 0x00, 0x01], 18);
  const copy = readSense(fixed);
  t.match(copy, {
    key: 10,
    code: 0x0d01,
    information: 7,
    segment: 3,
    source: { filemark: true, code: 1, information: 256 },
  });
  t.equal(
    describeSense(copy),
    'copy aborted, 0D/01 (third party device failure) in segment 3; the source said: no sense, 00/01 (filemark detected)',
  );
  const descriptor = Buffer.concat([
    Buffer.from('720a0d01000000', 'hex'),
    Buffer.from([12 + 12 + 20]),
    Buffer.from('000a80000000000000000007', 'hex'),
    Buffer.from('010a00000000000300000000', 'hex'),
    Buffer.from('0c12010272080005000000080000', 'hex').subarray(0, 4),
    Buffer.from('72080005000000080402000000000000', 'hex'),
  ]);
  t.match(readSense(descriptor), { key: 10, code: 0x0d01, information: 7, source: { key: 8, code: 5 } });
  for (let cut = 0; cut < descriptor.length; cut++) readSense(descriptor.subarray(0, cut));
  for (let cut = 0; cut < fixed.length; cut++) readSense(fixed.subarray(0, cut));
  t.equal(describeSense(readSense(Buffer.alloc(0))), 'no sense');

  const page = Buffer.concat([
    Buffer.from('00830030', 'hex'),
    Buffer.from('02010014', 'hex'),
    Buffer.from('SANLET  123456789012'),
    Buffer.from('0193000852004567ba64678d', 'hex'),
    Buffer.from('010300083d3df16d60b2bdac', 'hex'),
  ]);
  const found = parseDesignators(page);
  t.strictSame(
    found.map(({ type, association }) => [type, association]),
    [
      [1, 0],
      [3, 1],
      [3, 0],
    ],
  );
  t.equal(
    unitDesignator(found)?.bytes.toString('hex'),
    '3d3df16d60b2bdac',
    'the NAA of the unit, not of its port',
  );
  t.equal(parseDesignators(page.subarray(0, 30)).length, 1, 'a cut page');
  t.end();
});

void t.test('copy lists', t => {
  const limits = {
    maxSegments: 1000,
    maxDescriptorListBytes: 1 << 20,
    maxSegmentBytes: 256 << 20,
    maxStreamTransferBytes: 8 << 20,
    types: new Set<number>(),
  };
  const extent = (more: Partial<CopyExtent>): CopyExtent => ({
    type: SegmentType.BLOCK_TO_STREAM,
    blocks: 200_000,
    blockSize: 512,
    skip: 0,
    seek: 0,
    destinationBlockSize: 512,
    record: 65_536,
    ...more,
  });
  const cut = (more: Partial<CopyExtent>, less: object = {}): number[][][] =>
    [...copyCommands(extent(more), { ...limits, ...less })].map(list =>
      list.map(s => [s.blocks, s.sourceLba, s.destinationLba, s.transferBytes]),
    );
  t.strictSame(
    cut({ skip: 10 }),
    [
      [
        [65_408, 10, 0, 65_536],
        [65_408, 65_418, 65_408, 65_536],
        [65_408, 130_826, 130_816, 65_536],
        [3712, 196_234, 196_224, 65_536],
        [64, 199_946, 199_936, 32_768],
      ],
    ],
    'cut at 65,408 blocks; the tail is a segment and a record of its own',
  );
  t.strictSame(cut({ blocks: 100 }), [[[100, 0, 0, 51_200]]], 'less than a record');
  t.strictSame(cut({ blocks: 65_408 }), [[[65_408, 0, 0, 65_536]]]);
  t.strictSame(
    cut({ type: SegmentType.STREAM_TO_BLOCK, blocks: 65_500, seek: 5 })
      .flat()
      .map(([blocks, , lba]) => [blocks, lba]),
    [
      [65_408, 5],
      [92, 65_413],
    ],
  );
  t.strictSame(
    cut({
      type: SegmentType.BLOCK_TO_BLOCK,
      blocks: 70_000,
      blockSize: 4096,
      destinationBlockSize: 512,
      skip: 1,
      seek: 8,
    })
      .flat()
      .map(([blocks, s, d]) => [blocks, s, d]),
    [
      [65_520, 1, 8],
      [4480, 65_521, 8 + 65_520 * 8],
    ],
  );
  t.strictSame(
    cut({ blocks: 1024 }, { maxSegmentBytes: 65_536 * 3 })
      .flat()
      .map(([blocks]) => blocks),
    [384, 384, 256],
  );
  const commands = [
    ...copyCommands(extent({ type: SegmentType.STREAM_TO_BLOCK }), { ...limits, maxSegments: 2 }),
  ];
  t.strictSame(
    commands.map(list => list.map(s => s.concatenate)),
    [
      [true, false],
      [true, true],
    ],
    'nothing is lost between two commands',
  );
  t.equal(cut({}, { maxDescriptorListBytes: 64 + 24 * 2 }).length, 3);
  t.throws(() => cut({}, { maxDescriptorListBytes: 80 }), /takes no list that is long enough/);
  t.throws(() => cut({}, { maxSegmentBytes: 4096 }), /longer than a segment of this copy manager/);
  t.throws(() => checkRecord(9 << 20, true, 512, limits), /too long: this copy manager moves up to 8388608/);
  t.throws(() => checkRecord(1000, true, 512, limits), /no multiple of the disk's blocks of 512/);
  t.doesNotThrow(() => checkRecord(1000, false, 512, limits));

  const naa = { codeSet: 1, association: 0, type: 3, bytes: Buffer.from('3d3df16d60b2bdac', 'hex') };
  const list = parameterList(
    { listId: 1 },
    [
      { type: 'disk', designator: naa, blockSize: 512 },
      { type: 'tape', designator: naa, blockSize: 0 },
    ],
    [
      {
        type: 0,
        blocks: 128,
        bytes: 65_536,
        sourceLba: 0x1122,
        destinationLba: 0,
        transferBytes: 65_536,
        concatenate: true,
      },
      {
        type: 2,
        blocks: 3,
        bytes: 1536,
        sourceLba: 4,
        destinationLba: 5,
        transferBytes: 0,
        concatenate: false,
      },
    ].map(segmentDescriptor),
  );
  // SPC-4 6.4.2; the 00h segment is what python-scsi makes of the same values.
  t.equal(
    list.toString('hex'),
    [
      '01010040000000000000003400000000',
      'e4000000010300083d3df16d60b2bdac00000000000000000000000000000200',
      'e4010000010300083d3df16d60b2bdac00000000000000000000000000000000',
      '000100140000000100010000000000800000000000001122',
      '02000018000000010000000300000000000000040000000000000005',
    ].join(''),
  );
  t.end();
});

void t.test('against a San, in process', async t => {
  await using san = await San.start({
    disks: [
      { name: 'a', memory: '9M' },
      { name: 'b', memory: '9M' },
      { name: 'c', memory: '1M', block: 4096 },
    ],
    tapes: [
      { name: 't', memory: true },
      { name: 'small', memory: '1M' },
    ],
  });
  const [A, B, C, T, SMALL] = [0, 1, 2, 3, 4] as const;
  const port = Number(san.portal.split(':').at(-1));
  await using session = await Initiator.login({ port, target: san.iqn, digests: true });
  t.strictSame([session.parameters.headerDigest, session.parameters.dataDigest], [true, true]);
  const units = [A, B, C, T, SMALL].map(lun => new Unit(session, lun));
  for (const unit of units) await unit.awaitReady();
  const [a, b, c, tape, small] = units as [Unit, Unit, Unit, Unit, Unit];
  const capacity = await readCapacity(a);
  t.strictSame(capacity, { blocks: 18_432, blockSize: 512 });
  const content = Buffer.from(Array.from({ length: 9 << 20 }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
  await Promise.all(
    Array.from({ length: 9 }, (_, i) =>
      writeBlocks(a, i * 2048, content.subarray(i << 20, (i + 1) << 20), 512),
    ),
  );
  const contentOf = async (unit: Unit): Promise<Buffer> => {
    const parts: Buffer[] = [];
    for await (const part of readAll(unit, capacity)) parts.push(part);
    return Buffer.concat(parts);
  };
  const copy = async (source: number, destination: number, more: object = {}): ReturnType<Copy['run']> =>
    (await Copy.prepare(session, { source, destination, ...more })).run();

  await t.test('disk to tape and back', async t => {
    const out = await copy(A, T, { blocks: 18_001 });
    t.match(out, { bytes: 18_001 * 512, stop: 'count', commands: 1, segments: 2 });
    t.ok(out.carriedBytes < 2000, `${out.carriedBytes} bytes were carried for ${out.bytes}`);
    await rewind(tape);
    const back = await copy(T, B);
    t.match(back, { bytes: 18_001 * 512, blocks: 18_001, stop: 'filemark' });
    t.ok((await contentOf(b)).subarray(0, 18_001 * 512).equals(content.subarray(0, 18_001 * 512)));
    t.match(await copy(T, B, { seek: 5 }), { bytes: 0, stop: 'end of data' });
    await rewind(tape);
    t.match(await copy(T, C), { bytes: 1 << 20, stop: 'full disk' });
    await rewind(tape);
    t.match(await copy(T, B, { blocks: 300, seek: 1 }), { blocks: 300, stop: 'count' });
  });

  await t.test('records of other lengths', async t => {
    await rewind(tape);
    t.match(await copy(A, T, { blocks: 4000, record: 10_240 }), { bytes: 4000 * 512 });
    await rewind(tape);
    const all = await copy(T, B);
    t.match(all, { blocks: 4000, stop: 'filemark' }, 'shorter ones count as their bytes');
    t.ok((await contentOf(b)).subarray(0, 4000 * 512).equals(content.subarray(0, 4000 * 512)));
    await rewind(tape);
    t.match(
      await failure(copy(T, B, { record: 4096 })),
      /^target: the tape has a record of 10240 bytes, longer than --record 4096, after 0 bytes: give --record 10240/,
    );
    await writeFilemarks(tape, 1);
  });

  await t.test('records that fill no whole blocks: nothing of the tape is lost', async t => {
    /** A file of records on the tape from its beginning, one filemark behind it; gives back all their bytes. */
    const write = async (...lengths: number[]): Promise<Buffer> => {
      const bytes = content.subarray(300, 300 + lengths.reduce((sum, length) => sum + length, 0));
      await rewind(tape);
      let at = 0;
      for (const length of lengths) {
        const cdb = cdbOf(6, 0x0a);
        cdb.writeUIntBE(length, 2, 3);
        await tape.run('WRITE(6)', cdb, { dataOut: bytes.subarray(at, at + length) });
        at += length;
      }
      await writeFilemarks(tape, 1);
      await rewind(tape);
      return bytes;
    };
    const padded = (bytes: Buffer, to: number): Buffer => Buffer.concat([bytes, Buffer.alloc(to)], to);

    const three = await write(1000, 1000, 777);
    const tail = await copy(T, B, { seek: 3 });
    t.match(tail, { bytes: 2777, padding: 295, blocks: 6, leftOver: 0, stop: 'filemark' });
    t.ok((await readBlocks(b, 3, 6, 512)).equals(padded(three, 6 * 512)));
    t.match(await copy(T, B), { bytes: 0, stop: 'end of data' }, 'the tape is behind the filemark again');

    const many = await write(512, ...Array.from({ length: 9 }, () => 50));
    t.match(await copy(T, C), { bytes: 962, padding: 4096 - 962, blocks: 1, stop: 'filemark' });
    t.ok((await readBlocks(c, 0, 1, 4096)).equals(padded(many, 4096)), 'a tail of ten records');

    // The last file of a tape may end without a filemark.
    await write(1000, 24, 600);
    await tape.run('SPACE(6)', cdbOf(6, 0x11, 0x01, 0, 0, 1));
    await tape.run('WRITE(6)', cdbOf(6, 0x0a, 0, 0, 2, 0x58), { dataOut: three.subarray(0, 600) });
    t.match(await copy(T, B), { bytes: 0, stop: 'end of data' });
    await rewind(tape);
    await tape.run('SPACE(6)', cdbOf(6, 0x11, 0x01, 0, 0, 1));
    t.match(await copy(T, B), { bytes: 600, padding: 424, stop: 'end of data' });
    t.ok((await readBlocks(b, 0, 2, 512)).equals(padded(three.subarray(0, 600), 1024)));

    await rewind(tape);
    t.match(await copy(T, B), { bytes: 1624, padding: 424, blocks: 4, stop: 'filemark' });

    const cutOff = await write(1000, 1000, 777);
    t.match(await copy(T, B, { blocks: 2 }), { bytes: 1024, padding: 0, leftOver: 976, stop: 'count' });
    t.ok((await readBlocks(b, 0, 2, 512)).equals(cutOff.subarray(0, 1024)));
    t.match(await copy(T, B), { bytes: 777, padding: 247 }, 'the tape is behind the record that was cut');
    await write(1000, 1000, 777);
    const { blocks } = capacity;
    t.match(await copy(T, B, { seek: blocks - 1 }), { bytes: 512, leftOver: 488, stop: 'full disk' });

    await write(1024, 512);
    t.match(await copy(T, B), { bytes: 1536, padding: 0, leftOver: 0, stop: 'filemark' });
  });

  await t.test('disk to disk', async t => {
    t.match(await copy(A, B), { bytes: content.length, stop: 'end of the disk' });
    t.ok((await contentOf(b)).equals(content));
    t.match(await copy(A, C, { blocks: 2048 }), { bytes: 1 << 20, stop: 'count' });
    t.match(await copy(B, B, { blocks: 8, skip: 0, seek: 8 }), { blocks: 8 });
  });

  await t.test('what cannot be', async t => {
    for (const [source, destination, more, sentence] of [
      [T, T, {}, /usage: a tape is not copied onto itself/],
      [T, SMALL, { blocks: 1 }, /usage: from tape to tape [^]*: --blocks says nothing there/],
      [A, B, { filemarks: 1 }, /usage: --filemarks is for copies from tape to tape/],
      [9, A, {}, /usage: there is no LUN 9/],
      [A, 9, {}, /usage: there is no LUN 9/],
      [T, A, { skip: 1 }, /usage: a tape is read from its present position; --skip/],
      [A, T, { seek: 1 }, /usage: a tape is written at its present position; --seek/],
      [A, T, { record: 1000 }, /usage: records of 1000 bytes are no multiple/],
      [A, T, { record: 16 << 20 }, /usage: records of 16777216 bytes are too long/],
      [A, T, { skip: 18_432 }, /usage: LUN 0 ends before that block: it has 18432 blocks of 512 bytes/],
      [A, T, { skip: 18_431, blocks: 2 }, /usage: 2 blocks are more than the 1 that LUN 0 has there/],
      [A, C, {}, /usage: 2304 blocks do not fit LUN 2, which has 256 there/],
      [A, C, { blocks: 1 }, /usage: 512 bytes are no whole number of the destination's blocks of 4096/],
      [A, A, { blocks: 10, seek: 9 }, /usage: a disk is not copied onto itself/],
    ] as [number, number, object, RegExp][]) {
      t.match(await failure(copy(source, destination, more)), sentence);
    }
    t.match(await failure(copy(A, SMALL)), /^target: the tape is full after \d+ bytes/);
    await rewind(small);
  });

  await t.test('by URL, and what there is', async t => {
    const seen: number[] = [];
    const done = await copyUrls(
      san.url(A),
      san.url(B),
      { blocks: 100 },
      {
        signal: new AbortController().signal,
        begin: async () => ({ update: bytes => seen.push(bytes), done: () => undefined }),
      },
    );
    t.match(done, { kind: 'disk to disk', outcome: { blocks: 100 } });
    t.equal(seen.at(-1), 51_200);
    const watcher = { signal: AbortSignal.abort(), begin: async () => ({ update() {}, done() {} }) };
    t.match(
      await failure(copyUrls(san.url(A), san.url(B).replace(san.iqn, 'iqn.other'), {}, watcher)),
      /usage: both ends of a copy must be LUNs of one target/,
    );
    await t.rejects(copyUrls(san.url(A), san.url(B), {}, watcher));
    const [target] = await inventory({ port });
    t.equal(target?.target, san.iqn);
    t.strictSame(
      target?.luns.map(({ lun, type, bytes, naa }) => [lun, type, bytes, naa]),
      san.luns.map(({ lun, type, bytes, naa }) => [lun, type, type === 'disk' ? bytes : undefined, naa]),
    );
    t.match(await failure(inventory({ port }, san.iqn, 77)), /usage: there is no LUN 77/);
    t.match(await failure(inventory({ port }, 'iqn.2026-01.io.x:none')), /not-found: there is no target/);
  });

  await t.test('over a stream that is no socket', async t => {
    const [ours, theirs] = duplexPair();
    san.handle(theirs);
    await using inside = await Initiator.login({ stream: ours, target: san.iqn });
    await new Unit(inside, A).awaitReady();
    t.strictSame(await readCapacity(new Unit(inside, A)), capacity);
  });
});
