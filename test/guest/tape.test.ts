/** Tape drives as the kernel's st and sg drivers and the programs of tape users see them, in the guest. */
import t from 'tap';
import { runRound } from './round.ts';
import { openTapeLab } from './tape-lab.ts';

/** In this order, but any one can run alone. */
const JOBS = [
  'mt',
  'partitions',
  'records',
  'volumes',
  'drive-tools',
  'btape',
  'changer',
  'tape-pages',
  'bacula',
];

await runRound(t, JOBS, () => openTapeLab(files => t.testdir(files)));
