/** A tape drive in process, two initiators at it, and what a tape drive says in short words. */
import type { TapeMedium } from '../../lib/backends/tape-medium.ts';
import { absentUnit } from '../../lib/scsi-cmds/absent-unit.ts';
import { identify } from '../../lib/scsi-cmds/identity.ts';
import { tape, type TapeDrive, type TapeUnit } from '../../lib/scsi-cmds/ssc/tape-unit.ts';
import { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Answer, Commander, nexus } from './commands.ts';

/** What a tape says beside key and code: `FM`, `EOM`, `ILI` and the residual when it is valid. */
export function flags({ sense }: Answer): string {
  const words = [];
  if ((sense[2]! & 0x80) !== 0) words.push('FM');
  if ((sense[2]! & 0x40) !== 0) words.push('EOM');
  if ((sense[2]! & 0x20) !== 0) words.push('ILI');
  if ((sense[0]! & 0x80) !== 0) words.push(String(sense.readInt32BE(3)));
  return words.join(' ');
}

/** `0` for GOOD, otherwise key/code and flags: `0/0001 FM 5`. */
export const heard = (answer: Answer): string =>
  answer.status === 0 ? '0' : `${answer.said || `status ${answer.status}`} ${flags(answer)}`.trim();

/** Field pointer: byte, and the bit when one is named. */
export function pointed({ sense }: Answer): string {
  if ((sense[15]! & 0x80) === 0) return '';
  const where = (sense[15]! & 0x40) === 0 ? 'list' : 'cdb';
  const bit = (sense[15]! & 0x08) === 0 ? '' : `.${sense[15]! & 7}`;
  return `${where} ${sense.readUInt16BE(16)}${bit}`;
}

export const hexOf = (value: number, digits: number): string =>
  (value >= 0 ? value : 2 ** (4 * digits) + value).toString(16).padStart(digits, '0');

/** A tape at LUN 0, two initiators that have met their unit attention, and the verbs. */
export class TapeBench {
  readonly unit: TapeUnit;
  readonly device: TargetDevice;
  readonly a: Commander;
  readonly b: Commander;

  constructor(medium?: TapeMedium, as: Partial<TapeDrive> = {}) {
    const identity = identify('iqn.test:t', 't0', { product: 'TAPE', revision: '1' });
    this.unit = tape({ identity, medium, ...as });
    this.device = new TargetDevice('iqn.test:t', absentUnit());
    this.device.add(0, this.unit);
    this.a = new Commander(this.device, nexus('iqn.test:a', '400000000001'));
    this.b = new Commander(this.device, nexus('iqn.test:b', '400000000002'));
  }
  async ready(): Promise<this> {
    await this.a.clear();
    await this.b.clear();
    return this;
  }
  send(cdb: string, out?: Uint8Array): Promise<Answer> {
    return this.a.send(0, cdb, out === undefined ? {} : { out });
  }
  async say(cdb: string, out?: Uint8Array): Promise<string> {
    return heard(await this.send(cdb, out));
  }
  read(length: number, { sili = false, fixed = false } = {}): Promise<Answer> {
    return this.send(`08 ${hexOf((sili ? 2 : 0) | (fixed ? 1 : 0), 2)} ${hexOf(length, 6)} 00`);
  }
  write(data: Uint8Array): Promise<string> {
    return this.say(`0a 00 ${hexOf(data.length, 6)} 00`, data);
  }
  writeFixed(count: number, data: Uint8Array): Promise<Answer> {
    return this.send(`0a 01 ${hexOf(count, 6)} 00`, data);
  }
  filemarks(count: number): Promise<string> {
    return this.say(`10 00 ${hexOf(count, 6)} 00`);
  }
  space(code: number, count: number): Promise<string> {
    return this.say(`11 ${hexOf(code, 2)} ${hexOf(count, 6)} 00`);
  }
  locate(object: number): Promise<string> {
    return this.say(`2b 00 00 ${hexOf(object, 8)} 00 00 00`);
  }
  rewind(): Promise<string> {
    return this.say('01');
  }
  /** setblk as the kernel's st sends it. */
  setBlock(length: number): Promise<string> {
    return this.say(
      '15 10 00 00 0c 00',
      Buffer.from(`00001008 00000000 00${hexOf(length, 6)}`.replaceAll(' ', ''), 'hex'),
    );
  }
  async object(): Promise<number> {
    return (await this.send('34 00 00 00 00 00 00 00 00 00')).data.readUInt32BE(4);
  }
}

export const tapeBench = (medium?: TapeMedium, as?: Partial<TapeDrive>): Promise<TapeBench> =>
  new TapeBench(medium, as).ready();
export const record = (length: number, seed = 1): Buffer =>
  Buffer.alloc(length, Uint8Array.of(seed, seed + 1, seed * 3));
