/** The tapes that the jobs of tape.test.ts find on this side. */
import { freePort } from '../../bench/program.ts';
import { HOST_IN_GUEST } from './guest.ts';
import type { Lab } from './lab.ts';
import { startTarget } from './target.ts';

const IQN = 'iqn.2026-01.io.sanlet:guest-tapes';
/** Small enough to be filled in seconds by an emulated machine. */
const SMALL_MIB = 16;

/** `testdir` makes a directory with these files. */
export async function openTapeLab(testdir: (files: Record<string, string>) => string): Promise<Lab> {
  const directory = testdir({});
  const port = await freePort();
  const target = await startTarget([
    ...['--portal', `127.0.0.1:${port}`, '--advertise', `${HOST_IN_GUEST}:${port}`, '--target', IQN],
    ...['--state', directory],
    ...['--tape', `t0=${directory}/t0.tape,size=1G`],
    ...['--tape', `t1=${directory}/t1.tape,size=${SMALL_MIB}M`],
    ...['--tape', `t2=${directory}/t2.tape,size=${SMALL_MIB}M`],
    ...['--library', `lib=${directory}/shelf,drives=2,slots=8,ie=1,drive=ULT3580-TD6,size=${SMALL_MIB}M`],
  ]);
  return {
    portalPort: port,
    iqn: IQN,
    settings: { SMALL_MIB },
    orders: {},
    log: () => target.log(),
    stop: async () => [await target.stop()],
  };
}
