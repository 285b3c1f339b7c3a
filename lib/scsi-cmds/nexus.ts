import type { LunView } from './lun-view.ts';

/** An I_T nexus: one initiator port logged in to one target port (SAM-5 4.6, RFC 7143 4.4.1). */
export interface Nexus {
  /** Unique while it lives and the same when the same ports meet again: names both ports. */
  readonly id: string;
  /** iSCSI initiator name, in normalised form. */
  readonly initiatorName: string;
  /** The ISID as 12 hex digits; with the name it makes the initiator port and its TransportID (SPC-4 7.6.4.6). */
  readonly isid: string;
  /** RELATIVE TARGET PORT IDENTIFIER of the port it came in by. */
  readonly relativePort: number;
  /** Name that the initiator has proved with CHAP. */
  readonly user?: string;
  /** What it addresses; absent: every unit of the device at its own LUN. */
  readonly view?: LunView;
  /**
   * Set on the copy manager's copy of a nexus: the id and with it the rights of the nexus that asked for the copy, but
   * none of its unit attentions, which are for the initiator to meet.
   */
  readonly thirdParty?: true;
}
