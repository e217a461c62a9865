/** Hands partitions that are taken over the dead letters that were open with the last commit. */
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { parseDeadPage, parseGatewaySubject, subjects } from "@causeway/shared/subjects.ts";
import type { EngineStore } from "../engine/engine-store.ts";
import type { PartitionLetters } from "./partition-letters.ts";

/** What cannot be read is told, and left where it is: letters must not keep an engine from its work. */
export async function restoreLetters(
  store: Pick<EngineStore, "loadLast">,
  letters: ReadonlyMap<number, PartitionLetters>,
  log: Logger,
): Promise<void> {
  const restore = (found: readonly { readonly subject: string; readonly text: string }[]) => {
    for (const { subject, text } of found) {
      try {
        restoreOne(letters, subject, text);
      } catch (failure) {
        log.error({ subject, reason: reasonOf(failure) }, "dead letters cannot be read");
      }
    }
  };
  restore(await store.loadLast(subjects.deadLetters("*", "*")));
  for (const [partition, own] of letters) {
    if (own.count > 0) restore(await store.loadLast(subjects.deadPage(partition, "*", "*")));
  }
}

function restoreOne(
  letters: ReadonlyMap<number, PartitionLetters>,
  subject: string,
  text: string,
): void {
  const page = parseDeadPage(subject);
  const place = page ?? parseGatewaySubject(subject);
  const own = place === undefined ? undefined : letters.get(place.partition);
  if (own === undefined || place === undefined) return;
  if (page !== undefined) own.restorePage(page.gateway, page.page, text);
  else if (subject.split(".").length === 3) own.restoreSummary(place.gateway, text);
}
