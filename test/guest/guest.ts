/**
 * The kernel's own initiator: boots a small Debian guest in QEMU and runs jobs in it against a target on
 * this machine. What the guest consists of is in build.sh, what it does in init.sh and jobs/.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { run } from '../live/programs.ts';

/** The host's 127.0.0.1 as the guest sees it, by QEMU's user network. */
export const HOST_IN_GUEST = '10.0.2.2';

const QEMU = 'qemu-system-x86_64';
/** A job takes a minute at most where nothing else runs; a loaded machine takes a multiple of that. */
const JOB_MS = 420_000;
/** What jobs may source. */
const SHARED = ['lib', 'drive', 'decoded'];
/** The first line, when no other guest is running any more. */
const POWER_ON = '@@ power on';

const here = (name: string): string => fileURLToPath(new URL(name, import.meta.url));

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface JobResult {
  readonly job: string;
  readonly checks: Check[];
  /** Everything that the job printed. */
  readonly lines: string[];
  /** The exit status of its shell, 124 when its time ran out; undefined when it did not end. */
  status: number | undefined;
  seconds: number;
}

type Answer = string | undefined | void;
export type Order = (...words: string[]) => Answer | Promise<Answer>;

export interface GuestOptions {
  /** The guest, by `prepareGuest`. */
  readonly directory: string;
  /** Where the target listens on 127.0.0.1. */
  readonly portalPort: number;
  readonly iqn: string;
  /** Names of scripts in jobs/, in the order in which they run. */
  readonly jobs: readonly string[];
  /** What else the jobs want to know, as variables of their shell. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** What a job may `ask` for on this side, by its first word; what comes back is its answer, one line. */
  readonly orders?: Readonly<Record<string, Order>>;
  /** Time for everything from power on, and for one job. */
  readonly timeoutMs: number;
  readonly jobTimeoutMs?: number;
  readonly memoryMiB?: number;
  readonly onLine?: (line: string) => void;
}

export interface GuestRun {
  /** QEMU's, null when it was killed because the time had run out. */
  readonly exitCode: number | null;
  /** Everything that appeared on the guest's console or that QEMU said. */
  readonly lines: string[];
  readonly results: JobResult[];
  /** From power on to the first job. */
  readonly bootSeconds: number;
}

/**
 * Builds the guest unless it is there; or says in a sentence what is missing on this machine. Rejects when a build
 * went wrong for another reason.
 */
export async function prepareGuest(timeoutMs: number): Promise<{ directory: string } | { missing: string }> {
  const qemu = await run(QEMU, ['--version']);
  if (qemu.code !== 0) return { missing: `${QEMU} is missing: install the Debian package qemu-system-x86` };
  const build = await run(here('build.sh'), [], timeoutMs);
  if (build.code === 2) return { missing: build.stderr.split('\n')[0] ?? '' };
  if (build.code !== 0)
    throw new Error(`the guest was not built${build.hung ? ' in time' : ''}: ${build.stderr}`);
  return { directory: build.stdout.trim() };
}

