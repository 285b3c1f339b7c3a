/**
 * EXTENDED COPY against a model (test/harness/copy-model.ts): every segment type between every pair of ends, whole and in
 * part. test/fuzz/copies.test.ts does the same at random.
 */
import t, { type Test } from 'tap';
import { encodeSegment, SEGMENT_ROWS, segmentRow } from '../../lib/initiator/copy-segments.ts';
import type { ModelCscd, ModelSegment } from '../harness/copy-model.ts';
import {
  differs,
  FIXED,
  GIVEN,
  groundOf,
  type Kind,
  KINDS,
  MOVES,
  piece,
  shown,
  SMALL,
  TAKEN,
  valuesOf,
} from '../harness/copy-trial.ts';
import { memoryDisk } from '../../lib/backends/memory.ts';
import { memoryCartridge } from '../../lib/backends/tape/cartridge-memory.ts';
import { copy, dice, list, pointerOf, rig } from '../harness/copying.ts';
import { SEED } from '../harness/random.ts';

console.log(`# SANLET_SEED=${SEED}`);

void t.test(
  'SPC-4 5.17.7.2, 6.4.6: every segment type between every pair of ends, with what is left over',
  async t => {
    const d = dice(SEED);
    const kinds = Object.keys(KINDS) as Kind[];
    let cases = 0;
    const one = async (
      t: Test,
      code: number,
      from: Kind | undefined,
      to: Kind | undefined,
    ): Promise<boolean> => {
      for (let bits = 0; bits < 8; bits++) {
        const [cat, srcPad, dstPad] = [(bits & 4) > 0, (bits & 2) > 0, (bits & 1) > 0];
        const fixedOf = (kind: Kind | undefined) => kind === 'tape with fixed blocks';
        const cscd = (kind: Kind | undefined, which: 0 | 1, pad: boolean): ModelCscd => ({
          lun: KINDS[kind ?? 'tape'].luns[which],
          pad,
          ...(fixedOf(kind) ? { fixed: FIXED } : {}),
        });
        const cscds = [
          cscd(from, 0, srcPad),
          cscd(to, from === to || to === undefined ? 1 : 0, dstPad),
          { lun: 4, pad: true },
        ];
        const ground = groundOf(d, SMALL, fixed =>
          Array.from({ length: 12 }, () => piece(d, fixed ? FIXED : 1 + d.below(5000))),
        );
        const fixed = { source: fixedOf(from), destination: fixedOf(to), large: false };
        const segment = (cat: boolean): ModelSegment => {
          const values = valuesOf(d, code, fixed);
          for (const name of ['lba', 'sourceLba', 'destinationLba'])
            if (name in values) values[name] = d.below(5);
          if ('transferLength' in values)
            values['transferLength'] =
              fixed.source || fixed.destination ? 1 + d.below(4) : 1000 + d.below(5000);
          if ('blocks' in values) values['blocks'] = 1 + d.below(6);
          return { code, source: 0, destination: 1, cat, values, data: piece(d, 1 + d.below(3000)) };
        };
        // What the first leaves goes before what the second has, and the last one shows all that is left.
        const segments = [
          segment(true),
          segment(cat),
          {
            code: 0x04,
            source: 0,
            destination: 2,
            cat: false,
            values: { transferLength: 700 },
            data: piece(d, 5),
          },
        ];
        const { difference } = await differs(ground, cscds, segments, {
          lun: 0,
          format: bits % 2 === 0 ? 1 : 4,
        });
        cases++;
        if (difference !== undefined) {
          t.fail(`${code.toString(16)}h from ${from} to ${to}`, {
            difference,
            cscds,
            segments: shown(segments),
            seed: SEED,
          });
          return false;
        }
      }
      return true;
    };
    for (const code of [...MOVES, ...GIVEN, ...TAKEN]) {
      const row = segmentRow(code);
      const fit = (end: 'block' | 'stream' | 'any' | undefined): (Kind | undefined)[] =>
        end === undefined ? [undefined] : kinds.filter(kind => KINDS[kind].stream === (end === 'stream'));
      for (const from of fit(row.source)) for (const to of fit(row.destination)) await one(t, code, from, to);
    }
    t.ok(cases > 300, `${cases} lists`);
  },
);

void t.test('SPC-4 6.4.6.1, 5.17.7.3: a segment between ends of the wrong kind', async t => {
  const disk = memoryDisk({ bytes: 1 << 20 });
  const { host, name } = await rig({ disk }, { tape: memoryCartridge() });
  const STREAM_SEGMENTS = [0x00, 0x01, 0x03, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0b, 0x0c, 0x0e, 0x0f, 0x13];
  let wrong = 0;
  for (const row of SEGMENT_ROWS) {
    for (const source of [0, 1]) {
      for (const destination of [0, 1]) {
        const kinds = ['block', 'stream'] as const;
        const fits = (end: 'block' | 'stream' | 'any' | undefined, id: 0 | 1): boolean =>
          end === undefined || end === 'any' || end === kinds[id];
        const ends = { source: source as 0 | 1, destination: destination as 0 | 1 };
        if (fits(row.source, ends.source) && fits(row.destination, ends.destination)) continue;
        if (row.code === 0x15) continue; // a tape's, with a list of its own: copy-segments.test.ts
        wrong++;
        const values: Record<string, number> = {};
        for (const field of row.needs) values[field] = 1;
        const segment = encodeSegment(
          row,
          ends,
          values,
          typeof row.data === 'object' ? Buffer.alloc(4) : undefined,
        );
        const told = await copy(host, 0, list([name(0), name(1)], [segment]));
        const at = fits(row.source, ends.source) ? 6 : 4;
        const [said, pointer] = STREAM_SEGMENTS.includes(row.code)
          ? ['5/2609', 'list 80']
          : ['a/260c', `segment ${at}`];
        t.equal(told.said, said, `${row.name} from ${kinds[ends.source]} to ${kinds[ends.destination]}`);
        t.equal(pointerOf(told), pointer);
      }
    }
  }
  t.ok(wrong > 40);
});
