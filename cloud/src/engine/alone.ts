/**
 * What comes is tried alone where it may be what ends the process: out of memory, an endless loop, a
 * fault of the runtime. Exceptions are not of this kind (dead/suspects.ts).
 *
 *   C1  A start that came to nothing is counted in the checkpoint: after `startsMax` in a row a partition's
 *       events are taken one by one, and before each its place and how often it was tried are committed.
 *   C2  What was tried `triesMax` times is judged no more: it is a dead letter. Where the process still
 *       ends, its batch is refused unopened: the gateway sends it in halves, and at last its bytes.
 *   C3  An engine that goes on in the same process was not ended by anything.
 *   C4  What is judged no more is remembered until a snapshot is behind it, for it is read again till then.
 */
import type { BatchHead } from "@causeway/shared/batch-codec.ts";
import { decodeHead } from "@causeway/shared/batch-codec.ts";
import { eventId } from "@causeway/shared/event.ts";
import { parseStoredTelemetry } from "@causeway/shared/subjects.ts";
import { redrivenId } from "../dead/fold-redrive.ts";
import { decodeRedrive } from "../dead/redrive-message.ts";
import type { Suspects } from "../dead/suspects.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { Commits } from "./commits.ts";
import type { Held } from "./take-over.ts";
import type { Tenure } from "./tenure.ts";
import { placeOf } from "./tenure.ts";
import { gotOver, noTrial, triesMax, triesOf, trying } from "./trial.ts";

/** Of a partition: then it is trusted again. */
const aloneMessagesMax = 20;

export interface AloneParts {
  readonly tenure: Tenure;
  readonly commits: Commits;
  readonly suspects: Suspects;
}

/** Returns with all of the message committed, but for its place, or where the tenure has ended. */
export async function takeAlone(
  { tenure, commits, suspects }: AloneParts,
  held: Held,
  message: JournalMessage,
): Promise<void> {
  const { partition } = held;
  for (let isWhole = false; !isWhole; ) {
    const { position, ids } = nextOf(held, message);
    const place = { sequence: message.sequence, position };
    const tries = triesOf(held.trial, place);
    const dead = tries >= triesMax ? ids : [];
    for (const id of dead) suspects.condemn(id, tries);
    held.trial = trying(held.trial, place, dead);
    tenure.dirty.add(held);
    await commits.drain();
    if (tenure.ended.aborted) return;
    const isRefused = tries >= 2 * triesMax;
    isWhole = partition.take(message, isRefused ? -1 : 1);
    // What is committed of it from here on is ahead of the checkpoint's place.
    if (!isRefused) tenure.partial = placeOf(message);
    held.trial = gotOver(held.trial, place);
  }
  held.alone += 1;
  if (held.alone >= aloneMessagesMax) held.trial = { ...noTrial, dead: held.trial.dead };
  tenure.dirty.add(held);
  await commits.drain();
}

interface Next {
  /** 0: it is taken as a whole. */
  readonly position: number;
  readonly ids: readonly string[];
}

function nextOf({ partition }: Held, message: JournalMessage): Next {
  const source = parseStoredTelemetry(message.subject);
  if (source === undefined) return { position: 0, ids: [] };
  const { gateway } = source;
  try {
    if (source.lane === "redrive") return { position: 0, ids: redrivenIn(gateway, message) };
    const head: BatchHead = decodeHead((name) => message.header(name));
    const judged = partition.judge(gateway, head);
    if (judged.kind !== "taken") return { position: 0, ids: [] };
    const { from } = judged;
    return { position: from, ids: [eventId(gateway, head.epoch, head.log, from)] };
  } catch {
    return { position: 0, ids: [] }; // it is told where it is taken
  }
}

function redrivenIn(gateway: string, { data }: JournalMessage): readonly string[] {
  return decodeRedrive(data).items.flatMap(({ epoch, log, position, events, do: what }) => {
    const original = eventId(gateway, epoch, log, position);
    return what === "judge" ? [original] : events.map((_, index) => redrivenId(original, index));
  });
}