/** Runs the jobs in a fresh guest. QEMU has ended when the promise settles, whatever happened. */
export async function bootGuest(options: GuestOptions): Promise<GuestRun> {
  const lines: string[] = [];
  const results: JobResult[] = [];
  let started = 0;
  let timer: NodeJS.Timeout | undefined;
  let bootSeconds = Number.NaN;
  let job: JobResult | undefined;
  let jobStarted = 0;

  const take = (line: string): void => {
    if (line === POWER_ON) {
      started = performance.now();
      timer = setTimeout(() => qemu.kill('SIGKILL'), options.timeoutMs);
      return;
    }
    lines.push(line);
    options.onLine?.(line);
    const asked = /^@@ ask (.+)$/.exec(line);
    if (asked !== null) {
      void answer(options.orders ?? {}, asked[1]!.split(' ')).then(text => qemu.stdin.write(`${text}\n`));
      return;
    }
    const mark = /^@@ (begin|end) (\S+) ?(\d*)$/.exec(line);
    if (mark?.[1] === 'begin') {
      jobStarted = performance.now();
      if (results.length === 0) bootSeconds = (jobStarted - started) / 1000;
      job = { job: mark[2] ?? '', checks: [], lines: [], status: undefined, seconds: 0 };
      results.push(job);
      return;
    }
    if (job === undefined) return;
    job.seconds = (performance.now() - jobStarted) / 1000;
    if (mark?.[1] === 'end') {
      job.status = Number(mark[3]);
      job = undefined;
      return;
    }
    job.lines.push(line);
    const check = /^(not )?ok (.*?)(?: # (.*))?$/.exec(line);
    if (check) job.checks.push({ name: check[2] ?? '', ok: check[1] === undefined, detail: check[3] ?? '' });
  };

  // stdin brings the answers, and stays open: at its end QEMU would close the console, and the guest's next
  // line would hang. And should this process be killed, QEMU goes with it.
  // One guest at a time, as two of them on few processors take longer than one after the other.
  const alone = [
    'flock',
    '--no-fork',
    join(dirname(options.directory), 'running.lock'),
    'sh',
    '-c',
    `echo '${POWER_ON}'; exec "$@"`,
    'sh',
  ];
  const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', ...alone, QEMU, ...qemuArguments(options)], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  try {
    const read = [qemu.stdout, qemu.stderr].map(async stream => {
      for await (const line of createInterface({ input: stream })) take(line.replaceAll('\r', ''));
    });
    const [exitCode] = await Promise.all([ended(qemu), ...read]);
    return { exitCode, lines, results, bootSeconds };
  } finally {
    clearTimeout(timer);
    qemu.kill('SIGKILL');
  }
}

/** `ok` and the answer, or `no` and why not. */
async function answer(
  orders: Readonly<Record<string, Order>>,
  [verb = '', ...words]: string[],
): Promise<string> {
  const order = Object.hasOwn(orders, verb) ? orders[verb] : undefined;
  if (order === undefined) return `no such order: ${verb}`;
  try {
    return `ok ${(await order(...words)) ?? ''}`.trimEnd();
  } catch (error) {
    return `no ${String(error).replaceAll('\n', ' ')}`;
  }
}

function qemuArguments(options: GuestOptions): string[] {
  const settings: Record<string, string | number> = {
    PORTAL: `${HOST_IN_GUEST}:${options.portalPort}`,
    IQN: options.iqn,
    JOBS: options.jobs.join(' '),
    JOB_SECONDS: Math.ceil((options.jobTimeoutMs ?? JOB_MS) / 1000),
    ...options.settings,
  };
  const env = Object.entries(settings).map(([name, value]) => `${name}='${value}'\n`);
  // The firmware's configuration files carry the jobs in: no disk, no shared folder, no temporary file.
  const files = [...SHARED, ...options.jobs].flatMap(job => [
    '-fw_cfg',
    `name=opt/sanlet/${job}.sh,file=${quoted(here(`jobs/${job}.sh`))}`,
  ]);
  return [
    ...['-nodefaults', '-display', 'none', '-no-reboot'],
    // Emulation and not KVM: it works wherever a process may run. RDRAND seeds the kernel's random numbers at
    // once; programs that want a UUID would wait for seconds otherwise.
    ...['-machine', 'q35', '-accel', 'tcg', '-cpu', 'qemu64,+rdrand', '-smp', '2'],
    ...['-m', String(options.memoryMiB ?? 1024)],
    ...['-kernel', `${options.directory}/vmlinux`, '-initrd', `${options.directory}/initramfs`],
    // Nothing in here is worth a mitigation, and emulation pays for each.
    ...['-append', 'console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off'],
    ...['-chardev', 'stdio,id=console,signal=off', '-serial', 'chardev:console'],
    ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
    // It has room for 32 of them by itself, its own among them.
    ...['-global', 'fw_cfg_io.x-file-slots=128'],
    ...['-fw_cfg', `name=opt/sanlet/env,string=${quoted(env.join(''))}`],
    ...files,
  ];
}

/** A value in one of QEMU's option lists, which commas part. */
const quoted = (value: string): string => value.replaceAll(',', ',,');

/** The exit code of a process, null when a signal ended it; rejects when it could not start. */
const ended = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
