import { serialAdd, serialBefore, serialDistance } from '../bytes/serial.ts';
import type { Parameters } from '../iscsi/login/keys.ts';
import { formatText, type Pair, parseText } from '../iscsi/login/text.ts';
import { asyncMessage, AsyncEvent } from '../iscsi/pdu/async-message.ts';
import { dataIn } from '../iscsi/pdu/data.ts';
import { common, newHeader, NO_TAG, Opcode, responseNumbers } from '../iscsi/pdu/header.ts';
import { LogoutReason, logoutRequest, LogoutResponse, logoutResponse } from '../iscsi/pdu/logout.ts';
import { nopIn, nopOut } from '../iscsi/pdu/nop.ts';
import { reject } from '../iscsi/pdu/reject.ts';
import { TaskFunction, taskManagementRequest, taskManagementResponse } from '../iscsi/pdu/task-management.ts';
import { textRequest, textResponse } from '../iscsi/pdu/text.ts';
import { Command, type CommandOptions, type CommandResult } from './command.ts';
import { InitiatorError } from './initiator-error.ts';
import { Login, type LoginRequestOptions, type LoginResult } from './login.ts';
import { lunBytes } from './lun.ts';
import { Wire } from './wire.ts';
import type { Duplex } from 'node:stream';

/** Commands that wait for the window; a caller with more is not looking at its answers. */
const MOST_WAITING = 65_536;
/** How long an ABORT TASK may take before the connection is given up. */
const ABORT_TIMEOUT_MS = 5_000;
const LOGOUT_TIMEOUT_MS = 5_000;
/** All of a SendTargets answer. */
const LONGEST_TEXT = 4 * 1024 * 1024;

/** Payload as commands see it, and every byte on the wire. */
export interface Counters {
  readonly payloadIn: number;
  readonly payloadOut: number;
  readonly wireIn: number;
  readonly wireOut: number;
  readonly commands: number;
}

/** Something other than a SCSI command that waits for its answer. */
interface Exchange {
  readonly opcode: number;
  readonly resolve: (answer: { header: Buffer; data: Buffer }) => void;
  readonly reject: (error: InitiatorError) => void;
}

export interface SessionOptions extends LoginRequestOptions {
  /** What the login was given in all, and what is left of it by now. */
  readonly loginTimeoutMs: number;
  readonly loginLeftMs: number;
  /** For commands that name none of their own. */
  readonly commandTimeoutMs: number;
}

/** One session of one connection, from login to logout. Made by Initiator.login and Initiator.discover. */
export class Session implements AsyncDisposable {
  readonly target: string | undefined;
  readonly peer: string;
  parameters: Parameters;
  tsih = 0;
  readonly #options: SessionOptions;
  readonly #wire: Wire;
  readonly #scratch: Buffer;
  #login: Login | undefined;
  #loginEnd: { resolve: () => void; reject: (error: InitiatorError) => void } | undefined;
  #error: InitiatorError | undefined;

  #cmdSN = 1;
  #expStatSN = 0;
  #expCmdSN = 1;
  #maxCmdSN = 1;
  #nextTag = 1;
  readonly #commands = new Map<number, Command>();
  readonly #exchanges = new Map<number, Exchange>();
  #waiting: Command[] = [];
  #loggingOut: Promise<void> | undefined;

  #payloadIn = 0;
  #payloadOut = 0;
  #count = 0;

