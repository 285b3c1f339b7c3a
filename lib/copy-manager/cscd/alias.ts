import { u64big } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { CSCD_SLOT_BYTES, type CscdType } from './descriptor.ts';
import { lunIn } from './iscsi-address.ts';

/** Alias CSCD descriptor (SPC-4 6.4.5.7); the LU IDENTIFIER lies where those of iSCSI addresses do. */
const aliasLayout = layout(CSCD_SLOT_BYTES, { value: u64big(12) });

export const alias: CscdType = {
  code: 0xe6,
  name: 'Alias',
  slots: 1,
  address: (descriptor, offset) => ({
    kind: 'alias',
    lun: lunIn(descriptor, offset),
    value: aliasLayout.value.get(descriptor),
  }),
};
