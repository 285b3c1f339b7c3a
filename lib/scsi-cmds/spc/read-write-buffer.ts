import { bits, u16, u24, u32, u64, u8 } from '../../bytes/fields.ts';
import { layout } from '../../bytes/layout.ts';
import { type Command, command } from '../command.ts';
import type { LogicalUnit } from '../logical-unit.ts';
import { illegalRequest, invalidFieldInCdb, parameterListLengthError } from '../sense.ts';
import type { Task } from '../task.ts';
import { goodWithin } from './allocation.ts';
import { DATA_BUFFER_BYTES, ECHO_BUFFER_BYTES } from './buffers.ts';

/** MODE (SPC-4 6.18, 6.49). Microcode cannot be downloaded, and headers are obsolete: no other mode is there. */
const Mode = { DATA: 0x02, DESCRIPTOR: 0x03, ECHO: 0x0a, ECHO_DESCRIPTOR: 0x0b } as const;

/* WRITE BUFFER has the CDB of READ BUFFER(10). */
const cdb10 = layout(10, {
  opcode: u8(0),
  mode: bits(1, 0, 5),
  bufferId: u8(2),
  offset: u24(3),
  bytes: u24(6),
});
const cdb16 = layout(16, {
  opcode: u8(0),
  mode: bits(1, 0, 5),
  offset: u64(2),
  bytes: u32(10),
  bufferId: u8(14),
});

/** The one buffer. */
const BUFFER_ID = 0;
/** Any offset will do: an offset boundary of 2^0. */
const OFFSET_BOUNDARY = 0;
/** EBOS: each nexus has an echo buffer of its own. */
const EBOS = 0x01;

const echoDescriptor = layout(4, { flags: u8(0), capacity: u16(2) });

/** COMMAND SEQUENCE ERROR. */
const nothingEchoed = (): ReturnType<typeof illegalRequest> => illegalRequest(0x2c00);

function dataFor(unit: LogicalUnit, task: Task, cdb: typeof cdb10 | typeof cdb16): Buffer {
  const id = cdb.bufferId.get(task.cdb);
  switch (cdb.mode.get(task.cdb)) {
    case Mode.DATA: {
      if (id !== BUFFER_ID) throw invalidFieldInCdb(cdb.bufferId.offset);
      const offset = cdb.offset.get(task.cdb);
      if (offset > DATA_BUFFER_BYTES) throw invalidFieldInCdb(cdb.offset.offset);
      return unit.buffers.read(offset, cdb.bytes.get(task.cdb));
    }
    case Mode.DESCRIPTOR: {
      const out = Buffer.alloc(4); // SPC-4 6.18.5: zeros for a buffer that is not there
      if (id === BUFFER_ID) out.writeUInt32BE(OFFSET_BOUNDARY * 2 ** 24 + DATA_BUFFER_BYTES, 0);
      return out;
    }
    case Mode.ECHO: {
      const echo = unit.buffers.echo(task.nexus);
      if (echo === undefined) throw nothingEchoed(); // SPC-4 6.18.6
      return echo;
    }
    case Mode.ECHO_DESCRIPTOR: {
      const out = Buffer.alloc(echoDescriptor.length);
      echoDescriptor.flags.set(out, EBOS);
      echoDescriptor.capacity.set(out, ECHO_BUFFER_BYTES);
      return out;
    }
    default:
      throw invalidFieldInCdb(1, 4);
  }
}

const readBuffer = (name: string, opcode: number, cdb: typeof cdb10 | typeof cdb16): Command<LogicalUnit> =>
  command<LogicalUnit>({
    name,
    opcode,
    cdb,
    access: 'read',
    ordering: 'free',
    portState: 'standby',
    run: (unit, task) => goodWithin(task, dataFor(unit, task, cdb), cdb.bytes.get(task.cdb)),
  });

/** SPC-4 6.18, 6.19. */
export const readBuffers = [
  readBuffer('READ BUFFER(10)', 0x3c, cdb10),
  readBuffer('READ BUFFER(16)', 0x9b, cdb16),
];

/** SPC-4 6.49. */
export const writeBuffer = command<LogicalUnit>({
  name: 'WRITE BUFFER',
  opcode: 0x3b,
  cdb: cdb10,
  access: 'write',
  ordering: 'free',
  portState: 'standby',
  dataOut(_unit, task) {
    const bytes = cdb10.bytes.get(task.cdb);
    switch (cdb10.mode.get(task.cdb)) {
      case Mode.DATA:
        if (cdb10.bufferId.get(task.cdb) !== BUFFER_ID) throw invalidFieldInCdb(2);
        if (cdb10.offset.get(task.cdb) > DATA_BUFFER_BYTES) throw invalidFieldInCdb(3);
        if (cdb10.offset.get(task.cdb) + bytes > DATA_BUFFER_BYTES) throw invalidFieldInCdb(6);
        return bytes;
      case Mode.ECHO:
        if (bytes > ECHO_BUFFER_BYTES) throw invalidFieldInCdb(6);
        return bytes;
      default:
        throw invalidFieldInCdb(1, 4);
    }
  },
  run(unit, task) {
    if (task.dataOut.length < task.wantedOut) throw parameterListLengthError();
    if (cdb10.mode.get(task.cdb) === Mode.ECHO) unit.buffers.echoes(task.nexus, task.dataOut);
    else unit.buffers.write(cdb10.offset.get(task.cdb), task.dataOut);
    task.good();
  },
});
