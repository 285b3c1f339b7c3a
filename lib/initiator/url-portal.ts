import type { PortalOptions } from './initiator.ts';
import type { IscsiUrl } from './url.ts';

/** What a URL says of how to connect and log in. */
export function portalOf({
  host,
  port,
  user,
  secret,
  mutual,
  headerDigest,
  dataDigest,
}: IscsiUrl): PortalOptions {
  const digests = headerDigest === true && dataDigest === true;
  return {
    host,
    port,
    digests: digests || (headerDigest === true ? 'header' : dataDigest === true ? 'data' : false),
    ...(user === undefined ? {} : { user }),
    ...(secret === undefined ? {} : { secret }),
    ...(mutual === undefined ? {} : { mutual }),
  };
}
