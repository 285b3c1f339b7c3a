import type { Log } from '../log.ts';

/** What a San is made of, as people write it: in the API, and without `log` in the configuration file. */
export interface SanOptions extends TargetOptions {
  /**
   * Where to listen: `HOST:PORT`, port 0 for a free one; `HOST:PORT,group=2` in another portal group than 1. Default:
   * 127.0.0.1 and port 3260.
   */
  portals?: (string | PortalOptions)[];
  /** What SendTargets answers instead of the address that the connection came in by; without a port, the portal's own. */
  advertise?: string;
  /** Directory for what must survive a restart and does not lie in the media. */
  state?: string;
  /** More targets. Each is an address space of its own: a copy sent to one names no LUN of another. */
  targets?: TargetOptions[];
  /** What a discovery session must know. */
  discoveryChap?: ChapOptions;
  limits?: LimitOptions;
  /** iSNS server to register with: `HOST` or `HOST:PORT`. */
  isns?: string;
  log?: Log;
}

export interface PortalOptions {
  /** `HOST:PORT` */
  address: string;
  /** Portal group tag: each group is a target port of every target that it serves. Default 1. */
  group?: number;
  /** What SendTargets answers for this portal; without a port, its own. */
  advertise?: string;
}

/** What peers may take up, and for how long. */
export interface LimitOptions {
  /** Connections in all. Default 1024. */
  connections?: number;
  /** Connections from one address that have not logged in. Default 256. */
  connectionsBeforeLogin?: number;
  /** Default 512. */
  sessionsPerInitiator?: number;
  /** A login takes no longer. Default 15 s. */
  loginTimeoutMs?: number;
  /** A login has no more requests. Default 48. */
  loginRequests?: number;
  /** A text of login or SendTargets is no longer, in all its PDUs. Default 64 KiB. */
  textBytes?: number;
  /** A peer that is silent for so long is pinged, and dropped when it stays silent as long again. Default 35 s. */
  silenceMs?: number;
  /** A peer that takes nothing of what it is sent for so long is dropped. Default 60 s. */
  stuckMs?: number;
  /** So is one that does not send the data of a write. Default 60 s. */
  dataOutTimeoutMs?: number;
}

/** Logins are sent elsewhere. */
export interface RedirectOptions {
  /** `HOST:PORT` of the portal that serves the target. */
  to: string;
  /** For good, so that initiators may remember it. Default: for the time being. */
  permanent?: boolean;
  /** Only logins that come in by these portal groups. Default: all. */
  groups?: number[];
}

export interface TargetOptions {
  /** Default: iqn.2026-01.io.sanlet:san */
  iqn?: string;
  disks?: DiskOptions[];
  tapes?: TapeOptions[];
  /** Tape libraries: drives, a changer, and a shelf of cartridges. */
  libraries?: LibraryOptions[];
  /** Portal groups that serve it. Default: all. */
  groups?: number[];
  redirect?: RedirectOptions;
  /** What every initiator must know; with `access`, those whose rule says nothing else. */
  chap?: ChapOptions;
  /** Names of the initiators that may log in, `*` standing for any characters. Default: all. */
  initiators?: string[];
  /** Rules of who may log in and what they see; the first one that fits an initiator holds. Default: all see all. */
  access?: AccessOptions[];
}

/** A rule of access. It fits an initiator by its name, and by what it proves with CHAP where the rule asks for that. */
export interface AccessOptions {
  /** Names of initiators, `*` standing for any characters. Default: all. */
  initiators?: string[];
  /** What they must know. */
  chap?: ChapOptions;
  /** The same by the name of a user whose `chap` stands in another rule or at the target. */
  user?: string;
  /** What they see: unit names from LUN 0 on, or by LUN. Default: every unit at its own LUN. */
  luns?: (string | MappedUnit)[] | Record<number, string | MappedUnit>;
}

export interface MappedUnit {
  name: string;
  /** They may not write it. */
  ro?: boolean;
}

export interface DiskOptions {
  /** Letters, digits, `.`, `_` and `-`. The identity of the unit comes from it: keep it, and the disk stays the same one. */
  name: string;
  /** The file that holds it. */
  path?: string;
  /** In memory instead, gone when the process ends; `true` for 64 MiB, or its size. */
  memory?: boolean | string | number;
  /** `64M`, `64MiB` or bytes. A file that does not exist is made this large; one that does has its own size. */
  size?: string | number;
  /** Logical block length. Default 512. */
  block?: 512 | 4096;
  /** Physical block length, which initiators align to. Default 4096: with `block` 512 the disk is a 512e one. */
  physical?: 512 | 4096;
  /** Most bytes of it that may be in use; beyond it writes find no space, as on a thin disk whose pool is full. Default: all. */
  thin?: string | number;
  /** Read only. */
  ro?: boolean;
  /** A removable medium, which initiators may eject. */
  removable?: boolean;
  /** Default: the lowest free one, disks first. */
  lun?: number;
}

