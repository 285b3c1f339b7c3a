import { bit, bits, bytes, u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, requestNumbers, responseNumbers } from './header.ts';

/** RFC 7143 11.12. The F bit of other PDUs is T (transit) here. */
export const loginRequest = layout(BHS_LENGTH, {
  ...common,
  continue: bit(1, 6),
  currentStage: bits(1, 2, 2),
  nextStage: bits(1, 0, 2),
  versionMax: u8(2),
  versionMin: u8(3),
  isid: bytes(8, 6),
  tsih: u16(14),
  cid: u16(20),
  ...requestNumbers,
});

/** RFC 7143 11.13. */
export const loginResponse = layout(BHS_LENGTH, {
  ...common,
  continue: bit(1, 6),
  currentStage: bits(1, 2, 2),
  nextStage: bits(1, 0, 2),
  versionMax: u8(2),
  versionActive: u8(3),
  isid: bytes(8, 6),
  tsih: u16(14),
  ...responseNumbers,
  /** Status-Class in the high byte, Status-Detail in the low one. */
  status: u16(36),
});

/** RFC 7143 11.12.3. */
export const Stage = { SECURITY: 0, OPERATIONAL: 1, FULL_FEATURE: 3 } as const;

/** Status-Class and Status-Detail in one number, RFC 7143 11.13.5. */
export const LoginStatus = {
  SUCCESS: 0x0000,
  MOVED_TEMPORARILY: 0x0101,
  MOVED_PERMANENTLY: 0x0102,
  INITIATOR_ERROR: 0x0200,
  AUTHENTICATION_FAILURE: 0x0201,
  AUTHORIZATION_FAILURE: 0x0202,
  NOT_FOUND: 0x0203,
  TARGET_REMOVED: 0x0204,
  UNSUPPORTED_VERSION: 0x0205,
  TOO_MANY_CONNECTIONS: 0x0206,
  MISSING_PARAMETER: 0x0207,
  CANNOT_INCLUDE_IN_SESSION: 0x0208,
  SESSION_TYPE_NOT_SUPPORTED: 0x0209,
  SESSION_DOES_NOT_EXIST: 0x020a,
  INVALID_REQUEST: 0x020b,
  TARGET_ERROR: 0x0300,
  SERVICE_UNAVAILABLE: 0x0301,
  OUT_OF_RESOURCES: 0x0302,
} as const;
export type LoginStatus = (typeof LoginStatus)[keyof typeof LoginStatus];
