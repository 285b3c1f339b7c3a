import { InitiatorError } from './initiator-error.ts';

/** An ISID in hexadecimal digits, as messages and options have it (RFC 7143 11.12.5). */
export const formatIsid = (isid: Uint8Array): string => Buffer.from(isid).toString('hex');

/** Throws InitiatorError `usage`. */
export function parseIsid(text: string): Buffer {
  if (!/^[0-9a-f]{12}$/i.test(text)) {
    throw new InitiatorError(
      'usage',
      `${JSON.stringify(text)} is no ISID, which is twelve hexadecimal digits such as 80a1b2c3d4e5`,
    );
  }
  return Buffer.from(text, 'hex');
}
