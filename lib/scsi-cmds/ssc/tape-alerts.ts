import { type SenseFacts, SenseKey } from '../sense.ts';

/** TapeAlert flags that have a meaning here (SSC-4 annex A): those of a drive that wears nothing and tears nothing. */
export const Alert = {
  HARD_ERROR: 0x03,
  READ_FAILURE: 0x05,
  WRITE_FAILURE: 0x06,
  WRITE_PROTECT: 0x09,
  NO_REMOVAL: 0x0a,
  UNSUPPORTED_FORMAT: 0x0c,
  WORM_OVERWRITE: 0x3c,
} as const;

export const MOST_ALERTS = 64;

/** Flags by additional sense code of what was said to an initiator. */
const byCode: ReadonlyMap<number, readonly number[]> = new Map([
  [0x0c00, [Alert.HARD_ERROR, Alert.WRITE_FAILURE]],
  [0x1100, [Alert.HARD_ERROR, Alert.READ_FAILURE]],
  [0x2700, [Alert.WRITE_PROTECT]],
  [0x3000, [Alert.UNSUPPORTED_FORMAT]],
  [0x3005, [Alert.UNSUPPORTED_FORMAT]],
  [0x300c, [Alert.WORM_OVERWRITE]],
  [0x5302, [Alert.NO_REMOVAL]],
]);

/** Flags go up with the sense that tells of their cause, and down with the cartridge, or when they have been reset. */
export class TapeAlerts {
  readonly #raised = new Set<number>();

  note(facts: SenseFacts): void {
    if (facts.key === SenseKey.NO_SENSE) return;
    for (const flag of byCode.get(facts.code) ?? []) this.#raised.add(flag);
  }

  isRaised(flag: number): boolean {
    return this.#raised.has(flag);
  }

  clear(): void {
    this.#raised.clear();
  }

  /** 64 bits, flag 1 the first. */
  get bits(): Uint8Array {
    return alertBits(flag => this.#raised.has(flag));
  }
}

export function alertBits(which: (flag: number) => boolean): Uint8Array {
  const bits = new Uint8Array(MOST_ALERTS / 8);
  for (let flag = 1; flag <= MOST_ALERTS; flag++) {
    if (which(flag)) bits[(flag - 1) >> 3]! |= 0x80 >> ((flag - 1) & 7);
  }
  return bits;
}

const supported: ReadonlySet<number> = new Set(Object.values(Alert));
export const isSupportedAlert = (flag: number): boolean => supported.has(flag);
