/** Registration with an iSNS server, by RFC 4171; the server is one of a few lines that decodes what it is told. */
import { type AddressInfo, type Socket, createServer } from 'node:net';
import t, { type Test } from 'tap';
import { IsnsClient, portalIp } from '../../lib/iscsi/isns.ts';
import type { Log } from '../../lib/log.ts';
import { San } from '../../lib/san.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { startSan, until } from '../harness/rig.ts';

const OTHER = 'iqn.2026-01.io.sanlet:other';
const IQN = 'iqn.2026-01.io.sanlet:test';
const disks = [{ name: 'd0', memory: '1MiB' }];

interface Message {
  readonly functionId: number;
  readonly flags: number;
  readonly attributes: readonly (readonly [tag: number, value: Buffer])[];
}

/** Answers every message with `status` and `said`. */
class FakeServer {
  readonly messages: Message[] = [];
  readonly wrong: string[] = [];
  status = 0;
  said = Buffer.alloc(0);
  mute = false;
  #server = createServer(socket => this.#serve(socket));

  async start(t: Test): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve));
    t.teardown(() => {
      this.#server.close();
      if (this.wrong.length > 0) throw new Error(this.wrong.join('; '));
    });
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  of(functionId: number): Message[] {
    return this.messages.filter(message => message.functionId === functionId);
  }

  #serve(socket: Socket): void {
    let bytes = Buffer.alloc(0);
    socket.on('error', () => {});
    socket.on('data', chunk => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length < 12 || bytes.length < 12 + bytes.readUInt16BE(4)) return;
      if (bytes.length !== 12 + bytes.readUInt16BE(4)) this.wrong.push('PDU LENGTH is not the length');
      if (bytes.readUInt16BE(0) !== 1) this.wrong.push('version is not 1');
      if (bytes.readUInt16BE(10) !== 0) this.wrong.push('SEQUENCE ID is not 0');
      this.messages.push({
        functionId: bytes.readUInt16BE(2),
        flags: bytes.readUInt16BE(6),
        attributes: this.#attributes(bytes.subarray(12)),
      });
      if (this.mute) return;
      const answer = Buffer.alloc(16);
      bytes.copy(answer, 0, 0, 12);
      answer.writeUInt16BE(bytes.readUInt16BE(2) | 0x8000, 2);
      answer.writeUInt16BE(4 + this.said.length, 4);
      answer.writeUInt16BE(0x4c00, 6);
      answer.writeUInt32BE(this.status, 12);
      const whole = Buffer.concat([answer, this.said]);
      socket.write(whole.subarray(0, 7)); // a header in two segments
      setImmediate(() => socket.write(whole.subarray(7)));
    });
  }

  #attributes(bytes: Buffer): (readonly [number, Buffer])[] {
    const found: (readonly [number, Buffer])[] = [];
    let at = 0;
    while (at + 8 <= bytes.length) {
      const length = bytes.readUInt32BE(at + 4);
      found.push([bytes.readUInt32BE(at), bytes.subarray(at + 8, at + 8 + length)]);
      at += 8 + length + (-length & 3);
    }
    if (at !== bytes.length) this.wrong.push('attributes do not fill the message');
    return found;
  }
}

/** Attributes as a test can compare them: texts, numbers and addresses. */
const TEXTS = new Set([1, 32, 48]);
const ADDRESSES = new Set([16, 49]);
const shown = ({ attributes }: Message): unknown[] =>
  attributes.map(([tag, value]) => {
    if (value.length === 0) return [tag];
    if (TEXTS.has(tag)) return [tag, value.toString().replace(/\0$/, '')];
    if (ADDRESSES.has(tag)) return [tag, value.toString('hex')];
    return [tag, value.readUInt32BE(0)];
  });

const LOOPBACK = '00000000000000000000ffff7f000001';

void t.test('RFC 4171 5.6.5.1 and 5.6.5.4: a San registers, and deregisters when it stops', async t => {
  const server = await new FakeServer().start(t);
  const san = await San.start({
    iqn: IQN,
    disks,
    portals: ['127.0.0.1:0', '[::1]:0,group=2', '127.0.0.1:0,group=2,advertise=san.example:1'],
    targets: [{ iqn: OTHER, disks, groups: [2] }],
    isns: `127.0.0.1:${server.port}`,
  });
  t.teardown(() => san.stop());
  t.ok(await until(() => server.messages.length > 0));
  const [four, six] = san.portals.map(portal => Number(portal.split(':').at(-1))) as [number, number];
  const ipv6 = '00000000000000000000000000000001';
  const [message] = server.messages as [Message];
  t.equal(message.functionId, 0x0001, 'DevAttrReg');
  t.equal(message.flags, 0x8c00, '5.1.4: from a client, first and last');
  t.same(shown(message), [
    [32, IQN],
    [1, IQN],
    [0],
    [1, IQN],
    [2, 2],
    [6, 900],
    [16, LOOPBACK],
    [17, four],
    [16, ipv6],
    [17, six],
    [32, IQN],
    [33, 1],
    [32, OTHER],
    [33, 1],
    [48, IQN],
    [49, LOOPBACK],
    [50, four],
    [51, 1],
    [48, IQN],
    [49, ipv6],
    [50, six],
    [51, 2],
    [48, OTHER],
    [49, LOOPBACK],
    [50, four],
    [51],
    [48, OTHER],
    [49, ipv6],
    [50, six],
    [51, 2],
  ]);
  for (const [tag, value] of message.attributes) {
    if (TEXTS.has(tag)) t.equal(value.at(-1), 0, 'a text ends with NUL');
  }
  await san.stop();
  t.same(server.of(0x0004).map(shown), [[[32, IQN], [0], [1, IQN]]], 'DevDereg of the entity');
});

