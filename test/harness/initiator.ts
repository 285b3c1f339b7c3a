/** An initiator by the book on top of RawPeer: logs in, sends commands, brings their data as it was agreed. */
import { createHash } from 'node:crypto';
import { Opcode } from '../../lib/iscsi/pdu/header.ts';
import { encodeLun } from '../../lib/scsi-cmds/lun.ts';
import { decodeSense } from '../../lib/scsi-cmds/sense.ts';
import { NONE, type Pdu, RawPeer, text } from './peer.ts';

export const INITIATOR = 'iqn.2026-01.test:initiator';

export interface LoginOptions {
  readonly target?: string;
  readonly initiator?: string;
  readonly isid?: string;
  readonly tsih?: number;
  readonly cid?: number;
  /** Keys of the operational stage. */
  readonly keys?: Readonly<Record<string, string>>;
  readonly chap?: { user: string; secret: string; mutual?: { user: string; secret: string } };
}

export interface Told {
  readonly status: number;
  readonly response: number;
  /** Sense key and code in hex, `5/2400`, or nothing. */
  readonly said: string;
  readonly sense: Buffer;
  readonly data: Buffer;
  /** `O512`, `U512`, or nothing. */
  readonly residual: string;
  readonly r2ts: readonly Pdu[];
  readonly dataIns: readonly Pdu[];
  /** The PDU that had the status. */
  readonly last: Pdu;
}

export interface CommandOptions {
  /** EDTL of a read. */
  readonly read?: number;
  readonly write?: Uint8Array;
  /** EDTL of a write where it is not the length of `write`. */
  readonly expect?: number;
  readonly attribute?: number;
  readonly immediate?: boolean;
  readonly ahs?: Uint8Array;
  /** Bytes of immediate and of unsolicited data; as much as was agreed unless told. */
  readonly unasked?: { readonly immediate: number; readonly more: number };
  /** Bytes in one Data-Out. */
  readonly segment?: number;
}

export const lunField = (lun: number): Buffer => {
  const field = Buffer.alloc(8);
  encodeLun(lun, field, 0);
  return field;
};

export const hexBytes = (hex: string): Buffer => Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');

/** A CDB as hex with blanks, padded to 16. */
export const cdb16 = (cdb: string | Uint8Array): Buffer => {
  const bytes = typeof cdb === 'string' ? hexBytes(cdb) : Buffer.from(cdb);
  const padded = Buffer.alloc(16);
  bytes.copy(padded);
  return padded;
};

export const chapResponse = (identifier: number, secret: string, challenge: Buffer): string =>
  `0x${createHash('md5')
    .update(Buffer.from([identifier]))
    .update(secret)
    .update(challenge)
    .digest('hex')}`;

const number = (keys: ReadonlyMap<string, string>, key: string, otherwise: number): number =>
  Number(keys.get(key) ?? otherwise);

export const read10 = (lba: number, blocks: number): Buffer => {
  const cdb = Buffer.alloc(16);
  cdb[0] = 0x28;
  cdb.writeUInt32BE(lba, 2);
  cdb.writeUInt16BE(blocks, 7);
  return cdb;
};
export const write10 = (lba: number, blocks: number): Buffer => {
  const cdb = read10(lba, blocks);
  cdb[0] = 0x2a;
  return cdb;
};

export class Initiator extends RawPeer {
  /** What was agreed on, by key; what nobody spoke of is not there. */
  agreed = new Map<string, string>();
  tsih = 0;
  /** What we can receive in one PDU. */
  receives = 8192;
  /** Of the last login. */
  asked: LoginOptions = {};
  /** Initiator task tags, one row of them a session. */
  tags = { next: 0x100 };

  newTag(): number {
    return this.tags.next++;
  }

  /** One Login Request and its answer. `flags` as in byte 1: T, C, CSG, NSG. */
  async loginStep(
    flags: { transit?: boolean; more?: boolean; stage: number; next?: number },
    keys: Readonly<Record<string, string>> | readonly string[] | Buffer = {},
    { isid = '800000000001', tsih = 0, cid = 0 }: LoginOptions = {},
    other: Readonly<Record<string, number>> = {},
  ): Promise<Pdu> {
    this.send(
      Opcode.LOGIN_REQUEST,
      {
        immediate: true,
        final: flags.transit ?? false,
        continue: flags.more ?? false,
        currentStage: flags.stage,
        nextStage: flags.next ?? 0,
        isid: hexBytes(isid),
        tsih,
        cid,
        initiatorTaskTag: 1,
        cmdSN: this.cmdSN,
        expStatSN: this.expStatSN,
        ...other,
      },
      Buffer.isBuffer(keys) ? keys : text(keys),
    );
    return this.next();
  }

