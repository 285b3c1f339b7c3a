import { Writer } from '../../bytes/cursor.ts';
import { deviceName, portName } from './scsi-name.ts';
import type { VpdPage } from './vpd.ts';

/* ASSOCIATION, CODE SET and DESIGNATOR TYPE (SPC-4 7.8.6.2). */
const LOGICAL_UNIT = 0;
const TARGET_PORT = 1;
const TARGET_DEVICE = 2;
const BINARY = 1;
const ASCII = 2;
const UTF8 = 3;
const VENDOR_SPECIFIC = 0;
const T10_VENDOR_ID = 1;
const NAA = 3;
const RELATIVE_TARGET_PORT = 4;
const TARGET_PORT_GROUP = 5;
const SCSI_NAME_STRING = 8;

/** PIV with the PROTOCOL IDENTIFIER of iSCSI (SPC-4 table 477). */
const PIV = 0x80;
const ISCSI = 5;

/** What a CSCD descriptor E4h holds (SPC-4 6.4.5.2); sg_xcopy and libiscsi take no longer designator. */
const LONGEST = 20;

const u32 = (value: number): Buffer => {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
};

/**
 * Device identification (SPC-4 7.8.6). The NAA designator of the logical unit comes last: libiscsi takes the last one of
 * the highest type it knows. Port and device have their names as SCSI name strings (RFC 7143 4.4.2); the logical unit has
 * none, as it would be longer than a CSCD descriptor holds.
 */
export const deviceIdentification: VpdPage = {
  code: 0x83,
  body(unit, task) {
    const { identity } = unit;
    const vendorId = identity.vendor.padEnd(8).slice(0, 8) + identity.serial.slice(0, LONGEST - 8);
    const out = new Writer();
    const designator = (association: number, codeSet: number, type: number, bytes: Uint8Array): void => {
      const ofIscsi = association !== LOGICAL_UNIT;
      out
        .uint(1, (ofIscsi ? ISCSI << 4 : 0) | codeSet)
        .uint(1, (ofIscsi ? PIV : 0) | (association << 4) | type);
      out.uint(1, 0).uint(1, bytes.length).put(bytes);
    };
    // The name that the unit was configured with, which `sanlet ls` shows; two long ones may look alike.
    designator(LOGICAL_UNIT, UTF8, VENDOR_SPECIFIC, Buffer.from(identity.name.slice(0, LONGEST)));
    designator(LOGICAL_UNIT, ASCII, T10_VENDOR_ID, Buffer.from(vendorId, 'latin1'));
    designator(TARGET_PORT, BINARY, RELATIVE_TARGET_PORT, u32(task.nexus.relativePort));
    designator(TARGET_PORT, BINARY, TARGET_PORT_GROUP, u32(unit.portGroups.groupOf(task.nexus.relativePort)));
    if (unit.device !== undefined) {
      const { name } = unit.device;
      designator(TARGET_PORT, UTF8, SCSI_NAME_STRING, portName(name, task.nexus.relativePort));
      designator(TARGET_DEVICE, UTF8, SCSI_NAME_STRING, deviceName(name));
    }
    designator(LOGICAL_UNIT, BINARY, NAA, identity.naa);
    return out.done();
  },
};
