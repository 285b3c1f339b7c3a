/** Tests of iscsi-test-cu that do not have to pass, each with the reason. docs/conformance.md prints them. */

export interface Exception {
  readonly name: string;
  /** What the standard says, where the test says otherwise. */
  readonly clause: string;
  readonly why: string;
}

export const EXCEPTIONS: readonly Exception[] = [
  {
    name: 'iSCSI.iSCSITMF.LUNResetSimpleAsync',
    clause: 'RFC 7143 11.6',
    why: 'Version 1.19 asserts that the response has come before it has sent the request: no target passes.',
  },
];

export const excepted = (name: string): Exception | undefined => EXCEPTIONS.find(each => each.name === name);
