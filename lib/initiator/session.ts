import { serialAdd } from '../bytes/serial.ts';
import type { Parameters } from '../iscsi/login/keys.ts';
import { formatText, type Pair, parseText } from '../iscsi/login/text.ts';
import { asyncMessage, AsyncEvent } from '../iscsi/pdu/async-message.ts';
import { dataIn } from '../iscsi/pdu/data.ts';
import { common, newHeader, NO_TAG, Opcode } from '../iscsi/pdu/header.ts';
import { LogoutReason, logoutRequest, LogoutResponse, logoutResponse } from '../iscsi/pdu/logout.ts';
import { nopIn, nopOut } from '../iscsi/pdu/nop.ts';
import { reject } from '../iscsi/pdu/reject.ts';
import { TaskFunction, taskManagementRequest, taskManagementResponse } from '../iscsi/pdu/task-management.ts';
import { textRequest, textResponse } from '../iscsi/pdu/text.ts';
import { Command, type CommandOptions, type CommandResult } from './command.ts';
import { CommandQueue } from './command-queue.ts';
import { type Answer, Exchanges } from './exchanges.ts';
import { InitiatorError } from './initiator-error.ts';
import { Login, type LoginRequestOptions, type LoginResult } from './login.ts';
import { lunBytes } from './lun.ts';
import { SequenceNumbers } from './sequence-numbers.ts';
import { Wire } from './wire.ts';
import type { Duplex } from 'node:stream';

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

  readonly #numbers = new SequenceNumbers();
  readonly #commands: CommandQueue;
  readonly #exchanges: Exchanges;
  #nextTag = 1;
  #loggingOut: Promise<void> | undefined;

  #payloadIn = 0;
  #payloadOut = 0;
  #count = 0;

  private constructor(stream: Duplex, options: SessionOptions) {
    this.#options = options;
    this.target = options.target;
    this.peer = options.peer;
    this.parameters = options.ours;
    this.#exchanges = new Exchanges(options.peer);
    this.#commands = new CommandQueue({
      peer: options.peer,
      timeoutMs: options.commandTimeoutMs,
      abort: (command, error) => this.#abort(command, error),
    });
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
    this.#numbers.start(result);
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
    this.#commands.requireRoom();
    const command = new Command(this.#tag(), lun, cdb, options);
    this.#commands.add(command, options);
    this.#count++;
    this.#pump();
    return command;
  }

  /** A command that was sent is not wanted any more. */
  async #abort(command: Command, error: InitiatorError): Promise<void> {
    try {
      await this.abortTask(command, ABORT_TIMEOUT_MS);
    } catch (cause) {
      // RFC 7143 4.2.3.3: without an answer nobody knows what the target still does with our buffers.
      if (cause instanceof InitiatorError && cause.fault === 'timeout') this.#wire.end(error);
    }
  }

  /** Sends what the window lets through. */
  #pump(): void {
    this.#commands.pump(this.#isOpen, this.#start);
  }

  readonly #isOpen = (): boolean => this.#numbers.open;

  readonly #start = (command: Command): void => {
    command.start(this.#numbers.take(), this.parameters, this.#sendData);
  };

  readonly #sendData = (header: Buffer, data?: Uint8Array): void => {
    this.#payloadOut += data?.length ?? 0;
    this.#send(header, data);
  };

  #send(header: Buffer, data?: Uint8Array): void {
    nopOut.expStatSN.set(header, this.#numbers.expStatSN);
    this.#wire.send(header, data);
  }

  #tag(): number {
    do {
      this.#nextTag = serialAdd(this.#nextTag, 1);
    } while (
      this.#nextTag === NO_TAG ||
      this.#commands.get(this.#nextTag) !== undefined ||
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
  ): Promise<Answer> {
    if (this.#error !== undefined) return Promise.reject(this.#error);
    const tag = this.#tag();
    common.initiatorTaskTag.set(header, tag);
    common.immediate.set(header, true);
    nopOut.cmdSN.set(header, this.#numbers.cmdSN);
    const answer = this.#exchanges.expect(tag, answeredBy, timeoutMs);
    this.#send(header, data);
    return answer;
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
    this.#commands.fail(over);
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
    this.#numbers.advance(header);
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
        if (nopIn.targetTransferTag.get(header) === NO_TAG) this.#exchanges.answered(header, data);
        else this.#pong(header, data);
        break;
      case Opcode.TEXT_RESPONSE:
      case Opcode.LOGOUT_RESPONSE:
      case Opcode.TASK_MANAGEMENT_RESPONSE:
        this.#exchanges.answered(header, data);
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

  /** The target asks whether we are there (RFC 7143 11.18). */
  #pong(from: Buffer, data: Buffer): void {
    const header = newHeader();
    nopOut.opcode.set(header, Opcode.NOP_OUT);
    nopOut.immediate.set(header, true);
    nopOut.final.set(header, true);
    nopOut.lun.set(header, nopIn.lun.get(from));
    nopOut.initiatorTaskTag.set(header, NO_TAG);
    nopOut.targetTransferTag.set(header, nopIn.targetTransferTag.get(from));
    nopOut.cmdSN.set(header, this.#numbers.cmdSN);
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
    this.#exchanges.reject(tag, error);
    this.#commands.get(tag)?.fail(error);
  }

  #ended(error: InitiatorError): void {
    this.#error = error;
    this.#commands.fail(error);
    this.#exchanges.rejectAll(error);
    this.#loginEnd?.reject(error);
  }
}
