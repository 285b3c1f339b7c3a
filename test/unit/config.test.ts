import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import {
  checkMediumFiles,
  ConfigError,
  formatPortal,
  keepingLuns,
  optionsOfWords,
  parseDiskSpec,
  parseIscsiName,
  parsePortal,
  parseLibrarySpec,
  parseTapeSpec,
  readConfigFile,
  resolveOptions,
  type SanOptions,
  type ServeWords,
} from '../../lib/config.ts';
import { silent } from '../../lib/log.ts';
import { nearest } from '../../lib/config/suggestion.ts';
import { formatSize, parseSize } from '../../lib/sizes.ts';

const KIB = 1024;
const MIB = KIB * KIB;

/** The sentence of the ConfigError that `work` throws. */
const said = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
  return 'no error';
};
const saidLater = async (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'no error',
    (error: unknown) => (error instanceof ConfigError ? error.message : Promise.reject(error as Error)),
  );

void t.test('sizes', t => {
  const right: [string | number, number][] = [
    ['0', 0],
    ['512', 512],
    [512, 512],
    ['64K', 64 * KIB],
    ['64M', 64 * MIB],
    ['64MiB', 64 * MIB],
    ['64m', 64 * MIB],
    [' 1G ', KIB * MIB],
    ['2TiB', 2 * MIB * MIB],
    ['2.5T', 2.5 * MIB * MIB],
    ['1.5K', 1536],
    ['1P', 2 ** 50],
  ];
  for (const [text, bytes] of right) t.equal(parseSize(text), bytes, String(text));
  for (const wrong of [
    '',
    '64MB',
    'M',
    '1.5',
    '1.2345K',
    '-1',
    '64 M',
    '0x10',
    '9999P',
    -1,
    1.5,
    Number.NaN,
  ]) {
    t.equal(parseSize(wrong), undefined, `no size: ${wrong}`);
  }
  for (const [bytes, text] of [
    [1, '1 byte'],
    [512, '512 bytes'],
    [64 * MIB, '64 MiB'],
    [1.5 * KIB * MIB, '1.5 GiB'],
    [1000 * MIB, '1000 MiB'],
    [123_456_789, '118 MiB'],
  ] as const) {
    t.equal(formatSize(bytes), text);
  }
  t.end();
});

void t.test('iSCSI names (RFC 7143 4.2.7)', t => {
  for (const [text, name] of [
    ['iqn.2026-01.io.sanlet:san', 'iqn.2026-01.io.sanlet:san'],
    ['IQN.2026-01.IO.Sanlet:A', 'iqn.2026-01.io.sanlet:a'],
    ['iqn.2026-01.io.sanlet', 'iqn.2026-01.io.sanlet'],
    ['iqn.2026-01.io.sanlet:a:b.c-d', 'iqn.2026-01.io.sanlet:a:b.c-d'],
    ['iqn.2026-01.io.sanlet:größe', 'iqn.2026-01.io.sanlet:größe'],
    ['eui.02004567A425678D', 'eui.02004567a425678d'],
    ['naa.52004567BA64678D', 'naa.52004567ba64678d'],
    ['naa.62004567BA64678D0123456789ABCDEF', 'naa.62004567ba64678d0123456789abcdef'],
  ] as const) {
    t.strictSame(parseIscsiName(text), { name }, text);
  }
  for (const [text, words] of [
    ['san', /no iSCSI name/],
    ['iqn.2026-13.io.sanlet', /no iqn name/],
    ['iqn.2026-01', /no iqn name/],
    ['iqn.2026-01.io.sanlet:', /no iqn name/],
    ['iqn.2026-01.io.sanlet:a b', /not " "/],
    ['iqn.2026-01.io.sanlet:a_b', /not "_"/],
    ['iqn.2026-01.io.sanlet:a/0', /not "\/"/],
    ['eui.0200', /no eui name/],
    ['naa.0200', /no naa name/],
    [`iqn.2026-01.io.sanlet:${'x'.repeat(223)}`, /at most 223 bytes/],
  ] as const) {
    const problem = parseIscsiName(text);
    t.match(problem, words, text);
  }
  t.end();
});

void t.test('portals', t => {
  for (const [text, host, port] of [
    ['127.0.0.1:3260', '127.0.0.1', 3260],
    ['127.0.0.1', '127.0.0.1', 3260],
    ['localhost:0', 'localhost', 0],
    ['[::1]:3261', '::1', 3261],
    ['[fe80::1%eth0]', 'fe80::1%eth0', 3260],
    ['0.0.0.0:65535', '0.0.0.0', 65_535],
  ] as const) {
    t.strictSame(parsePortal(text), { host, port }, text);
  }
  for (const [text, words] of [
    ['', /is no portal: write HOST:PORT/],
    [':3260', /write HOST:PORT/],
    ['::1', /stands in brackets, \[::1\]:3260/],
    ['fe80::1:3260', /stands in brackets/],
    ['host:65536', /at most 65535/],
    ['host:http', /write HOST:PORT/],
    ['[host]:1', /write HOST:PORT/],
    ['a b', /write HOST:PORT/],
  ] as const) {
    t.match(parsePortal(text), words, text);
  }
  t.equal(formatPortal({ host: '::1', port: 1 }), '[::1]:1');
  t.equal(formatPortal({ host: 'a', port: 1 }), 'a:1');
  t.end();
});

