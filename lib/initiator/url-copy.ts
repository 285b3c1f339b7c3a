import { abortKnown, followCopies, type KnownCopy, knownCopies } from './copies.ts';
import { Copy, type CopyOutcome, type CopyRequest, type PreparedCopy } from './copy.ts';
import { Initiator, newIsid } from './initiator.ts';
import { InitiatorError } from './initiator-error.ts';
import { formatIsid } from './isid.ts';
import { parseSegments } from './segment-file.ts';
import { SegmentsCopy } from './segments-copy.ts';
import type { Session } from './session.ts';
import { TokenCopy } from './token-copy.ts';
import { Unit } from './unit.ts';
import { portalOf } from './url-portal.ts';
import { type IscsiUrl, parseUrl } from './url.ts';

export interface UrlCopyOptions extends Omit<CopyRequest, 'source' | 'destination'> {
  /** A list of segments instead of a plan of ours, as it was read from a file. */
  readonly segments?: { readonly file: string; readonly content: unknown } | undefined;
  /** By a token that the source makes (POPULATE TOKEN) and the destination is given (WRITE USING TOKEN). */
  readonly token?: boolean | undefined;
  /** What the initiator port is called; random unless told. */
  readonly isid?: Uint8Array | undefined;
  /** It goes on when we have gone. */
  readonly background?: boolean | undefined;
}

interface AnyUrlCopy {
  /** `disk to tape` */
  readonly kind: string;
  readonly record: number | undefined;
}

export interface UrlCopy extends AnyUrlCopy {
  readonly outcome: CopyOutcome;
  /** The command that did it. */
  readonly command: string;
}

/** A copy that goes on: what it can be found by. */
export interface BegunCopy extends AnyUrlCopy {
  readonly listId: number;
  /** Twelve hexadecimal digits. */
  readonly isid: string;
  /** LUN that it can be asked about at. */
  readonly lun: number;
}

export interface Watcher {
  readonly signal: AbortSignal;
  readonly begin: (
    what: string,
    bytes: number | undefined,
  ) => Promise<{ update(bytes: number): void; done(): void }>;
}

/** A copy between LUNs of one target, given as URLs; with a list of segments the first LUN's copy manager does it. */
export async function copyUrls(
  source: string,
  destination: string | undefined,
  options: UrlCopyOptions,
  { signal, begin }: Watcher,
): Promise<UrlCopy | BegunCopy> {
  const from = parseUrl(source);
  const to = destination === undefined ? undefined : parseUrl(destination);
  if (to === undefined && options.segments === undefined) {
    throw new InitiatorError('usage', 'a copy has two ends: give the URL of a destination too');
  }
  if (to !== undefined && !isSameTarget(from, to)) {
    throw new InitiatorError(
      'usage',
      'both ends of a copy must be LUNs of one target: give the same host, port and name',
    );
  }
  const portal = portalOf(
    from.user === undefined && to !== undefined ? { ...to, ...from, ...credentialsOf(to) } : from,
  );
  const isid = options.isid ?? newIsid();
  await using session = await Initiator.login({ ...portal, target: from.target!, isid });
  signal.throwIfAborted();
  const copy = await prepare(session, from.lun!, to?.lun, options);
  const { kind, record, command = 'EXTENDED COPY' } = copy;
  if (options.background === true) {
    return { kind, record, listId: await copy.begin(), isid: formatIsid(isid), lun: from.lun! };
  }
  const progress = await begin(kind, copy.bytes);
  try {
    const outcome = await copy.run(bytes => progress.update(bytes), signal);
    return { kind, record, command, outcome };
  } finally {
    progress.done();
  }
}

/** What a list of segments says itself. */
const PLANNED = ['blocks', 'skip', 'seek', 'record', 'filemarks'] as const;

async function prepare(
  session: Session,
  source: number,
  destination: number | undefined,
  { segments, lid4, token, ...plan }: UrlCopyOptions,
): Promise<PreparedCopy> {
  if (token === true) {
    if (segments !== undefined) throw new InitiatorError('usage', '--token says nothing beside --segments');
    return TokenCopy.prepare(session, { source, destination: destination!, lid4, ...plan });
  }
  if (segments === undefined) {
    return Copy.prepare(session, { source, destination: destination!, lid4, ...plan });
  }
  const word = PLANNED.find(each => plan[each] !== undefined);
  if (word !== undefined) {
    throw new InitiatorError('usage', `--${word} says nothing beside --segments, where the list says it`);
  }
  const { cat = false, pad = false } = plan;
  const wanted = parseSegments(segments.content, segments.file, { source, destination, cat, pad });
  return SegmentsCopy.prepare(session, { manager: source, segments: wanted, lid4: lid4 === true });
}

export interface UrlCopiesOptions {
  readonly isid: Uint8Array;
  readonly listId?: number | undefined;
  /** List identifier of a copy to stop. */
  readonly abort?: number | undefined;
  readonly follow?: boolean | undefined;
}

/** The copies of the nexus that logs in with that ISID. */
export async function urlCopies(
  url: string,
  { isid, listId, abort, follow }: UrlCopiesOptions,
  signal: AbortSignal,
  onStatus: (copies: readonly KnownCopy[]) => void,
): Promise<KnownCopy[]> {
  const at = parseUrl(url);
  await using session = await Initiator.login({ ...portalOf(at), target: at.target!, isid });
  const unit = new Unit(session, at.lun!);
  await unit.awaitReady();
  if (abort !== undefined) await abortKnown(unit, abort);
  const wanted = listId ?? abort;
  // Awaited here: the session ends with this function.
  return follow === true
    ? await followCopies(unit, wanted, signal, onStatus)
    : await knownCopies(unit, wanted);
}

const isSameTarget = (a: IscsiUrl, b: IscsiUrl): boolean =>
  a.host.toLowerCase() === b.host.toLowerCase() &&
  a.port === b.port &&
  a.target?.toLowerCase() === b.target?.toLowerCase();

const credentialsOf = ({ user, secret, mutual }: IscsiUrl): Partial<IscsiUrl> => ({
  ...(user === undefined ? {} : { user }),
  ...(secret === undefined ? {} : { secret }),
  ...(mutual === undefined ? {} : { mutual }),
});
