import type { Nexus } from './nexus.ts';

/** What goes on for a nexus when its command has ended: a background copy. A reset of the unit stops it. */
export interface BackgroundWork {
  readonly nexus: Nexus;
  /** `done` when it has stopped. */
  stop(done: () => void): void;
}

/** What goes on at one unit. */
export class BackgroundWorks extends Set<BackgroundWork> {
  /** Stops what `which` picks; `done` when it has stopped. */
  stop(which: (work: BackgroundWork) => boolean, done: () => void): void {
    const picked = [...this].filter(which);
    let left = picked.length;
    if (left === 0) done();
    for (const work of picked) {
      work.stop(() => {
        if (--left === 0) done();
      });
    }
  }
}
