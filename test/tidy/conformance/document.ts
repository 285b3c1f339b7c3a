/** docs/conformance.md, made of the tables and of what the sources cite. The same sources give the same bytes. */
import { EXCEPTIONS } from '../../live/suite-exceptions.ts';
import { CLAUSES } from './rfc7143.ts';
import {
  cscdTypes,
  codeOf,
  hex,
  type Kind,
  KINDS,
  names,
  segmentTypes,
  TaskFunction,
  UNITS,
} from './rows.ts';
import { citations, filesNaming, type Source, sources, type Title, titlesOf } from './sources.ts';

export const DOCUMENT = 'docs/conformance.md';

const lib = sources('lib');
const titles = sources('test').flatMap(titlesOf);

const link = (file: string): string => `[${file.replace(/^lib\//, '')}](../${file})`;
const cell = (text: string): string => text.replaceAll('|', String.raw`\|`);
const listed = (items: readonly string[], none = ''): string =>
  items.length === 0 ? none : items.map(cell).join('<br>');
const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map(cells => `| ${cells.join(' | ')} |`).join('\n');

const shown = (found: readonly Title[]): readonly string[] => {
  const unique = [
    ...new Set(found.map(({ file, title }) => `${title} (${file.replace(/^test\//, '')})`)),
  ].sort();
  return unique.length > 6 ? [...unique.slice(0, 6), `and ${unique.length - 6} more`] : unique;
};

/** Clauses of the list to the citations that belong to them: a deeper one goes to the nearest above it. */
function nearest(clause: string, known: ReadonlySet<string>): string | undefined {
  for (let at = clause; at !== ''; at = at.includes('.') ? at.slice(0, at.lastIndexOf('.')) : '') {
    if (known.has(at)) return at;
  }
  return undefined;
}

function gathered<T>(
  items: readonly T[],
  clausesOf: (item: T) => readonly string[],
): ReadonlyMap<string, readonly T[]> {
  const known = new Set(CLAUSES.map(({ number }) => number));
  const by = new Map<string, T[]>();
  for (const item of items) {
    for (const citation of clausesOf(item)) {
      if (!citation.startsWith('RFC 7143 ')) continue;
      const clause = nearest(citation.slice('RFC 7143 '.length), known);
      if (clause === undefined) continue;
      const of = by.get(clause) ?? [];
      if (!of.includes(item)) of.push(item);
      by.set(clause, of);
    }
  }
  return by;
}

function protocol(): string {
  const files = gathered(lib, ({ text }) => citations(text));
  const tests = gathered(titles, ({ clauses }) => clauses);
  return table(
    ['clause', 'title', 'files', 'tests'],
    CLAUSES.map(({ number, title, otherwise = 'no test' }) => {
      const found = shown(tests.get(number) ?? []);
      return [
        number,
        title,
        listed((files.get(number) ?? []).map(({ file }) => link(file))),
        listed(found, otherwise),
      ];
    }),
  );
}

/** Where the rows of a unit are. */
const PLACES: Readonly<Record<Kind, readonly string[]>> = {
  disk: ['lib/scsi-cmds/sbc/', 'lib/scsi-cmds/spc/', 'lib/copy-manager/'],
  tape: ['lib/scsi-cmds/ssc/', 'lib/scsi-cmds/spc/', 'lib/copy-manager/'],
  changer: ['lib/scsi-cmds/smc/', 'lib/scsi-cmds/spc/'],
};

export interface Row {
  readonly code: string;
  readonly name: string;
  readonly files: readonly string[];
  readonly tests: readonly Title[];
}

/** Tests that stand for a row of the kind: one of another command set, that says so, does not. */
const OTHER: Readonly<Record<Kind, RegExp>> = {
  disk: /^S[SM]C-/,
  tape: /^S[BM]C-/,
  changer: /^S[BS]C-/,
};

export function commandRows(kind: Kind): readonly Row[] {
  return UNITS[kind].commands.all().map(row => {
    const files = PLACES[kind]
      .map(place =>
        filesNaming(
          row.name,
          lib.filter(({ file }) => file.startsWith(place)),
        ),
      )
      .find(found => found.length > 0);
    const tests = titles.filter(({ title }) => !OTHER[kind].test(title) && names(title, row.name));
    return { code: codeOf(row), name: row.name, files: files ?? [], tests };
  });
}

