import type { MaybePromise } from '../../bytes/maybe-promise.ts';
import { after } from '../after.ts';
import type { SpaceOutcome, SpaceStop } from '../tape-medium.ts';
import type { ObjectIndex } from './object-index.ts';
import type { Place } from './tape-log.ts';

/** Where a motion ends, and what it says. */
export interface Motion {
  readonly to: Place;
  readonly outcome: SpaceOutcome;
}

const motion = (index: ObjectIndex, object: number, moved: number, stop: SpaceStop): MaybePromise<Motion> =>
  after(index.place(object), to => ({ to, outcome: { moved, stop } }));

/** Over records; stopped by a filemark on its far side, seen in the direction of the motion (SSC-4 7.9). */
export const overRecords = (index: ObjectIndex, from: Place, count: number): MaybePromise<Motion> =>
  count < 0 ? backOverRecords(index, from, -count) : onOverRecords(index, from, count);

function onOverRecords(index: ObjectIndex, { object, file }: Place, count: number): MaybePromise<Motion> {
  return after(index.filemark(file), filemark => {
    const there = Math.min(filemark, index.objects) - object;
    if (count <= there) return motion(index, object + count, count, 'none');
    if (filemark === Infinity) return motion(index, index.objects, there, 'end-of-data');
    return motion(index, filemark + 1, there, 'filemark');
  });
}

function backOverRecords(index: ObjectIndex, { object, file }: Place, count: number): MaybePromise<Motion> {
  return after(file === 0 ? -1 : index.filemark(file - 1), filemark => {
    const there = object - (filemark + 1);
    if (count <= there) return motion(index, object - count, count, 'none');
    if (file === 0) return motion(index, 0, there, 'beginning');
    return motion(index, filemark, there, 'filemark');
  });
}

/** Over filemarks; ends on the far side of the last one, seen in the direction of the motion. */
export function overFilemarks(index: ObjectIndex, from: Place, count: number): MaybePromise<Motion> {
  const { file } = from;
  if (count === 0) return { to: from, outcome: { moved: 0, stop: 'none' } };
  const target = file + count;
  if (target > index.filemarks) return motion(index, index.objects, index.filemarks - file, 'end-of-data');
  if (target < 0) return motion(index, 0, file, 'beginning');
  return after(index.filemark(count > 0 ? target - 1 : target), filemark =>
    motion(index, filemark + (count > 0 ? 1 : 0), Math.abs(count), 'none'),
  );
}

/** To the object of a number, or to end of data when there are fewer. */
export const toObject = (index: ObjectIndex, object: number): MaybePromise<Place> =>
  index.place(Math.min(object, index.objects));
