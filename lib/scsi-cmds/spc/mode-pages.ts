import { invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';

/** A mode page: a row with its default and changeable values; ModePages keeps the current ones. */
export interface ModePage {
  readonly code: number;
  readonly subcode?: number;
  /** The whole page with its header bytes, PS = 0. */
  readonly defaults: Uint8Array;
  /** The same length, a one where MODE SELECT may change the bit. Zeros in the header bytes. */
  readonly changeable: Uint8Array;
  /** Says the current values where these are not what MODE SELECT left; a copy the caller may keep. */
  current?(stored: Uint8Array): Uint8Array;
}

/** What MODE SENSE says and MODE SELECT sets besides pages; each kind of unit has its own. */
export interface ModeHeader {
  readonly mediumType: number;
  /** The vendor-specific page 00h is asked for by tape drivers: answered with the header and block descriptor alone. */
  readonly emptyPageZero?: boolean;
  /** DEVICE-SPECIFIC PARAMETER (SBC-3 6.5.1, SSC-4 8.3.1). */
  deviceSpecific(): number;
  /** The block descriptor in its 8-byte form, or the 16-byte one for `long`; undefined when there is none. */
  descriptor(long: boolean): Uint8Array | undefined;
  /**
   * MODE SELECT brought these. Throws what is wrong, otherwise gives back what makes it so and says whether anything
   * changed; that is called once the pages have been found right too. `at` are their places in the parameter list.
   */
  select(
    given: { deviceSpecific: number; descriptor: Uint8Array | undefined; long: boolean },
    at: { deviceSpecific: number; descriptor: number },
  ): () => boolean;
}

/** A unit with nothing to say there. */
export const plainHeader: ModeHeader = {
  mediumType: 0,
  deviceSpecific: () => 0,
  descriptor: () => undefined,
  select: (given, at) => {
    if (given.descriptor !== undefined) throw invalidFieldInParameterList(at.descriptor);
    return () => false;
  },
};

/** PC of MODE SENSE (SPC-4 table 354). */
export const PageControl = { CURRENT: 0, CHANGEABLE: 1, DEFAULT: 2, SAVED: 3 } as const;

/** Stands for every page or every subpage. */
export const ALL_PAGES = 0x3f;
export const ALL_SUBPAGES = 0xff;

const CONTROL = 0x0a;

/** A page of page_0 format from its bytes behind the header. */
export function modePage(
  code: number,
  defaults: readonly number[],
  changeable: readonly number[] = [],
): ModePage {
  const page = Uint8Array.of(code, defaults.length, ...defaults);
  const mask = new Uint8Array(page.length);
  mask.set(changeable, 2);
  return { code, defaults: page, changeable: mask };
}

/** The mode pages of one unit, shared by all nexuses (MODE SELECT tells the others, SPC-4 6.11). */
export class ModePages {
  /** By code and subcode. */
  readonly pages: readonly ModePage[];
  readonly header: ModeHeader;
  readonly #current = new Map<ModePage, Uint8Array>();
  readonly #control: ModePage | undefined;
  #descriptorSense = false;
  #softwareWriteProtect = false;
  #taskAbortedStatus = false;

  constructor(pages: readonly ModePage[], header: ModeHeader = plainHeader) {
    this.pages = [...pages].sort((a, b) => a.code - b.code || (a.subcode ?? 0) - (b.subcode ?? 0));
    this.header = header;
    this.#control = this.find(CONTROL);
    this.reset();
  }

  /** D_SENSE of the control mode page (SPC-4 7.5.8). */
  get descriptorSense(): boolean {
    return this.#descriptorSense;
  }

  /** SWP of the control mode page. */
  get softwareWriteProtect(): boolean {
    return this.#softwareWriteProtect;
  }

  /** TAS of the control mode page. */
  get taskAbortedStatus(): boolean {
    return this.#taskAbortedStatus;
  }

  find(code: number, subcode = 0): ModePage | undefined {
    return this.pages.find(page => page.code === code && (page.subcode ?? 0) === subcode);
  }

  /** The pages that MODE SENSE asks for; undefined when there are none of that code. */
  matching(code: number, subcode: number): readonly ModePage[] | undefined {
    if (subcode !== 0 && subcode !== ALL_SUBPAGES) {
      const page = code === ALL_PAGES ? undefined : this.find(code, subcode);
      return page === undefined ? undefined : [page];
    }
    const found = this.pages.filter(
      page =>
        (code === ALL_PAGES || page.code === code) && (subcode === ALL_SUBPAGES || (page.subcode ?? 0) === 0),
    );
    if (found.length > 0) return found;
    return code === 0 && this.header.emptyPageZero === true ? [] : undefined;
  }

  /** Saved values are the default ones: nothing is saved. */
  values(page: ModePage, control: number): Uint8Array {
    switch (control) {
      case PageControl.CURRENT: {
        const stored = this.#current.get(page)!;
        return page.current?.(stored) ?? stored;
      }
      case PageControl.CHANGEABLE: {
        const mask = page.changeable.slice();
        const header = (page.subcode ?? 0) === 0 ? 2 : 4;
        mask.set(page.defaults.subarray(0, header));
        return mask;
      }
      default:
        return page.defaults;
    }
  }

  /** Current values of a page that the unit itself knows to be there. */
  current(code: number, subcode = 0): Uint8Array {
    return this.values(this.find(code, subcode)!, PageControl.CURRENT);
  }

  /**
   * Checks the pages of a MODE SELECT parameter list from `from` on and gives back what makes them current and says
   * whether anything changed. Nothing has changed before that is called (SPC-4 6.11).
   */
  select(list: Uint8Array, from: number): () => boolean {
    const proposed: { page: ModePage; bytes: Uint8Array }[] = [];
    for (let at = from; at < list.length;) {
      const sub = (list[at]! & 0x40) !== 0;
      const header = sub ? 4 : 2;
      if (list.length - at < header) throw parameterListLengthError();
      const page = this.find(list[at]! & 0x3f, sub ? list[at + 1]! : 0);
      if (page === undefined) throw invalidFieldInParameterList(at, 5);
      const length = header + (sub ? (list[at + 2]! << 8) | list[at + 3]! : list[at + 1]!);
      if (length !== page.defaults.length) throw invalidFieldInParameterList(at + (sub ? 2 : 1));
      if (list.length - at < length) throw parameterListLengthError();
      const bytes = Uint8Array.from(list.subarray(at, at + length));
      bytes.set(page.defaults.subarray(0, header));
      const now = this.values(page, PageControl.CURRENT);
      for (let i = header; i < length; i++) {
        const bad = (bytes[i]! ^ now[i]!) & ~page.changeable[i]!;
        if (bad !== 0) throw invalidFieldInParameterList(at + i, 31 - Math.clz32(bad));
      }
      proposed.push({ page, bytes });
      at += length;
    }
    return () => {
      let changed = false;
      for (const { page, bytes } of proposed) {
        changed ||= !Buffer.from(bytes).equals(this.values(page, PageControl.CURRENT));
        this.#current.set(page, bytes);
      }
      this.#look();
      return changed;
    };
  }

  /** Back to the saved values. */
  reset(): void {
    for (const page of this.pages) this.#current.set(page, page.defaults);
    this.#look();
  }

  /** What is asked for with every command is kept at hand. */
  #look(): void {
    if (this.#control === undefined) return;
    const control = this.#current.get(this.#control)!;
    this.#descriptorSense = (control[2]! & 0x04) !== 0;
    this.#softwareWriteProtect = (control[4]! & 0x08) !== 0;
    this.#taskAbortedStatus = (control[5]! & 0x40) !== 0;
  }
}

/**
 * Control mode page (SPC-4 7.5.8): TST 0, D_SENSE and SWP and TAS changeable, QUEUE ALGORITHM MODIFIER 1 (unrestricted
 * reordering), QERR 0, BUSY TIMEOUT PERIOD unlimited.
 */
export const controlPage = (can: { swp: boolean }): ModePage =>
  modePage(
    CONTROL,
    [0x00, 0x10, 0x00, 0x00, 0, 0, 0xff, 0xff, 0, 0],
    [0x04, 0x00, can.swp ? 0x08 : 0x00, 0x40],
  );

/** Informational exceptions control (SPC-4 7.5.11): DEXCPT, nothing is reported. */
export const informationalExceptionsPage: ModePage = modePage(0x1c, [0x08, 0x00, 0, 0, 0, 0, 0, 0, 0, 0]);
