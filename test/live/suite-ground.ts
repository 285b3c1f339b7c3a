/** What the suite is run on: sanlet with the LUNs that its families want, or a target that somebody names. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

/** Where tests run. */
export interface Ground {
  /** One URL for the test, or two ways to one LUN. */
  urls(name: string): readonly string[];
  /** Starts afresh, if that can be done. */
  renew(): Promise<void>;
  stop(): Promise<void>;
}

interface Place {
  /** Which tests want it; the first row that matches has it. */
  readonly tests: RegExp;
  readonly disk?: { readonly block?: 4096; readonly ro?: true; readonly removable?: true };
  /** Reached by both portals. */
  readonly twoWays?: true;
  /** A target of its own, whose initiators log in with CHAP as this user. */
  readonly user?: string;
}

const PLACES: Readonly<Record<string, Place>> = {
  removable: { tests: /^SCSI\.(PreventAllow|StartStopUnit|NoMedia)\./, disk: { removable: true } },
  readonly: { tests: /^SCSI\.ReadOnly\./, disk: { ro: true } },
  // GetLBAStatus.UnmapSingle asks about the LBA after the unmapped ones and wants a descriptor that begins a physical
  // block later: only with one logical block a physical one is that what SBC-3 GET LBA STATUS says.
  native4k: { tests: /^SCSI\.GetLBAStatus\.UnmapSingle$/, disk: { block: 4096 } },
  // MultipathIO.CompareAndWrite clears 256 blocks and takes the 257th to be clear.
  paths: { tests: /^SCSI\.MultipathIO\./, twoWays: true },
  reserved: { tests: /^SCSI\.(Prin|Prout|Reserve6)/ },
  sanitized: { tests: /^SCSI\.Sanitize\./ },
  // A name that begins as a binary value does is a name all the same.
  chaphex: { tests: /^iSCSI\.iSCSICHAP\.HexName/, user: '0xfee1' },
  chapbase64: { tests: /^iSCSI\.iSCSICHAP\.Base64Name/, user: '0bZmVl' },
  chap: { tests: /^iSCSI\.iSCSICHAP\./, user: 'suite' },
  // What no other row wants, and tests that nobody has heard of yet.
  thin: { tests: /^/ },
};

const SECRET = 'twelve-letters';
const IQN = 'iqn.2026-01.io.sanlet:suite';
const placeOf = (name: string): string =>
  Object.entries(PLACES).find(([, { tests }]) => tests.test(name))![0];

interface Ready {
  readonly portals: readonly string[];
  readonly targets: readonly {
    readonly iqn: string;
    readonly luns: readonly { lun: number; name: string }[];
  }[];
}

/** `sanlet serve` as anyone would start it, with a gigabyte of memory (thin: what is not written costs nothing) a place. */
export async function ownGround(): Promise<Ground> {
  const directory = mkdtempSync(join(tmpdir(), 'sanlet-suite-'));
  const config = join(directory, 'suite.json');
  const disk = (name: string, place: Place): object => ({ name, memory: '1GiB', ...place.disk });
  const open = Object.entries(PLACES).filter(([, { user }]) => user === undefined);
  const guarded = Object.entries(PLACES).filter(([, { user }]) => user !== undefined);
  const options = {
    portals: ['127.0.0.1:0', '127.0.0.1:0'],
    targets: [
      // LUN 0 is the thin one.
      { iqn: IQN, disks: open.toReversed().map(([name, place]) => disk(name, place)) },
      ...guarded.map(([name, place]) => ({
        iqn: `${IQN}-${name}`,
        disks: [disk(name, place)],
        chap: { user: place.user, secret: SECRET },
      })),
    ],
  };
  writeFileSync(config, JSON.stringify(options));
  let running = await startServe(config);
  return {
    urls: name => {
      const place = placeOf(name);
      const { user, twoWays } = PLACES[place]!;
      const { portals, targets } = running.ready;
      const target = targets.find(({ luns }) => luns.some(lun => lun.name === place))!;
      const { lun } = target.luns.find(lun => lun.name === place)!;
      const who = user === undefined ? '' : `${user}%${SECRET}@`;
      return (twoWays === true ? portals : portals.slice(0, 1)).map(
        portal => `iscsi://${who}${portal}/${target.iqn}/${lun}`,
      );
    },
    renew: async () => {
      await running.stop();
      running = await startServe(config);
    },
    stop: async () => {
      await running.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function startServe(config: string): Promise<{ ready: Ready; stop(): Promise<void> }> {
  // tap puts its hooks into every Node that a test starts: env takes them out.
  const child: ChildProcess = spawn(
    'env',
    [
      '-u',
      'NODE_OPTIONS',
      process.execPath,
      resolve('dist/bin/sanlet.js'),
      'serve',
      '--config',
      config,
      '--json',
    ],
    { stdio: ['ignore', 'pipe', 'inherit'], env: { SANLET_LOG: 'error', ...process.env } },
  );
  const ended = new Promise<void>(done => child.once('close', () => done()));
  const kill = (): void => void child.kill('SIGKILL');
  process.on('exit', kill);
  const ready = await new Promise<Ready>((found, failed) => {
    createInterface({ input: child.stdout! }).once('line', line => found(JSON.parse(line) as Ready));
    void ended.then(() => failed(new Error('sanlet serve ended before it was ready')));
  });
  return {
    ready,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
      process.off('exit', kill);
    },
  };
}

/**
 * A target that runs already. `urls` are `URL` for everything and `FAMILY=URL` for a family, as `ReadOnly=iscsi://…`; a
 * family that wants two ways takes the same URL twice.
 */
export function namedGround(urls: readonly string[]): Ground {
  const pairs = urls.map(url => {
    const family = /^(\w+)=/.exec(url)?.[1];
    return [family, family === undefined ? url : url.slice(family.length + 1)] as const;
  });
  return {
    urls: name => {
      const family = name.split('.')[1]!;
      const url = (pairs.find(([of]) => of === family) ?? pairs.find(([of]) => of === undefined))?.[1];
      if (url === undefined)
        throw new Error(`no URL for ${family}: give one without a family, or ${family}=URL`);
      return PLACES[placeOf(name)]!.twoWays === true ? [url, url] : [url];
    },
    renew: async () => {},
    stop: async () => {},
  };
}