  private constructor(stream: Duplex, options: SessionOptions) {
    this.#options = options;
    this.target = options.target;
    this.peer = options.peer;
    this.parameters = options.ours;
    this.#scratch = Buffer.allocUnsafeSlow(options.ours.maxRecvDataSegmentLength);
    this.#wire = new Wire(
      stream,
      {
        land: (header, length) => this.#land(header, length),
        received: (header, data) => this.#received(header, data),
        ended: error => this.#ended(error),
      },
      options.peer,
    );
  }

  /** Logs in over a connected stream. */
  static async login(stream: Duplex, options: SessionOptions): Promise<Session> {
    const session = new Session(stream, options);
    const { loginTimeoutMs, loginLeftMs, peer } = options;
    const timer = setTimeout(() => {
      session.#wire.end(
        new InitiatorError('timeout', `${peer} has not answered the login within ${loginTimeoutMs / 1000} s`),
      );
    }, loginLeftMs);
    try {
      await new Promise<void>((resolve, reject) => {
        session.#loginEnd = { resolve, reject };
        session.#login = new Login(
          options,
          (header, data) => session.#wire.send(header, data),
          result => session.#loggedIn(result),
        );
        session.#login.start();
      });
    } finally {
      clearTimeout(timer);
    }
    return session;
  }

  #loggedIn(result: LoginResult): void {
    this.#login = undefined;
    this.parameters = result.parameters;
    this.tsih = result.tsih;
    this.#wire.headerDigest = result.parameters.headerDigest;
    this.#wire.dataDigest = result.parameters.dataDigest;
    this.#cmdSN = result.cmdSN;
    this.#expStatSN = result.expStatSN;
    this.#expCmdSN = result.expCmdSN;
    this.#maxCmdSN = result.maxCmdSN;
    this.#loginEnd?.resolve();
  }

  get counters(): Counters {
    return {
      payloadIn: this.#payloadIn,
      payloadOut: this.#payloadOut,
      wireIn: this.#wire.bytesIn,
      wireOut: this.#wire.bytesOut,
      commands: this.#count,
    };
  }

  /** Why the session is over; undefined while it is not. */
  get error(): InitiatorError | undefined {
    return this.#error;
  }

  /** Sends a SCSI command and waits for its answer. Rejects with InitiatorError when there is none. */
  async command(lun: number, cdb: Uint8Array, options: CommandOptions = {}): Promise<CommandResult> {
    return this.submit(lun, cdb, options).answer;
  }

  /** The same, with the task in hand: its tag and CmdSN, for task management. */
  submit(lun: number, cdb: Uint8Array, options: CommandOptions = {}): Command {
    if (this.#error !== undefined) throw this.#error;
    if (this.#waiting.length >= MOST_WAITING)
      throw new InitiatorError('usage', 'too many commands wait already');
    const command = new Command(this.#tag(), lun, cdb, options);
    this.#commands.set(command.tag, command);
    this.#count++;
    this.#guard(command, options);
    this.#waiting.push(command);
    this.#pump();
    return command;
  }

  /** Aborts the command when its time is over or its caller wants it to be. */
  #guard(command: Command, { timeoutMs = this.#options.commandTimeoutMs, signal }: CommandOptions): void {
    const abandon = (error: InitiatorError): void => void this.#abandon(command, error);
    const timer = setTimeout(() => {
      abandon(
        new InitiatorError('timeout', `${this.peer} has not answered a command within ${timeoutMs / 1000} s`),
      );
    }, timeoutMs);
    const aborted = (): void => abandon(new InitiatorError('aborted', 'the command was aborted'));
    signal?.addEventListener('abort', aborted, { once: true });
    void command.answer
      .catch(() => undefined)
      .finally(() => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        this.#commands.delete(command.tag);
      });
    if (signal?.aborted === true) queueMicrotask(aborted);
  }

  async #abandon(command: Command, error: InitiatorError): Promise<void> {
    if (command.settled) return;
    if (command.cmdSN === undefined) {
      this.#waiting = this.#waiting.filter(other => other !== command);
      command.fail(error);
      return;
    }
    try {
      await this.abortTask(command, ABORT_TIMEOUT_MS);
    } catch (cause) {
      // RFC 7143 4.2.3.3: without an answer nobody knows what the target still does with our buffers.
      if (cause instanceof InitiatorError && cause.fault === 'timeout') this.#wire.end(error);
    }
    command.fail(error);
  }

  /** Sends what the window lets through (RFC 7143 4.2.2.1). */
  #pump(): void {
    let sent = 0;
    while (sent < this.#waiting.length && !serialBefore(this.#maxCmdSN, this.#cmdSN)) {
      const command = this.#waiting[sent++]!;
      const cmdSN = this.#cmdSN;
      this.#cmdSN = serialAdd(cmdSN, 1);
      command.start(cmdSN, this.parameters, this.#sendData);
    }
    if (sent > 0) this.#waiting = this.#waiting.slice(sent);
  }

  readonly #sendData = (header: Buffer, data?: Uint8Array): void => {
    this.#payloadOut += data?.length ?? 0;
    this.#send(header, data);
  };

  #send(header: Buffer, data?: Uint8Array): void {
    nopOut.expStatSN.set(header, this.#expStatSN);
    this.#wire.send(header, data);
  }

  #tag(): number {
    do {
      this.#nextTag = serialAdd(this.#nextTag, 1);
    } while (
      this.#nextTag === NO_TAG ||
      this.#commands.has(this.#nextTag) ||
      this.#exchanges.has(this.#nextTag)
    );
    return this.#nextTag;
  }

  /** One request that is no SCSI command, as an immediate one, and its answer. */
  #exchange(
    header: Buffer,
    data: Buffer | undefined,
    answeredBy: number,
    timeoutMs: number,
  ): Promise<{ header: Buffer; data: Buffer }> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const tag = this.#tag();
    common.initiatorTaskTag.set(header, tag);
    common.immediate.set(header, true);
    nopOut.cmdSN.set(header, this.#cmdSN);
    const answer = new Promise<{ header: Buffer; data: Buffer }>((resolve, reject) => {
      this.#exchanges.set(tag, { opcode: answeredBy, resolve, reject });
    });
    const timer = setTimeout(() => {
      this.#exchanges
        .get(tag)
        ?.reject(new InitiatorError('timeout', `${this.peer} has not answered within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    this.#send(header, data);
    return answer.finally(() => {
      clearTimeout(timer);
      this.#exchanges.delete(tag);
    });
  }

  /** Sends a task management function; the answer is a TaskFunctionResponse (RFC 7143 11.6.1). */
  async taskManagement(
    fn: number,
    about: { lun?: number; task?: { tag: number; cmdSN: number | undefined }; timeoutMs?: number } = {},
  ): Promise<number> {
    const header = newHeader();
    taskManagementRequest.opcode.set(header, Opcode.TASK_MANAGEMENT_REQUEST);
    taskManagementRequest.final.set(header, true);
    taskManagementRequest.function.set(header, fn);
    taskManagementRequest.lun.set(header, lunBytes(about.lun ?? 0));
    taskManagementRequest.referencedTaskTag.set(header, about.task?.tag ?? NO_TAG);
    taskManagementRequest.refCmdSN.set(header, about.task?.cmdSN ?? 0);
    const timeoutMs = about.timeoutMs ?? this.#options.commandTimeoutMs;
    const answer = await this.#exchange(header, undefined, Opcode.TASK_MANAGEMENT_RESPONSE, timeoutMs);
    return taskManagementResponse.response.get(answer.header);
  }

  abortTask(command: Command, timeoutMs?: number): Promise<number> {
    return this.taskManagement(TaskFunction.ABORT_TASK, {
      lun: command.lun,
      task: command,
      ...(timeoutMs === undefined ? {} : { timeoutMs }),
    });
  }

  lunReset(lun: number): Promise<number> {
    return this.taskManagement(TaskFunction.LOGICAL_UNIT_RESET, { lun });
  }

  /** NOP-Out with an answer: is the target there? Gives back the echo. */
  async ping(data: Buffer = Buffer.alloc(0), timeoutMs = this.#options.commandTimeoutMs): Promise<Buffer> {
    const header = newHeader();
    nopOut.opcode.set(header, Opcode.NOP_OUT);
    nopOut.final.set(header, true);
    nopOut.targetTransferTag.set(header, NO_TAG);
    return (await this.#exchange(header, data, Opcode.NOP_IN, timeoutMs)).data;
  }

  /** A text negotiation: the pairs of the whole answer (RFC 7143 11.10). */
  async text(pairs: readonly Pair[]): Promise<Pair[]> {
    let request: Buffer = formatText(pairs);
    let transferTag = NO_TAG;
    let text = Buffer.alloc(0);
    for (;;) {
      const header = newHeader();
      textRequest.opcode.set(header, Opcode.TEXT_REQUEST);
      textRequest.final.set(header, true);
      textRequest.targetTransferTag.set(header, transferTag);
      const answer = await this.#exchange(
        header,
        request,
        Opcode.TEXT_RESPONSE,
        this.#options.commandTimeoutMs,
      );
      text = Buffer.concat([text, answer.data]);
      if (text.length > LONGEST_TEXT)
        throw new InitiatorError('protocol', `${this.peer} sends an endless text`);
      if (textResponse.final.get(answer.header)) break;
      transferTag = textResponse.targetTransferTag.get(answer.header);
      request = Buffer.alloc(0);
    }
    const parsed = parseText(text);
    if (parsed === undefined)
      throw new InitiatorError('protocol', `${this.peer} sends text that is no list of key=value`);
    return parsed;
  }

  /** Ends the session in good order; whatever is still under way fails. Never rejects: a peer that is gone is logged out. */
  logout(): Promise<void> {
    this.#loggingOut ??= this.#logout();
    return this.#loggingOut;
  }

  async #logout(): Promise<void> {
    const over = new InitiatorError('closed', 'the session has been logged out');
    if (this.#error !== undefined) return;
    for (const command of this.#commands.values()) command.fail(over);
    this.#waiting = [];
    const header = newHeader();
    logoutRequest.opcode.set(header, Opcode.LOGOUT_REQUEST);
    logoutRequest.final.set(header, true);
    logoutRequest.reason.set(header, LogoutReason.CLOSE_SESSION);
    try {
      const answer = await this.#exchange(header, undefined, Opcode.LOGOUT_RESPONSE, LOGOUT_TIMEOUT_MS);
      const clean = logoutResponse.response.get(answer.header) === LogoutResponse.CLOSED;
      this.#wire.end(over, clean);
    } catch {
      this.#wire.end(over);
    }
  }

  /** Drops the connection without a word. */
  destroy(): void {
    this.#wire.end(new InitiatorError('closed', 'the connection was dropped on this side'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.logout();
  }

  #land(header: Buffer, length: number): Buffer {
    if (length > this.#scratch.length) {
      throw new InitiatorError(
        'protocol',
        `${this.peer} sends ${length} bytes in one PDU, where ${this.#scratch.length} were agreed on`,
      );
    }
    if (dataIn.opcode.get(header) === Opcode.DATA_IN) {
      const command = this.#commands.get(dataIn.initiatorTaskTag.get(header));
      if (command !== undefined && !command.settled) return command.land(header, length);
    }
    return this.#scratch.subarray(0, length);
  }

  #received(header: Buffer, data: Buffer): void {
    if (this.#login !== undefined) {
      this.#login.take(header, data);
      return;
    }
    this.#advance(header);
    const opcode = common.opcode.get(header);
    const command = this.#commands.get(common.initiatorTaskTag.get(header));
    switch (opcode) {
      case Opcode.SCSI_RESPONSE:
        command?.responded(header, data);
        break;
      case Opcode.DATA_IN:
        this.#payloadIn += data.length;
        if (command?.settled === false) command.arrived(header, data.length);
        break;
      case Opcode.R2T:
        if (command?.settled === false) command.ready(header, this.parameters, this.#sendData);
        break;
      case Opcode.NOP_IN:
        if (nopIn.targetTransferTag.get(header) === NO_TAG) this.#answered(opcode, header, data);
        else this.#pong(header, data);
        break;
      case Opcode.TEXT_RESPONSE:
      case Opcode.LOGOUT_RESPONSE:
      case Opcode.TASK_MANAGEMENT_RESPONSE:
        this.#answered(opcode, header, data);
        break;
      case Opcode.ASYNC_MESSAGE:
        this.#asynchronous(asyncMessage.event.get(header));
        break;
      case Opcode.REJECT:
        this.#rejected(reject.reason.get(header), data);
        break;
      default:
        throw new InitiatorError(
          'protocol',
          `${this.peer} sends opcode ${opcode.toString(16)}h, which no target does`,
        );
    }
    this.#pump();
  }

  /** StatSN, ExpCmdSN and MaxCmdSN of a PDU (RFC 7143 4.2.2). */
  #advance(header: Buffer): void {
    const opcode = common.opcode.get(header);
    const counts =
      opcode === Opcode.DATA_IN
        ? dataIn.hasStatus.get(header)
        : opcode !== Opcode.R2T &&
          !(opcode === Opcode.NOP_IN && common.initiatorTaskTag.get(header) === NO_TAG);
    if (counts) this.#expStatSN = serialAdd(responseNumbers.statSN.get(header), 1);
    const expCmdSN = responseNumbers.expCmdSN.get(header);
    const maxCmdSN = responseNumbers.maxCmdSN.get(header);
    // RFC 7143 4.2.2.1: a pair with MaxCmdSN below ExpCmdSN - 1 is ignored, and so are values that go back.
    if (serialDistance(maxCmdSN, serialAdd(expCmdSN, -1)) < 0) return;
    if (serialBefore(this.#maxCmdSN, maxCmdSN)) this.#maxCmdSN = maxCmdSN;
    if (serialBefore(this.#expCmdSN, expCmdSN)) this.#expCmdSN = expCmdSN;
  }

  #answered(opcode: number, header: Buffer, data: Buffer): void {
    const exchange = this.#exchanges.get(common.initiatorTaskTag.get(header));
    if (exchange?.opcode !== opcode) return;
    exchange.resolve({ header: Buffer.from(header), data: Buffer.from(data) });
  }

  /** The target asks whether we are there (RFC 7143 11.18). */
  #pong(from: Buffer, data: Buffer): void {
    const header = newHeader();
    nopOut.opcode.set(header, Opcode.NOP_OUT);
    nopOut.immediate.set(header, true);
    nopOut.final.set(header, true);
    nopOut.lun.set(header, nopIn.lun.get(from));
    nopOut.initiatorTaskTag.set(header, NO_TAG);
    nopOut.targetTransferTag.set(header, nopIn.targetTransferTag.get(from));
    nopOut.cmdSN.set(header, this.#cmdSN);
    this.#send(header, Buffer.from(data.subarray(0, this.parameters.maxRecvDataSegmentLength)));
  }

  /** RFC 7143 11.9.1. */
  #asynchronous(event: number): void {
    if (event === AsyncEvent.LOGOUT_REQUEST) void this.logout();
    else if (event === AsyncEvent.DROP_CONNECTION || event === AsyncEvent.DROP_ALL_CONNECTIONS) {
      this.#wire.end(new InitiatorError('closed', `${this.peer} said that it drops the connection`));
    }
  }

  /** RFC 7143 11.17: the data is the header that was refused. */
  #rejected(reason: number, data: Buffer): void {
    const error = new InitiatorError(
      'protocol',
      `${this.peer} rejects a PDU of ours (reason ${reason.toString(16)}h)`,
    );
    if (data.length < newHeader().length) return;
    const tag = common.initiatorTaskTag.get(data);
    this.#exchanges.get(tag)?.reject(error);
    this.#commands.get(tag)?.fail(error);
  }

  #ended(error: InitiatorError): void {
    this.#error = error;
    this.#waiting = [];
    for (const command of this.#commands.values()) command.fail(error);
    for (const exchange of this.#exchanges.values()) exchange.reject(error);
    this.#loginEnd?.reject(error);
  }
}
