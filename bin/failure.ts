/** What goes wrong becomes one sentence on stderr and an exit code. */

export const ExitCode = {
  OK: 0,
  /** It was asked for rightly, and could not be done: a port in use, a target that is not there, a copy that failed. */
  FAILED: 1,
  /** What the user wrote is wrong: words, options, configuration, a file that is not there. */
  USAGE: 2,
} as const;

/** Errors are told apart by name, so that no module is loaded for it. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof Error)) return ExitCode.FAILED;
  if (error.name === 'ConfigError') return ExitCode.USAGE;
  return 'fault' in error && error.fault === 'usage' ? ExitCode.USAGE : ExitCode.FAILED;
}

export function report(error: unknown): number {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`sanlet: ${message.trim().replaceAll(/\s*\n\s*/g, ' ')}\n`);
  if (process.env.SANLET_DEBUG !== undefined && error instanceof Error) {
    process.stderr.write(`${error.stack}\n`);
  }
  return exitCodeOf(error);
}
