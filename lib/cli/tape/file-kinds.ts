/** What a file on a tape looks like, by how its first record begins. */
export interface FileKind {
  /** What it is, for people; undefined when it is something else. */
  readonly tell: (head: Buffer) => string | undefined;
}

const text = (head: Buffer, at: number, length: number): string =>
  head.toString('latin1', at, Math.min(at + length, head.length));
/** Up to the first NUL, when all of it can be printed. */
function word(head: Buffer, at: number, length: number): string {
  const [found = ''] = text(head, at, length).split('\0');
  return /^[\x20-\x7e\xa0-\xff]*$/.test(found) ? Buffer.from(found, 'latin1').toString('utf8').trim() : '';
}
const named = (what: string, name: string): string => (name === '' ? what : `${what} '${name}'`);

/** The letters, digits and signs that labels of mainframes use; everything else becomes a blank. */
const EBCDIC = (() => {
  const table = Buffer.alloc(256, ' ');
  const runs: readonly (readonly [number, string])[] = [
    [0xc1, 'ABCDEFGHI'],
    [0xd1, 'JKLMNOPQR'],
    [0xe2, 'STUVWXYZ'],
    [0xf0, '0123456789'],
    [0x4b, '.'],
    [0x60, '-'],
    [0x5b, '$'],
    [0x7b, '#@'],
  ];
  for (const [at, letters] of runs) table.write(letters, at, 'latin1');
  return table;
})();
const fromEbcdic = (bytes: Buffer): Buffer => Buffer.from(bytes.map(byte => EBCDIC[byte]!));

const LABEL_BYTES = 80;
const LABEL = /^(VOL|HDR|EOF|EOV|UVL|UHL|UTL)[1-9]$/;

/** ECMA-13 and its kin: records of 80 bytes. */
function standardLabel(head: Buffer, letters: string): string | undefined {
  const kind = text(head, 0, 4);
  if (!LABEL.test(kind)) return undefined;
  if (kind === 'VOL1') {
    const ltfs = text(head, 24, 13).trim() === 'LTFS';
    return named(
      ltfs ? `LTFS: ${letters} label VOL1` : `${letters} label VOL1, volume`,
      text(head, 4, 6).trim(),
    );
  }
  return named(`${letters} label ${kind}, file`, text(head, 4, 17).trim());
}

const TAR_BLOCK = 512;
const TAR_FLAVOURS: Readonly<Record<string, string>> = {
  'ustar\x0000': 'tar (ustar)',
  'ustar  \0': 'tar (GNU)',
};
const TAR_FLAGS: Readonly<Record<string, string>> = {
  x: 'tar (pax)',
  g: 'tar (pax)',
  M: 'tar (GNU), goes on from another volume:',
  V: 'tar (GNU), volume',
};

/** The sum of the header with its own field taken for blanks, which is what tells old tar. */
function tarSumFits(head: Buffer): boolean {
  let sum = 0;
  for (let i = 0; i < TAR_BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : head[i]!;
  return head[0] !== 0 && Number.parseInt(text(head, 148, 8).replaceAll('\0', ' ').trim(), 8) === sum;
}

function tar(head: Buffer): string | undefined {
  if (head.length < TAR_BLOCK || !tarSumFits(head)) return undefined;
  const what =
    TAR_FLAGS[text(head, 156, 1)] ?? TAR_FLAVOURS[text(head, 257, 8)] ?? 'tar (of the seventh edition)';
  const name = word(head, 0, 100);
  // What stands there is of the archive, not of a file in it.
  return name === '' || what.includes('pax')
    ? what
    : named(/[:e]$/.test(what) ? what : `${what}, begins with`, name);
}

const CPIO: Readonly<Record<string, string>> = {
  '070707': 'cpio (odc)',
  '070701': 'cpio (newc)',
  '070702': 'cpio (newc with checksums)',
};

/** Bacula and Bareos: every block begins with a header, the first block of a volume with its label. */
function bacula(head: Buffer): string | undefined {
  const id = text(head, 12, 4);
  if (id !== 'BB02' && id !== 'BB01') return undefined;
  const program = /(Bacula|Bareos) [0-9.]+ \w+/.exec(text(head, 16, 64));
  if (program === null) return `blocks of Bacula (${id})`;
  // Behind its name and the NUL: a version, four times, and the name of the volume.
  const volume = word(head, 16 + program.index + program[0].length + 2 + 4 + 4 * 8, 128);
  return named(`${program[1]} volume`, volume);
}

/** ext and BSD: the magic number in either order of bytes. */
function dump(head: Buffer): string | undefined {
  if (head.length < 28) return undefined;
  return [head.readUInt32LE(24), head.readUInt32BE(24)].some(magic => magic === 60_011 || magic === 60_012)
    ? 'dump'
    : undefined;
}

const MAGIC: readonly (readonly [string, string])[] = [
  ['1f8b', 'gzip'],
  ['425a68', 'bzip2'],
  ['fd377a585a00', 'xz'],
  ['28b52ffd', 'zstd'],
  ['04224d18', 'lz4'],
  ['504b0304', 'zip'],
  ['c771', 'cpio (binary)'],
  ['71c7', 'cpio (binary)'],
];

const EDGE = 510;

function disk(head: Buffer): string | undefined {
  if (head.length < TAR_BLOCK || head.readUInt16BE(EDGE) !== 0x55aa) return undefined;
  return text(head, TAR_BLOCK, 8) === 'EFI PART' ? 'disk image (GPT)' : 'disk image';
}

const KINDS: readonly FileKind[] = [
  { tell: head => (head.length === LABEL_BYTES ? standardLabel(head, 'ANSI') : undefined) },
  { tell: head => (head.length === LABEL_BYTES ? standardLabel(fromEbcdic(head), 'EBCDIC') : undefined) },
  { tell: bacula },
  { tell: tar },
  { tell: head => CPIO[text(head, 0, 6)] },
  { tell: head => /<(ltfslabel|ltfsindex)\b/.exec(text(head, 0, 512))?.[1]?.replace('ltfs', 'LTFS ') },
  { tell: head => /^AMANDA: [\x20-\x7e]+/.exec(text(head, 0, 80))?.[0].trim() },
  { tell: head => (text(head, 0, 4) === 'TAPE' ? 'Microsoft Tape Format' : undefined) },
  { tell: dump },
  {
    tell: head => {
      const begin = head.toString('hex', 0, 8);
      return MAGIC.find(([magic]) => begin.startsWith(magic))?.[1];
    },
  },
  { tell: disk },
];

/** By the first record, as it was written; undefined when nothing is known of it. */
export function kindOf(head: Buffer): string | undefined {
  for (const { tell } of KINDS) {
    const what = tell(head);
    if (what !== undefined) return what;
  }
  return undefined;
}