  /** A whole login; throws what the target said when it refuses. */
  async login(options: LoginOptions): Promise<this> {
    const names: Record<string, string> = {
      InitiatorName: options.initiator ?? INITIATOR,
      ...(options.target === undefined
        ? { SessionType: 'Discovery' }
        : { SessionType: 'Normal', TargetName: options.target }),
    };
    const right = (pdu: Pdu): Pdu => {
      if (pdu.opcode !== Opcode.LOGIN_RESPONSE) throw new Error(pdu.toString());
      const status = pdu.num('status');
      if (status !== 0) throw new Error(`login refused: ${status.toString(16).padStart(4, '0')}`);
      return pdu;
    };
    // As open-iscsi does: a session ends with its connection.
    const leading = options.target !== undefined && (options.tsih ?? 0) === 0;
    const keys = leading ? { DefaultTime2Retain: '0', ...options.keys } : options.keys;
    let first = names;
    if (options.chap !== undefined) {
      await this.chap(options, right, names);
      first = {};
    }
    const reply = right(
      await this.loginStep({ transit: true, stage: 1, next: 3 }, { ...first, ...keys }, options),
    );
    this.agreed = new Map([...Object.entries(options.keys ?? {}), ...reply.pairs]);
    this.receives = Number(options.keys?.['MaxRecvDataSegmentLength'] ?? 8192);
    this.tsih = reply.num('tsih');
    this.asked = options;
    this.headerDigest = reply.keys.get('HeaderDigest') === 'CRC32C';
    this.dataDigest = reply.keys.get('DataDigest') === 'CRC32C';
    return this;
  }

  /** One connection more of the session of `leader`: CmdSN is the session's (RFC 7143 4.2.2.1). */
  async join(leader: Initiator, cid: number, options: LoginOptions = {}): Promise<this> {
    this.numbers = leader.numbers;
    await this.login({ ...leader.asked, keys: {}, ...options, tsih: options.tsih ?? leader.tsih, cid });
    this.agreed = new Map([...leader.agreed, ...this.agreed]);
    this.tags = leader.tags;
    return this;
  }

  private async chap(
    options: LoginOptions,
    right: (pdu: Pdu) => Pdu,
    names: Record<string, string>,
  ): Promise<void> {
    const { user, secret, mutual } = options.chap!;
    right(await this.loginStep({ stage: 0 }, { ...names, AuthMethod: 'CHAP' }, options));
    const asked = right(await this.loginStep({ stage: 0 }, { CHAP_A: '5' }, options)).keys;
    const challenge = hexBytes(asked.get('CHAP_C')!.slice(2));
    const keys: Record<string, string> = {
      CHAP_N: user,
      CHAP_R: chapResponse(Number(asked.get('CHAP_I')), secret, challenge),
    };
    if (mutual !== undefined)
      Object.assign(keys, { CHAP_I: '77', CHAP_C: '0x0102030405060708090a0b0c0d0e0f' });
    const proof = right(await this.loginStep({ transit: true, stage: 0, next: 1 }, keys, options)).keys;
    if (mutual !== undefined) {
      const wanted = chapResponse(77, mutual.secret, hexBytes('0102030405060708090a0b0c0d0e0f'));
      if (proof.get('CHAP_N') !== mutual.user || proof.get('CHAP_R') !== wanted) {
        throw new Error('the target could not prove itself');
      }
    }
  }

  get immediateData(): boolean {
    return this.agreed.get('ImmediateData') !== 'No';
  }

  get initialR2T(): boolean {
    return this.agreed.get('InitialR2T') !== 'No';
  }