function commands(): string {
  const [ofDisk, ofTape, ofChanger] = [commandRows('disk'), commandRows('tape'), commandRows('changer')];
  const key = ({ code, name, files }: Row): string => [code, name, ...files].join('\0');
  const disks = new Set(ofDisk.map(key));
  const tapes = new Set(ofTape.map(key));
  const both = ofDisk.filter(row => tapes.has(key(row)));
  const section = (heading: string, rows: readonly Row[]): string =>
    `### ${heading}\n\n${table(
      ['code', 'command', 'file', 'tests'],
      rows.map(({ code, name, files, tests }) => [
        code,
        name,
        listed(files.map(link)),
        listed(shown(tests), 'no test'),
      ]),
    )}`;
  return [
    section('Disk and tape', both),
    section(
      'Disk',
      ofDisk.filter(row => !tapes.has(key(row))),
    ),
    section(
      'Tape',
      ofTape.filter(row => !disks.has(key(row))),
    ),
    section(
      'Media changer, beside what every unit has',
      ofChanger.filter(row => !disks.has(key(row)) && !tapes.has(key(row))),
    ),
  ].join('\n\n');
}

const PAGE_CODES = { 'mode page': /mode|control|caching/i, 'VPD page': /VPD/i, 'log page': /log/i };

/** Files and tests that speak of a page by its code: `VPD B0h`, `page 0Ah`. */
function page(what: keyof typeof PAGE_CODES, code: number, subcode = 0): readonly string[] {
  const name = subcode === 0 ? hex(code) : `${hex(code)}/${hex(subcode)}`;
  const on = KINDS.filter(kind => pagesOf(kind, what).some(each => each[0] === code && each[1] === subcode));
  const tests = titles.filter(
    ({ title }) => new RegExp(`\\b${hex(code)}`, 'i').test(title) && PAGE_CODES[what].test(title),
  );
  return [name, on.join(', '), listed(shown(tests))];
}

function pagesOf(kind: Kind, what: keyof typeof PAGE_CODES): readonly (readonly [number, number])[] {
  const unit = UNITS[kind];
  if (what === 'mode page') return unit.modePages.pages.map(({ code, subcode = 0 }) => [code, subcode]);
  if (what === 'VPD page') return [0, ...unit.vpd.keys()].map(code => [code, 0]);
  return [[0, 0] as const, ...unit.logs.named(0, 0).map(({ code, subcode = 0 }) => [code, subcode] as const)];
}

function pages(): string {
  return (Object.keys(PAGE_CODES) as (keyof typeof PAGE_CODES)[])
    .map(what => {
      const all = new Map(KINDS.flatMap(kind => pagesOf(kind, what)).map(each => [each.join('/'), each]));
      const sorted = [...all.values()].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      return table(
        [what, 'unit', 'tests that name it'],
        sorted.map(([code, subcode]) => page(what, code, subcode)),
      );
    })
    .join('\n\n');
}

function functions(): string {
  const rows = Object.entries(TaskFunction).map(([name, code]) => {
    const words = name.replaceAll('_', ' ');
    return [String(code), words, listed(shown(titles.filter(({ title }) => names(title, words))), 'no test')];
  });
  return table(['code', 'function', 'tests'], rows);
}

function copies(): string {
  const segments = [...segmentTypes].map(([code, { name }]) => [hex(code), name]);
  const cscds = [...cscdTypes].map(([code, { name }]) => [hex(code), name]);
  return `${table(['segment', 'name'], segments)}\n\n${table(['CSCD', 'name'], cscds)}`;
}

const exceptions = (): string =>
  table(
    ['test', 'suite', 'clause', 'why'],
    EXCEPTIONS.map(({ name, suite, clause, why }) => [name, suite, clause, cell(why)]),
  );

export const document = (): string => `# Conformance

Generated by \`npm run docs:conformance\` from the sources: a file stands here because it cites the clause or holds the row, a
test because its title begins with the clause or names the row. \`test/tidy\` fails when this page is not what the sources say,
and when a command has no test. Where it says "no test", there is none that says so.

\`npm run conformance\` runs every test of libiscsi's iscsi-test-cu on sanlet and prints what passed, as CI does.

## RFC 7143, iSCSI

${protocol()}

## Commands

${commands()}

## Pages

${pages()}

## Task management functions

${functions()}

## Copy manager

${copies()}

Three answers follow what real clients expect:

- A range beyond the logical unit: COPY ABORTED, 0Dh/02h, with a field pointer to the LBA or the count, found before that
  segment moves anything (SPC-4 5.17.7.4).
- A CSCD index outside the list: COPY ABORTED, 08h/04h, found when the segment runs (SPC-4 6.4.6.1).
- A stream segment whose CSCD is of the wrong type: ILLEGAL REQUEST, 26h/09h, before any segment runs (SPC-4 5.17.7.3).

## Tests of iscsi-test-cu that do not pass

Each contradicts the clause beside it, or asserts something about its own library.

${exceptions()}
`;

export type { Source };
