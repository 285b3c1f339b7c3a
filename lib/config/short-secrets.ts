import type { Log } from '../log.ts';
import type { ChapOptions, ResolvedSan } from './options.ts';

/** RFC 7143 9.2.1: a CHAP secret has at least 96 bits, or whoever overhears a login can find it by trying. */
const SHORTEST_SECRET_BYTES = 12;

/** One line for all of them: a short secret works, and initiators insist on some that are in use. */
export function warnOfShortSecrets({ targets, discoveryChap }: ResolvedSan, log: Log): void {
  const short = [
    ...targets.flatMap(({ iqn, access }) =>
      [...new Set(access.map(({ chap }) => chap))].flatMap((chap, i) =>
        shortOnes(`${iqn} chap${i === 0 ? '' : ` of ${chap?.user}`}`, chap),
      ),
    ),
    ...shortOnes('discoveryChap', discoveryChap),
  ];
  if (short.length === 0) return;
  log.warn(
    { secrets: short },
    `CHAP secrets of less than ${SHORTEST_SECRET_BYTES} bytes can be guessed (RFC 7143 9.2.1)`,
  );
}

const shortOnes = (where: string, chap: ChapOptions | undefined): string[] =>
  [
    { name: `${where}.secret`, secret: chap?.secret },
    { name: `${where}.mutual.secret`, secret: chap?.mutual?.secret },
  ]
    .filter(({ secret }) => secret !== undefined && Buffer.byteLength(secret) < SHORTEST_SECRET_BYTES)
    .map(({ name }) => name);