  /** Sends a SCSI Command and nothing after it; gives its tag. */
  start(
    lun: number,
    cdb: string | Uint8Array,
    options: CommandOptions & {
      final?: boolean;
      tag?: number;
      cmdSN?: number;
      stopAt?: number;
      immediateBytes?: number;
    } = {},
  ): number {
    const { write, read, immediate = false, attribute = 1, ahs } = options;
    const tag = options.tag ?? this.newTag();
    const cmdSN = options.cmdSN ?? this.cmdSN;
    if (!immediate && options.cmdSN === undefined) this.cmdSN = (this.cmdSN + 1) >>> 0;
    this.send(
      Opcode.SCSI_COMMAND,
      {
        immediate,
        final: options.final ?? true,
        read: read !== undefined,
        write: write !== undefined,
        attribute,
        lun: lunField(lun),
        initiatorTaskTag: tag,
        expectedDataTransferLength: options.expect ?? write?.length ?? read ?? 0,
        cmdSN,
        expStatSN: this.expStatSN,
        cdb: cdb16(cdb),
      },
      {
        ...(ahs === undefined ? {} : { ahs }),
        ...(options.stopAt === undefined ? {} : { stopAt: options.stopAt }),
        data: write?.subarray(0, options.immediateBytes ?? 0) ?? Buffer.alloc(0),
      },
    );
    return tag;
  }

  /** Sends `data` from `from` to `to` as Data-Outs of one sequence. */
  sequence(
    lun: number,
    tag: number,
    transferTag: number,
    data: Uint8Array,
    from: number,
    to: number,
    segment: number,
  ): void {
    for (let at = from, dataSN = 0; at < to; at += segment, dataSN++) {
      const end = Math.min(at + segment, to);
      this.dataOut(lun, tag, transferTag, data.subarray(at, end), at, dataSN, end === to);
    }
  }

  dataOut(
    lun: number,
    tag: number,
    transferTag: number,
    data: Uint8Array,
    offset: number,
    dataSN: number,
    final: boolean,
    options: { dataDigest?: 'wrong'; stopAt?: number } = {},
  ): void {
    this.send(
      Opcode.DATA_OUT,
      {
        final,
        lun: lunField(lun),
        initiatorTaskTag: tag,
        targetTransferTag: transferTag,
        expStatSN: this.expStatSN,
        dataSN,
        bufferOffset: offset,
      },
      { ...options, data },
    );
  }

  /** A command from its start to its status. */
  async command(lun: number, cdb: string | Uint8Array, options: CommandOptions = {}): Promise<Told> {
    const { write } = options;
    if (write === undefined) return this.finish(this.start(lun, cdb, options), lun);
    const segment = options.segment ?? number(this.agreed, 'MaxRecvDataSegmentLength', 8192);
    const first = Math.min(
      number(this.agreed, 'FirstBurstLength', 65_536),
      number(this.agreed, 'MaxBurstLength', 262_144),
      write.length,
    );
    const immediate = options.unasked?.immediate ?? (this.immediateData ? Math.min(first, segment) : 0);
    const more = options.unasked?.more ?? (this.initialR2T ? 0 : first - immediate);
    const tag = this.start(lun, cdb, { ...options, immediateBytes: immediate, final: more === 0 });
    if (more > 0) this.sequence(lun, tag, NONE, write, immediate, immediate + more, segment);
    return this.finish(tag, lun, write, segment);
  }

  /** Follows a command to its status, answering R2Ts from `data`. */
  async finish(tag: number, lun: number, data?: Uint8Array, segment = 8192): Promise<Told> {
    const r2ts: Pdu[] = [];
    const dataIns: Pdu[] = [];
    for (;;) {
      const pdu = await this.next(each => each.num('initiatorTaskTag') === tag);
      if (pdu.opcode === Opcode.R2T) {
        r2ts.push(pdu);
        const from = pdu.num('bufferOffset');
        const to = from + pdu.num('desiredDataTransferLength');
        if (data === undefined || to > data.length) throw new Error(`an R2T past the end: ${pdu.toString()}`);
        this.sequence(lun, tag, pdu.num('targetTransferTag'), data, from, to, segment);
      } else if (pdu.opcode === Opcode.DATA_IN) {
        dataIns.push(pdu);
        if (pdu.flag('hasStatus')) return told(pdu, r2ts, dataIns);
      } else if (pdu.opcode === Opcode.SCSI_RESPONSE) return told(pdu, r2ts, dataIns);
      else throw new Error(`unexpected ${pdu.toString()}`);
    }
  }

