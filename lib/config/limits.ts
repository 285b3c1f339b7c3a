import { ConfigError, type ConfigPath } from './config-error.ts';
import type { LimitOptions } from './options.ts';

/** What each limit may be. What it is when nobody says anything is the network's own business. */
export const LIMIT_RANGES: Readonly<Record<keyof LimitOptions, readonly [least: number, most: number]>> = {
  connections: [1, 4096],
  connectionsBeforeLogin: [1, 4096],
  sessionsPerInitiator: [1, 4096],
  loginTimeoutMs: [100, 600_000],
  loginRequests: [6, 1024], // CHAP and both stages take five
  textBytes: [8192, 1024 * 1024], // RFC 7143 6.2: at least 8192
  silenceMs: [100, 3_600_000],
  stuckMs: [100, 3_600_000],
  dataOutTimeoutMs: [100, 3_600_000],
};

export function resolveLimits(limits: LimitOptions | undefined, path: ConfigPath): LimitOptions {
  const given = Object.entries(limits ?? {}).filter(([, value]) => value !== undefined);
  for (const [key, value] of given) {
    const [least, most] = LIMIT_RANGES[key as keyof LimitOptions];
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    throw new ConfigError([...path, key], `must be a whole number from ${least} to ${most}, not ${value}`);
  }
  return Object.fromEntries(given);
}
