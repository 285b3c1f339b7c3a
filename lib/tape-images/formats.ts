import { AwsReader, AwsWriter, HetWriter, looksAws } from './awstape.ts';
import type { ImageInput } from './image-input.ts';
import type { ImageOutput } from './image-output.ts';
import type { ImageReader, ImageWriter } from './image.ts';
import { PlainReader, PlainWriter } from './plain.ts';
import { SimhReader, SimhWriter, looksSimh } from './simh.ts';

export interface ImageFormat {
  readonly name: string;
  /** For people. */
  readonly title: string;
  readonly extensions: readonly string[];
  /** Whether a file begins as one of it does; nothing where anything may be one. */
  readonly looks?: (input: ImageInput) => Promise<boolean>;
  readonly reader: (input: ImageInput, recordBytes: number) => ImageReader;
  readonly writer: (output: ImageOutput) => ImageWriter;
  /** It holds one file of a tape. */
  readonly plain: boolean;
  /** The longest record that its usual reader takes. */
  readonly usual?: { readonly bytes: number; readonly reader: string };
}

const row = (format: ImageFormat): ImageFormat => format;

export const IMAGE_FORMATS = [
  row({
    name: 'simh',
    title: 'SIMH',
    extensions: ['.tap', '.simh'],
    looks: looksSimh,
    reader: input => new SimhReader(input),
    writer: output => new SimhWriter(output),
    plain: false,
    usual: { bytes: 65_536, reader: 'mtdump' },
  }),
  row({
    name: 'aws',
    title: 'AWSTAPE',
    extensions: ['.aws'],
    looks: looksAws,
    reader: input => new AwsReader(input),
    writer: output => new AwsWriter(output),
    plain: false,
    usual: { bytes: 65_535, reader: 'Hercules' },
  }),
  row({
    name: 'het',
    title: 'HET',
    extensions: ['.het'],
    looks: looksAws,
    reader: input => new AwsReader(input),
    writer: output => new HetWriter(output),
    plain: false,
    usual: { bytes: 65_535, reader: 'Hercules' },
  }),
  row({
    name: 'raw',
    title: 'plain file',
    extensions: [],
    reader: (input, recordBytes) => new PlainReader(input, recordBytes),
    writer: output => new PlainWriter(output),
    plain: true,
  }),
] as const satisfies readonly ImageFormat[];

export const formatNamed = (name: string): ImageFormat | undefined =>
  IMAGE_FORMATS.find(format => format.name === name);

export const formatOfPath = (path: string): ImageFormat | undefined =>
  IMAGE_FORMATS.find(({ extensions }) => extensions.some(each => path.toLowerCase().endsWith(each)));

/** What the bytes look like; the first that fits, so that HET reads as AWSTAPE, whose reader is the same. */
export async function formatOfContent(input: ImageInput): Promise<ImageFormat | undefined> {
  for (const format of IMAGE_FORMATS as readonly ImageFormat[]) {
    if ((await format.looks?.(input)) === true) return format;
  }
  return undefined;
}
