/**
 * What went wrong in a medium. One function in scsi-cmds maps it to sense; the cause is logged before it is flattened.
 *
 * - `io`: the operating system failed a read or write at `offset`
 * - `no-space`: the file system or the memory limit is full
 * - `write-protected`: the medium may not be written
 * - `corrupt`: what is stored fails its checksum or its structure
 * - `worm`: it would write over what a WORM cartridge holds
 */
export type MediumFault = 'io' | 'no-space' | 'write-protected' | 'corrupt' | 'worm';

export class MediumError extends Error {
  override readonly name = 'MediumError';
  readonly fault: MediumFault;
  /** Byte offset on a block medium, logical object number on a tape; where the trouble begins. */
  readonly offset: number;

  constructor(fault: MediumFault, offset: number, message: string, cause?: unknown) {
    super(message, { cause });
    this.fault = fault;
    this.offset = offset;
  }
}
