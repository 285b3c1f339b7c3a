import type { TapeShelf } from '../../backends/tape-shelf.ts';
import type { Log } from '../../log.ts';
import type { UnitState } from '../../state/unit-state.ts';
import type { Identity } from '../identity.ts';
import { DeviceType, LogicalUnit } from '../logical-unit.ts';
import type { Nexus } from '../nexus.ts';
import { notReady } from '../sense.ts';
import { ModePages } from '../spc/mode-pages.ts';
import { RemovalPrevention } from '../spc/removal-prevention.ts';
import { addPages } from '../spc/vpd.ts';
import type { TapeUnit } from '../ssc/tape-unit.ts';
import { Attention } from '../unit-attention.ts';
import { addChangerCommands, changerPages } from './changer-commands.ts';
import { type Element, Elements, ElementType } from './element.ts';
import { Inventory, type Move } from './inventory.ts';
import { changerModePages } from './mode-pages.ts';
import { Robot } from './robot.ts';
import type { Translation } from './volume-tag.ts';

export interface ChangerOptions {
  readonly identity: Identity;
  /** Empty; what lies in them is loaded by `begin`. */
  readonly drives: readonly TapeUnit[];
  readonly slots: number;
  readonly importExports: number;
  /** Closed with the changer. */
  readonly shelf: TapeShelf;
  readonly log?: Log;
  readonly state?: UnitState | undefined;
}

/** LOGICAL UNIT IS IN PROCESS OF BECOMING READY. */
const BECOMING_READY = 0x0401;

/** A media changer: a robot, its elements, and what it tells of them. */
export class ChangerUnit extends LogicalUnit {
  readonly deviceType = DeviceType.CHANGER;
  readonly removable = true;
  readonly grain = 0;
  readonly modePages: ModePages;
  readonly elements: Elements;
  readonly inventory: Inventory;
  /** Holds the import/export station shut. */
  readonly removal = new RemovalPrevention();
  /** The import/export station is open, so that the robot has no access to its elements. */
  stationOpen = false;
  /** Moves and exchanges, and openings of the station, since the start. */
  readonly counters = { moves: 0, openings: 0 };
  /** What each nexus has asked for with SEND VOLUME TAG, by its id. */
  readonly translations = new Map<string, Translation>();
  readonly #robot: Robot;
  #scanning = false;

  constructor(of: ChangerOptions) {
    super(of.identity, of.log, of.state);
    const { drives, slots, importExports } = of;
    this.elements = new Elements({ drives, slots, importExports });
    this.inventory = new Inventory(this.elements, of.shelf, this.log);
    this.#robot = new Robot(this.inventory, this.log);
    this.modePages = new ModePages(changerModePages(this.elements), undefined, this.state);
    addChangerCommands(this);
    addPages(this, ...changerPages);
  }

  /** Finds what is there and loads the drives. Before it is served. */
  async begin(): Promise<void> {
    await this.inventory.begin();
    await this.#robot.load(this.elements.of(ElementType.DATA_TRANSFER));
  }

  /** It needs no medium, and is ready but while it looks at what there is: what would move something waits for that. */
  requireMedium(): void {
    if (this.#scanning) throw notReady(BECOMING_READY);
  }

  get writeProtected(): boolean {
    return this.protection;
  }

  async carry(moves: readonly Move[], aborted: () => boolean = () => false): Promise<void> {
    await this.#robot.carry(moves, aborted);
    this.counters.moves++;
  }

  /** Looks at everything anew, and tells initiators but `by` of what a person has changed. */
  async scan(by?: Nexus): Promise<void> {
    this.#scanning = true;
    try {
      this.tellOf(await this.inventory.scan(), by);
    } finally {
      this.#scanning = false;
    }
  }

  /** Initiators are told that a person was at these elements. */
  tellOf(changed: ReadonlySet<Element>, by?: Nexus): void {
    const stations = [...changed].filter(({ type }) => type === ElementType.IMPORT_EXPORT);
    if (stations.length > 0) this.attention(Attention.IMPORT_EXPORT_ACCESSED, by);
    if (changed.size > stations.length) this.attention(Attention.MEDIUM_MAY_HAVE_CHANGED, by);
  }

  /** The robot may reach it. */
  accessible({ type, drive }: Element): boolean {
    if (type === ElementType.IMPORT_EXPORT) return !this.stationOpen;
    return drive?.removal.prevented !== true;
  }

  override detach(nexus: Nexus): void {
    super.detach(nexus);
    this.removal.forget(nexus);
    this.translations.delete(nexus.id);
  }

  protected override onReset(): void {
    super.onReset();
    this.removal.reset();
    this.translations.clear();
  }

  async close(): Promise<void> {
    await this.state?.close();
    // What is in the drives lies on the shelf, too.
    for (const { drive } of this.elements.all) await drive?.close();
    await this.inventory.shelf.close();
  }
}

export const changer = (of: ChangerOptions): ChangerUnit => new ChangerUnit(of);
