/** Sends commands to a target device in process, with no transport: what a unit answers, as a value. */
import type { Nexus } from '../../lib/scsi-cmds/nexus.ts';
import { decodeSense } from '../../lib/scsi-cmds/sense.ts';
import { Status } from '../../lib/scsi-cmds/status.ts';
import type { TargetDevice } from '../../lib/scsi-cmds/target-device.ts';
import { type Carrier, Task } from '../../lib/scsi-cmds/task.ts';

export interface Answer {
  readonly status: number;
  /** A copy of what was sent, cut to what was expected. */
  readonly data: Buffer;
  readonly sense: Buffer;
  /** Sense key and code in hex, `5/2400`, or the empty string. */
  readonly said: string;
  readonly totalIn: number;
  readonly wantedOut: number;
  readonly aborted: boolean;
}

export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** Hex digits that are written apart for the reader. */
export const run = (apart: string): string => apart.replaceAll(' ', '');

/** SENSE KEY SPECIFIC as `cdb 2.5`, `list 8`, or nothing (SPC-4 4.5.2.4.2). */
export function pointer({ sense }: Answer): string {
  if ((sense[15]! & 0x80) === 0) return '';
  const bit = (sense[15]! & 0x08) === 0 ? '' : `.${sense[15]! & 0x07}`;
  return `${(sense[15]! & 0x40) === 0 ? 'list' : 'cdb'} ${sense.readUInt16BE(16)}${bit}`;
}

export const nexus = (name = 'iqn.2026-01.test:a', isid = '400000000001', relativePort = 1): Nexus => ({
  id: `${name},i,0x${isid},target,t,0x0001`,
  initiatorName: name,
  isid,
  relativePort,
});

/** An initiator without a wire. */
export class Commander {
  readonly device: TargetDevice;
  readonly nexus: Nexus;
  #tag = 0;

  constructor(device: TargetDevice, as: Nexus = nexus()) {
    this.device = device;
    this.nexus = as;
    device.attach(as);
  }

  /** `cdb` as hex with blanks, or bytes; padded to 16. `expectIn` defaults to plenty. */
  send(
    lun: number,
    cdb: string | Uint8Array,
    with_: { out?: Uint8Array; expectIn?: number; attribute?: number; holdData?: Promise<void> } = {},
  ): Promise<Answer> {
    return new Promise(resolve => {
      const carrier: Carrier = {
        pull: task => {
          const data = Buffer.from((with_.out ?? Buffer.alloc(0)).subarray(0, task.wantedOut));
          if (with_.holdData === undefined) task.arrived(data);
          else void with_.holdData.then(() => (task.phase === 'waiting' ? task.arrived(data) : undefined));
        },
        ended: task => {
          const said = decodeSense(task.sense);
          const answer: Answer = {
            status: task.status,
            data: Buffer.from(task.dataIn.subarray(0, task.expectedIn)),
            sense: Buffer.from(task.sense),
            said:
              task.status === Status.CHECK_CONDITION && said !== undefined
                ? `${said.key.toString(16)}/${said.code.toString(16).padStart(4, '0')}`
                : '',
            totalIn: task.totalIn,
            wantedOut: task.wantedOut,
            aborted: task.aborted,
          };
          task.release();
          resolve(answer);
        },
      };
      const task = new Task(carrier);
      const bytes =
        typeof cdb === 'string' ? Buffer.from(cdb.replaceAll(/\s/g, ''), 'hex') : Buffer.from(cdb);
      task.cdb = Buffer.alloc(Math.max(16, bytes.length));
      bytes.copy(task.cdb);
      task.nexus = this.nexus;
      task.lun = lun;
      task.tag = ++this.#tag;
      task.expectedIn = with_.expectIn ?? 1 << 24;
      task.expectedOut = with_.out?.length ?? 0;
      if (with_.attribute !== undefined) task.attribute = with_.attribute;
      this.device.submit(task);
    });
  }

  /** Takes pending unit attentions away from every LUN, as an initiator's scan would. */
  async clear(): Promise<this> {
    for (const [lun] of this.device.visible(this.nexus)) {
      for (let i = 0; i < 16 && (await this.send(lun, '00')).said.startsWith('6/'); i++);
    }
    return this;
  }
}