void t.test('SPEC of a disk and a tape', t => {
  for (const [spec, options] of [
    ['d=/a', { name: 'd', path: '/a' }],
    ['d=memory', { name: 'd', memory: true }],
    ['d=./memory', { name: 'd', path: './memory' }],
    [
      'd=a=b,size=1G,block=4096,ro,removable',
      { name: 'd', path: 'a=b', size: '1G', block: 4096, ro: true, removable: true },
    ],
    ['d=memory,size=64M,lun=7', { name: 'd', memory: true, size: '64M', lun: 7 }],
    ['d=/a,,b,ro', { name: 'd', path: '/a,b', ro: true }],
  ] as const) {
    t.strictSame(parseDiskSpec(spec), options, spec);
  }
  t.strictSame(parseTapeSpec('t=memory,size=1G,ro'), { name: 't', memory: true, size: '1G', ro: true });
  for (const [spec, sentence] of [
    [
      'd',
      '--disk d: a disk is written NAME=PATH[,size=1G][,block=512|4096][,ro][,removable] or NAME=memory[,size=64M]',
    ],
    ['=x', /--disk =x: its name is empty; a disk is written/],
    ['d=', /its path is empty/],
    ['d=x,siz=1', '--disk d=x,siz=1: a disk has no option "siz" (did you mean size?)'],
    ['d=x,foo', /no option "foo" \(known: size, block, physical, thin, lun, ro and removable\)/],
    ['d=x,ro=1', /ro takes no value; write ,ro/],
    ['d=x,size', /size needs a value, ,size=…/],
    ['d=x,size=', /size needs a value/],
    ['d=x,ro,ro', /ro is given twice/],
    ['d=x,block=1024', /block must be 512 or 4096, not 1024/],
    ['d=x,block=big', /block must be a number, not "big"/],
    ['d=x,lun=-1', /lun must be a number/],
  ] as const) {
    t.match(
      said(() => parseDiskSpec(spec)),
      sentence,
      spec,
    );
  }
  t.match(
    said(() => parseTapeSpec('t=x,block=512')),
    '--tape t=x,block=512: block is for disks: the records of a tape are as long as the initiator writes them',
  );
  t.strictSame(
    parseTapeSpec('t=x,removable'),
    { name: 't', path: 'x', removable: true },
    'one SPEC for both',
  );
  const [tape] = resolveOptions({ tapes: [parseTapeSpec('t=memory,removable')] }).targets[0]!.units;
  t.match(tape, { type: 'tape', removable: true });
  t.match(
    said(() => parseTapeSpec('t')),
    /a tape is written NAME=PATH/,
  );
  t.end();
});

void t.test('resolved options', t => {
  t.strictSame(
    resolveOptions({ disks: [{ name: 'd0', memory: '64MiB' }], tapes: [{ name: 't0', memory: true }] }),
    {
      portals: [{ host: '127.0.0.1', port: 3260, group: 1 }],
      advertise: undefined,
      state: undefined,
      discoveryChap: undefined,
      isns: undefined,
      limits: {},
      targets: [
        {
          iqn: 'iqn.2026-01.io.sanlet:san',
          access: [{}],
          groups: [1],
          redirect: undefined,
          units: [
            {
              lun: 0,
              type: 'disk',
              name: 'd0',
              path: undefined,
              bytes: 64 * MIB,
              blockSize: 512,
              physicalBlockSize: 4096,
              thinBytes: undefined,
              readOnly: false,
              removable: false,
              drive: undefined,
            },
            {
              lun: 1,
              type: 'tape',
              name: 't0',
              path: undefined,
              bytes: undefined,
              blockSize: 0,
              physicalBlockSize: 0,
              thinBytes: undefined,
              readOnly: false,
              removable: true,
              drive: 'LTO',
            },
          ],
          libraries: [],
        },
      ],
    },
  );
  const drives = resolveOptions({ tapes: [{ name: 't', memory: true, drive: 'ult3580-td8' }] });
  t.equal(drives.targets[0]!.units[0]!.drive, 'ULT3580-TD8');
  t.throws(() => resolveOptions({ tapes: [{ name: 't', memory: true, drive: 'ULT3580-TD5' }] }), {
    message: /there is no drive "ULT3580-TD5" \(did you mean ULT3580-TD6\?\)/,
  });
  t.equal(parseTapeSpec('t=memory,size=1G,drive=ULT3580-TD6').drive, 'ULT3580-TD6');
  const full = resolveOptions({
    portals: ['[::1]:0', '10.0.0.1'],
    advertise: '10.0.2.2',
    state: '/var/lib/sanlet',
    discoveryChap: { user: 'a', secret: 'b' },
    targets: [
      {
        iqn: 'IQN.2026-01.io.sanlet:A',
        disks: [
          { name: 'a', path: '/a', block: 4096, ro: true, removable: true, size: 8192 },
          { name: 'b', memory: true, lun: 0 },
          { name: 'c', memory: 4096 },
        ],
        tapes: [
          { name: 't', path: '/t', size: '1G', lun: 1 },
          { name: 'u', memory: '2G' },
        ],
        chap: { user: 'u', secret: 's', mutual: { user: 'v', secret: 'w' } },
        initiators: ['iqn.1993-08.org.Debian:*'],
      },
      { iqn: 'iqn.2026-01.io.sanlet:b' },
    ],
    log: silent,
  });
  t.strictSame(full.portals, [
    { host: '::1', port: 0, group: 1 },
    { host: '10.0.0.1', port: 3260, group: 1 },
  ]);
  t.strictSame(full.advertise, { host: '10.0.2.2', port: 0 }, 'port 0: that of the portal');
  t.strictSame(
    full.targets[0]!.units.map(({ lun, name, bytes }) => [lun, name, bytes]),
    [
      [0, 'b', 64 * MIB],
      [1, 't', KIB * MIB],
      [2, 'a', 8192],
      [3, 'c', 4096],
      [4, 'u', 2 * KIB * MIB],
    ],
    'given LUNs stand, the others get the lowest free ones, disks first',
  );
  t.strictSame(full.targets[0]!.access[0]!.initiators, ['iqn.1993-08.org.debian:*']);
  t.equal(full.targets.length, 2);
  const two = resolveOptions({
    disks: [{ name: 'd', path: '/x', ro: true }],
    targets: [{ iqn: 'iqn.2026-01.io.x:b', disks: [{ name: 'd', path: '/x', ro: true }] }],
  });
  t.equal(two.targets.length, 2, 'the top level is a target too; a file may be read twice');
  t.end();
});

