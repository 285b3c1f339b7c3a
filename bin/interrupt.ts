/** 128 and the signal's number, as shells tell it. */
const CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs `work` with a signal that SIGINT and SIGTERM set off, so that it cleans up behind itself, and gives back its exit
 * code, or the signal's. A second one ends the process at once.
 */
export async function interruptible(work: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const abort = new AbortController();
  let code: number | undefined;
  const interrupted = (name: NodeJS.Signals): void => {
    if (code !== undefined) process.exit(code);
    code = CODES[name as keyof typeof CODES];
    abort.abort(new Error('interrupted'));
  };
  process.on('SIGINT', interrupted);
  process.on('SIGTERM', interrupted);
  try {
    return await work(abort.signal);
  } catch (error) {
    if (code === undefined) throw error;
    process.stderr.write('sanlet: interrupted\n');
    return code;
  } finally {
    process.off('SIGINT', interrupted);
    process.off('SIGTERM', interrupted);
  }
}
