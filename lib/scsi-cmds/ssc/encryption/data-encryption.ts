import type { Nexus } from '../../nexus.ts';
import { CheckCondition, SenseKey } from '../../sense.ts';
import { Attention } from '../../unit-attention.ts';
import type { TapeUnit } from '../tape-unit.ts';
import { type KeyAssociatedData, keyCheckOf } from './record-cipher.ts';

/** SCOPE (SSC-4 8.5.3): whose parameters a nexus works with. */
export const Scope = { PUBLIC: 0, LOCAL: 1, ALL_I_T_NEXUS: 2 } as const;

/** ENCRYPTION MODE. */
export const EncryptionMode = { DISABLE: 0, EXTERNAL: 1, ENCRYPT: 2 } as const;

/** DECRYPTION MODE. */
export const DecryptionMode = { DISABLE: 0, RAW: 1, DECRYPT: 2, MIXED: 3 } as const;

/** What SET DATA ENCRYPTION asks for. */
export interface EncryptionRequest {
  readonly scope: number;
  readonly lock: boolean;
  readonly encryption: number;
  readonly decryption: number;
  readonly algorithm: number;
  /** Undefined where neither mode needs one. */
  readonly key: Buffer | undefined;
  readonly keyAssociatedData: KeyAssociatedData;
  readonly noRawReads: boolean;
  readonly clearsOnDemount: boolean;
  readonly clearsOnPreempt: boolean;
  readonly clearsOnReservationLoss: boolean;
}

/** A saved set of logical block encryption parameters (SSC-4 4.2.22). */
export interface EncryptionParameters extends EncryptionRequest {
  readonly keyCheck: Buffer | undefined;
  /** KEY INSTANCE COUNTER of the set. */
  readonly instance: number;
  /** Who set it; undefined when nobody did. */
  readonly owner: Nexus | undefined;
}

interface Standing {
  scope: number;
  /** LOCK: the instance that the nexus insists on. */
  lockedTo: number | undefined;
}

const NO_DATA: KeyAssociatedData = {
  format: 0,
  authenticated: new Uint8Array(0),
  unauthenticated: new Uint8Array(0),
};

/** DATA ENCRYPTION KEY INSTANCE COUNTER HAS CHANGED. */
const instanceChanged = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.DATA_PROTECT, code: 0x2a13 });

/**
 * The encryption parameters of a drive: one set that all share whose scope is public, and one for each nexus that wants its
 * own. Keys are here and nowhere else: a set that goes has its key overwritten.
 */
export class DataEncryption {
  readonly #unit: TapeUnit;
  readonly #local = new Map<string, EncryptionParameters>();
  readonly #standings = new Map<string, Standing>();
  #shared: EncryptionParameters | undefined;
  #instance = 0;

  constructor(unit: TapeUnit) {
    this.#unit = unit;
  }

  /** Some nexus encrypts or decrypts: without it records go through untouched. */
  get any(): boolean {
    return this.#shared !== undefined || this.#local.size > 0;
  }

  scopeOf(nexus: Nexus): number {
    return this.#standings.get(nexus.id)?.scope ?? Scope.PUBLIC;
  }

  lockedBy(nexus: Nexus): boolean {
    return this.#standings.get(nexus.id)?.lockedTo !== undefined;
  }

  /** The set that holds for commands of the nexus; undefined: no encryption, no decryption. */
  of(nexus: Nexus): EncryptionParameters | undefined {
    return this.scopeOf(nexus) === Scope.LOCAL ? this.#local.get(nexus.id) : this.#shared;
  }

  /** KEY INSTANCE COUNTER that the nexus is told. */
  instanceOf(nexus: Nexus): number {
    return this.of(nexus)?.instance ?? this.#instance;
  }

  /** Throws when the parameters are no longer those that the nexus has locked itself to. */
  requireUnchanged(nexus: Nexus): void {
    const lockedTo = this.#standings.get(nexus.id)?.lockedTo;
    if (lockedTo !== undefined && lockedTo !== this.instanceOf(nexus)) throw instanceChanged();
  }

