import { fileURLToPath } from 'node:url';
import { output, Service } from './program.ts';

/** What one reader met. */
export interface Latency {
  readonly reads: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const program = (name: string): string => fileURLToPath(new URL(`${name}.js`, import.meta.url));

/** 4 KiB reads of a LUN one after the other for so long, by a process of its own. */
export async function readLatency(url: string, seconds: number): Promise<Latency> {
  const words = [program('reader'), url, String(seconds)];
  const printed = await output(process.execPath, words, seconds * 1000 + 60_000);
  return JSON.parse(printed.split('\n').find(line => line.startsWith('{'))!) as Latency;
}

/** The same while the target copies one LUN onto another. */
export async function readLatencyBeside(
  url: string,
  seconds: number,
  copy: { readonly from: string; readonly to: string },
): Promise<Latency> {
  const copier = new Service(process.execPath, [program('copier'), copy.from, copy.to]);
  try {
    await copier.firstLine();
    return await readLatency(url, seconds);
  } finally {
    await copier.stop();
  }
}
