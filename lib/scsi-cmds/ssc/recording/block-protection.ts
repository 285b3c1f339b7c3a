import { crc32c } from '../../../bytes/crc32c.ts';
import type { Nexus } from '../../nexus.ts';
import { CheckCondition, SenseKey } from '../../sense.ts';
import { reedSolomonCrc } from './reed-solomon-crc.ts';

/** A way of protecting a logical block while it is on its way (SSC-4 4.2.29): bytes behind it. */
export interface ProtectionMethod {
  readonly code: number;
  /** LOGICAL BLOCK PROTECTION INFORMATION LENGTH. */
  readonly bytes: number;
  /** Writes the information of `block` to `into`. */
  put(block: Uint8Array, into: Buffer): void;
}

export const PROTECTION_METHODS: readonly ProtectionMethod[] = [
  {
    code: 0x01,
    bytes: 4,
    put: (block, into) => void into.writeUInt32BE(reedSolomonCrc(block)),
  },
  {
    code: 0x02,
    bytes: 4,
    // The order of bytes in which the CRC of iSCSI travels too.
    put: (block, into) => void into.writeUInt32LE(crc32c(block)),
  },
];

/** LOGICAL BLOCK GUARD CHECK FAILED. */
const guardCheckFailed = (): CheckCondition =>
  new CheckCondition({ key: SenseKey.HARDWARE_ERROR, code: 0x1001 });

/** What the control data protection mode page asks for (SSC-4 8.3.9), at hand for every block. */
export class BlockProtection {
  #method: ProtectionMethod | undefined;
  #scratch = Buffer.alloc(0);
  /** LBP_W: blocks of WRITE come with it. */
  #writes = false;
  /** LBP_R: blocks of READ go with it. */
  #reads = false;

  select(code: number, writes: boolean, reads: boolean): void {
    this.#method = PROTECTION_METHODS.find(method => method.code === code);
    this.#scratch = Buffer.alloc(this.#method?.bytes ?? 0);
    this.#writes = writes;
    this.#reads = reads;
  }

  /** Bytes behind each block of a WRITE. Blocks of a copy stay in the target: there is nothing to protect them from. */
  writeBytes({ thirdParty }: Nexus): number {
    return this.#writes && thirdParty !== true ? this.#scratch.length : 0;
  }

  /** Bytes behind each block of a READ. */
  readBytes({ thirdParty }: Nexus): number {
    return this.#reads && thirdParty !== true ? this.#scratch.length : 0;
  }

  /** The block without the bytes that came behind it; throws when the two do not go together. */
  checked(from: Buffer, bytes: number): Buffer {
    if (bytes === 0) return from;
    const block = from.subarray(0, from.length - bytes);
    this.#method!.put(block, this.#scratch);
    if (!this.#scratch.equals(from.subarray(block.length))) throw guardCheckFailed();
    return block;
  }

  /** Puts behind the whole block in `into` as many of the bytes as fit, and says how many. */
  follow(into: Buffer, length: number): number {
    const room = Math.min(this.#scratch.length, into.length - length);
    if (room <= 0) return 0;
    this.#method!.put(into.subarray(0, length), this.#scratch);
    return this.#scratch.copy(into, length, 0, room);
  }
}
