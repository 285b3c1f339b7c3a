export type ConfigPath = readonly (string | number)[];

/** `targets[0].disks[1].size` */
export const dotted = (path: ConfigPath): string =>
  path.map((part, i) => (typeof part === 'number' ? `[${part}]` : i === 0 ? part : `.${part}`)).join('');

/** Something that the user wrote is wrong: what, where, and what would be right, in one sentence. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** The key it is about, from the top of the options. */
  readonly path: ConfigPath;
  /** The sentence without its place. */
  readonly problem: string;

  /** `where` stands before the key: a file and line, or a word of the command line. */
  constructor(path: ConfigPath, problem: string, where?: string) {
    super([where, dotted(path), problem].filter(part => part !== undefined && part !== '').join(': '));
    this.path = path;
    this.problem = problem;
  }
}