  set(nexus: Nexus, request: EncryptionRequest): void {
    const { scope } = request;
    if (scope !== Scope.ALL_I_T_NEXUS) this.#dropLocal(nexus.id);
    if (scope !== Scope.PUBLIC) {
      const instance = ++this.#instance;
      const parameters: EncryptionParameters = {
        ...request,
        keyCheck: request.key === undefined ? undefined : keyCheckOf(request.key),
        instance,
        owner: nexus,
      };
      if (scope === Scope.LOCAL) this.#local.set(nexus.id, parameters);
      else {
        this.#dropLocal(nexus.id);
        this.#share(parameters, nexus);
      }
    }
    this.#standings.set(nexus.id, { scope, lockedTo: undefined });
    if (request.lock) this.#standings.get(nexus.id)!.lockedTo = this.instanceOf(nexus);
  }

  /** The others that work with the shared set hear that it is another one. */
  #share(parameters: EncryptionParameters, by: Nexus): void {
    erase(this.#shared);
    this.#shared = parameters;
    for (const other of this.#unit.device?.nexuses ?? []) {
      if (other.id === by.id) continue;
      const standing = this.#standings.get(other.id);
      if (standing?.scope === Scope.LOCAL) continue;
      if (standing !== undefined) standing.scope = Scope.PUBLIC;
      if (this.#unit.device!.sees(other, this.#unit)) {
        this.#unit.attentions.establish(other.id, Attention.DATA_ENCRYPTION_PARAMETERS_CHANGED);
      }
    }
  }

  /** The cartridge leaves (CKOD). */
  demounted(): void {
    this.#clear(parameters => parameters.clearsOnDemount, Attention.DATA_ENCRYPTION_PARAMETERS_EVENT);
  }

  /** CKORP and CKORL: the reservation under which the set came is no more. */
  reservationGone(how: 'preempted' | 'lost', theirs: (nexus: Nexus) => boolean): void {
    this.#clear(
      ({ owner, clearsOnPreempt, clearsOnReservationLoss }) =>
        // A reservation that is preempted is lost as well.
        (clearsOnReservationLoss || (how === 'preempted' && clearsOnPreempt)) &&
        owner !== undefined &&
        theirs(owner),
      Attention.DATA_ENCRYPTION_PARAMETERS_EVENT,
    );
  }

  /** A nexus is lost: what was its own goes with it. */
  forget(nexus: Nexus): void {
    this.#dropLocal(nexus.id);
    this.#standings.delete(nexus.id);
  }

  /** A reset takes everything; it is told by its own unit attention. */
  reset(): void {
    this.#clear(() => true);
    this.#standings.clear();
  }

  #clear(which: (parameters: EncryptionParameters) => boolean, attention?: number): void {
    for (const [id, parameters] of this.#local) {
      if (!which(parameters)) continue;
      this.#instance++;
      this.#dropLocal(id);
      const standing = this.#standings.get(id);
      if (standing !== undefined) standing.scope = Scope.PUBLIC;
      if (attention !== undefined) this.#tell(attention, other => other === id);
    }
    if (this.#shared === undefined || !which(this.#shared)) return;
    this.#instance++;
    erase(this.#shared);
    this.#shared = undefined;
    if (attention !== undefined) this.#tell(attention, other => !this.#local.has(other));
  }

  #tell(attention: number, which: (id: string) => boolean): void {
    for (const nexus of this.#unit.device?.nexuses ?? []) {
      if (which(nexus.id) && this.#unit.device!.sees(nexus, this.#unit)) {
        this.#unit.attentions.establish(nexus.id, attention);
      }
    }
  }

  #dropLocal(id: string): void {
    erase(this.#local.get(id));
    this.#local.delete(id);
  }
}

function erase(parameters: EncryptionParameters | undefined): void {
  parameters?.key?.fill(0);
}

/** A request for nothing: what a nexus gets that has never asked. */
export const NO_ENCRYPTION: EncryptionParameters = {
  scope: Scope.PUBLIC,
  lock: false,
  encryption: EncryptionMode.DISABLE,
  decryption: DecryptionMode.DISABLE,
  algorithm: 0,
  key: undefined,
  keyCheck: undefined,
  keyAssociatedData: NO_DATA,
  noRawReads: false,
  clearsOnDemount: false,
  clearsOnPreempt: false,
  clearsOnReservationLoss: false,
  instance: 0,
  owner: undefined,
};
