/** Typed configuration with helpful errors: what people write, checked and resolved. */
export { ConfigError, dotted, type ConfigPath } from './config/config-error.ts';
export { readConfigFile } from './config/file.ts';
export { DEFAULT_IQN, parseIscsiName } from './iscsi-name.ts';
export { checkMediumFiles } from './config/medium-files.ts';
export type * from './config/options.ts';
export { formatPortal, ISCSI_PORT, parsePortal } from './config/portal.ts';
export { keepingLuns, resolveAddition, resolveLibraryAddition } from './config/change.ts';
export { resolveOptions } from './config/resolve.ts';
export { optionsOfWords, type ServeWords, type UnitWord } from './config/serve-words.ts';
export { parseDiskSpec, parseLibrarySpec, parseTapeSpec } from './config/spec.ts';
export { hint } from './config/suggestion.ts';
export { parseSize } from './sizes.ts';
