import type { Section, UnitState } from '../../state/unit-state.ts';
import { invalidFieldInParameterList, parameterListLengthError } from '../sense.ts';

/** A mode page: a row with its default and changeable values; ModePages keeps the current ones. */
export interface ModePage {
  readonly code: number;
  readonly subcode?: number;
  /** The whole page with its header bytes, PS = 0. */
  readonly defaults: Uint8Array;
  /** The same length, a one where MODE SELECT may change the bit. Zeros in the header bytes. */
  readonly changeable: Uint8Array;
  /** As few bytes as MODE SELECT may bring of a page with a list at its end; what is not there is zero. */
  readonly shortest?: number;
  /** Says the current values where these are not what MODE SELECT left; a copy the caller may keep. */
  current?(stored: Uint8Array): Uint8Array;
  /** Throws what is wrong with values whose bits may all be changed; `at` is where the page lies in the parameter list. */
  check?(bytes: Uint8Array, at: number): void;
}

/** What MODE SENSE says and MODE SELECT sets besides pages; each kind of unit has its own. */
export interface ModeHeader {
  readonly mediumType: number;
  /** MODE SELECT may bring another one, which says nothing: LTFS gives back that of a cartridge which has left meanwhile. */
  readonly anyMediumType?: boolean;
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

/** Saved values by code and subcode. */
type SavedPages = readonly { readonly code: number; readonly subcode: number; readonly bytes: Uint8Array }[];

const MODE_PAGES: Section<SavedPages> = {
  name: 'mode-pages',
  parse(body) {
    if (!Array.isArray(body)) throw new Error('there is no list of pages');
    for (const { code, subcode, bytes } of body as Partial<SavedPages[number]>[]) {
      if (typeof code !== 'number' || typeof subcode !== 'number' || !(bytes instanceof Uint8Array)) {
        throw new Error('a page is not one');
      }
    }
    return body as SavedPages;
  },
};

/** PS: the page can be saved. */
const PARAMETERS_SAVEABLE = 0x80;

/** What a MODE SELECT asks for, checked: nothing has changed before one of these is called. */
export interface ModeChange {
  /** Keeps the new values of what can be saved (SP); call it before `apply`. */
  save(): Promise<void>;
  /** Makes the values current and says whether anything changed. */
  apply(): boolean;
}

/** The mode pages of one unit, shared by all nexuses (MODE SELECT tells the others, SPC-4 6.11). */
export class ModePages {
  /** By code and subcode. */
  readonly pages: readonly ModePage[];
  readonly header: ModeHeader;
  readonly #state: UnitState | undefined;
  readonly #current = new Map<ModePage, Uint8Array>();
  readonly #saved = new Map<ModePage, Uint8Array>();
  readonly #control: ModePage | undefined;
  #descriptorSense = false;
  #softwareWriteProtect = false;
  #taskAbortedStatus = false;
  #attentionInterlock = 0;
  #queueError: number = QueueError.OTHERS_GO_ON;

  /** With `state` the changeable pages can be saved. Throws one sentence when what it holds cannot be understood. */
  constructor(pages: readonly ModePage[], header: ModeHeader = plainHeader, state?: UnitState) {
    this.pages = [...pages].sort((a, b) => a.code - b.code || (a.subcode ?? 0) - (b.subcode ?? 0));
    this.header = header;
    this.#state = state;
    this.#control = this.find(CONTROL);
    for (const { code, subcode, bytes } of state?.read(MODE_PAGES) ?? []) {
      const page = this.find(code, subcode);
      if (page !== undefined) this.#saved.set(page, merged(page, bytes));
    }
    this.reset();
  }

  /** There are saved values: SP may be 1. */
  get canSave(): boolean {
    return this.#state !== undefined;
  }

  #savable(page: ModePage): boolean {
    return this.canSave && page.changeable.some(mask => mask !== 0);
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

  /** UA_INTLCK_CTRL of the control mode page. */
  get attentionInterlock(): number {
    return this.#attentionInterlock;
  }