/** A client of one target, with what it warned of. */
function client(
  t: Test,
  server: { port: number },
  more: { timeoutMs?: number; retryMs?: number; targets?: number } = {},
): { warned: string[]; stop: () => Promise<void> } {
  const warned: string[] = [];
  const nothing = (): void => {};
  const log: Log = {
    error: (_facts, message) => warned.push(`error: ${message}`),
    warn: facts => warned.push((facts as { why: string }).why),
    info: nothing,
    debug: nothing,
  };
  const { targets = 1, ...times } = more;
  const made = new IsnsClient({
    server: { host: '127.0.0.1', port: server.port },
    targets: Array.from({ length: targets }, (_, i) => ({
      device: new TargetDevice(`${IQN}-${i}`, absentUnit(log)),
    })),
    portals: [{ host: '127.0.0.1', port: 3260, group: 1 }],
    log,
    ...times,
  });
  t.teardown(() => made.stop());
  return { warned, stop: () => made.stop() };
}

void t.test('RFC 4171 6.2.6: it registers again within the period that the server wants', async t => {
  const server = await new FakeServer().start(t);
  server.said = Buffer.from('00000001000000046100000000000006000000040000000300000000'.slice(0, 48), 'hex');
  client(t, server);
  t.ok(await until(() => server.of(0x0001).length >= 2, 5_000), 'a third of three seconds');
});

void t.test('RFC 4171: a server that is not there, mute, or against it stops nothing', async t => {
  const server = await new FakeServer().start(t);
  server.status = 6;
  const refused = client(t, server, { retryMs: 20 });
  t.ok(await until(() => server.of(0x0001).length >= 4), 'it tries again');
  t.same(refused.warned, ['the server answers status 6 (RFC 4171 5.4)'], 'and says so once');
  server.status = 0;
  const so = server.messages.length;
  t.ok(await until(() => server.messages.length > so));
  await refused.stop();
  t.equal(server.of(0x0004).length, 1);

  server.mute = true;
  const mute = client(t, server, { timeoutMs: 50, retryMs: 20 });
  t.ok(await until(() => mute.warned.length > 0));
  t.same(mute.warned, ['no answer in time']);
  const from = performance.now();
  const long = client(t, server, { timeoutMs: 60_000 });
  await long.stop();
  t.ok(performance.now() - from < 2_000, 'a stop does not wait for an answer');
  t.same(long.warned, []);

  const san = await startSan(t, { disks, isns: '127.0.0.1:1' });
  t.equal(san.luns.length, 1);
});

void t.test('RFC 4171 5.1.3: more targets than a message holds go into several', async t => {
  const server = await new FakeServer().start(t);
  client(t, server, { targets: 300 });
  t.ok(await until(() => server.messages.length >= 4));
  const names = server.messages.flatMap(({ attributes }) =>
    attributes.flatMap(([tag, value], i) => (tag === 32 && i > 0 ? value.toString() : [])),
  );
  t.equal(new Set(names).size, 300);
});

void t.test('RFC 4171 6.3.1: addresses', async t => {
  for (const [host, hex] of [
    ['10.1.2.3', '00000000000000000000ffff0a010203'],
    ['::1', '00000000000000000000000000000001'],
    ['::', '00000000000000000000000000000000'],
    ['2001:db8::5:6', '20010db8000000000000000000050006'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008'],
    ['::ffff:10.1.2.3', '00000000000000000000ffff0a010203'],
    ['san.example', undefined],
  ] as const) {
    t.equal(portalIp(host)?.toString('hex'), hex, host);
  }
});

void t.test('RFC 4171 5.1: an answer that is too short to have a status is no answer', async t => {
  const server = createServer(socket => {
    socket.on('error', () => {});
    socket.once('data', asked => {
      const answer = Buffer.alloc(12);
      asked.copy(answer, 0, 0, 12);
      answer.writeUInt16BE(asked.readUInt16BE(2) | 0x8000, 2);
      answer.writeUInt16BE(0, 4);
      socket.write(answer);
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const why: unknown[] = [];
  const nothing = (): void => {};
  const log = { error: nothing, info: nothing, debug: nothing, warn: (facts: object) => why.push(facts) };
  const target = { device: new TargetDevice(IQN, absentUnit()) };
  const client = new IsnsClient({
    server: { host: '127.0.0.1', port: (server.address() as AddressInfo).port },
    targets: [target],
    portals: [{ host: '127.0.0.1', port: 3260, group: 1 }],
    log,
  });
  t.ok(await until(() => why.length > 0));
  t.match(why[0], { why: 'the answer is none to our message' });
  await client.stop();
});
