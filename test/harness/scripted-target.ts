/** A target that says what a test tells it to: PDUs over an in-process stream, without digests. */
import { type Duplex, duplexPair } from 'node:stream';
import { formatText, parseText } from '../../lib/iscsi/login/text.ts';
import { BHS_LENGTH, common, newHeader, Opcode, padded, setDataLength } from '../../lib/iscsi/pdu/header.ts';
import { loginRequest, loginResponse } from '../../lib/iscsi/pdu/login.ts';

export interface Pdu {
  readonly header: Buffer;
  readonly data: Buffer;
}

type Answer = Record<string, string>;

export class ScriptedTarget {
  /** The initiator's end. */
  readonly stream: Duplex;
  readonly received: Pdu[] = [];
  statSN = 1;
  readonly #ours: Duplex;
  #bytes = Buffer.alloc(0);
  #waiting: ((pdu: Pdu) => void)[] = [];

  constructor() {
    [this.stream, this.#ours] = duplexPair();
    this.#ours.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      for (;;) {
        if (this.#bytes.length < BHS_LENGTH) return;
        const length = common.dataSegmentLength.get(this.#bytes);
        const end = BHS_LENGTH + padded(length);
        if (this.#bytes.length < end) return;
        const pdu = {
          header: this.#bytes.subarray(0, BHS_LENGTH),
          data: this.#bytes.subarray(BHS_LENGTH, BHS_LENGTH + length),
        };
        this.#bytes = this.#bytes.subarray(end);
        const waiting = this.#waiting.shift();
        if (waiting === undefined) this.received.push(pdu);
        else waiting(pdu);
      }
    });
    this.#ours.on('error', () => undefined);
  }

  /** The next PDU of the initiator. */
  next(): Promise<Pdu> {
    const pdu = this.received.shift();
    if (pdu !== undefined) return Promise.resolve(pdu);
    return new Promise(resolve => this.#waiting.push(resolve));
  }

  raw(bytes: Uint8Array): void {
    this.#ours.write(bytes);
  }

  drop(): void {
    this.#ours.destroy();
    this.stream.destroy();
  }

  /** A PDU; `fill` sets what is special, the window is wide open unless it closes it. */
  send(opcode: number, fill: (header: Buffer) => void, data: Uint8Array = Buffer.alloc(0)): void {
    const header = newHeader();
    common.opcode.set(header, opcode);
    common.final.set(header, true);
    loginResponse.statSN.set(header, this.statSN++);
    loginResponse.expCmdSN.set(header, 1);
    loginResponse.maxCmdSN.set(header, 64);
    fill(header);
    setDataLength(header, data.length);
    this.raw(Buffer.concat([header, data, Buffer.alloc(padded(data.length) - data.length)]));
  }

  /** Takes a Login Request and gives back its pairs. */
  async login(): Promise<{ pairs: Answer; header: Buffer }> {
    const { header, data } = await this.next();
    return { header, pairs: Object.fromEntries((parseText(data) ?? []).map(pair => [pair.key, pair.value])) };
  }

  /** Answers it, with its own stages unless told. */
  loginAnswer(
    request: Buffer,
    pairs: Answer = {},
    more: { status?: number; transit?: boolean; continue?: boolean; text?: Uint8Array } = {},
  ): void {
    const text = formatText(Object.entries(pairs).map(([key, value]) => ({ key, value })));
    this.send(
      Opcode.LOGIN_RESPONSE,
      header => {
        const current = loginRequest.currentStage.get(request);
        const transit = more.transit ?? loginRequest.final.get(request);
        loginResponse.final.set(header, transit);
        loginResponse.continue.set(header, more.continue ?? false);
        loginResponse.currentStage.set(header, current);
        if (transit) loginResponse.nextStage.set(header, loginRequest.nextStage.get(request));
        loginResponse.initiatorTaskTag.set(header, loginRequest.initiatorTaskTag.get(request));
        loginResponse.tsih.set(header, 7);
        loginResponse.status.set(header, more.status ?? 0);
      },
      more.text ?? text,
    );
  }

  /** The whole login, with these operational answers. */
  async acceptLogin(answers: Answer = {}): Promise<void> {
    const security = await this.login();
    this.loginAnswer(security.header, { AuthMethod: 'None' });
    const operational = await this.login();
    this.loginAnswer(operational.header, answers);
  }
}