  /** QERR of the control mode page. */
  get queueError(): number {
    return this.#queueError;
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

  /** As MODE SENSE gives them, PS in the header. What cannot be saved has its default values as saved ones. */
  values(page: ModePage, control: number): Uint8Array {
    const values = this.#values(page, control);
    if (!this.#savable(page)) return values;
    const told = values.slice();
    told[0]! |= PARAMETERS_SAVEABLE;
    return told;
  }

  #values(page: ModePage, control: number): Uint8Array {
    switch (control) {
      case PageControl.CURRENT: {
        const stored = this.#current.get(page)!;
        return page.current?.(stored) ?? stored;
      }
      case PageControl.CHANGEABLE: {
        const mask = page.changeable.slice();
        mask.set(page.defaults.subarray(0, headerLength(page)));
        return mask;
      }
      case PageControl.SAVED:
        return this.#saved.get(page) ?? page.defaults;
      default:
        return page.defaults;
    }
  }

  /** Current values of the page, not a copy. */
  now(page: ModePage): Uint8Array {
    return this.#values(page, PageControl.CURRENT);
  }

  /** Current values of a page that the unit itself knows to be there. */
  current(code: number, subcode = 0): Uint8Array {
    return this.#values(this.find(code, subcode)!, PageControl.CURRENT);
  }

  /** Checks the pages of a MODE SELECT parameter list from `from` on (SPC-4 6.11): all of them are right, or it throws. */
  select(list: Uint8Array, from: number): ModeChange {
    const proposed = new Map<ModePage, Uint8Array>();
    for (let at = from; at < list.length;) {
      const sub = (list[at]! & 0x40) !== 0;
      const header = sub ? 4 : 2;
      if (list.length - at < header) throw parameterListLengthError();
      const page = this.find(list[at]! & 0x3f, sub ? list[at + 1]! : 0);
      if (page === undefined) throw invalidFieldInParameterList(at, 5);
      const length = header + (sub ? (list[at + 2]! << 8) | list[at + 3]! : list[at + 1]!);
      const whole = page.defaults.length;
      if (length > whole || length < (page.shortest ?? whole))
        throw invalidFieldInParameterList(at + (sub ? 2 : 1));
      if (list.length - at < length) throw parameterListLengthError();
      const bytes = new Uint8Array(whole);
      bytes.set(list.subarray(at, at + length));
      bytes.set(page.defaults.subarray(0, header));
      const now = this.#values(page, PageControl.CURRENT);
      for (let i = header; i < length; i++) {
        const bad = (bytes[i]! ^ now[i]!) & ~page.changeable[i]!;
        if (bad !== 0) throw invalidFieldInParameterList(at + i, 31 - Math.clz32(bad));
      }
      page.check?.(bytes, at);
      proposed.set(page, bytes);
      at += length;
    }
    return this.#change(proposed);
  }

  /** RTD: every page back to its default values (SPC-5 6.15). */
  revert(): ModeChange {
    return this.#change(new Map(this.pages.map(page => [page, page.defaults])));
  }

  #change(proposed: ReadonlyMap<ModePage, Uint8Array>): ModeChange {
    return {
      // SPC-4 6.11: SP saves all the savable pages, also those that the list does not bring.
      save: async () => {
        const saved = this.pages
          .filter(page => this.#savable(page))
          .map(page => [page, proposed.get(page) ?? this.#current.get(page)!] as const);
        await this.#state?.save(
          MODE_PAGES,
          saved.map(([{ code, subcode = 0 }, bytes]) => ({ code, subcode, bytes })),
        );
        for (const [page, bytes] of saved) this.#saved.set(page, bytes);
      },
      apply: () => {
        let changed = false;
        for (const [page, bytes] of proposed) {
          changed ||= !Buffer.from(bytes).equals(this.#values(page, PageControl.CURRENT));
          this.#current.set(page, bytes);
        }
        this.#look();
        return changed;
      },
    };
  }

  /** Back to the saved values. */
  reset(): void {
    for (const page of this.pages) this.#current.set(page, this.#saved.get(page) ?? page.defaults);
    this.#look();
  }

  /** One page back to its saved values: what MODE SELECT left there has been done, or is for what is no more. */
  restore(code: number, subcode = 0): void {
    const page = this.find(code, subcode)!;
    this.#current.set(page, this.#saved.get(page) ?? page.defaults);
  }

  /** What is asked for with every command is kept at hand. */
  #look(): void {
    if (this.#control === undefined) return;
    const control = this.#current.get(this.#control)!;
    this.#descriptorSense = (control[2]! & 0x04) !== 0;
    this.#softwareWriteProtect = (control[4]! & 0x08) !== 0;
    this.#taskAbortedStatus = (control[5]! & 0x40) !== 0;
    this.#attentionInterlock = (control[4]! >> 4) & 0x03;
    this.#queueError = (control[3]! & QERR) >> 1;
  }
}

const headerLength = (page: ModePage): number => (page.subcode === undefined ? 2 : 4);

/** Saved values in the page as it is made today: what may be changed is as it was saved, the rest as it is. */
function merged(page: ModePage, saved: Uint8Array): Uint8Array {
  return page.defaults.map((byte, i) => {
    const mask = page.changeable[i]!;
    return (byte & ~mask) | ((saved[i] ?? byte) & mask);
  });
}

/** UA_INTLCK_CTRL (SPC-4 7.5.8): reported unit attentions stay, or stay and conflicts are told by one. */
export const AttentionInterlock = { CLEARED: 0b00, KEPT: 0b10, KEPT_AND_ESTABLISHED: 0b11 } as const;
const UA_INTLCK_CTRL = 0x30;

/** QERR (SPC-4 7.5.8): what a CHECK CONDITION does to the other commands of the task set. */
export const QueueError = { OTHERS_GO_ON: 0b00, ALL_ABORTED: 0b01, OF_THE_NEXUS_ABORTED: 0b11 } as const;
const QERR = 0x06;

/**
 * Control mode page (SPC-4 7.5.8): TST 0, D_SENSE, QERR, UA_INTLCK_CTRL, SWP and TAS changeable, QUEUE ALGORITHM MODIFIER 1
 * (unrestricted reordering), BUSY TIMEOUT PERIOD unlimited.
 */
export const controlPage = (can: { swp: boolean }): ModePage => ({
  ...modePage(
    CONTROL,
    [0x00, 0x10, 0x00, 0x00, 0, 0, 0xff, 0xff, 0, 0],
    [0x04, QERR, UA_INTLCK_CTRL | (can.swp ? 0x08 : 0x00), 0x40],
  ),
  check(bytes, at) {
    if ((bytes[3]! & QERR) === 0x04) throw invalidFieldInParameterList(at + 3, 2); // 10b is reserved
    if ((bytes[4]! & UA_INTLCK_CTRL) === 0x10) throw invalidFieldInParameterList(at + 4, 5); // 01b is reserved
  },
});

/** Control extension (SPC-4 7.5.9): sense data as long as it comes, no priority, the clock is set by SET TIMESTAMP alone. */
export const controlExtensionPage: ModePage = {
  code: CONTROL,
  subcode: 0x01,
  defaults: Uint8Array.of(0x40 | CONTROL, 0x01, 0, 28, ...new Uint8Array(28)),
  changeable: new Uint8Array(32),
};

/** Disconnect-reconnect (SPC-4 7.5.10): no limits beside those that a session negotiates. */
export const disconnectReconnectPage: ModePage = modePage(
  0x02,
  Array.from({ length: 14 }, () => 0),
);

/** Informational exceptions control (SPC-4 7.5.11): DEXCPT, nothing is reported. */
export const informationalExceptionsPage: ModePage = modePage(0x1c, [0x08, 0x00, 0, 0, 0, 0, 0, 0, 0, 0]);
