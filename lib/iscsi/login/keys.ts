import { parseNumber } from './text.ts';

/**
 * The operational keys of RFC 7143 clause 13, a row each. How a key is negotiated, its range and its default follow from
 * the row; target and initiator use the same table.
 */

/** What a session or connection works by, once it is negotiated. */
export interface Parameters {
  headerDigest: boolean;
  dataDigest: boolean;
  maxConnections: number;
  initialR2T: boolean;
  immediateData: boolean;
  /** What the peer can receive in one PDU. */
  maxRecvDataSegmentLength: number;
  maxBurstLength: number;
  firstBurstLength: number;
  defaultTime2Wait: number;
  defaultTime2Retain: number;
  maxOutstandingR2T: number;
  dataPDUInOrder: boolean;
  dataSequenceInOrder: boolean;
  errorRecoveryLevel: number;
  protocolLevel: number;
}

/** RFC 7143 13: what holds for a key that nobody spoke of. */
export const defaults = (): Parameters => ({
  headerDigest: false,
  dataDigest: false,
  maxConnections: 1,
  initialR2T: true,
  immediateData: true,
  maxRecvDataSegmentLength: 8192,
  maxBurstLength: 262_144,
  firstBurstLength: 65_536,
  defaultTime2Wait: 2,
  defaultTime2Retain: 20,
  maxOutstandingR2T: 1,
  dataPDUInOrder: true,
  dataSequenceInOrder: true,
  errorRecoveryLevel: 0,
  protocolLevel: 1,
});

type NumberName = { [K in keyof Parameters]: Parameters[K] extends number ? K : never }[keyof Parameters];
type FlagName = { [K in keyof Parameters]: Parameters[K] extends boolean ? K : never }[keyof Parameters];

interface Scope {
  /** Leading login only (LO), any login (IO), or also in full feature phase (ALL): RFC 7143 13. */
  readonly use: 'LO' | 'IO' | 'ALL';
  /** Answered Irrelevant in a discovery session. */
  readonly normalOnly?: boolean;
}

export type KeyRow =
  | (Scope & { readonly kind: 'digest'; readonly name: string; readonly into: FlagName })
  /** Result is the smaller or the greater of both values. */
  | (Scope & {
      readonly kind: 'minimum' | 'maximum';
      readonly name: string;
      readonly into: NumberName;
      readonly least: number;
      readonly most: number;
    })
  /** Result is both values under AND or OR. */
  | (Scope & { readonly kind: 'and' | 'or'; readonly name: string; readonly into: FlagName })
  /** Told, not negotiated; each side has its own. */
  | (Scope & {
      readonly kind: 'declared';
      readonly name: string;
      readonly into: NumberName;
      readonly least: number;
      readonly most: number;
    })
  /** The first of the offered values that we have. */
  | (Scope & { readonly kind: 'list'; readonly name: string; readonly answers: readonly string[] })
  /** Always the same answer, whatever is offered. */
  | (Scope & { readonly kind: 'constant'; readonly name: string; readonly answer: string });

const MOST_SEGMENT = 0xff_ffff;

const ROWS: readonly KeyRow[] = [
  { name: 'HeaderDigest', kind: 'digest', into: 'headerDigest', use: 'IO' }, // 13.1
  { name: 'DataDigest', kind: 'digest', into: 'dataDigest', use: 'IO' },
  {
    name: 'MaxConnections',
    kind: 'minimum',
    into: 'maxConnections',
    least: 1,
    most: 65_535,
    use: 'LO',
    normalOnly: true,
  }, // 13.2
  { name: 'InitialR2T', kind: 'or', into: 'initialR2T', use: 'LO', normalOnly: true }, // 13.10
  { name: 'ImmediateData', kind: 'and', into: 'immediateData', use: 'LO', normalOnly: true }, // 13.11
  {
    name: 'MaxRecvDataSegmentLength',
    kind: 'declared',
    into: 'maxRecvDataSegmentLength',
    least: 512,
    most: MOST_SEGMENT,
    use: 'ALL',
  }, // 13.12
  {
    name: 'MaxBurstLength',
    kind: 'minimum',
    into: 'maxBurstLength',
    least: 512,
    most: MOST_SEGMENT,
    use: 'LO',
    normalOnly: true,
  }, // 13.13
  {
    name: 'FirstBurstLength',
    kind: 'minimum',
    into: 'firstBurstLength',
    least: 512,
    most: MOST_SEGMENT,
    use: 'LO',
    normalOnly: true,
  }, // 13.14
  { name: 'DefaultTime2Wait', kind: 'maximum', into: 'defaultTime2Wait', least: 0, most: 3600, use: 'LO' }, // 13.15
  {
    name: 'DefaultTime2Retain',
    kind: 'minimum',
    into: 'defaultTime2Retain',
    least: 0,
    most: 3600,
    use: 'LO',
  }, // 13.16
  {
    name: 'MaxOutstandingR2T',
    kind: 'minimum',
    into: 'maxOutstandingR2T',
    least: 1,
    most: 65_535,
    use: 'LO',
    normalOnly: true,
  }, // 13.17
  { name: 'DataPDUInOrder', kind: 'or', into: 'dataPDUInOrder', use: 'LO', normalOnly: true }, // 13.18
  { name: 'DataSequenceInOrder', kind: 'or', into: 'dataSequenceInOrder', use: 'LO', normalOnly: true }, // 13.19
  { name: 'ErrorRecoveryLevel', kind: 'minimum', into: 'errorRecoveryLevel', least: 0, most: 2, use: 'LO' }, // 13.20
  { name: 'TaskReporting', kind: 'list', answers: ['RFC3720'], use: 'LO', normalOnly: true }, // 13.23
  {
    name: 'iSCSIProtocolLevel',
    kind: 'minimum',
    into: 'protocolLevel',
    least: 0,
    most: 31,
    use: 'LO',
    normalOnly: true,
  }, // 13.24
  // 13.25: markers are gone; No may be said instead of Reject, and older initiators take it better.
  { name: 'OFMarker', kind: 'constant', answer: 'No', use: 'IO' },
  { name: 'IFMarker', kind: 'constant', answer: 'No', use: 'IO' },
  { name: 'OFMarkInt', kind: 'constant', answer: 'Reject', use: 'IO' },
  { name: 'IFMarkInt', kind: 'constant', answer: 'Reject', use: 'IO' },
];

