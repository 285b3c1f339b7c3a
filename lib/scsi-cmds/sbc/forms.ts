/** What the rows of SBC begin with: each states only its difference. */
import type { Shape } from '../../bytes/layout.ts';
import { type Command, VARIABLE_LENGTH } from '../command.ts';
import type { DiskUnit } from './disk-unit.ts';

/** One size of a command. */
export interface Form<C extends Shape> {
  readonly name: string;
  readonly opcode: number;
  readonly serviceAction?: number;
  readonly cdb: C;
  readonly tolerated?: Uint8Array;
}

type Traits = Pick<
  Command<DiskUnit>,
  'access' | 'ordering' | 'medium' | 'writes' | 'timeoutSeconds' | 'tolerated'
>;

/** A command that reads the medium beside others that do. */
export const reading = {
  access: 'read',
  ordering: 'parallel',
  medium: true,
  timeoutSeconds: 60,
} as const satisfies Traits;

/** One that alters it, beside others. */
export const writing = { ...reading, access: 'write', writes: true } as const satisfies Traits;

/** One that alters it with nothing else at work in the unit. */
export const writingAlone = { ...writing, ordering: 'exclusive' } as const satisfies Traits;

/** FUA_NV, obsolete since SBC-3. */
export const FUA_NV = Uint8Array.of(0, 0x02);

/** Expected tags and their mask: nothing asks for them while PROTECT is 0 (SBC-3 4.21). */
const TAGS = new Uint8Array(32).fill(0xff, 20, 28);

/** A CDB of 32 bytes by its service action (SPC-4 4.2.3). */
export const long = (
  serviceAction: number,
): { opcode: number; serviceAction: number; tolerated: Uint8Array } => ({
  opcode: VARIABLE_LENGTH,
  serviceAction,
  tolerated: TAGS,
});