void t.test('portal groups and redirection', t => {
  const disks = [{ name: 'd', memory: true }];
  const { portals, targets } = resolveOptions({
    portals: [
      '10.0.0.1',
      '[::1]:0,group=3,advertise=san.example:9',
      { address: '10.0.0.2:0', group: 2, advertise: '192.0.2.1' },
    ],
    disks,
    groups: [3, 1, 3],
    redirect: { to: '[2001:db8::1]', groups: [3] },
    targets: [
      { iqn: 'iqn.2026-01.io.x:a', disks },
      { iqn: 'iqn.2026-01.io.x:b', redirect: { to: 'b.example:1', permanent: true } },
    ],
  });
  t.strictSame(portals, [
    { host: '10.0.0.1', port: 3260, group: 1 },
    { host: '::1', port: 0, group: 3, advertise: { host: 'san.example', port: 9 } },
    { host: '10.0.0.2', port: 0, group: 2, advertise: { host: '192.0.2.1', port: 0 } },
  ]);
  t.strictSame(
    targets.map(({ groups, redirect }) => [groups, redirect]),
    [
      [[1, 3], { to: { host: '2001:db8::1', port: 3260 }, permanent: false, groups: [3] }],
      [[1, 2, 3], undefined],
      [[1, 2, 3], { to: { host: 'b.example', port: 1 }, permanent: true, groups: [1, 2, 3] }],
    ],
  );
  const limits = resolveOptions({ disks, limits: { loginTimeoutMs: 5_000, connections: 16 } });
  t.strictSame(limits.limits, { loginTimeoutMs: 5_000, connections: 16 });
  t.strictSame(resolveOptions({ disks, isns: 'isns.example' }).isns, { host: 'isns.example', port: 3205 });
  t.ok(resolveOptions({ redirect: { to: 'x' } }), 'a target that is elsewhere needs no disk');
  t.end();
});

void t.test('every complaint of resolveOptions', t => {
  const d = (more: object): SanOptions => ({ disks: [{ name: 'd', memory: true, ...more }] });
  const cases: [unknown, string | RegExp][] = [
    [{}, 'there is nothing to serve: give at least one disk, tape or library'],
    [{ targets: [{ iqn: 'iqn.2026-01.io.x:a' }] }, /nothing to serve/],
    [{ disk: [] }, 'disk: there is no such key in the configuration (did you mean disks?)'],
    [
      { targets: [{ disks: [{ name: 'd', memory: true, sise: 1 }] }] },
      'targets[0].disks[0].sise: there is no such key in a disk (did you mean size?)',
    ],
    [
      { tapes: [{ name: 't', memory: true, block: 512 }] },
      'tapes[0].block: block is for disks: the records of a tape are as long as the initiator writes them',
    ],
    [
      { tapes: [{ name: 't', memory: true, removable: false }] },
      'tapes[0].removable: a tape is always removable; leave it out',
    ],
    [undefined, 'the configuration must be a group of keys, not nothing'],
    [null, 'the configuration must be a group of keys, not nothing'],
    ['d=memory', 'the configuration must be a group of keys, not "d=memory"'],
    [() => {}, 'the configuration must be a group of keys, not a function'],
    [{ disks: [{ memory: true }] }, 'disks[0].name: is missing'],
    [{ disks: [{ name: '', memory: true }] }, 'disks[0].name: must not be empty'],
    [{ disks: {} }, 'disks: must be a list, not a group of keys'],
    [{ disks: ['d=memory'] }, 'disks[0]: must be a group of keys (a disk), not "d=memory"'],
    [{ portals: '127.0.0.1' }, 'portals: must be a list, not "127.0.0.1"'],
    [{ chap: { user: 'u', secret: 12 } }, 'chap.secret: must be text, not 12 (put it in quotes)'],
    [{ chap: { user: 'u' } }, 'chap.secret: is missing'],
    [
      { chap: { user: 'u', secret: 's', mutual: { user: 'u', secret: 's' } }, ...d({}) },
      'chap.mutual.secret: must differ from the secret of the other direction',
    ],
    [d({ ro: 'yes' }), 'disks[0].ro: must be true or false, not "yes"'],
    [d({ block: 1024 }), 'disks[0].block: must be 512 or 4096, not 1024'],
    [d({ size: '64MB' }), 'disks[0].size: "64MB" is not a size such as 64M, 64MiB or a number of bytes'],
    [d({ size: [] }), 'disks[0].size: must be a size such as 64M, 64MiB or a number of bytes, not a list'],
    [d({ size: 0 }), 'disks[0].size: must be more than 0 bytes'],
    [d({ size: 1000 }), 'disks[0].size: 1000 bytes is no multiple of the block size, 512'],
    [d({ memory: 512, block: 4096 }), 'disks[0].memory: 512 bytes is no multiple of the block size, 4096'],
    [
      d({ memory: '1M', size: '2M' }),
      'disks[0].size: differs from the size given as memory; give one of them',
    ],
    [d({ memory: [] }), /disks\[0\]\.memory: must be true or a size, not a list/],
    [d({ path: '/x' }), 'disks[0].memory: d cannot lie in memory and in a file; leave out memory or path'],
    [d({ memory: false }), 'disks[0]: d has no medium; give it a path, or memory: true'],
    [d({ name: 'a b' }), /disks\[0\]\.name: "a b" is no name: up to 64 letters/],
    [d({ name: 'x'.repeat(65) }), /is no name/],
    [d({ lun: 16_384 }), 'disks[0].lun: must be a whole number from 0 to 16383, not 16384'],
    [d({ lun: -1 }), /from 0 to 16383, not -1/],
    [d({ lun: 'a' }), 'disks[0].lun: must be a number, not "a"'],
    [
      { disks: [{ name: 'a', memory: true, lun: 3 }], tapes: [{ name: 'b', memory: true, lun: 3 }] },
      'tapes[0].lun: LUN 3 is a already; give each unit a number of its own',
    ],
    [
      { disks: [{ name: 'a', memory: true }], tapes: [{ name: 'a', memory: true }] },
      'tapes[0].name: there is a a in this target already; name each unit differently',
    ],
    [
      {
        disks: [
          { name: 'a', path: '/x' },
          { name: 'b', path: '/x', ro: true },
        ],
      },
      'disks[1].path: /x holds a already; give b a file of its own',
    ],
    [{ iqn: 'san', ...d({}) }, /^iqn: "san" is no iSCSI name/],
    [
      { targets: [d({}), d({})] },
      'targets[1].iqn: there is a target iqn.2026-01.io.sanlet:san already; give each target an iqn of its own',
    ],
    [{ ...d({}), portals: ['a:b'] }, /^portals\[0\]: "a:b" is no portal/],
    [{ ...d({}), portals: ['a', 'a:3260'] }, 'portals[1]: a:3260 is there twice; name each portal once'],
    [{ ...d({}), portals: ['a,grup=2'] }, 'portals[0]: a portal has no option "grup" (did you mean group?)'],
    [{ ...d({}), portals: ['a,group'] }, 'portals[0]: group needs a value, ,group=…'],
    [{ ...d({}), portals: ['a,group='] }, 'portals[0]: group needs a value, ,group=…'],
    [{ ...d({}), portals: ['a,group=1,group=2'] }, 'portals[0]: group is given twice'],
    [{ ...d({}), portals: ['a,group=0'] }, 'portals[0]: a portal group is a whole number from 1 to 65535'],
    [{ ...d({}), portals: ['a,group=two'] }, /^portals\[0\]: a portal group is a whole number/],
    [{ ...d({}), portals: ['a,advertise=::1'] }, /^portals\[0\]: "::1" is no portal/],
    [{ ...d({}), portals: [{ address: 'a', group: 1.5 }] }, /^portals\[0\]\.group: a portal group is/],
    [{ ...d({}), portals: [{ address: '::1' }] }, /^portals\[0\]\.address: "::1" is no portal/],
    [{ ...d({}), portals: [{ group: 1 }] }, 'portals[0].address: is missing'],
    [
      { ...d({}), portals: [{ address: 'a', groups: 1 }] },
      'portals[0].groups: there is no such key in a portal (did you mean group?)',
    ],
    [{ ...d({}), portals: [1] }, 'portals[0]: must be text, not 1 (put it in quotes)'],
    [
      { ...d({}), groups: [] },
      'groups: is empty, so that no portal would serve the target; leave it out for all',
    ],
    [{ ...d({}), groups: [1, 2] }, 'groups[1]: there is no portal in group 2, only in 1'],
    [{ ...d({}), groups: [0] }, 'groups[0]: a portal group is a whole number from 1 to 65535'],
    [{ ...d({}), redirect: { to: 'a:0' } }, 'redirect.to: needs the port that the target has there'],
    [{ ...d({}), redirect: { to: 'a b' } }, /^redirect\.to: "a b" is no portal/],
    [{ ...d({}), isns: '::1' }, /^isns: "::1" is no portal/],
    [{ ...d({}), redirect: {} }, 'redirect.to: is missing'],
    [
      { ...d({}), limits: { conections: 1 } },
      'limits.conections: there is no such key in limits (did you mean connections?)',
    ],
    [
      { ...d({}), limits: { connections: 0 } },
      'limits.connections: must be a whole number from 1 to 4096, not 0',
    ],
    [
      { ...d({}), limits: { textBytes: 8191 } },
      'limits.textBytes: must be a whole number from 8192 to 1048576, not 8191',
    ],
    [
      { ...d({}), limits: { silenceMs: 1000.5 } },
      'limits.silenceMs: must be a whole number from 100 to 3600000, not 1000.5',
    ],
    [{ ...d({}), limits: { loginTimeoutMs: '15s' } }, 'limits.loginTimeoutMs: must be a number, not "15s"'],
    [
      { ...d({}), portals: ['a', 'b,group=2'], groups: [1], redirect: { to: 'a', groups: [2] } },
      'redirect.groups[0]: there is no portal in group 2, only in 1',
    ],
    [
      { chap: { user: 'u', secret: 's', digests: ['SHA-256'] }, ...d({}) },
      'chap.digests[0]: must be SHA3-256, SHA256, SHA1 or MD5, not "SHA-256"',
    ],
    [
      { chap: { user: 'u', secret: 's', digests: [] }, ...d({}) },
      'chap.digests: is empty, so that nobody could log in; leave it out for all',
    ],
    [{ ...d({}), advertise: '::1' }, /^advertise: "::1" is no portal/],
    [[], /^the configuration must be a group of keys|nothing to serve/],
    [{ ...d({}), state: 5 }, /state: must be text/],
    [{ disks: null }, 'disks: must be a list, not nothing'],
  ];
  for (const [options, sentence] of cases) {
    const got = said(() => resolveOptions(options as SanOptions));
    if (typeof sentence === 'string') t.equal(got, sentence);
    else t.match(got, sentence);
  }
  t.end();
});

