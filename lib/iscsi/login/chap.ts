import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** CHAP (RFC 7143 12.1.3, RFC 1994). */

/** A value of CHAP_A, by IANA's registry of PPP authentication algorithms. */
export interface ChapDigest {
  readonly code: number;
  /** As open-iscsi's chap_algs calls it. */
  readonly name: 'SHA3-256' | 'SHA256' | 'SHA1' | 'MD5';
  /** As node:crypto calls it. */
  readonly hash: string;
  readonly bytes: number;
}

/** The strongest first. MD5 is the one that every initiator has (RFC 7143 12.1.3). */
export const CHAP_DIGESTS: readonly ChapDigest[] = [
  { code: 8, name: 'SHA3-256', hash: 'sha3-256', bytes: 32 },
  { code: 7, name: 'SHA256', hash: 'sha256', bytes: 32 },
  { code: 6, name: 'SHA1', hash: 'sha1', bytes: 20 },
  { code: 5, name: 'MD5', hash: 'md5', bytes: 16 },
];

/** RFC 7143 12.1.3: a challenge of up to 1024 bytes must be taken. */
export const LONGEST_CHALLENGE = 1024;

export interface Challenge {
  readonly digest: ChapDigest;
  readonly identifier: number;
  readonly challenge: Buffer;
}

/** As long as the digest: less would be the weaker part of the two (RFC 1994 2.3). */
export const newChallenge = (digest: ChapDigest): Challenge => ({
  digest,
  identifier: randomBytes(1)[0]!,
  challenge: randomBytes(digest.bytes),
});

/** RFC 1994 4.1: the digest over identifier, secret and challenge. */
export const chapResponse = ({ digest, identifier, challenge }: Challenge, secret: string): Buffer =>
  createHash(digest.hash)
    .update(Buffer.from([identifier]))
    .update(secret, 'utf8')
    .update(challenge)
    .digest();

export function chapMatches(challenge: Challenge, secret: string, response: Buffer): boolean {
  const wanted = chapResponse(challenge, secret);
  return response.length === wanted.length && timingSafeEqual(response, wanted);
}

/** As many as there may be connections: more logins than that are not under way. */
const CHALLENGES_KEPT = 1024;

/**
 * The challenges that went out of late, on whichever connection. RFC 7143 12.1.3: one of them that comes back as the
 * peer's own would have us make the answer that we wait for.
 */
export class SentChallenges {
  readonly #sent = new Set<string>();

  new(digest: ChapDigest): Challenge {
    const made = newChallenge(digest);
    this.#sent.add(made.challenge.toString('latin1'));
    if (this.#sent.size > CHALLENGES_KEPT) {
      for (const oldest of this.#sent) {
        this.#sent.delete(oldest);
        break;
      }
    }
    return made;
  }

  has(challenge: Buffer): boolean {
    return this.#sent.has(challenge.toString('latin1'));
  }
}
