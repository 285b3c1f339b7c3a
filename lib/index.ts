/** The embed API: a SAN in a process. */
export { San, type AddedUnit, type AtTarget, type Library, type Lun, type SanTarget } from './san.ts';
export { ConfigError } from './config.ts';
export type {
  AccessOptions,
  ChapOptions,
  DiskOptions,
  LibraryOptions,
  LimitOptions,
  MappedUnit,
  PortalOptions,
  RedirectOptions,
  SanOptions,
  TapeOptions,
  TargetOptions,
} from './config.ts';
export type { LibraryElement } from './served/library.ts';
export type { Log } from './log.ts';