void t.test('words of the command line', t => {
  const words = (more: Partial<ServeWords>): ServeWords => ({ portals: [], units: [], ...more });
  const mixed = resolveOptions(
    optionsOfWords(
      words({
        target: 'iqn.2026-01.io.x:t',
        portals: ['127.0.0.1:0'],
        advertise: '10.0.2.2:1',
        state: '/s',
        units: [
          { type: 'tape', spec: 't0=memory' },
          { type: 'disk', spec: 'd0=memory,size=1M' },
          { type: 'tape', spec: 't1=memory' },
          { type: 'disk', spec: 'd1=memory,lun=0' },
        ],
      }),
    ),
  );
  t.strictSame(
    mixed.targets[0]!.units.map(({ lun, name }) => `${lun} ${name}`),
    ['0 d1', '1 t0', '2 d0', '3 t1'],
    'in the order of argv, around the LUNs that are given',
  );
  t.equal(mixed.targets[0]!.iqn, 'iqn.2026-01.io.x:t');
  t.strictSame([mixed.state, mixed.advertise?.port, mixed.portals[0]?.port], ['/s', 1, 0]);

  const file: SanOptions = {
    portals: ['127.0.0.1:1'],
    targets: [
      { iqn: 'iqn.2026-01.io.x:a', disks: [{ name: 'x', memory: true, lun: 7 }] },
      { iqn: 'iqn.2026-01.io.x:b', tapes: [{ name: 'y', memory: true }] },
    ],
  };
  const lunsOf = (options: SanOptions): string[] =>
    resolveOptions(options).targets.map(
      ({ iqn, units }) => `${iqn} ${units.map(({ lun, name }) => lun + name).join(' ')}`,
    );
  const unit = { type: 'disk', spec: 'z=memory' } as const;
  t.strictSame(lunsOf(optionsOfWords(words({ units: [unit] }), file)), [
    'iqn.2026-01.io.x:a 7x 8z',
    'iqn.2026-01.io.x:b 0y',
  ]);
  t.strictSame(lunsOf(optionsOfWords(words({ target: 'iqn.2026-01.io.x:B', units: [unit] }), file)), [
    'iqn.2026-01.io.x:a 7x',
    'iqn.2026-01.io.x:b 0y 1z',
  ]);
  t.strictSame(lunsOf(optionsOfWords(words({ target: 'iqn.2026-01.io.x:c', units: [unit] }), file)), [
    'iqn.2026-01.io.x:a 7x',
    'iqn.2026-01.io.x:b 0y',
    'iqn.2026-01.io.x:c 0z',
  ]);
  t.strictSame(lunsOf(optionsOfWords(words({ units: [unit] }), { state: '/s' })), [
    'iqn.2026-01.io.sanlet:san 0z',
  ]);
  t.strictSame(lunsOf(optionsOfWords(words({ units: [unit] }), { disks: [{ name: 'a', memory: true }] })), [
    'iqn.2026-01.io.sanlet:san 0a 1z',
  ]);
  t.equal(optionsOfWords(words({ portals: ['a:2'] }), file).portals?.[0], 'a:2', 'words replace the file');

  for (const [more, base, sentence] of [
    [
      {},
      undefined,
      'there is nothing to serve: give at least one disk, tape or library, such as --disk d0=memory',
    ],
    [
      { units: [unit, { type: 'disk', spec: 'd=memory,size=6' }] },
      undefined,
      '--disk d=memory,size=6: size: 6 bytes is no multiple of the block size, 512',
    ],
    [
      { units: [unit, { type: 'tape', spec: 'z=memory' }] },
      undefined,
      /^--tape z=memory: name: there is a z/,
    ],
    [{ units: [{ type: 'disk', spec: 'x=memory' }] }, file, /^--disk x=memory: name: there is a x/],
    [{ units: [unit], portals: ['::1'] }, undefined, /^--portal ::1: /],
    [{ units: [unit], advertise: '' }, undefined, /^--advertise : |^advertise: must not be empty/],
    [{ units: [unit], advertise: 'a:b' }, undefined, /^--advertise a:b: /],
    [{ units: [unit], target: 'san' }, undefined, /^--target san: "san" is no iSCSI name/],
  ] as [Partial<ServeWords>, SanOptions | undefined, string | RegExp][]) {
    const got = said(() => optionsOfWords(words(more), base));
    if (typeof sentence === 'string') t.equal(got, sentence);
    else t.match(got, sentence);
  }
  t.end();
});