  /** Meets the unit attentions of `luns`. */
  async clear(...luns: readonly number[]): Promise<this> {
    for (const lun of luns) {
      for (let i = 0; i < 8 && (await this.command(lun, '00')).said.startsWith('6/'); i++);
    }
    return this;
  }

  /** A ping and its echo: when it has come, everything before it has been worked on. Gives what came in between. */
  async settled(): Promise<Pdu[]> {
    const tag = this.newTag();
    this.send(Opcode.NOP_OUT, {
      immediate: true,
      final: true,
      initiatorTaskTag: tag,
      targetTransferTag: NONE,
      cmdSN: this.cmdSN,
      expStatSN: this.expStatSN,
    });
    const between: Pdu[] = [];
    for (;;) {
      const pdu = await this.next();
      if (pdu.opcode === Opcode.NOP_IN && pdu.num('initiatorTaskTag') === tag) return between;
      between.push(pdu);
    }
  }

  /** A task management function: its response code. */
  async manage(
    func: number,
    {
      lun = 0,
      tag = NONE,
      refCmdSN = 0,
      immediate = true,
      field,
    }: { lun?: number; tag?: number; refCmdSN?: number; immediate?: boolean; field?: Uint8Array } = {},
  ): Promise<number> {
    const own = this.newTag();
    const cmdSN = this.cmdSN;
    if (!immediate) this.cmdSN = (cmdSN + 1) >>> 0;
    this.send(Opcode.TASK_MANAGEMENT_REQUEST, {
      immediate,
      final: true,
      function: func,
      lun: field ?? lunField(lun),
      initiatorTaskTag: own,
      referencedTaskTag: tag,
      cmdSN,
      refCmdSN,
      expStatSN: this.expStatSN,
    });
    return (await this.nextOf(Opcode.TASK_MANAGEMENT_RESPONSE)).num('response');
  }

  /** One Text Request and its answer. */
  async ask(
    keys: Readonly<Record<string, string>> | readonly string[] | Buffer,
    {
      final = true,
      more = false,
      transferTag = NONE,
      tag = this.newTag(),
    }: { final?: boolean; more?: boolean; transferTag?: number; tag?: number } = {},
  ): Promise<Pdu> {
    const cmdSN = this.cmdSN;
    this.cmdSN = (cmdSN + 1) >>> 0;
    this.send(
      Opcode.TEXT_REQUEST,
      {
        final,
        continue: more,
        initiatorTaskTag: tag,
        targetTransferTag: transferTag,
        cmdSN,
        expStatSN: this.expStatSN,
      },
      Buffer.isBuffer(keys) ? keys : text(keys),
    );
    return this.next();
  }

  async logout(reason = 0, cid = 0): Promise<Pdu> {
    this.send(Opcode.LOGOUT_REQUEST, {
      immediate: true,
      final: true,
      reason,
      cid,
      initiatorTaskTag: this.newTag(),
      cmdSN: this.cmdSN,
      expStatSN: this.expStatSN,
    });
    return this.nextOf(Opcode.LOGOUT_RESPONSE);
  }
}

function told(last: Pdu, r2ts: readonly Pdu[], dataIns: readonly Pdu[]): Told {
  const sense =
    last.opcode === Opcode.SCSI_RESPONSE && last.data.length >= 2
      ? last.data.subarray(2, 2 + last.data.readUInt16BE(0))
      : Buffer.alloc(0);
  const decoded = sense.length > 0 ? decodeSense(sense) : undefined;
  const residual = last.num('residualCount');
  return {
    status: last.num('status'),
    response: last.opcode === Opcode.SCSI_RESPONSE ? last.num('response') : 0,
    said:
      decoded === undefined
        ? ''
        : `${decoded.key.toString(16)}/${decoded.code.toString(16).padStart(4, '0')}`,
    sense,
    data: Buffer.concat(dataIns.map(pdu => pdu.data)),
    residual: last.flag('overflow') ? `O${residual}` : last.flag('underflow') ? `U${residual}` : '',
    r2ts,
    dataIns,
    last,
  };
}
