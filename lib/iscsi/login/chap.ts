import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** CHAP (RFC 7143 12.1.3, RFC 1994). */

/** CHAP_A values we can do: 5 is MD5, the one that every initiator has (RFC 7143 12.1.3). */
export const CHAP_MD5 = 5;

/** RFC 7143 12.1.3: a challenge of up to 1024 bytes must be taken. */
export const LONGEST_CHALLENGE = 1024;

export interface Challenge {
  readonly identifier: number;
  readonly challenge: Buffer;
}

export const newChallenge = (): Challenge => ({ identifier: randomBytes(1)[0]!, challenge: randomBytes(16) });

/** RFC 1994 4.1: the hash over identifier, secret and challenge. */
export const chapResponse = ({ identifier, challenge }: Challenge, secret: string): Buffer =>
  createHash('md5')
    .update(Buffer.from([identifier]))
    .update(secret, 'utf8')
    .update(challenge)
    .digest();

export function chapMatches(challenge: Challenge, secret: string, response: Buffer): boolean {
  const wanted = chapResponse(challenge, secret);
  return response.length === wanted.length && timingSafeEqual(response, wanted);
}