void t.test('configuration files', async t => {
  const dir = t.testdir({});
  const file = async (text: string, name = 'sanlet.yaml'): Promise<string> => {
    await writeFile(join(dir, name), text);
    return join(dir, name);
  };
  const yaml = await file(`portals: ['127.0.0.1:3260']
state: state
targets:
  - iqn: iqn.2026-01.io.x:a
    disks:
      - { name: d0, path: d0.img, size: 64M }
      - { name: d1, memory: 64MiB, lun: 5 }
    tapes:
      - name: t0
        path: /abs/t0
    chap: { user: u, secret: s }
    initiators: ['iqn.*']
`);
  t.strictSame(await readConfigFile(yaml), {
    portals: ['127.0.0.1:3260'],
    state: join(dir, 'state'),
    targets: [
      {
        iqn: 'iqn.2026-01.io.x:a',
        disks: [
          { name: 'd0', path: join(dir, 'd0.img'), size: '64M' },
          { name: 'd1', memory: '64MiB', lun: 5 },
        ],
        tapes: [{ name: 't0', path: '/abs/t0' }],
        chap: { user: 'u', secret: 's' },
        initiators: ['iqn.*'],
      },
    ],
  });
  const json = await file('{ "disks": [ { "name": "d", "memory": 1048576 } ] }', 'sanlet.json');
  t.strictSame(await readConfigFile(json), { disks: [{ name: 'd', memory: 1_048_576 }] });
  t.strictSame(
    await readConfigFile(await file('portals: [a]\n')),
    { portals: ['a'] },
    'the command line may name the disks',
  );

  const wrong: [string, RegExp][] = [
    [
      'targets:\n  - disks:\n      - name: a\n        memory: true\n        size: 12x\n',
      /sanlet\.yaml:5: targets\[0\]\.disks\[0\]\.size: "12x" is not a size/,
    ],
    [
      'targets:\n  - disks:\n      - name: a\n        memry: true\n',
      /sanlet\.yaml:4: targets\[0\]\.disks\[0\]\.memry: there is no such key in a disk \(did you mean memory\?\)/,
    ],
    [
      'targets:\n  - disks:\n      - memory: true\n',
      /sanlet\.yaml:3: targets\[0\]\.disks\[0\]\.name: is missing/,
    ],
    [
      '# a\n\nportal: [a]\n',
      /sanlet\.yaml:3: portal: there is no such key in the configuration \(did you mean portals\?\)/,
    ],
    ['portals: [a\n', /sanlet\.yaml:2: Flow sequence/],
    ['a: 1\na: 2\n', /sanlet\.yaml:2: Map keys must be unique/],
    ['', /sanlet\.yaml: the file is empty|sanlet\.yaml:1: the file is empty/],
    ['just text', /sanlet\.yaml:1: the configuration must be a group of keys/],
    [
      'disks: [{ name: a, memory: true }, { name: a, memory: true }]\n',
      /sanlet\.yaml:1: disks\[1\]\.name: there is a a/,
    ],
  ];
  for (const [text, sentence] of wrong) t.match(await saidLater(readConfigFile(await file(text))), sentence);
  t.match(
    await saidLater(
      readConfigFile(await file('{ "disks": [\n { "name": "a", "memory": true, "lun": "x" } ] }', 'b.json')),
    ),
    /b\.json:2: disks\[0\]\.lun: must be a number, not "x"/,
  );
  t.match(await saidLater(readConfigFile(join(dir, 'none.yaml'))), /none\.yaml: there is no such file/);
  t.match(await saidLater(readConfigFile(dir)), /EISDIR|directory/);
  const bomb = `a: &a [x, x]\n${Array.from({ length: 20 }, (_, i) => `b${i}: &b${i} [*${i === 0 ? 'a' : `b${i - 1}`}, *${i === 0 ? 'a' : `b${i - 1}`}]`).join('\n')}\n`;
  t.match(
    await saidLater(readConfigFile(await file(bomb))),
    /no such key|alias/i,
    'aliases that explode are refused',
  );
});

