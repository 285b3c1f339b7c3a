#!/usr/bin/env node
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { parseSize, SIZE_FORMS } from '../lib/sizes.ts';
import { version } from '../lib/version.ts';
import type { CopiesOptions } from './copies.ts';
import { ExitCode, report } from './failure.ts';
import { addTapeCommands } from './tape.ts';

/* What a command needs is loaded when it is called: a help text loads nothing, and a San is ready in a moment. */

interface UnitWord {
  readonly type: 'disk' | 'tape' | 'library';
  readonly spec: string;
}

let exitCode: number = ExitCode.OK;
const ends = async (code: Promise<number>): Promise<void> => {
  exitCode = await code;
};

/** Commander's lines as one sentence. */
const outputError = (text: string, write: (text: string) => void): void => {
  const sentence = text
    .replace(/^error: /, '')
    .trim()
    .replaceAll(/\s*\n\s*/g, ' ')
    .replace('(Did you mean', '(did you mean')
    .replace(/\.$/, '');
  write(`sanlet: ${sentence}; see ${helpWords()}\n`);
};

/** The command that argv names, as far as there is one. */
const helpWords = (): string => {
  const words = process.argv.slice(2).filter(each => !each.startsWith('-'));
  let command: Command | undefined = program;
  let named = 'sanlet';
  while (words.length > 0) {
    const word = words.shift();
    command = command.commands.find(each => each.name() === word);
    if (command === undefined) break;
    named += ` ${word}`;
  }
  return `${named} --help`;
};

const several = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

const whole =
  (least: number) =>
  (value: string): number => {
    const number = Number(value);
    if (!/^[0-9]+$/.test(value) || !Number.isSafeInteger(number) || number < least) {
      throw new InvalidArgumentError(`It is a whole number from ${least} on.`);
    }
    return number;
  };

const size = (value: string): number => {
  const bytes = parseSize(value);
  if (bytes === undefined || bytes === 0) throw new InvalidArgumentError(`It is ${SIZE_FORMS}.`);
  return bytes;
};

const program = new Command('sanlet')
  .description('A SAN in a process: an iSCSI target with disks, tapes and a copy manager inside.')
  .version(version, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'print this help')
  .helpCommand(false)
  .configureOutput({ outputError })
  .showSuggestionAfterError()
  .exitOverride();
program.addHelpText(
  'after',
  `
Examples:
  sanlet demo                                             watch a disk go to a tape and back inside the target
  sanlet serve --disk d0=memory,size=1G --tape t0=memory  serve a disk and a tape on 127.0.0.1:3260
  sanlet ls iscsi://127.0.0.1                             list targets and LUNs

Exit codes: 0 done, 1 it could not be done, 2 what was asked for is wrong.`,
);

program
  .command('demo')
  .description('copy a disk to a tape and back inside the target, and compare')
  .argument('[IMAGE]', 'a disk image, which is only read; a 64 MiB sample unless given')
  .option('--json', 'print one JSON object')
  .action(async (image: string | undefined, options: { json?: boolean }) => {
    const { demo } = await import('./demo.ts');
    await ends(demo(image, options));
  });

/** Disks, tapes and libraries in the order they stand in argv, which is the order of their LUNs: commander keeps it per option only. */
const units: UnitWord[] = [];
const unit = (type: UnitWord['type']) => (spec: string) => {
  units.push({ type, spec });
  return units.length;
};

program
  .command('serve')
  .description('serve disks, tapes and tape libraries over iSCSI until SIGINT or SIGTERM')
  .option('--config <FILE>', 'configuration in YAML or JSON')
  .option(
    '--portal <HOST:PORT>',
    'listen here (127.0.0.1:3260); port 0 picks a free one; HOST:PORT,group=2 in another portal group; repeatable',
    several,
  )
  .option('--target <IQN>', 'name of the target (iqn.2026-01.io.sanlet:san)')
  .addOption(new Option('--disk <SPEC>', 'add a disk; repeatable').argParser(unit('disk')))
  .addOption(new Option('--tape <SPEC>', 'add a tape; repeatable').argParser(unit('tape')))
  .addOption(new Option('--library <SPEC>', 'add a tape library; repeatable').argParser(unit('library')))
  .option('--advertise <HOST:PORT>', 'what SendTargets answers, for NAT, containers and guests')
  .option('--state <DIR>', 'directory for what is kept beside the media')
  .option('--json', 'print the ready line as a JSON object')
  .option('--run <COMMAND>', 'run a command of the shell, stop when it ends and exit with its code')
  .addHelpText(
    'after',
    `
SPEC is NAME=PATH[,size=1G][,block=512|4096][,ro][,removable] or NAME=memory[,size=64M]; ,, is a comma of the path.
More for a disk: ,physical=512|4096 (4096) is what initiators align to, ,thin=5G how much of it may be in use.
A tape is removable anyway and has no block=; ,drive=ULT3580-TD6|ULT3580-TD7|ULT3580-TD8 is which drive it is taken for.
SPEC of a library is NAME=DIR[,drives=1][,slots=10][,ie=0][,drive=ULT3580-TD8][,size=1G] or NAME=memory[,…]: a changer, drives,
and a directory of cartridges. A DIR with nothing in it is filled with blank ones of that size=. Its drives have the LUNs before its changer.
A PATH that does not exist is made with size=. LUNs are numbered from 0 in the order of --disk, --tape and --library; ,lun=N
gives another, up to 16383.
SIGHUP reads the --config file again: disks and tapes come, go, change size and write protection while initiators work.
A command given with --run finds SANLET_PORTAL, SANLET_TARGET and SANLET_URL_0, SANLET_URL_1 … in its environment.
SANLET_LOG=error|warn|info|debug says how much is logged on stderr.

Examples:
  sanlet serve --disk d0=/srv/d0.img,size=10G --tape t0=/srv/t0.tape
  sanlet serve --library lib=/srv/shelf,drives=2,slots=20,ie=2
  sanlet serve --portal 127.0.0.1:0 --disk d0=memory --run 'qemu-img info "$SANLET_URL_0"'`,
  )
  .action(async (options: Record<string, string & boolean & string[]>) => {
    const { serve } = await import('./serve.ts');
    const { config, portal, target, advertise, state, json, run } = options;
    await ends(serve({ config, portals: portal ?? [], target, advertise, state, json, run, units }));
  });

