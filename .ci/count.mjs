// Reads TAP and counts its assertions: only lines of the innermost tests, so that a file or a group does not count as
// one more. Prints what failed, what was skipped, the comments of live tests, and last three numbers: passed, failed,
// skipped.
import { createInterface } from 'node:readline';

let passed = 0;
const failed = [];
const skipped = [];
/** Depths at which a subtest has been announced and its own summary line is still to come. */
let pending = [];
let diagnostics = 0;

for await (const line of createInterface({ input: process.stdin })) {
  const subtest = /^( *)# Subtest: /.exec(line);
  if (subtest !== null) {
    pending.push(subtest[1].length);
    continue;
  }
  const result = /^( *)(not )?ok\b(.*)$/.exec(line);
  if (result !== null) {
    const [, indent, not, rest] = result;
    diagnostics = 0;
    const closes = pending.at(-1) === indent.length;
    if (closes) pending.pop();
    const skip = /# SKIP/i.test(rest);
    if (skip) skipped.push(line.trim());
    else if (not !== undefined) {
      // The line of a group fails because something in it did, which has been counted; or by itself (a time-out).
      if (!closes || failed.length === 0 || /time-?out/i.test(rest)) failed.push(line.trim());
      console.log(line);
      diagnostics = 40;
    } else if (!closes) passed++;
    continue;
  }
  if (diagnostics > 0) {
    diagnostics--;
    console.log(line);
    if (/^ *\.\.\.$/.test(line)) diagnostics = 0;
  } else if (/^ +# (?!time|Subtest)/.test(line)) console.log(line);
}

for (const line of skipped) console.log(`skipped: ${line}`);
for (const line of failed) console.log(`failed: ${line}`);
console.log(`${passed} ${failed.length} ${skipped.length}`);
