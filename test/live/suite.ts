/** Runs iscsi-test-cu, of any version, one process a test, and judges what it says by what it did. */
import { run } from './programs.ts';
import { type Ground, ownGround } from './suite-ground.ts';

export type Outcome = 'passed' | 'failed' | 'skipped' | 'hung';

export interface Verdict {
  /** As the suite lists it: `SCSI.Read10.Simple`. */
  readonly name: string;
  readonly outcome: Outcome;
  /** Why it did not pass, in the suite's words. */
  readonly why: string;
}

export const familyOf = (name: string): string => name.split('.').slice(0, 2).join('.');

/** Those who leave a reservation or a sanitized medium behind when they are killed come last. */
const LAST = /\.(Prin|Prout|Reserve6|Sanitize)/;

/** Every test that the suite knows, in the order in which they can run on one LUN. ALL and LINUX repeat the others. */
export async function listTests(suite: string): Promise<readonly string[]> {
  const { stdout, stderr } = await run(suite, ['--list']);
  const names = new Set(`${stdout}${stderr}`.match(/^(?!ALL\.|LINUX\.)\w[^.\s]*\.[^.\s]+\.\S+$/gm) ?? []);
  return [...names].sort((a, b) => Number(LAST.test(a)) - Number(LAST.test(b)) || (a < b ? -1 : 1));
}

/** The number in a column of CUnit's closing table. */
function closing(body: string, row: string, column: 'total' | 'ran' | 'failed'): number {
  const cells = new RegExp(`^ *${row} +(.*)$`, 'm').exec(body)?.[1]?.trim().split(/ +/) ?? [];
  return Number(cells[{ total: 0, ran: 1, failed: 3 }[column]] ?? 0) || 0;
}

/**
 * What a run tells. The exit status tells nothing, and CUnit counts a skip as a pass: a test that says [SKIPPED] after
 * the banner, or that asserted nothing, tested nothing.
 */
export function judge(stdout: string, stderr: string): Pick<Verdict, 'outcome' | 'why'> {
  const banner = stdout.indexOf('CUnit');
  const body = banner < 0 ? '' : stdout.slice(banner);
  const ran = closing(body, 'tests', 'ran');
  if (ran !== 1) {
    const said = `${stdout.slice(-300)} ${stderr.slice(-300)}`.replaceAll(/\s+/g, ' ').trim();
    return { outcome: 'failed', why: `ran ${ran} tests: ${said}` };
  }
  if (closing(body, 'tests', 'failed') > 0 || closing(body, 'asserts', 'failed') > 0) {
    const reason = /^ +1\. .*$/m.exec(body)?.[0].trim() ?? 'no reason given';
    const said = [...body.matchAll(/\[FAILED\] *(.*)/g)].map(([, words]) => words).slice(0, 2);
    return { outcome: 'failed', why: [reason, ...said].join('; ') };
  }
  const skipped = /\[SKIPPED\] *(.*)/.exec(body);
  if (skipped !== null) return { outcome: 'skipped', why: skipped[1]!.trim() || 'no reason given' };
  if (closing(body, 'asserts', 'total') === 0) return { outcome: 'skipped', why: 'it asserted nothing' };
  return { outcome: 'passed', why: '' };
}

export interface RunOptions {
  readonly suite: string;
  readonly ground: Ground;
  readonly names: readonly string[];
  readonly limitMs?: number;
  readonly seen?: (verdict: Verdict) => void;
}

/** What a test sleeps of its own, over the limit: Sanitize.Reset a minute when it finds the operation still at work. */
const SLEEPS_MS: ReadonlyMap<string, number> = new Map([['SCSI.Sanitize.Reset', 66_000]]);

/** One process a test: what one of them did to the library or to the session is gone with it. */
export async function runSuite({
  suite,
  ground,
  names,
  limitMs = 60_000,
  seen,
}: RunOptions): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const name of names) {
    const urls = ground.urls(name);
    const args = ['--dataloss', '--allow-sanitize', '-V', `--test=${name}`, ...urls];
    const { hung, stdout, stderr } = await run(suite, args, limitMs + (SLEEPS_MS.get(name) ?? 0));
    const verdict: Verdict = hung
      ? { name, outcome: 'hung', why: `no end after ${limitMs / 1000} s` }
      : { name, ...judge(stdout, stderr) };
    verdicts.push(verdict);
    seen?.(verdict);
    // What it held when it was killed is no verdict over the next one.
    if (hung) await ground.renew();
  }
  return verdicts;
}

/** Tests that mostly wait. */
const SLEEPY = /^SCSI\.Sanitize\./;

/** All of them on sanlet; the sleepy ones beside the others, on a target of their own. */
export async function runOnSanlet(options: Omit<RunOptions, 'ground'>): Promise<Verdict[]> {
  const { names } = options;
  const lane = async (sleepy: boolean): Promise<Verdict[]> => {
    const mine = names.filter(name => SLEEPY.test(name) === sleepy);
    if (mine.length === 0) return [];
    const ground = await ownGround();
    try {
      return await runSuite({ ...options, ground, names: mine });
    } finally {
      await ground.stop();
    }
  };
  return (await Promise.all([lane(false), lane(true)])).flat();
}

export const OUTCOMES = ['passed', 'failed', 'skipped', 'hung'] as const satisfies readonly Outcome[];

export const countOf = (verdicts: readonly Verdict[], outcome: Outcome): number =>
  verdicts.filter(each => each.outcome === outcome).length;

/** A row a family and a row for all: name and the numbers in the order of `OUTCOMES`. */
export function tally(verdicts: readonly Verdict[]): readonly (readonly [string, ...number[]])[] {
  const families = new Map<string, Verdict[]>();
  for (const verdict of verdicts) {
    const family = familyOf(verdict.name);
    families.set(family, [...(families.get(family) ?? []), verdict]);
  }
  const row = (name: string, of: readonly Verdict[]): readonly [string, ...number[]] => [
    name,
    ...OUTCOMES.map(outcome => countOf(of, outcome)),
  ];
  return [
    ...[...families].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, of]) => row(name, of)),
    row('all', verdicts),
  ];
}
