/** EXTENDED COPY lists at random, carried out on a target and on a model of one (test/harness/copy-model.ts). */
import t from 'tap';
import { segmentRow } from '../../lib/initiator/copy-segments.ts';
import { type ModelCscd, type ModelSegment, NULL_BLOCK, NULL_STREAM } from '../harness/copy-model.ts';
import {
  differs,
  DISKS,
  FIXED,
  FIXED_TAPES,
  GIVEN,
  groundOf,
  LARGE,
  MOVES,
  piece,
  shown,
  SMALL,
  stored,
  TAKEN,
  TAPES,
  valuesOf,
} from '../harness/copy-trial.ts';
import { dice } from '../harness/copying.ts';
import { SEED } from '../harness/random.ts';
import { shareMs } from './budget.ts';

const MS = shareMs(0.25);
console.log(`# SANLET_SEED=${SEED}`);
t.setTimeout(MS + 180_000);

void t.test('SPC-4 6.4: lists at random, LID1 and LID4', { timeout: MS + 120_000 }, async t => {
  const seen = new Map<string, number>();
  const end = performance.now() + MS;
  let round = 0;
  for (; performance.now() < end; round++) {
    const seed = SEED + round;
    const d = dice(seed);
    const large = d.chance(0.05);
    const ground = groundOf(d, large ? LARGE : SMALL, fixed => stored(d, fixed));
    // Ranges of one disk that overlap come out as if the whole had been read first; with residual data nobody can say.
    const onItself = d.chance(0.1);
    const cscds: ModelCscd[] = [...DISKS, ...TAPES, ...FIXED_TAPES, ...DISKS, ...TAPES].map(lun => ({
      lun,
      pad: d.chance(0.4),
      ...(lun >= 5 ? { fixed: FIXED } : {}),
    }));
    const of = (stream: boolean): number =>
      d.chance(0.03)
        ? stream
          ? NULL_STREAM
          : NULL_BLOCK
        : d.chance(0.01)
          ? 60
          : d.pick([...cscds.keys()].filter(id => cscds[id]!.lun >= 3 === stream));
    const segments: ModelSegment[] = Array.from({ length: onItself ? 1 : 1 + d.below(5) }, () => {
      const code = d.pick(
        onItself ? [0x02, 0x0a, 0x0d, 0x16] : [...MOVES, ...MOVES, ...GIVEN, ...TAKEN, 0x07],
      );
      const row = segmentRow(code);
      const source =
        row.source === undefined ? 0 : of(row.source === 'any' ? d.chance(0.5) : row.source === 'stream');
      let destination = row.destination === undefined ? 0 : of(row.destination === 'stream');
      const alike = (): boolean =>
        cscds[source] !== undefined && cscds[source].lun === cscds[destination]?.lun;
      if (onItself) destination = source;
      else if (row.source !== undefined && row.destination !== undefined) {
        while (alike()) destination = of(row.destination === 'stream');
      }
      const fixed = {
        source: cscds[source]?.fixed !== undefined,
        destination: cscds[destination]?.fixed !== undefined,
        large,
      };
      const values = valuesOf(d, code, fixed);
      // Now and then what fits exactly.
      const unit = Number(values['transferLength'] ?? 0) * (fixed.destination ? FIXED : 1);
      const even = d.chance(0.3) && unit > 0 && unit < 2500;
      const data = piece(d, even ? unit * (1 + d.below(3)) : 1 + d.below(2500));
      return { code, source, destination, cat: d.chance(0.55), values, data };
    });
    const format = d.pick([1, 4] as const);
    const { said, difference } = await differs(ground, cscds, segments, {
      lun: d.below(7),
      format,
      immediate: d.chance(0.3),
      ...(d.chance(0.3) ? { turns: () => d.below(4) } : {}),
    });
    seen.set(said, (seen.get(said) ?? 0) + 1);
    if (difference !== undefined) {
      t.fail(`round seed ${seed}`, {
        difference,
        cscds,
        segments: shown(segments),
        tapes: ground.tapes.map(({ objects, at }) => [objects.map(one => one.length), at]),
      });
      break;
    }
  }
  console.log(`# ${round} lists: ${[...seen].map(([said, n]) => `${said || 'good'} ${n}`).join(', ')}`);
  t.ok((seen.get('') ?? 0) > 0, 'some are carried out');
});
