/** What the log pages count: plain numbers, added to when a task ends. */
export class Tally {
  /** Commands that ended, however. */
  commands = 0;
  /** Bytes that went to or came from initiators. */
  bytes = 0;
  /** Commands that ended with MEDIUM ERROR or HARDWARE ERROR. */
  failed = 0;

  reset(): void {
    this.commands = 0;
    this.bytes = 0;
    this.failed = 0;
  }
}

/** The tallies of one unit. */
export class Tallies {
  readonly read = new Tally();
  readonly write = new Tally();
  readonly verify = new Tally();
  /** HARDWARE ERROR of commands that do none of these. */
  nonMedium = 0;
}
