/** The embed API: a SAN in a process. */
export { San, type Lun, type SanTarget } from './san.ts';
export { ConfigError } from './config.ts';
export type { ChapOptions, DiskOptions, SanOptions, TapeOptions, TargetOptions } from './config.ts';
export type { Log } from './log.ts';
