import { bit, u16, u32 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { MAX_TOKEN_INACTIVITY_S, MAX_TOKEN_LIFETIME_S } from '../limits.ts';
import { CopyCode, refused } from '../sense.ts';
import { rodTypes, TYPE_OF_TOKEN } from '../tokens/rod-types.ts';
import { CSCD_SLOT_BYTES, type CscdType } from './descriptor.ts';
import { OWN_UNIT, TOKENS_UNIT } from './ids.ts';

/** ROD CSCD descriptor (SPC-4 6.4.5.9 table 143). */
export const rodCscd = layout(CSCD_SLOT_BYTES, {
  producer: u16(4),
  type: u32(8),
  lifetime: u32(12),
  inactivity: u32(16),
  makesToken: bit(22, 0),
  removesToken: bit(23, 0),
  tokenOffset: u32(24),
});

interface Field {
  readonly offset: number;
}

export const rod: CscdType = {
  code: 0xfe,
  name: 'ROD',
  slots: 1,
  address(descriptor, offset) {
    const f = rodCscd;
    const require = (right: boolean, field: Field, bitOf?: number): void => {
      if (!right) throw refused(CopyCode.INVALID_FIELD, offset + field.offset, bitOf);
    };
    const type = f.type.get(descriptor);
    const producer = f.producer.get(descriptor);
    const ofToken = type === TYPE_OF_TOKEN;
    const makesToken = f.makesToken.get(descriptor);
    const removesToken = f.removesToken.get(descriptor);
    const lifetime = f.lifetime.get(descriptor);
    const inactivity = f.inactivity.get(descriptor);
    const tokenOffset = f.tokenOffset.get(descriptor);
    // SPC-4 table 144: made by the unit that the command was sent to, or by the one that made the token.
    if (producer !== OWN_UNIT && producer !== TOKENS_UNIT) {
      throw refused(CopyCode.REMOTE_TOKEN_USAGE, offset + f.producer.offset);
    }
    require(ofToken === (producer === TOKENS_UNIT), f.producer);
    require(rodTypes.get(type)?.inCopies === true, f.type);
    require(!(makesToken && ofToken), f.makesToken, 0);
    require(makesToken ? lifetime <= MAX_TOKEN_LIFETIME_S : lifetime === 0, f.lifetime);
    require(makesToken ? inactivity <= MAX_TOKEN_INACTIVITY_S : inactivity === 0, f.inactivity);
    require(ofToken || !removesToken, f.removesToken, 0);
    require(ofToken || tokenOffset === 0, f.tokenOffset);
    return { kind: 'rod', type, makesToken, lifetime, inactivity, removesToken, tokenOffset };
  },
};
