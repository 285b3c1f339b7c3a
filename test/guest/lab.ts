/** What the jobs find on this side: the targets, the cables to them, and what a job may ask for. */
import { freePort } from '../../bench/program.ts';
import { HOST_IN_GUEST, type Order } from './guest.ts';
import { Relay } from './relay.ts';
import { openShown } from './shown.ts';
import { startTarget, type Target } from './target.ts';

const NAME = 'iqn.2026-01.io.sanlet';
const IQN = `${NAME}:guest-test`;
const CHAP_IQN = `${NAME}:guest-chap`;
const LASTING_IQN = `${NAME}:guest-lasting`;
const CHAP = {
  user: 'guest',
  secret: 'knows-the-guest',
  mutual: { user: 'target', secret: 'knows-the-target' },
};
/** mkfs.xfs makes nothing smaller than 300 MiB. */
const DISK_MIB = 320;
const LASTING_MIB = 128;

export interface Lab {
  /** Where the first target listens. */
  readonly portalPort: number;
  readonly iqn: string;
  /** What the jobs want to know, as variables of their shell. */
  readonly settings: Readonly<Record<string, string | number>>;
  readonly orders: Readonly<Record<string, Order>>;
  readonly log: () => string;
  /** Resolves to the exit codes of the targets that are processes. */
  readonly stop: () => Promise<readonly (number | null)[]>;
}

/** `testdir` makes a directory with these files. */
export async function openLab(testdir: (files: Record<string, string>) => string): Promise<Lab> {
  const config = {
    targets: [{ iqn: CHAP_IQN, disks: [{ name: 'locked', memory: '16M' }], chap: CHAP }],
  };
  const directory = testdir({ 'san.json': JSON.stringify(config) });
  // What is advertised must be known before the start.
  const port = await freePort();
  const portal = (port: number): string[] => [
    ...['--portal', `127.0.0.1:${port}`, '--advertise', `${HOST_IN_GUEST}:${port}`],
  ];
  const main = await startTarget([
    ...['--config', `${directory}/san.json`, ...portal(port), '--target', IQN],
    ...['--state', `${directory}/main`],
    ...['--disk', `d0=memory,size=${DISK_MIB}M`, '--disk', `d1=memory,size=${DISK_MIB}M`],
    ...['--disk', `d2=memory,size=${DISK_MIB}M,block=4096`],
    ...['--tape', 't0=memory'],
  ]);
  const lastingPort = await freePort();
  const startLasting = (): Promise<Target> =>
    startTarget([
      ...[...portal(lastingPort), '--target', LASTING_IQN, '--state', directory],
      ...['--disk', `f0=${directory}/f0.img,size=${LASTING_MIB}M`],
      ...['--disk', `f1=${directory}/f1.img,size=${LASTING_MIB}M,block=4096`],
    ]);
  let lasting = await startLasting();
  const killed: Target[] = [];
  const cables: Readonly<Record<string, Relay>> = { A: await Relay.open(port), B: await Relay.open(port) };
  const cable = (name: string | undefined): Relay => {
    const found = cables[name ?? ''];
    if (found === undefined) throw new Error(`there is no cable ${name}`);
    return found;
  };
  const shown = await openShown();
  return {
    portalPort: port,
    iqn: IQN,
    settings: {
      DISK_BYTES: DISK_MIB * 1024 * 1024,
      CHAP_IQN,
      CHAP_USER: CHAP.user,
      CHAP_SECRET: CHAP.secret,
      CHAP_MUTUAL_USER: CHAP.mutual.user,
      CHAP_MUTUAL_SECRET: CHAP.mutual.secret,
      CABLE_A: `${HOST_IN_GUEST}:${cables['A']!.port}`,
      CABLE_B: `${HOST_IN_GUEST}:${cables['B']!.port}`,
      ...shown.settings,
      LASTING_IQN,
      LASTING_PORTAL: `${HOST_IN_GUEST}:${lastingPort}`,
    },
    orders: {
      ...shown.orders,
      pull: name => cable(name).pull(),
      'put-back': name => cable(name).putBack(),
      kill: async () => {
        await lasting.kill();
        killed.push(lasting);
      },
      start: async () => {
        lasting = await startLasting();
      },
    },
    log: () => [main, ...killed, lasting].map(target => target.log()).join('\n'),
    stop: async () => {
      await Promise.all([...Object.values(cables).map(each => each.close()), shown.stop()]);
      return Promise.all([main.stop(), lasting.stop()]);
    },
  };
}
