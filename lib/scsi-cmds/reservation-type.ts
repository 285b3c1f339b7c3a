/** TYPE of a persistent reservation (SPC-4 table 60). */
export const ReservationType = {
  WRITE_EXCLUSIVE: 1,
  EXCLUSIVE_ACCESS: 3,
  WRITE_EXCLUSIVE_REGISTRANTS_ONLY: 5,
  EXCLUSIVE_ACCESS_REGISTRANTS_ONLY: 6,
  WRITE_EXCLUSIVE_ALL_REGISTRANTS: 7,
  EXCLUSIVE_ACCESS_ALL_REGISTRANTS: 8,
} as const;
export type ReservationType = (typeof ReservationType)[keyof typeof ReservationType];

const TYPES: ReadonlySet<number> = new Set(Object.values(ReservationType));
export const isReservationType = (type: number): type is ReservationType => TYPES.has(type);
