import type { Command } from 'commander';

/** What is needed of the words' checks. */
export interface WordChecks {
  readonly size: (value: string) => number;
  readonly whole: (least: number) => (value: string) => number;
  readonly ends: (code: Promise<number>) => Promise<void>;
}

/** The words of `sanlet tape`. */
export function addTapeCommands(program: Command, { size, whole, ends }: WordChecks): void {
  const tape = program
    .command('tape')
    .description('make, look at, copy and check the cartridges of tape drives and libraries')
    .helpCommand(false)
    .addHelpText(
      'after',
      `
A cartridge is a file; a directory of them is the shelf of a library. See docs/tape.md.

Examples:
  sanlet tape create /srv/shelf --barcode SAN001L6
  sanlet tape ls /srv/shelf
  sanlet tape export /srv/shelf/SAN001L6.tape backup.tap`,
    );

  const newCartridge = (command: Command): Command =>
    command
      .option('--barcode <BARCODE>', 'what its label says; two last characters such as L6 tell the type')
      .option('--type <TYPE>', 'LTO-4 to LTO-9')
      .option('--size <SIZE>', 'what fits on it (what the type holds, or no limit)', size)
      .option('--worm', 'what is written stays');
  const json = (command: Command): Command => command.option('--json', 'print JSON');

  json(
    newCartridge(
      tape
        .command('create')
        .description('make a blank cartridge')
        .argument('<PATH>', 'its file, or a directory, in which it is BARCODE.tape'),
    ),
  )
    .addHelpText('after', '\nExample:\n  sanlet tape create /srv/shelf --barcode SAN001L6 --size 100G')
    .action(async (path: string, options: object) => {
      const { create } = await import('./tape-create.ts');
      await ends(create(path, options));
    });

  json(
    tape
      .command('ls')
      .description('list cartridges: barcode, type, size, what is on them, who uses them')
      .argument('<PATH...>', 'directories and files'),
  )
    .addHelpText('after', '\nExit code 1 tells that one of them is damaged.')
    .action(async (paths: string[], options: object) => {
      const { ls } = await import('./tape-ls.ts');
      await ends(ls(paths, options));
    });

  json(
    tape
      .command('show')
      .description('tell what is on a cartridge: files, records, filemarks, attributes')
      .argument('<PATH>', 'its file')
      .option('--records', 'tell each record'),
  ).action(async (path: string, options: object) => {
    const { show } = await import('./tape-show.ts');
    await ends(show(path, options));
  });

  const FORMATS = 'simh (.tap), aws (.aws), het (.het) or raw, a plain file';
  json(
    tape
      .command('export')
      .description('write what is on a cartridge to an image')
      .argument('<PATH>', 'the cartridge')
      .argument('<OUT>', 'the image, or - for standard output')
      .option('--format <FORMAT>', `${FORMATS}; the name of OUT tells unless given`)
      .option('--file <N>', 'of a plain file: which file of the tape, the first being 0', whole(0))
      .option('--partition <N>', 'which partition (0)', whole(0))
      .option('--force', 'write over OUT')
      .option('--keep-going', 'go on behind damaged records (SIMH: marked as such), and exit with 1'),
  )
    .addHelpText(
      'after',
      `
Records that the drive has compressed are expanded. Encrypted ones cannot be exported: their key is with who wrote them.

Examples:
  sanlet tape export SAN001L6.tape backup.tap
  sanlet tape export SAN001L6.tape - --format raw --file 1 | tar tv`,
    )
    .action(async (path: string, out: string, options: object) => {
      const { exportTape } = await import('./tape-transfer.ts');
      await ends(exportTape(path, out, options));
    });

  json(
    newCartridge(
      tape
        .command('import')
        .description('make a cartridge of an image')
        .argument('<IN>', 'the image, or - for standard input')
        .argument('<PATH>', 'the new cartridge, or a directory, in which it is BARCODE.tape')
        .option('--format <FORMAT>', `${FORMATS}; what IN begins with tells unless given`)
        .option(
          '--record <BYTES>',
          'of a plain file: length of a record (64K); --format raw goes without saying',
          size,
        ),
    ),
  )
    .addHelpText(
      'after',
      `
The cartridge is there when all of the image is on it, and not before.

Examples:
  sanlet tape import backup.tap /srv/shelf --barcode SAN002L6
  tar c etc | sanlet tape import - SAN003L6.tape --record 10240`,
    )
    .action(async (from: string, path: string, options: object) => {
      const { importTape } = await import('./tape-transfer.ts');
      await ends(importTape(from, path, options));
    });

  json(
    tape
      .command('verify')
      .description('read every record of cartridges, and tell what is damaged and where')
      .argument('<PATH...>', 'directories and files'),
  )
    .addHelpText('after', '\nExit code 1 tells that something is damaged, or could not be read.')
    .action(async (paths: string[], options: object) => {
      const { verify } = await import('./tape-verify.ts');
      await ends(verify(paths, options));
    });

  tape
    .command('erase')
    .description('erase everything on a cartridge')
    .argument('<PATH>', 'its file')
    .option('--yes', 'do not ask')
    .action(async (path: string, options: object) => {
      const { erase } = await import('./tape-erase.ts');
      await ends(erase(path, options));
    });
}