program
  .command('ls')
  .description('list targets and LUNs: type, size, name and NAA')
  .argument('<URL>', 'iscsi://[user[%secret]@]host[:port][/iqn[/lun]]')
  .addHelpText('after', `\nExample:\n  sanlet ls iscsi://127.0.0.1:3260`)
  .action(async (url: string) => {
    const { ls } = await import('./ls.ts');
    await ends(ls(url));
  });

program
  .command('xcopy')
  .description('copy between two LUNs of one target, inside the target')
  .argument('<SRC>', 'iscsi://[user[%secret]@]host[:port]/iqn/lun')
  .argument('[DST]', 'a LUN of the same target; needed but with --segments')
  .option(
    '--blocks <N>',
    'blocks of the disk to copy, of the source where both are disks (all there is)',
    whole(1),
  )
  .option('--skip <LBA>', 'first block of a source disk (0)', whole(0))
  .option('--seek <LBA>', 'first block of a destination disk (0)', whole(0))
  .option('--record <BYTES>', 'length of a tape record (64K)', size)
  .option('--filemarks <N>', 'from tape to tape: filemarks in a row that end it (the end of data)', whole(1))
  .option('--cat', 'what fills no whole record or block goes on to the next segment (CAT)')
  .option('--pad', 'what fills no whole record or block at the end is filled up with zeros (PAD)')
  .option('--lid4', 'send EXTENDED COPY(LID4) rather than (LID1)')
  .option('--token', 'from disk to disk by a token: the source as it is at one moment (ODX)')
  .option('--background', 'print list id and ISID and leave; the target goes on (EXTENDED COPY(LID4))')
  .option('--isid <ISID>', 'twelve hexadecimal digits; random unless told')
  .option('--segments <FILE>', 'a list of segments in YAML or JSON, for the copy manager of SRC')
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    `
From tape to tape records and filemarks are copied as they are, until the end of data or --filemarks in a row.
A tape is read and written at its present position. What else is written to a tape is closed with one filemark; a tape is
read until --blocks, a filemark, the end of data or a full disk.
Where the data of a tape ends inside a block, zeros fill it up; where --blocks or a full disk ends inside a record, the
rest of the record is left over. Both are told (JSON: paddingBytes, leftOverBytes).
A list of segments names types, LUNs and fields, such as
  - { type: block to stream, source: 0, destination: 1, transferLength: 65536, blocks: 128 }
  - { type: write filemarks, destination: 1, count: 1 }
and an end that it does not name is SRC or DST. See docs/xcopy.md.

Example:
  sanlet xcopy iscsi://127.0.0.1/iqn.2026-01.io.sanlet:san/0 iscsi://127.0.0.1/iqn.2026-01.io.sanlet:san/1`,
  )
  .action(async (source: string, destination: string | undefined, options: object) => {
    const { xcopy } = await import('./xcopy.ts');
    await ends(xcopy(source, destination, options));
  });

program
  .command('copies')
  .description('list, follow and abort the copies that one initiator port has asked for')
  .argument('<URL>', 'iscsi://[user[%secret]@]host[:port]/iqn/lun')
  .requiredOption('--isid <ISID>', 'what xcopy --background has printed')
  .option('--list-id <ID>', 'only this one', whole(0))
  .option('--follow', 'wait until they have ended')
  .option('--abort <ID>', 'stop the copy with that list id', whole(0))
  .option('--json', 'print one JSON object')
  .addHelpText(
    'after',
    `
A target tells of a copy only those who log in with the ISID that it was asked for with, and only by list id. xcopy gives
out the list ids 1 to 64, and those are asked for; a copy of another program needs --list-id. While a program is logged
in with an ISID, another that logs in with the same ends its session. The copy goes on.

Exit code 1 tells that one of the copies has failed.

Example:
  sanlet copies iscsi://127.0.0.1/iqn.2026-01.io.sanlet:san/0 --isid 80a1b2c3d4e5 --follow`,
  )
  .action(async (url: string, options: CopiesOptions) => {
    const { copies } = await import('./copies.ts');
    await ends(copies(url, options));
  });

addTapeCommands(program, { size, whole, ends });

// A reader that has gone, as after `| head -1`, is no reason to die with a stack.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? ExitCode.OK : ExitCode.USAGE;
  else exitCode = report(error);
}
process.exit(exitCode);