export interface TapeOptions {
  name: string;
  /** The cartridge: a file, made when it does not exist. */
  path?: string;
  /** In memory instead; `true` for no limit, or its capacity. */
  memory?: boolean | string | number;
  /** Capacity of the cartridge. Default: no limit. */
  size?: string | number;
  /** Write protected. */
  ro?: boolean;
  /** Every tape is: it may be said, and not denied. */
  removable?: boolean;
  /** Which drive it is taken for: `ULT3580-TD6`, `ULT3580-TD7`, `ULT3580-TD8`. Default: `LTO`, of no particular make. */
  drive?: string;
  lun?: number;
}

export interface LibraryOptions {
  /** The changer has this name, its drives have it with `-d0`, `-d1` and so on behind it. */
  name: string;
  /** The directory of its cartridges, one file each; made, and filled with blank ones, when there is nothing in it. */
  path?: string;
  /** Cartridges in memory instead, gone when the process ends. */
  memory?: boolean;
  /** Default 1. */
  drives?: number;
  /** Default 10. */
  slots?: number;
  /** Import/export slots. Default 0. */
  ie?: number;
  /** Which drives they are taken for, as for a tape; new cartridges are of their generation. */
  drive?: string;
  /** Capacity of cartridges that are made for it. Default: that of their type, 2.5 TB for LTO-6; in memory 4 GiB. */
  size?: string | number;
  /** Of the first drive; the other drives and the changer follow. Default: the lowest free ones, behind disks and tapes. */
  lun?: number;
}

export interface ChapOptions {
  user: string;
  secret: string;
  /** What the target proves itself with to the initiator. */
  mutual?: { user: string; secret: string };
  /** Digests that may be used; the initiator's list says which of them is. Default: all. */
  digests?: ChapDigestName[];
}

export type ChapDigestName = 'SHA3-256' | 'SHA256' | 'SHA1' | 'MD5';

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface ResolvedPortal extends Endpoint {
  readonly group: number;
  /** Port 0 stands for its own port. */
  readonly advertise?: Endpoint;
}

export interface ResolvedRedirect {
  readonly to: Endpoint;
  readonly permanent: boolean;
  readonly groups: readonly number[];
}

/** The same, checked and with every default in its place. */
export interface ResolvedSan {
  readonly portals: readonly ResolvedPortal[];
  /** Port 0 stands for the port of the portal. */
  readonly advertise: Endpoint | undefined;
  readonly state: string | undefined;
  readonly targets: readonly ResolvedTarget[];
  readonly discoveryChap: ChapOptions | undefined;
  readonly isns: Endpoint | undefined;
  /** As they are set; absent ones have their defaults. */
  readonly limits: LimitOptions;
}

export interface ResolvedTarget {
  readonly iqn: string;
  /** Portal groups that serve it, ascending. */
  readonly groups: readonly number[];
  readonly redirect: ResolvedRedirect | undefined;
  /** By LUN, ascending. */
  readonly units: readonly ResolvedUnit[];
  /** Their drives and changers are among the units. */
  readonly libraries: readonly ResolvedLibrary[];
  /** At least one; the first that fits holds. */
  readonly access: readonly ResolvedRule[];
}

export interface ResolvedRule {
  /** Absent: all initiators. */
  readonly initiators?: readonly string[];
  /** Absent: nothing is asked of them. */
  readonly chap?: ChapOptions;
  /** Absent: every unit at its own LUN. */
  readonly luns?: ReadonlyMap<number, ResolvedMapping>;
}

export interface ResolvedMapping {
  readonly name: string;
  readonly readOnly: boolean;
}

export interface ResolvedUnit {
  readonly lun: number;
  readonly type: 'disk' | 'tape' | 'changer';
  readonly name: string;
  /** Absent: in memory. */
  readonly path: string | undefined;
  /** A disk's size, or undefined for a file that has its own; a tape's capacity, or undefined for no limit. */
  readonly bytes: number | undefined;
  /** 0 for a tape. */
  readonly blockSize: number;
  readonly physicalBlockSize: number;
  /** Most bytes of a disk that may be in use; undefined for all. */
  readonly thinBytes: number | undefined;
  readonly readOnly: boolean;
  readonly removable: boolean;
  /** Which drive a tape is taken for; undefined for a disk. */
  readonly drive: string | undefined;
  /** The library that it belongs to; it has no medium of its own then. */
  readonly library?: string;
}

export interface ResolvedLibrary {
  readonly name: string;
  /** Absent: in memory. */
  readonly path: string | undefined;
  /** Capacity of cartridges that are made for it; undefined for that of their type. */
  readonly bytes: number | undefined;
  /** Which drives they are taken for. */
  readonly drive: string;
  readonly slots: number;
  readonly importExports: number;
  readonly drives: readonly ResolvedUnit[];
  readonly changer: ResolvedUnit;
}
