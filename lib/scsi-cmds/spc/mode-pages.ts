/** A mode page: a row with its current, changeable and default values. */
export interface ModePage {
  readonly code: number;
  readonly subcode?: number;
  /** The whole page with its header bytes, PS = 0. */
  readonly defaults: Uint8Array;
  /** The same length, a one where MODE SELECT may change the bit. */
  readonly changeable: Uint8Array;
}

/** The mode pages of one unit. */
export class ModePages {
  readonly pages: readonly ModePage[];

  constructor(pages: readonly ModePage[]) {
    this.pages = pages;
  }

  /** D_SENSE of the control mode page (SPC-4 7.5.8). */
  get descriptorSense(): boolean {
    return false;
  }

  /** Back to the saved values. */
  reset(): void {}
}