export const KEYS: ReadonlyMap<string, KeyRow> = new Map(ROWS.map(row => [row.name, row]));

/** A key that is not negotiated: who may say it, and when (RFC 7143 13). */
export interface ToldRow {
  readonly name: string;
  readonly from: 'initiator' | 'target';
  /** Initialisation only, in any phase, or in full feature phase only. */
  readonly use: 'IO' | 'ALL' | 'FFPO';
}

const TOLD_ROWS: readonly ToldRow[] = [
  { name: 'SendTargets', from: 'initiator', use: 'FFPO' }, // 13.3
  { name: 'TargetName', from: 'initiator', use: 'IO' }, // 13.4
  { name: 'InitiatorName', from: 'initiator', use: 'IO' }, // 13.5
  { name: 'TargetAlias', from: 'target', use: 'ALL' }, // 13.6
  { name: 'InitiatorAlias', from: 'initiator', use: 'ALL' }, // 13.7
  { name: 'TargetAddress', from: 'target', use: 'ALL' }, // 13.8
  { name: 'TargetPortalGroupTag', from: 'target', use: 'IO' }, // 13.9
  { name: 'SessionType', from: 'initiator', use: 'IO' }, // 13.21
];

export const TOLD_KEYS: ReadonlyMap<string, ToldRow> = new Map(TOLD_ROWS.map(row => [row.name, row]));

/** Keys of the security stage, ours and those of methods that we have not (RFC 7143 12.1). */
export const isSecurityKey = (key: string): boolean => /^(AuthMethod$|CHAP_|KRB_|SRP_|SPKM_)/.test(key);

const yes = (value: boolean): string => (value ? 'Yes' : 'No');

/** What we say of a key when we speak first. */
export function offer(row: KeyRow, ours: Parameters): string {
  switch (row.kind) {
    case 'digest':
      return ours[row.into] ? 'CRC32C,None' : 'None';
    case 'and':
    case 'or':
      return yes(ours[row.into]);
    case 'list':
      return row.answers.join(',');
    case 'constant':
      return row.answer;
    default:
      return String(ours[row.into]);
  }
}

/**
 * Answers an offered value and sets the result in `into`. Undefined: nothing is answered (a declaration). 'Reject': the
 * value is none that the key can have.
 */
export function negotiate(
  row: KeyRow,
  offered: string,
  ours: Parameters,
  into: Parameters,
): string | undefined {
  switch (row.kind) {
    case 'digest': {
      // RFC 7143 6.2.1: the first value of the list that we support and allow; values we do not know are passed over.
      for (const value of offered.split(',')) {
        if (value === 'CRC32C' && ours[row.into]) {
          into[row.into] = true;
          return 'CRC32C';
        }
        if (value === 'None') {
          into[row.into] = false;
          return 'None';
        }
      }
      return 'Reject';
    }
    case 'minimum':
    case 'maximum': {
      const value = parseNumber(offered);
      if (value === undefined || value < row.least || value > row.most) return 'Reject';
      into[row.into] =
        row.kind === 'minimum' ? Math.min(value, ours[row.into]) : Math.max(value, ours[row.into]);
      return String(into[row.into]);
    }
    case 'and':
    case 'or': {
      if (offered !== 'Yes' && offered !== 'No') return 'Reject';
      const value = offered === 'Yes';
      into[row.into] = row.kind === 'and' ? value && ours[row.into] : value || ours[row.into];
      return yes(into[row.into]);
    }
    case 'declared': {
      const value = parseNumber(offered);
      if (value === undefined || value < row.least || value > row.most) return 'Reject';
      into[row.into] = value;
      return undefined;
    }
    case 'list':
      return offered.split(',').find(value => row.answers.includes(value)) ?? 'Reject';
    case 'constant':
      return row.answer;
  }
}

/** Takes the answer to our own offer. False: it is none that the offer allows. */
export function accept(row: KeyRow, answer: string, ours: Parameters, into: Parameters): boolean {
  if (answer === 'Irrelevant' || answer === 'NotUnderstood') return true;
  if (answer === 'Reject') return row.kind === 'constant';
  switch (row.kind) {
    case 'digest':
      if (answer !== 'None' && !(answer === 'CRC32C' && ours[row.into])) return false;
      into[row.into] = answer === 'CRC32C';
      return true;
    case 'minimum':
    case 'maximum':
    case 'declared': {
      const value = parseNumber(answer);
      if (value === undefined || value < row.least || value > row.most) return false;
      if (row.kind === 'minimum' && value > ours[row.into]) return false;
      if (row.kind === 'maximum' && value < ours[row.into]) return false;
      into[row.into] = value;
      return true;
    }
    case 'and':
    case 'or':
      if (answer !== 'Yes' && answer !== 'No') return false;
      into[row.into] = answer === 'Yes';
      return true;
    case 'list':
      return row.answers.includes(answer);
    case 'constant':
      return true;
  }
}
