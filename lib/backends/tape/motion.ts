import type { SpaceOutcome, SpaceStop, TapePosition } from '../tape-medium.ts';
import type { ObjectIndex } from './object-index.ts';

/** Where a motion ends, and what it says. */
export interface Motion {
  readonly to: TapePosition;
  readonly outcome: SpaceOutcome;
}

const motion = (object: number, file: number, moved: number, stop: SpaceStop): Motion => ({
  to: { partition: 0, object, file },
  outcome: { moved, stop },
});

/** Over records; stopped by a filemark on its far side, seen in the direction of the motion (SSC-4 7.9). */
export function overRecords(index: ObjectIndex, { object, file }: TapePosition, count: number): Motion {
  return count < 0 ? backOverRecords(index, object, file, -count) : onOverRecords(index, object, file, count);
}

function onOverRecords(index: ObjectIndex, object: number, file: number, count: number): Motion {
  const filemark = index.filemark(file);
  const there = Math.min(filemark, index.objects) - object;
  if (count <= there) return motion(object + count, file, count, 'none');
  if (filemark === Infinity) return motion(index.objects, file, there, 'end-of-data');
  return motion(filemark + 1, file + 1, there, 'filemark');
}

function backOverRecords(index: ObjectIndex, object: number, file: number, count: number): Motion {
  const filemark = file === 0 ? -1 : index.filemark(file - 1);
  const there = object - (filemark + 1);
  if (count <= there) return motion(object - count, file, count, 'none');
  if (file === 0) return motion(0, 0, there, 'beginning');
  return motion(filemark, file - 1, there, 'filemark');
}

/** Over filemarks; ends on the far side of the last one, seen in the direction of the motion. */
export function overFilemarks(index: ObjectIndex, { object, file }: TapePosition, count: number): Motion {
  if (count === 0) return motion(object, file, 0, 'none');
  const target = file + count;
  if (target > index.filemarks)
    return motion(index.objects, index.filemarks, index.filemarks - file, 'end-of-data');
  if (target < 0) return motion(0, 0, file, 'beginning');
  return motion(
    index.filemark(count > 0 ? target - 1 : target) + (count > 0 ? 1 : 0),
    target,
    Math.abs(count),
    'none',
  );
}

/** The place of a logical object number, or end of data when there are fewer. */
export function placeOf(index: ObjectIndex, object: number): TapePosition {
  const there = Math.min(object, index.objects);
  return { partition: 0, object: there, file: index.filemarksBefore(there) };
}
