/** Real clients: whether they are there, and what they say. */
import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Test } from 'tap';

/** Programs and the Debian package that brings them. */
const PACKAGES: Readonly<Record<string, string>> = {
  'iscsi-ls': 'libiscsi-bin',
  'iscsi-inq': 'libiscsi-bin',
  'iscsi-readcapacity16': 'libiscsi-bin',
  'iscsi-swp': 'libiscsi-bin',
  'iscsi-test-cu': 'libiscsi-bin',
  mtdump: 'simh',
  tshark: 'tshark',
  'qemu-img': 'qemu-utils and qemu-block-extra',
  'qemu-io': 'qemu-utils and qemu-block-extra',
};

function isThere(program: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some(directory => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/**
 * Why the programs cannot be used, for `t.test(name, { skip })`. In CI a missing one is a failure, so there the test
 * runs and fails by itself.
 */
export function missing(...programs: readonly string[]): string | false {
  const absent = programs.filter(program => !isThere(program));
  if (absent.length === 0 || process.env['CI'] === 'true') return false;
  return absent
    .map(program => `${program} is not installed (Debian package ${PACKAGES[program] ?? program})`)
    .join(', ');
}

export interface Ran {
  /** Exit code; null when it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** It took longer than it may. */
  readonly hung: boolean;
}

/** Runs a program to its end, or for `timeoutMs`. */
export function run(program: string, args: readonly string[], timeoutMs = 30_000): Promise<Ran> {
  return new Promise(resolve => {
    execFile(
      program,
      args,
      { timeout: timeoutMs, killSignal: 'SIGKILL', maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const failure = error as (Error & { code?: number | string; killed?: boolean }) | null;
        const code = failure === null ? 0 : typeof failure.code === 'number' ? failure.code : null;
        resolve({
          code,
          stdout,
          stderr: failure === null ? stderr : `${stderr}${failure.message}`,
          hung: failure?.killed === true,
        });
      },
    );
  });
}

/** Runs a program that must succeed, and gives what it printed. */
export async function succeeds(t: Test, program: string, ...args: string[]): Promise<string> {
  const ran = await run(program, args);
  t.equal(ran.code, 0, `${program} ${args.join(' ')}${ran.code === 0 ? '' : `: ${ran.stderr.trim()}`}`);
  return ran.stdout;
}
