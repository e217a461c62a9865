/** Which messages of the journal somebody has passed, in the life of the journal that they were of. */
import { decodeCheckpoint } from "@causeway/cloud/engine/checkpoint.ts";
import type { Place } from "@causeway/cloud/engine/place.ts";
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { MemoryEngineStream } from "./memory-engine-stream.ts";
import type { MemoryJournal } from "./memory-journal.ts";

/** The next take-over of its partition begins behind it. */
export function isBehindSnapshot(
  message: JournalMessage,
  journal: MemoryJournal,
  stream: MemoryEngineStream,
): boolean {
  const partition = Number(message.subject.split(".")[1]);
  const found = stream.last(subjects.checkpoint(partition));
  const snapshot = found && decodeCheckpoint(found.text).snapshot;
  return snapshot !== undefined && isBehindPlaces(message, journal, [snapshot.place]);
}

export function isBehindPlaces(
  message: JournalMessage,
  journal: MemoryJournal,
  places: readonly Place[],
): boolean {
  const [place] = places;
  if (place === undefined) return false;
  return journal.orderOf(message) <= journal.orderAt(place.sequence, place.identity.nonce);
}
