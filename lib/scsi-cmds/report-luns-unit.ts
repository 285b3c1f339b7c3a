import { identify } from './identity.ts';
import { DeviceType, LogicalUnit } from './logical-unit.ts';
import { inquiry } from './spc/inquiry.ts';
import { ModePages } from './spc/mode-pages.ts';
import { reportLuns } from './spc/report-luns.ts';
import { requestSense } from './spc/request-sense.ts';
import { testUnitReady } from './spc/test-unit-ready.ts';
import { addPages } from './spc/vpd.ts';
import { deviceIdentification } from './spc/vpd-83.ts';

/** The REPORT LUNS well-known logical unit of a target (SPC-4 8.2): it is there whatever the LUN map says. */
export class ReportLunsUnit extends LogicalUnit {
  readonly deviceType = DeviceType.WELL_KNOWN;
  readonly removable = false;
  readonly writeProtected = false;
  readonly grain = 0;
  readonly modePages = new ModePages([]);

  constructor(target: string) {
    super(identify(target, 'REPORT LUNS', { product: 'REPORT LUNS', revision: '' }));
    this.commands.add(inquiry, reportLuns, requestSense, testUnitReady);
    addPages(this, deviceIdentification);
  }

  requireMedium(): void {}

  async close(): Promise<void> {}
}
