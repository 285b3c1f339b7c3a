import { readFileSync } from 'node:fs';

/** Which process of which boot: a pid alone is reused. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process (proc(5), field 22 of stat); '0' where there is no /proc. */
  readonly start: string;
  /** The kernel's random name for this boot, 32 hexadecimal digits; zeros where there is no /proc. */
  readonly boot: string;
}

function readOrNothing(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

let boot: string | undefined;

/** The same as long as the machine has not been started again. */
export function bootId(): string {
  boot ??= readOrNothing('/proc/sys/kernel/random/boot_id')
    .replaceAll(/[^0-9a-f]/g, '')
    .padEnd(32, '0')
    .slice(0, 32);
  return boot;
}

/** What /proc tells about a process; undefined when it tells nothing. */
function procStat(pid: number): { state: string; start: string } | undefined {
  const stat = readOrNothing(`/proc/${pid}/stat`);
  // The second field is the command's name in parentheses, and may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [state] = fields;
  const start = fields[19];
  return state !== undefined && start !== undefined ? { state, start } : undefined;
}

let self: ProcessIdentity | undefined;

export function ownIdentity(): ProcessIdentity {
  self ??= { pid: process.pid, start: procStat(process.pid)?.start ?? '0', boot: bootId() };
  return self;
}

/** A signal that is never sent still finds out whether there is someone to get it. */
function canBeSignalled(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Whether that very process still runs: not another one with its pid, not one of an earlier boot, not a zombie. */
export function isRunning({ pid, start, boot }: ProcessIdentity): boolean {
  if (boot !== bootId()) return false;
  const stat = procStat(pid);
  // /proc may hide the processes of other users, and exists on Linux only: then the pid alone must do.
  if (stat === undefined) return canBeSignalled(pid);
  return stat.start === start && stat.state !== 'Z' && stat.state !== 'X';
}
