/** The kernel's own initiator, in a QEMU guest, against sanlet. Every line of a job is an assertion. */
import t from 'tap';
import { openLab } from './lab.ts';
import { runRound } from './round.ts';

/** In this order, but any one can run alone. */
const JOBS = [
  'login',
  'filesystem',
  'pages',
  'blocks',
  'tools',
  'disk-copy',
  'copy-options',
  'tape',
  'tar',
  'tape-copy',
  'logout',
  'chap',
  'multipath',
  'portals',
  'restart',
  'reservations',
  'units',
  'access',
  'ports',
];

await runRound(t, JOBS, () => openLab(files => t.testdir(files)));