void t.test('CHAP secrets of less than 96 bits: one warning', t => {
  const lines: [object, string][] = [];
  const log = { ...silent, warn: (facts: object, message: string) => void lines.push([facts, message]) };
  const disks = [{ name: 'd', memory: true }];
  resolveOptions({
    log,
    disks,
    chap: { user: 'u', secret: 'short', mutual: { user: 'v', secret: 'long enough.' } },
    discoveryChap: { user: 'u', secret: 'elevenbytes' },
  });
  t.strictSame(lines, [
    [
      { secrets: ['iqn.2026-01.io.sanlet:san chap.secret', 'discoveryChap.secret'] },
      'CHAP secrets of less than 12 bytes can be guessed (RFC 7143 9.2.1)',
    ],
  ]);
  resolveOptions({ log, disks, chap: { user: 'u', secret: 'ä ö ü ß ' } });
  t.equal(lines.length, 1, 'bytes, not characters');
  t.end();
});

void t.test('files of media, looked at before anything is opened', async t => {
  const dir = t.testdir({ 'd.img': 'x'.repeat(8192), 'odd.img': 'x'.repeat(1000), 'empty.img': '' });
  const check = (disk: object, tape?: object): Promise<string> =>
    saidLater(
      checkMediumFiles(
        resolveOptions({
          disks: [{ name: 'd', ...disk }],
          tapes: tape === undefined ? [] : [{ name: 't', ...tape }],
        }),
      ),
    );
  const at = (name: string): string => join(dir, name);
  t.equal(await check({ path: at('d.img') }), 'no error');
  t.equal(await check({ path: at('d.img'), size: 8192 }), 'no error');
  t.equal(await check({ path: at('new.img'), size: '1M' }), 'no error');
  t.equal(await check({ memory: true }, { path: at('new.tape') }), 'no error');
  t.match(
    await check({ path: at('new.img') }),
    /^d: .*new\.img does not exist; give a size, and it will be made$/,
  );
  t.match(
    await check({ path: at('new.img'), size: '1M', ro: true }),
    /does not exist, and a read-only medium is not made/,
  );
  const sentence = `cannot be made: there is no directory ${at('none')}`;
  t.equal(
    await check({ path: join(at('none'), 'q.img'), size: '1M' }),
    `d: ${join(at('none'), 'q.img')} ${sentence}`,
  );
  t.equal(
    await check({ memory: true }, { path: join(at('none'), 'q') }),
    `t: ${join(at('none'), 'q')} ${sentence}`,
  );
  t.match(await check({ path: at('d.img'), size: 4096 }), /has 8192 bytes and not 4096; leave out size/);
  t.match(
    await check({ path: at('odd.img'), block: 4096 }),
    /has 1000 bytes, which is less than its block size, 4096/,
  );
  t.match(await check({ path: at('empty.img') }), /is empty, and a disk is not/);
  t.match(await check({ path: dir }), /is no regular file/);
  await mkdir(at('closed'));
  t.match(await check({ path: join(at('d.img'), 'x') }), /cannot be looked at/);
  await chmod(at('closed'), 0o700);
});

