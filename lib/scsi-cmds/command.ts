import type { MaybePromise } from '../bytes/maybe-promise.ts';
import type { Shape } from '../bytes/layout.ts';
import type { LogicalUnit } from './logical-unit.ts';
import type { Task } from './task.ts';

/**
 * What a persistent reservation of another nexus does to a command (SPC-4 5.13.1 table 65, SBC-3 4.17, SSC-4 4.2.15):
 * `always` passes, `read` passes a write-exclusive reservation, `write` passes neither kind.
 */
export type Access = 'always' | 'read' | 'write';

/**
 * How a command stands to the others of its unit: `free` never waits, `parallel` runs beside other parallel ones,
 * `exclusive` runs alone and in the order of arrival (every medium command of a tape, COMPARE AND WRITE of a disk).
 */
export type Ordering = 'free' | 'parallel' | 'exclusive';

/**
 * A command is one row. Dispatch, CDB length, the reserved-bit check with its field pointer, REPORT SUPPORTED OPERATION
 * CODES with usage masks, the reservation verdict and the trace name all come from it and are stated nowhere else.
 */
export interface Command<U extends LogicalUnit> {
  /** As the standard writes it: `READ(10)`. */
  readonly name: string;
  readonly opcode: number;
  readonly serviceAction?: number;
  /** The CDB; byte 0 and, where there is one, SERVICE ACTION in bits 4-0 of byte 1 belong to every layout. */
  readonly cdb: Shape;
  readonly access: Access;
  readonly ordering: Ordering;
  /** Needs a medium in the unit, ready (NOT READY otherwise). */
  readonly medium?: boolean;
  /** Alters the medium: DATA PROTECT when it is write protected. */
  readonly writes?: boolean;
  /**
   * Alters what every nexus has of the unit beside the medium: a view that may only read does not. `in-part`: of a tape some
   * of it takes only what reading does, and the command says which.
   */
  readonly alters?: boolean | 'in-part';
  /** Runs while a unit attention is pending and leaves it pending (SAM-5 5.14.2): INQUIRY, REPORT LUNS, REQUEST SENSE. */
  readonly passesAttention?: boolean;
  /**
   * The furthest asymmetric access state of the port it comes by in which it still runs (SPC-4 5.15.2.4). Absent: only in
   * the active ones.
   */
  readonly portState?: 'standby' | 'unavailable';
  /** The tally of the unit that it counts in, for the log pages. */
  readonly counts?: 'read' | 'write' | 'verify';
  /** NOMINAL and RECOMMENDED COMMAND TIMEOUT in seconds for REPORT SUPPORTED OPERATION CODES (SPC-4 6.35.4). */
  readonly timeoutSeconds?: number;
  /** Reserved bits that real initiators set and that are let through, as a mask over the CDB. */
  readonly tolerated?: Uint8Array;
  /**
   * Bytes of data-out the CDB asks for, checked before any are fetched: refuse here what needs no data to be refused.
   * Absent: the command takes none.
   */
  dataOut?(unit: U, task: Task): number;
  /** Does it and ends the task, at once or later. What it throws or rejects with ends the task with sense. */
  run(unit: U, task: Task): MaybePromise<void>;
  /** The running task is being aborted: stop early if it can be. The task must still end. */
  aborting?(unit: U, task: Task): void;
}

/** Operation code of CDBs that say their length (SPC-4 4.2.3): ADDITIONAL CDB LENGTH is in byte 7 and counts from byte 8 on. */
export const VARIABLE_LENGTH = 0x7f;
export const ADDITIONAL_CDB_LENGTH = { offset: 7, from: 8 } as const;

/** Typed identity: lets a row be written as a literal with its unit's type checked. */
export const command = <U extends LogicalUnit>(row: Command<U>): Command<U> => row;

/** The commands of one unit by operation code, and by service action where there are several. */
export class CommandTable {
  readonly #plain: (Command<never> | undefined)[] = Array.from({ length: 256 });
  readonly #actions: (Map<number, Command<never>> | undefined)[] = Array.from({ length: 256 });

  add<U extends LogicalUnit>(...rows: readonly Command<U>[]): void {
    for (const row of rows) {
      const stored = row as Command<never>;
      if (row.serviceAction === undefined) {
        this.#plain[row.opcode] = stored;
      } else {
        (this.#actions[row.opcode] ??= new Map()).set(row.serviceAction, stored);
      }
    }
  }

  /** Undefined: no such operation code. `service-action`: the code is known, its service action is not. */
  find(cdb: Buffer): Command<never> | 'service-action' | undefined {
    const opcode = cdb[0]!;
    const plain = this.#plain[opcode];
    if (plain !== undefined) return plain;
    const actions = this.#actions[opcode];
    if (actions === undefined) return undefined;
    // SPC-4 4.2.5.3: a variable-length CDB has its service action in bytes 8-9.
    const action = opcode === VARIABLE_LENGTH ? cdb.readUInt16BE(8) : cdb[1]! & 0x1f;
    return actions.get(action) ?? 'service-action';
  }

  byCode(opcode: number, serviceAction?: number): Command<never> | undefined {
    if (serviceAction === undefined) return this.#plain[opcode];
    return this.#actions[opcode]?.get(serviceAction);
  }

  /** Whether the operation code is told apart by service actions. */
  hasActions(opcode: number): boolean {
    return this.#actions[opcode] !== undefined;
  }

  /** All rows, by operation code and service action. */
  all(): Command<never>[] {
    const rows: Command<never>[] = [];
    for (let opcode = 0; opcode < 256; opcode++) {
      const plain = this.#plain[opcode];
      if (plain !== undefined) rows.push(plain);
      const actions = this.#actions[opcode];
      if (actions !== undefined)
        rows.push(...[...actions.entries()].sort((a, b) => a[0] - b[0]).map(e => e[1]));
    }
    return rows;
  }
}
