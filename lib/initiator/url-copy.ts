import { Copy, type CopyOutcome, type CopyRequest } from './copy.ts';
import { Initiator } from './initiator.ts';
import { InitiatorError } from './initiator-error.ts';
import { portalOf } from './url-portal.ts';
import { type IscsiUrl, parseUrl } from './url.ts';

export type UrlCopyOptions = Omit<CopyRequest, 'source' | 'destination'>;

export interface UrlCopy {
  /** `disk to tape` */
  readonly kind: string;
  readonly record: number | undefined;
  readonly outcome: CopyOutcome;
}

export interface Watcher {
  readonly signal: AbortSignal;
  readonly begin: (
    what: string,
    bytes: number | undefined,
  ) => Promise<{ update(bytes: number): void; done(): void }>;
}

/** A copy between two LUNs that are given as URLs of one target. */
export async function copyUrls(
  source: string,
  destination: string,
  options: UrlCopyOptions,
  { signal, begin }: Watcher,
): Promise<UrlCopy> {
  const [from, to] = [parseUrl(source), parseUrl(destination)];
  if (!isSameTarget(from, to)) {
    throw new InitiatorError(
      'usage',
      'both ends of a copy must be LUNs of one target: give the same host, port and name',
    );
  }
  const portal = portalOf(from.user === undefined ? { ...to, ...from, ...credentialsOf(to) } : from);
  await using session = await Initiator.login({ ...portal, target: from.target! });
  signal.throwIfAborted();
  const copy = await Copy.prepare(session, { source: from.lun!, destination: to.lun!, ...options });
  const progress = await begin(copy.kind, copy.bytes);
  try {
    const outcome = await copy.run(bytes => progress.update(bytes), signal);
    return { kind: copy.kind, record: copy.record, outcome };
  } finally {
    progress.done();
  }
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
