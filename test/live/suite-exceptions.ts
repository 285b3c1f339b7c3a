/** Tests of iscsi-test-cu that do not have to pass, each with the reason. docs/conformance.md prints them. */

export interface Exception {
  readonly name: string;
  /** The versions of the suite in which it is so. */
  readonly suite: string;
  /** The failure that is excused; another failure of the same test is not. */
  readonly says: RegExp;
  /** What the standard says, where the test says otherwise. */
  readonly clause: string;
  readonly why: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    name: 'iSCSI.iSCSITMF.LUNResetSimpleAsync',
    suite: '1.19',
    says: /reconnect_succeeded/,
    clause: 'RFC 7143 11.6',
    why: 'It asserts that the response has come before it has sent the request. No target passes.',
  },
  {
    name: 'iSCSI.iSCSITMF.LUNResetSimpleAsync',
    suite: 'later',
    says: /iscsi_out_queue_length/,
    clause: 'RFC 7143 11.6',
    why: 'It asserts that a request still waits in the queue of the library, which sends it at once. No target passes.',
  },
  {
    name: 'iSCSI.iSCSITMF.AbortTaskSimpleAsync',
    suite: 'later',
    says: /iscsi_out_queue_length/,
    clause: 'RFC 7143 11.5',
    why: 'It asserts that a request still waits in the queue of the library, which sends it at once. No target passes.',
  },
  {
    name: 'iSCSI.iSCSISendTargets.Simple',
    suite: 'later',
    says: /status,0/,
    clause: 'RFC 7143 Appendix C',
    why: 'It asks for SendTargets=All in a normal session, where that value MUST NOT be supported.',
  },
  {
    name: 'iSCSI.iSCSISendTargets.Invalid',
    suite: 'later',
    says: /status,0|no end after/,
    clause: 'RFC 7143 6.2 and Appendix C',
    why: 'It wants an unknown key refused, which MUST be answered NotUnderstood, and SendTargets=All granted in a normal session.',
  },
  {
    name: 'SCSI.CompareAndWrite.InvalidDataOutSize',
    suite: 'later',
    says: /wrong sense.*0x0e|successful but should have failed/,
    clause: 'SBC-3 COMPARE AND WRITE',
    why: 'Its hook alters every request but SCSI commands, so that it wants ILLEGAL REQUEST for a valid command of two blocks.',
  },
];

/** What excuses a failure of this test that says so. */
export const excepted = (name: string, said: string): Exception | undefined =>
  EXCEPTIONS.find(each => each.name === name && each.says.test(said));
