import { pino } from 'pino';
import type { Log } from '../lib/log.ts';

const LEVELS = ['silent', 'error', 'warn', 'info', 'debug'];

/** Logs go to stderr, a JSON object a line; SANLET_LOG says how much. */
export function newLog(): Log {
  const wanted = process.env.SANLET_LOG ?? 'info';
  const stderr = pino.destination({ fd: 2, sync: true });
  stderr.on('error', () => undefined); // nobody reads it any more
  return pino({ name: 'sanlet', level: LEVELS.includes(wanted) ? wanted : 'info' }, stderr);
}
