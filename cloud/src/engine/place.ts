/**
 * Places in the journal by which it is known again. After a rollback the same sequence holds another
 * message; where the newest place no longer is what it was, an older one may be, and everything up
 * to that was not touched.
 *
 *   R1  Places are kept at growing distances: a rollback of any length costs reading some four times
 *       what was lost, and 16 places reach back over millions of messages.
 *   R2  The newest place that is found again stands for everything before it.
 */

/** What tells one message from another at the same sequence. */
export interface MessageIdentity {
  readonly subject: string;
  readonly nonce: string | undefined;
}

export interface Place {
  readonly sequence: number;
  readonly identity: MessageIdentity;
}

/** A rollback of a few messages may cost reading so many. */
const nearestMax = 64;
const distanceFactor = 4;
const placesMax = 16;

/** R1. `places` with `newest` put first; those beyond it are dropped. */
export function withPlace(places: readonly Place[], newest: Place): readonly Place[] {
  const older = places.filter(({ sequence }) => sequence < newest.sequence);
  const distanceOf = ({ sequence }: Place) => newest.sequence - sequence;
  const kept = [newest];
  for (const [index, place] of older.entries()) {
    const [newer, next] = [kept.at(-1), older[index + 1]];
    // What holds when a place is dropped holds for ever: both distances grow by the same.
    const isSpare =
      newer !== undefined &&
      next !== undefined &&
      distanceOf(next) <= distanceFactor * distanceOf(newer) + nearestMax;
    if (!isSpare) kept.push(place);
  }
  return kept.slice(0, placesMax);
}

/** The places of several checkpoints of one journal, the newest first. */
export function joinPlaces(lists: readonly (readonly Place[])[]): readonly Place[] {
  const bySequence = new Map(lists.flat().map((place) => [place.sequence, place]));
  const ascending = [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
  return ascending.reduce<readonly Place[]>(withPlace, []);
}

/** R2. Undefined where none is found. */
export async function newestFound(
  places: readonly Place[],
  messageAt: (sequence: number) => Promise<MessageIdentity | undefined>,
): Promise<Place | undefined> {
  for (const place of [...places].sort((a, b) => b.sequence - a.sequence)) {
    if (isSame(await messageAt(place.sequence), place.identity)) return place;
  }
  return undefined;
}

export function isSame(found: MessageIdentity | undefined, identity: MessageIdentity): boolean {
  return found?.subject === identity.subject && found.nonce === identity.nonce;
}
