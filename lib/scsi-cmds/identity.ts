import { createHash } from 'node:crypto';

/** Who a logical unit says it is, in INQUIRY, VPD 80h and 83h. The same names give the same identity at every start. */
export interface Identity {
  /** The name it was configured with. */
  readonly name: string;
  /** 8 ASCII characters at most. */
  readonly vendor: string;
  /** 16 at most. */
  readonly product: string;
  /** 4 at most. */
  readonly revision: string;
  /** UNIT SERIAL NUMBER. */
  readonly serial: string;
  /** NAA designator, locally assigned (SPC-4 7.8.6.6.4): 8 bytes, the first nibble 3. */
  readonly naa: Buffer;
}

export const VENDOR = 'SANLET';

/** The identity of the unit `name` of `target`: 60 bits of a hash, so that two targets never share one. */
export function identify(
  target: string,
  name: string,
  as: { product: string; revision: string; vendor?: string },
): Identity {
  const hash = createHash('sha256').update(`${target}\0${name}`).digest();
  const naa = Buffer.from(hash.subarray(0, 8));
  naa[0] = 0x30 | (naa[0]! & 0x0f);
  return {
    name,
    vendor: as.vendor ?? VENDOR,
    product: as.product,
    revision: as.revision,
    serial: hash.subarray(8, 16).toString('hex').toUpperCase(),
    naa,
  };
}