void t.test('tape libraries', async t => {
  t.strictSame(parseLibrarySpec('lib=/srv/shelf,drives=2,slots=20,ie=2,size=1G,lun=3'), {
    name: 'lib',
    path: '/srv/shelf',
    drives: 2,
    slots: 20,
    ie: 2,
    size: '1G',
    lun: 3,
  });
  t.strictSame(parseLibrarySpec('lib=memory'), { name: 'lib', memory: true });
  for (const [spec, sentence] of [
    ['lib', /^--library lib: a library is written NAME=DIR\[,drives=2\]/],
    ['=/d', /its name is empty; a library is written/],
    ['lib=/d,slot=2', /a library has no option "slot" \(did you mean slots\?\)/],
    ['lib=/d,ro', /a library has no option "ro"/],
    ['lib=/d,block=512', /block is for disks/],
    ['lib=/d,slots', /slots needs a value/],
    ['lib=/d,slots=many', /slots must be a number, not "many"/],
    ['lib=/d,ie=1,ie=2', /ie is given twice/],
  ] as const) {
    t.match(
      said(() => parseLibrarySpec(spec)),
      sentence,
      spec,
    );
  }

  const library = { name: 'lib', path: '/srv/shelf' };
  const unitsOf = (options: SanOptions): string[] =>
    resolveOptions(options).targets[0]!.units.map(({ lun, type, name }) => `${lun} ${type} ${name}`);
  t.strictSame(
    unitsOf({ libraries: [library] }),
    ['0 tape lib-d0', '1 changer lib'],
    'one drive unless told',
  );
  t.match(resolveOptions({ libraries: [library] }).targets[0]!.libraries, [{ slots: 10, importExports: 0 }]);
  t.strictSame(
    unitsOf({
      disks: [{ name: 'd', memory: true, lun: 1 }],
      tapes: [{ name: 't', memory: true }],
      libraries: [
        { ...library, drives: 2 },
        { name: 'two', memory: true, lun: 7 },
      ],
    }),
    [
      '0 tape t',
      '1 disk d',
      '2 tape lib-d0',
      '3 tape lib-d1',
      '4 changer lib',
      '7 tape two-d0',
      '8 changer two',
    ],
    'drives and then the changer',
  );
  t.strictSame(
    unitsOf({ disks: [{ name: 'd', memory: true, lun: 2 }], libraries: [{ ...library, drives: 2 }] }),
    ['2 disk d', '3 tape lib-d0', '4 tape lib-d1', '5 changer lib'],
    'its LUNs lie together',
  );
  const [mapped] = resolveOptions({
    libraries: [{ ...library, drives: 2 }],
    access: [{ luns: ['lib', { name: 'lib-d1', ro: true }] }],
  }).targets;
  t.strictSame(
    [...mapped!.access[0]!.luns!.values()].map(({ name }) => name),
    ['lib', 'lib-d1'],
  );

  const words = (...units: ServeWords['units']): ServeWords => ({ portals: [], units });
  t.strictSame(
    unitsOf(
      optionsOfWords(
        words(
          { type: 'disk', spec: 'a=memory' },
          { type: 'library', spec: 'lib=/srv/shelf,drives=2' },
          { type: 'tape', spec: 't=memory' },
          { type: 'disk', spec: 'b=memory,lun=5' },
          { type: 'library', spec: 'two=memory' },
        ),
      ),
    ),
    [
      '0 disk a',
      '1 tape lib-d0',
      '2 tape lib-d1',
      '3 changer lib',
      '4 tape t',
      '5 disk b',
      '6 tape two-d0',
      '7 changer two',
    ],
    'in argv it takes its place among the other words',
  );
  t.strictSame(
    unitsOf(
      optionsOfWords(words({ type: 'disk', spec: 'z=memory' }), { libraries: [{ ...library, drives: 2 }] }),
    ),
    ['0 tape lib-d0', '1 tape lib-d1', '2 changer lib', '3 disk z'],
    'behind the library of a file',
  );

  const wrong = (more: object, options: SanOptions = {}): string =>
    said(() => resolveOptions({ ...options, libraries: [{ ...library, ...more }] }));
  for (const [more, options, sentence] of [
    [{ drives: 0 }, {}, 'libraries[0].drives: must be a whole number from 1 to 128, not 0'],
    [{ drives: 1.5 }, {}, 'libraries[0].drives: must be a whole number from 1 to 128, not 1.5'],
    [{ slots: 10_001 }, {}, 'libraries[0].slots: must be a whole number from 1 to 10000, not 10001'],
    [{ ie: 257 }, {}, 'libraries[0].ie: must be a whole number from 0 to 256, not 257'],
    [{ slots: '20' }, {}, 'libraries[0].slots: must be a number, not "20"'],
    [{ drive: '2' }, {}, /^libraries\[0\]\.drive: there is no drive "2" \(known: LTO, /],
    [{ size: 'big' }, {}, /^libraries\[0\]\.size: "big" is not/],
    [
      { memory: true },
      {},
      'libraries[0].memory: lib cannot lie in memory and in a directory; leave out memory or path',
    ],
    [{ path: undefined }, {}, 'libraries[0]: lib has no shelf; give it a path, or memory: true'],
    [{ name: '' }, {}, 'libraries[0].name: must not be empty'],
    [{ name: '-' }, {}, /^libraries\[0\]\.name: "-" is no name/],
    [{ slot: 3 }, {}, 'libraries[0].slot: there is no such key in a library (did you mean slots?)'],
    [{ block: 512 }, {}, /^libraries\[0\]\.block: block is for disks/],
    [{ lun: 16_383 }, {}, 'libraries[0].lun: must be a whole number from 0 to 16382, not 16383'],
    [
      { lun: 1 },
      { disks: [{ name: 'd', memory: true, lun: 2 }] },
      'libraries[0].lun: LUN 2 is d already; give each unit a number of its own',
    ],
    [
      {},
      { disks: [{ name: 'lib', memory: true }] },
      'libraries[0].name: there is a lib in this target already; name each unit differently',
    ],
    [
      {},
      { tapes: [{ name: 'lib-d0', memory: true }] },
      'libraries[0].name: there is a lib-d0 in this target already; name each unit differently',
    ],
    [
      { path: '/srv/d' },
      { tapes: [{ name: 't', path: '/srv/d' }] },
      'libraries[0].path: /srv/d holds t already; give lib a file of its own',
    ],
  ] as [object, SanOptions, string | RegExp][]) {
    const got = wrong(more, options);
    if (typeof sentence === 'string') t.equal(got, sentence);
    else t.match(got, sentence);
  }
  const inWords = (spec: string): string => said(() => optionsOfWords(words({ type: 'library', spec })));
  t.equal(
    inWords('lib=/d,drives=0'),
    '--library lib=/d,drives=0: drives: must be a whole number from 1 to 128, not 0',
  );
  t.equal(
    inWords('lib=/d,ie=300'),
    '--library lib=/d,ie=300: ie: must be a whole number from 0 to 256, not 300',
  );

  const dir = t.testdir({ file: 'x', shelf: {} });
  const check = (path: string): Promise<string> =>
    saidLater(checkMediumFiles(resolveOptions({ libraries: [{ name: 'lib', path: join(dir, path) }] })));
  t.equal(await check('shelf'), 'no error');
  t.equal(await check('new'), 'no error', 'it will be made');
  t.match(await check('file'), /^lib: .*file is no directory, and a library has its cartridges in one$/);
  t.match(await check('none/new'), /cannot be made: there is no directory/);
});

void t.test('rules of access', t => {
  const units: SanOptions = {
    disks: [
      { name: 'd0', memory: '1M', physical: 512 },
      { name: 'd1', memory: '1M', lun: 500, thin: '512K' },
    ],
    tapes: [{ name: 't0', memory: true }],
  };
  const web = { user: 'web', secret: 'the secret of web' };
  const admin = { user: 'admin', secret: 'the secret of admin', mutual: { user: 'san', secret: 'ours' } };
  const [target] = resolveOptions({
    ...units,
    chap: admin,
    access: [
      { initiators: ['IQN.2026-01.test:*'], chap: web, luns: ['d1', { name: 't0', ro: true }] },
      { user: 'admin', luns: { 300: 'd0', 2: { name: 'd1' } } },
      {},
    ],
  }).targets;
  t.strictSame(target!.access, [
    {
      initiators: ['iqn.2026-01.test:*'],
      chap: web,
      luns: new Map([
        [0, { name: 'd1', readOnly: false }],
        [1, { name: 't0', readOnly: true }],
      ]),
    },
    {
      chap: admin,
      luns: new Map([
        [2, { name: 'd1', readOnly: false }],
        [300, { name: 'd0', readOnly: false }],
      ]),
    },
    { chap: admin },
  ]);
  t.match(target!.units, [
    { name: 'd0', physicalBlockSize: 512 },
    { name: 't0', lun: 1 },
    { name: 'd1', lun: 500, thinBytes: 512 * KIB },
  ]);
  t.strictSame(resolveOptions({ ...units, initiators: ['a*'], chap: web }).targets[0]!.access, [
    { initiators: ['a*'], chap: web },
  ]);
  const rule = (access: unknown, more: object = {}): string =>
    said(() => resolveOptions({ ...units, ...more, access: [access] } as SanOptions));
  for (const [sentence, access, more] of [
    ['access[0].luns[0]: there is no unit "d2" in this target (did you mean d0?)', { luns: ['d2'] }],
    [
      'access[0].luns[1]: d0 stands at LUN 0 of this rule already; show each unit once',
      { luns: ['d0', 'd0'] },
    ],
    ['access[0].luns.x: a LUN is a whole number from 0 to 16383, not "x"', { luns: { x: 'd0' } }],
    ['access[0].luns.16384: a LUN is a whole number from 0 to 16383, not "16384"', { luns: { 16384: 'd0' } }],
    ['access[0].luns.01: LUN 1 is there twice; name each LUN once', { luns: { 1: 'd0', '01': 'd1' } }],
    ['access[0].luns[0]: must be the name of a unit, not 7', { luns: [7] }],
    [
      'access[0].luns[0].or: there is no such key in a LUN of a rule (did you mean ro?)',
      { luns: [{ name: 'd0', or: true }] },
    ],
    ['access[0].luns: must be a list of unit names, or a group of them by LUN, not "d0"', { luns: 'd0' }],
    ['access[0].usr: there is no such key in a rule of access (did you mean user?)', { usr: 'x' }],
    [
      'access[0].user: there is no secret of "x" in this target; give chap with user and secret instead',
      { user: 'x' },
    ],
    [
      'access[0].user: there is no secret of "wep" in this target (did you mean web?)',
      { user: 'wep' },
      { chap: web },
    ],
    ['access[0].user: is said by chap already; leave out user or chap', { user: 'web', chap: web }],
    [
      'access[0].chap.user: web has other secrets elsewhere in this target; say them once, and user: web in the other rules',
      { chap: { ...web, secret: 'x' } },
      { chap: web },
    ],
    [
      'access[0].chap.mutual.secret: must differ from the secret of the other direction',
      { chap: { ...web, mutual: web } },
    ],
    ['initiators: stands in the rules of access where there are some', {}, { initiators: ['a'] }],
  ] as [string, unknown, object?][]) {
    t.equal(rule(access, more), sentence);
  }
  t.match(
    said(() => resolveOptions({ ...units, access: [] })),
    /^access: has no rule, so that nobody could log in/,
  );
  t.equal(
    said(() => resolveOptions({ disks: [{ name: 'd', memory: '1M', block: 4096, physical: 512 }] })),
    'disks[0].physical: is no less than the block size, 4096',
  );
  t.strictSame(parseDiskSpec('d=/x,thin=5G,physical=512,lun=16383'), {
    name: 'd',
    path: '/x',
    thin: '5G',
    physical: 512,
    lun: 16383,
  });
  t.match(
    said(() => parseDiskSpec('d=/x,physical=1024')),
    /physical must be 512 or 4096, not 1024/,
  );
  t.match(
    said(() => parseTapeSpec('t=/x,thin=1G')),
    /thin is for disks/,
  );
  t.end();
});

void t.test('the configuration of docs/serving.md is what it says it is', async t => {
  const page = await readFile('docs/serving.md', 'utf8');
  const yaml = /```yaml\n([^]*?)```/.exec(page)![1]!;
  const path = join(t.testdir({ 'sanlet.yaml': yaml }), 'sanlet.yaml');
  const { targets, portals } = resolveOptions(await readConfigFile(path));
  t.equal(portals.length, 2);
  t.match(targets[0], {
    units: [
      { lun: 0, name: 'd0', thinBytes: 5 * KIB * MIB },
      { lun: 1, name: 'scratch' },
      { lun: 2, name: 't0' },
      { lun: 10, name: 'lib-d0', drive: 'ULT3580-TD8' },
      { lun: 11, name: 'lib-d1' },
      { lun: 12, type: 'changer', name: 'lib' },
      { lun: 300, name: 'gold' },
    ],
    libraries: [{ name: 'lib', slots: 20, importExports: 2 }],
    access: [
      {
        chap: { user: 'web' },
        luns: new Map([
          [0, { name: 'scratch' }],
          [1, { name: 'gold', readOnly: true }],
        ]),
      },
      {
        chap: { user: 'admin' },
        luns: new Map([
          [0, { name: 'd0' }],
          [1, { name: 't0' }],
        ]),
      },
      { chap: { user: 'admin' } },
    ],
  });
  t.match(targets[1], { redirect: { permanent: true } });
});

void t.test('options for what is served already keep its LUNs', t => {
  const served = resolveOptions({
    disks: [
      { name: 'a', memory: '1M' },
      { name: 'b', memory: '1M' },
    ],
    targets: [{ iqn: 'iqn.2026-01.io.x:b', disks: [{ name: 'a', memory: '1M', lun: 9 }] }],
  });
  const next = keepingLuns(
    {
      disks: [
        { name: 'new', memory: '1M' },
        { name: 'b', memory: '1M' },
      ],
      targets: [{ iqn: 'IQN.2026-01.io.x:b', disks: [{ name: 'a', memory: '1M' }] }],
    },
    served,
  );
  t.strictSame(
    resolveOptions(next).targets.map(({ units }) => units.map(({ lun, name }) => [lun, name])),
    [
      [
        [0, 'new'],
        [1, 'b'],
      ],
      [[9, 'a']],
    ],
  );
  const words: ServeWords = { portals: [], units: [{ type: 'disk', spec: 'w=memory' }] };
  const file: SanOptions = {
    disks: [
      { name: 'f', memory: '1M' },
      { name: 'g', memory: '1M' },
    ],
  };
  const kept = new Map([['iqn.2026-01.io.sanlet:san', new Map([['w', 1]])]]);
  t.equal(optionsOfWords(words, file).disks?.at(-1)?.lun, 2);
  t.equal(optionsOfWords(words, file, kept).disks?.at(-1)?.lun, 1, 'where it has been served');
  t.end();
});

void t.test('suggestions', t => {
  t.equal(nearest('sise', ['size', 'block']), 'size');
  t.equal(nearest('serv', ['serve', 'demo']), 'serve');
  t.equal(nearest('xyz', ['size', 'block']), undefined);
  t.end();
});
