/**
 * Who holds the journal, and where. A place counts only where the journal still has its message:
 * after a rollback the same sequence is another message, and what its holder needs lies before it.
 */
import type { Checkpoint } from "../engine/checkpoint.ts";
import type { Place } from "../engine/place.ts";
import { isSame } from "../engine/place.ts";
import type { Hold } from "./floor.ts";
import type { JournalSession } from "./journal-session.ts";
import type { StoredReader } from "./reader-store.ts";

export async function holdsOf(
  session: JournalSession,
  checkpoints: ReadonlyMap<number, Checkpoint>,
  readers: readonly StoredReader[],
): Promise<readonly Hold[]> {
  const sequenceIn = remembering(session);
  const snapshots = [...checkpoints].map(async ([partition, { snapshot }]) =>
    snapshot === undefined
      ? { by: `partition ${partition}, which has no snapshot`, sequence: 0 }
      : { by: `partition ${partition}'s snapshot`, sequence: await sequenceIn(snapshot.place) },
  );
  const cursors = readers.map(async ({ name, state }) => {
    const [place] = state?.places ?? [];
    return { by: `reader ${name}`, sequence: place === undefined ? 0 : await sequenceIn(place) };
  });
  return Promise.all([...snapshots, ...cursors]);
}

/** Most partitions have the same places. */
function remembering(session: JournalSession): (place: Place) => Promise<number> {
  const asked = new Map<number, ReturnType<JournalSession["messageAt"]>>();
  return async ({ sequence, identity }) => {
    const found = asked.get(sequence) ?? session.messageAt(sequence);
    asked.set(sequence, found);
    return isSame((await found)?.identity, identity) ? sequence : 0;
  };
}
