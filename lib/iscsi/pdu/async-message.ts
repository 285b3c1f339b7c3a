import { u16, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { BHS_LENGTH, common, lun, responseNumbers } from './header.ts';

/** RFC 7143 11.9. */
export const asyncMessage = layout(BHS_LENGTH, {
  ...common,
  lun,
  ...responseNumbers,
  event: u8(36),
  vendorCode: u8(37),
  parameter1: u16(38),
  parameter2: u16(40),
  parameter3: u16(42),
});

/** RFC 7143 11.9.1. */
export const AsyncEvent = {
  SCSI: 0,
  LOGOUT_REQUEST: 1,
  DROP_CONNECTION: 2,
  DROP_ALL_CONNECTIONS: 3,
  NEGOTIATION_REQUEST: 4,
  TASKS_TERMINATED: 5,
} as const;
