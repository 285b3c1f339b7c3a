/**
 * A San in this process, whose units a job may change: two portal groups, a target that shows itself differently to each initiator, one that moved.
 */
import { freePort } from '../../bench/program.ts';
import { San } from '../../lib/index.ts';
import { HOST_IN_GUEST, type Order } from './guest.ts';

const NAME = 'iqn.2026-01.io.sanlet';
const PLAIN_IQN = `${NAME}:guest-plain`;
const MASKED_IQN = `${NAME}:guest-masked`;
const MOVED_IQN = `${NAME}:guest-moved`;
const GONE_IQN = `${NAME}:guest-gone`;

export interface Shown {
  readonly settings: Readonly<Record<string, string>>;
  readonly orders: Readonly<Record<string, Order>>;
  readonly stop: () => Promise<void>;
}

export async function openShown(): Promise<Shown> {
  const first = await freePort();
  const second = await freePort();
  const seen = (port: number): string => `${HOST_IN_GUEST}:${port}`;
  const san = await San.start({
    portals: [first, second].map((port, i) => ({
      address: `127.0.0.1:${port}`,
      group: i + 1,
      advertise: seen(port),
    })),
    iqn: PLAIN_IQN,
    disks: [
      { name: 'g0', memory: '64M' },
      { name: 'g1', memory: '320M', block: 4096 },
      { name: 'far', memory: '24M', lun: 300 },
    ],
    targets: [
      {
        iqn: MASKED_IQN,
        disks: [
          { name: 'x', memory: '16M' },
          { name: 'y', memory: '16M' },
        ],
        access: [
          { initiators: [`${NAME}:x`], luns: ['x'] },
          { initiators: [`${NAME}:y`], luns: { 0: 'y', 5: { name: 'x', ro: true } } },
        ],
      },
      {
        iqn: MOVED_IQN,
        disks: [{ name: 'm0', memory: '16M' }],
        redirect: { to: seen(second), groups: [1] },
      },
      {
        iqn: GONE_IQN,
        disks: [{ name: 'm0', memory: '16M' }],
        redirect: { to: seen(second), permanent: true, groups: [1] },
      },
    ],
  });
  return {
    settings: {
      ...{ PLAIN_IQN, MASKED_IQN, MOVED_IQN, GONE_IQN },
      FIRST_PORTAL: seen(first),
      SECOND_PORTAL: seen(second),
    },
    orders: {
      resize: async (lun, size) => void (await san.resize(Number(lun), size)),
      protect: (lun, yes) => san.protect(Number(lun), yes === 'yes'),
      add: async (lun, name, size) =>
        void (await san.add({ disk: { name, memory: size, lun: Number(lun) } })),
      remove: lun => san.remove(Number(lun)),
    },
    stop: () => san.stop(),
  };
}
