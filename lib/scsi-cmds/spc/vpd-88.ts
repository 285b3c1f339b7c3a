import { Writer } from '../../bytes/cursor.ts';
import { portName } from './scsi-name.ts';
import type { VpdPage } from './vpd.ts';

/** A SCSI name string of a target port in UTF-8, PIV with the PROTOCOL IDENTIFIER of iSCSI (SPC-4 7.8.6). */
const ISCSI_UTF8 = 0x53;
const PORT_NAME_STRING = 0x98;

/** SCSI ports (SPC-4 7.8): every port of the device; none is an initiator port. */
export const scsiPorts: VpdPage = {
  code: 0x88,
  body(unit) {
    const out = new Writer();
    for (const port of unit.device?.relativePorts ?? []) {
      const name = portName(unit.device!.name, port);
      out.zeros(2).uint(2, port).zeros(4).zeros(2);
      out.uint(2, 4 + name.length);
      out.uint(1, ISCSI_UTF8).uint(1, PORT_NAME_STRING).zeros(1).uint(1, name.length).put(name);
    }
    return out.done();
  },
};
