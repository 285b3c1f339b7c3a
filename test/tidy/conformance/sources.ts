/** What the sources say of themselves: clauses that lib cites, titles of tests, literals that name rows. */
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve('.');

export interface Source {
  /** From the root of the checkout, with slashes. */
  readonly file: string;
  readonly text: string;
}

export const sources = (directory: string): readonly Source[] =>
  readdirSync(join(ROOT, directory), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .sort()
    .map(name => ({ file: `${directory}/${name}`, text: readFileSync(join(ROOT, directory, name), 'utf8') }));

const STANDARD = /\b(RFC \d{4}|SPC-\d|SBC-\d|SSC-\d|SAM-\d)/;
const NUMBERS =
  /(?:\d+(?:\.\d+)*|appendix [A-Z](?:\.\d+)*)(?:-\d+(?:\.\d+)*)?(?:(?:, | and | to )(?:\d+(?:\.\d+)*|appendix [A-Z])(?:-\d+(?:\.\d+)*)?)*/i;
const CITATION = new RegExp(`${STANDARD.source} (${NUMBERS.source})`, 'gi');

/** `5.29-5.31` as 5.29, 5.30, 5.31; a number alone as itself. */
function spread(part: string): readonly string[] {
  const [first, last] = part.split('-');
  if (last === undefined || !first!.includes('.') || !last.includes('.')) return [first!];
  const stem = first!.slice(0, first!.lastIndexOf('.'));
  const end = (number: string): number => Number(number.slice(number.lastIndexOf('.') + 1));
  const count = Math.min(64, end(last) - end(first!) + 1);
  return Array.from({ length: Math.max(1, count) }, (_, i) => `${stem}.${end(first!) + i}`);
}

/** What a text cites: `RFC 7143 11.5`, each clause by itself. */
export function citations(text: string): readonly string[] {
  const found = new Set<string>();
  for (const [, standard, numbers] of text.matchAll(CITATION)) {
    for (const part of numbers!.split(/, | and | to /)) {
      for (const clause of spread(part)) found.add(`${standard!.toUpperCase()} ${clause.toLowerCase()}`);
    }
  }
  return [...found];
}

export interface Title {
  readonly file: string;
  /** As it stands in the source; what is filled in while it runs is `…`. */
  readonly title: string;
  /** The clauses that it begins with. */
  readonly clauses: readonly string[];
}

const unquoted = (literal: string): string =>
  literal
    .slice(1, -1)
    .replaceAll(/\$\{[^}]*\}/g, '…')
    .replaceAll(/\\(.)/g, '$1');

/** A subtest of a test of RFC 7143 may begin with a bare clause number. */
const BARE = /^(\d+\.\d+(?:\.\d+)*): /;

export function titlesOf({ file, text }: Source): readonly Title[] {
  const titles: Title[] = [];
  for (const [, literal] of text.matchAll(
    /\bt\.test\(\s*('(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|"(?:[^"\\]|\\.)*")/g,
  )) {
    const title = unquoted(literal!);
    const bare = file.startsWith('test/conformance/') ? BARE.exec(title)?.[1] : undefined;
    const head = /^(?:RFC|S[PBSA][CM])\b[^:]*/.exec(title)?.[0] ?? '';
    titles.push({ file, title, clauses: bare === undefined ? citations(head) : [`RFC 7143 ${bare}`] });
  }
  return titles;
}

/** Files with a literal that says `name`; one that says it whole goes before a template that can. */
export function filesNaming(name: string, among: readonly Source[]): readonly string[] {
  const whole = among.filter(({ text }) => text.includes(`'${name}'`));
  if (whole.length > 0) return whole.map(({ file }) => file);
  return among
    .filter(({ text }) =>
      [...text.matchAll(/`([A-Z][A-Z ,-]{2,}[^`\n]*)`/g)].some(([, literal]) => {
        const pattern = literal!
          .split(/\$\{[^}]*\}/)
          .map(part => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
          .join('.+');
        return literal!.includes('${') && new RegExp(`^${pattern}$`).test(name);
      }),
    )
    .map(({ file }) => file);
}
