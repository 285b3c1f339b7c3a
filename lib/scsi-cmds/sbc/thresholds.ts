/** Logical block provisioning thresholds (SBC-4 4.7.3.8): when the room of a thin disk runs low, its initiators hear of it. */
import { bit, bits, u32, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import type { Nexus } from '../nexus.ts';
import { logPage, type LogParameter, binary } from '../spc/log-pages.ts';
import type { ModePage } from '../spc/mode-pages.ts';
import { Attention } from '../unit-attention.ts';
import type { DiskUnit } from './disk-unit.ts';

/** Resources are counted in threshold sets of so many bytes. */
const SET_BYTES = 1024 * 1024;

/** THRESHOLD EXPONENT (VPD page B2h): the threshold set size is two to this in blocks. */
export const thresholdExponent = (blockSize: number): number => Math.log2(SET_BYTES / blockSize);

/** THRESHOLD RESOURCE, and the parameter code of the log page. */
const Resource = { AVAILABLE: 0x01, USED: 0x02 } as const;

/** THRESHOLD ARMING. */
const DECREASING = 0;
const INCREASING = 1;

const descriptor = layout(8, {
  enabled: bit(0, 7),
  type: bits(0, 3, 3),
  arming: bits(0, 0, 3),
  resource: u8(1),
  count: u32(4),
});

/** The two thresholds there are: little left, and much used. */
const KINDS = [
  { arming: DECREASING, resource: Resource.AVAILABLE },
  { arming: INCREASING, resource: Resource.USED },
] as const;

const HEADER_BYTES = 16;
const SITUA_BYTE = 4;
const SITUA = 0x01;

/** Mode page 1Ch/02h (SBC-4 6.5.9): SITUA, and of each threshold whether it is enabled and where. */
export const provisioningPage: ModePage = (() => {
  const length = HEADER_BYTES + descriptor.length * KINDS.length;
  const defaults = Buffer.alloc(length);
  const changeable = Buffer.alloc(length);
  defaults.set([0x40 | 0x1c, 0x02, 0, length - 4]);
  changeable[SITUA_BYTE] = SITUA;
  KINDS.forEach(({ arming, resource }, i) => {
    const at = HEADER_BYTES + i * descriptor.length;
    descriptor.arming.set(defaults.subarray(at), arming);
    descriptor.resource.set(defaults.subarray(at), resource);
    descriptor.enabled.set(changeable.subarray(at), true);
    descriptor.count.set(changeable.subarray(at), 0xffff_ffff);
  });
  return { code: 0x1c, subcode: 0x02, defaults, changeable };
})();

const sets = (bytes: number): number => Math.min(Math.floor(bytes / SET_BYTES), 0xffff_ffff);

export class Thresholds {
  readonly #unit: DiskUnit;
  /** Crossed, and not gone back over since: told once until then. */
  readonly #crossed = KINDS.map(() => false);
  /** The mode page that `#crossed` speaks of. */
  #page: Uint8Array | undefined;

  constructor(unit: DiskUnit) {
    this.#unit = unit;
  }

  /** In threshold sets. */
  get used(): number {
    return sets(this.#unit.backend.mappedBytes);
  }

  get available(): number {
    const { backend, bytes } = this.#unit;
    return sets(Math.max((backend.allocationLimitBytes ?? bytes) - backend.mappedBytes, 0));
  }

  /** After a command of `nexus` that may have mapped or unmapped something. */
  look(nexus: Nexus): void {
    const page = this.#unit.modePages.now(provisioningPage);
    const [first, second] = [page[HEADER_BYTES]!, page[HEADER_BYTES + descriptor.length]!];
    if (((first | second) & 0x80) !== 0) this.#compare(page, nexus);
  }

  #compare(page: Uint8Array, nexus: Nexus): void {
    if (page !== this.#page) this.#crossed.fill(false);
    this.#page = page;
    KINDS.forEach(({ arming }, i) => {
      const at = HEADER_BYTES + i * descriptor.length;
      const one = page.subarray(at, at + descriptor.length);
      if (!descriptor.enabled.get(one)) return;
      const count = descriptor.count.get(one);
      const crossed = arming === DECREASING ? this.available <= count : this.used >= count;
      if (crossed && !this.#crossed[i]) this.#tell(page, nexus);
      this.#crossed[i] = crossed;
    });
  }

  #tell(page: Uint8Array, nexus: Nexus): void {
    const code = Attention.SOFT_THRESHOLD_REACHED;
    // SITUA: the one whose command it was is enough (SBC-4 6.5.9).
    if ((page[SITUA_BYTE]! & SITUA) !== 0) this.#unit.attentions.establish(nexus.id, code);
    else this.#unit.attention(code);
  }
}

/** SCOPE: room that is the unit's own, or not told, as what a file system has left is anybody's. */
const OWN = 0x01;
const NOT_TOLD = 0x00;

function resource(unit: DiskUnit, code: number, count: number): LogParameter {
  const value = Buffer.alloc(8);
  value.writeUInt32BE(count);
  value[4] = unit.backend.allocationLimitBytes === undefined ? NOT_TOLD : OWN;
  return binary(code, ...value);
}

/** Log page 0Ch (SBC-4 6.4.5): LBA mapping resources, available and used. */
export const provisioningLog = logPage<DiskUnit>({
  code: 0x0c,
  parameters: unit => [
    resource(unit, Resource.AVAILABLE, unit.thresholds.available),
    resource(unit, Resource.USED, unit.thresholds.used),
  ],
});
