import { bits, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, requestNumbers, responseNumbers } from './header.ts';

/** RFC 7143 11.14. */
export const logoutRequest = layout(BHS_LENGTH, {
  ...common,
  reason: bits(1, 0, 7),
  cid: u16(20),
  ...requestNumbers,
});

/** RFC 7143 11.15. */
export const logoutResponse = layout(BHS_LENGTH, {
  ...common,
  response: u8(2),
  ...responseNumbers,
  time2Wait: u16(40),
  time2Retain: u16(42),
});

/** RFC 7143 11.14.1. */
export const LogoutReason = { CLOSE_SESSION: 0, CLOSE_CONNECTION: 1, REMOVE_FOR_RECOVERY: 2 } as const;

/** RFC 7143 11.15.1. */
export const LogoutResponse = {
  CLOSED: 0,
  CID_NOT_FOUND: 1,
  RECOVERY_NOT_SUPPORTED: 2,
  CLEANUP_FAILED: 3,
} as const;
