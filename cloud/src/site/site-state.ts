/** A site's state as the stage commits it: in pieces, of which the first says how many there are. */
import { subjects } from "@causeway/shared/subjects.ts";
import type { CommitMessage } from "../engine/engine-store.ts";
import { placeOfSite } from "./site-message.ts";

/** Well below the server's max_payload. */
const pieceCharactersMax = 128 * 1_024;

/** All of them replace what was there; a piece beyond the count is of an earlier, longer state. */
export function stateMessages(site: string, state: string): readonly CommitMessage[] {
  const { partition, token } = placeOfSite(site);
  const count = Math.max(1, Math.ceil(state.length / pieceCharactersMax));
  return Array.from({ length: count }, (_, piece) => {
    const part = state.slice(piece * pieceCharactersMax, (piece + 1) * pieceCharactersMax);
    const subject = subjects.siteState(partition, token, piece);
    return { subject, data: `${count} ${part}`, rollup: true };
  });
}

/** The states in what is stored under `siteStates`; those of which a piece is missing are left out. */
export function statesIn(
  stored: readonly { readonly subject: string; readonly text: string }[],
): readonly string[] {
  const bySite = new Map<string, string[]>();
  for (const { subject, text } of stored) {
    const end = subject.lastIndexOf(".");
    const pieces = bySite.get(subject.slice(0, end)) ?? [];
    pieces[Number(subject.slice(end + 1))] = text;
    bySite.set(subject.slice(0, end), pieces);
  }
  return [...bySite.values()].flatMap((pieces) => {
    const count = Number.parseInt(pieces[0] ?? "", 10);
    const own = Array.from({ length: count || 0 }, (_, piece) => pieces[piece]);
    if (own.length === 0 || own.includes(undefined)) return [];
    return [own.map((text = "") => text.slice(text.indexOf(" ") + 1)).join("")];
  });
}
