/** A type of ROD (SPC-4 5.17.6.2.1 table 110): a row. */
export interface RodType {
  readonly code: number;
  readonly name: string;
  /**
   * Its data stays what it was when it was populated: `limited` until there is no room to preserve more, `reserved` with room
   * for all of it from the start, `either` the second if it can be had. Absent: what is there when it is used.
   */
  readonly pointInTime?: 'limited' | 'reserved' | 'either';
  /** A ROD CSCD descriptor may have it (ECPY_INT). */
  readonly inCopies: boolean;
  /** Tokens of it are taken (TOKEN_IN) and made (TOKEN_OUT). */
  readonly tokenIn: boolean;
  readonly tokenOut: boolean;
}

const pointInTime = (code: number, name: string, how: RodType['pointInTime'], tokenIn: boolean): RodType => ({
  code,
  name: `point in time copy - ${name}`,
  pointInTime: how!,
  inCopies: true,
  tokenIn,
  tokenOut: true,
});

/** The type is the token's, which comes with the list. */
export const TYPE_OF_TOKEN = 0x0000_0000;

const accessUponReference: RodType = {
  code: 0x0001_0000,
  name: 'access upon reference',
  inCopies: true,
  tokenIn: true,
  tokenOut: true,
};

/** What POPULATE TOKEN makes when it is not told. */
export const POINT_IN_TIME_DEFAULT = pointInTime(0x0080_0000, 'default', 'limited', true);
const changeVulnerable = pointInTime(0x0080_0001, 'change vulnerable', 'limited', true);
const persistent = pointInTime(0x0080_0002, 'persistent', 'reserved', true);
/** A token says which of the two it is (SPC-4 5.17.6.2.3.5). */
const any = pointInTime(0x0080_ffff, 'any', 'either', false);
export const EITHER = { reserved: persistent, limited: changeVulnerable } as const;

/** The block device zero ROD token (SBC-3 4.28.4): zeros, as many as are wanted. Everybody can make it. */
export const ZEROS = 0xffff_0001;

/** By code, ascending (SPC-4 7.8.17.9). */
export const rodTypes: ReadonlyMap<number, RodType> = new Map(
  [
    {
      code: TYPE_OF_TOKEN,
      name: 'that of the token',
      inCopies: true,
      tokenIn: false,
      tokenOut: false,
    },
    accessUponReference,
    POINT_IN_TIME_DEFAULT,
    changeVulnerable,
    persistent,
    any,
    {
      code: ZEROS,
      name: 'block device zero',
      inCopies: false,
      tokenIn: true,
      tokenOut: false,
    },
  ].map((type): [number, RodType] => [type.code, type]),
);
