import { fileURLToPath } from 'node:url';
import { freePort, output, Service } from './program.ts';

/** A running target with one LUN to drive. */
export interface Peer {
  readonly name: string;
  readonly url: string;
  stop(): Promise<void>;
}

export const COMMAND = fileURLToPath(new URL('../bin/sanlet.js', import.meta.url));

interface Ready {
  readonly portals: readonly string[];
  readonly targets: readonly { iqn: string }[];
}

/** `sanlet serve` on files, as anyone would start it; with the time from its start to the ready line. */
export async function startSanlet(
  state: string,
  words: readonly string[],
): Promise<{ urls: (lun: number) => string; readyMs: number; stop(): Promise<void> }> {
  const begun = performance.now();
  const service = new Service(process.execPath, [
    COMMAND,
    'serve',
    '--portal=127.0.0.1:0',
    `--state=${state}`,
    '--json',
    ...words,
  ]);
  const ready = JSON.parse(await service.firstLine()) as Ready;
  const readyMs = performance.now() - begun;
  return {
    urls: lun => `iscsi://${ready.portals[0]}/${ready.targets[0]!.iqn}/${lun}`,
    readyMs,
    stop: () => service.stop(),
  };
}

/** Debian's tgt in the foreground, one LUN on `image`. */
export async function startTgt(image: string): Promise<Peer> {
  const port = await freePort();
  const control = String(port % 30_000);
  const service = new Service('tgtd', ['-f', '-C', control, '--iscsi', `portal=127.0.0.1:${port}`]);
  const admin = (...args: string[]): Promise<string> =>
    output('tgtadm', ['-C', control, '--lld', 'iscsi', ...args]);
  const iqn = 'iqn.2026-01.bench:tgt';
  try {
    for (let i = 0; ; i++) {
      await new Promise(resolve => setTimeout(resolve, 200));
      try {
        await admin('--op', 'new', '--mode', 'target', '--tid', '1', '-T', iqn);
        break;
      } catch (error) {
        if (i === 20) throw error;
      }
    }
    await admin('--op', 'new', '--mode', 'logicalunit', '--tid', '1', '--lun', '1', '-b', image);
    await admin('--op', 'bind', '--mode', 'target', '--tid', '1', '-I', 'ALL');
  } catch (error) {
    await service.stop('SIGKILL');
    throw error;
  }
  // tgtd does not end by SIGTERM while a target is defined.
  return { name: 'tgt', url: `iscsi://127.0.0.1:${port}/${iqn}/1`, stop: () => service.stop('SIGKILL') };
}
