import { readFileSync } from 'node:fs';
import t from 'tap';
import { commandRows, DOCUMENT, document } from './conformance/document.ts';
import { KINDS, names } from './conformance/rows.ts';
import { citations } from './conformance/sources.ts';

void t.test('docs/conformance.md is what the sources say', async t => {
  t.ok(readFileSync(DOCUMENT, 'utf8') === document(), 'otherwise: npm run docs:conformance');
});

void t.test('every command has a file and a test that names it', async t => {
  for (const kind of KINDS) {
    for (const { name, code, files, tests } of commandRows(kind)) {
      t.ok(files.length > 0, `${kind}: ${code} ${name} has a file`);
      t.ok(
        tests.length > 0,
        `${kind}: ${code} ${name} has a test; name it in the title of the one that tests it`,
      );
    }
  }
});

void t.test('a title names a row when it says its name and no longer one', async t => {
  for (const [title, row, is] of [
    ['SBC-3 5.11: READ(10)', 'READ(10)', true],
    ['SBC-3 5.11: READ(10)', 'READ(16)', false],
    ['SBC-3 5.11-5.13: READ and WRITE, medium late', 'READ(10)', true],
    ['SBC-3 5.15: READ CAPACITY', 'READ(10)', false],
    ['SBC-3 5.15: READ CAPACITY', 'READ CAPACITY(16)', true],
    ['SBC-3 5.37: WRITE AND VERIFY', 'WRITE(10)', false],
    ['SBC-3 5.37: WRITE AND VERIFY', 'VERIFY(10)', false],
    ['SBC-3 5.5: ORWRITE(16)', 'WRITE(16)', false],
    ['SPC-4 5.13.11.2.6: PREEMPT AND ABORT', 'PERSISTENT RESERVE OUT, PREEMPT', false],
    ['SPC-4 5.13.11.2.6: PREEMPT AND ABORT', 'PERSISTENT RESERVE OUT, PREEMPT AND ABORT', true],
    ['RECEIVE COPY DATA(LID1) and (LID4)', 'RECEIVE COPY DATA(LID4)', true],
    ['one EXTENDED COPY', 'EXTENDED COPY(LID1)', true],
    ['one EXTENDED COPY', 'EXTENDED COPY(LID4)', false],
    ['SSC-4 7.7: READ POSITION', 'READ POSITION LONG FORM', true],
  ] as const) {
    t.equal(names(title, row), is, `"${title}" ${is ? 'names' : 'does not name'} ${row}`);
  }
});

void t.test('citations, as they are written', async t => {
  t.same(citations('// RFC 7143 11.5, SAM-5 clause 7'), ['RFC 7143 11.5']);
  t.same(citations('(SBC-3 5.13, 5.35 and 5.44).'), ['SBC-3 5.13', 'SBC-3 5.35', 'SBC-3 5.44']);
  t.same(citations('SBC-3 5.29-5.31: VERIFY'), ['SBC-3 5.29', 'SBC-3 5.30', 'SBC-3 5.31']);
  t.same(citations('RFC 7143 appendix C'), ['RFC 7143 appendix c']);
});
