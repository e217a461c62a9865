// Whoever could not be understood is neither lost nor in the way: letters are kept until somebody has
// settled them, and however many come, they take no more than their room.
import { expect, test } from "vitest";
import type { DeadLetter } from "./dead-letter.ts";
import { groupOf, shapeOf } from "./dead-letter.ts";
import { decodeSettled, decodeSummary, lettersOf } from "./letter-pages.ts";
import { groupsMax, OpenLetters } from "./open-letters.ts";
import { PartitionLetters } from "./partition-letters.ts";

const how = { by: "ana", with: "routes.yaml", at: 9 };

function letter(position: number, { reason = "not-json", payload = "eA==" } = {}): DeadLetter {
  const [kind, topic] = ["quarantined" as const, `plant/s${position}/up`];
  return {
    ...{ kind, reason, detail: "x", topic, group: groupOf("g1", { kind, reason, topic }) },
    ...{ id: `g1/1-aa/telemetry/${position}`, epoch: "1-aa" },
    ...{ log: "telemetry", from: position, to: position, sequence: position, storedAt: position },
    ...{ receivedAt: position, timeQuality: "synchronised", bootMs: 1, device: null, bytes: 3 },
    ...{ payload, tries: 0 },
  };
}

/** What stream ENGINE holds once the messages are committed. */
function committed(store: Map<string, string>, letters: OpenLetters): Map<string, string> {
  for (const { subject, data } of letters.messages()) store.set(subject, data);
  letters.committed();
  return store;
}

function restored(store: ReadonlyMap<string, string>): OpenLetters {
  const letters = new OpenLetters(3, "g1");
  for (const [subject, text] of store) {
    const page = subject.split(".")[3];
    if (page === undefined) letters.restoreSummary(text);
    else if (page !== "settled") letters.restorePage(Number(page), text);
  }
  return letters;
}

function idsIn(store: ReadonlyMap<string, string>): string[] {
  const pages = [...store].filter(([subject]) => /^dlq\.3\.g1\.[0-9]+$/.test(subject));
  return pages.flatMap(([, text]) => lettersOf(text).map(({ id }) => id));
}

test("letters are one group where they have one cause, wherever in many topics they came", () => {
  expect(shapeOf("plant/s17/up")).toBe("plant/+/up");
  const letters = new OpenLetters(3, "g1");
  for (const position of [1, 2, 3]) letters.add(letter(position));
  letters.add(letter(4, { reason: "mapping" }));
  const { groups } = decodeSummary(committed(new Map(), letters).get("dlq.3.g1") ?? "");
  expect(groups).toMatchObject([
    { reason: "not-json", topic: "plant/+/up", count: 3, firstAt: 1, lastAt: 3 },
    { reason: "mapping", count: 1 },
  ]);
});

test("what is settled leaves its page and its group, and a trace; the rest is as it was (O1)", () => {
  const letters = new OpenLetters(3, "g1");
  for (const position of [1, 2, 3]) letters.add(letter(position));
  const store = committed(new Map(), letters);
  const after = restored(store);
  const id = letter(2).id;
  const items = [
    { id, page: 0, do: "redrive" as const, why: "" },
    { id: "g1/1-aa/telemetry/77", page: 0, do: "redrive" as const, why: "" },
    { id: letter(1).id, page: 5, do: "redrive" as const, why: "" },
  ];
  expect(after.settle(items, how)).toBe(1);
  committed(store, after);
  expect(idsIn(store)).toEqual([letter(1).id, letter(3).id]);
  expect(after.groups()).toMatchObject([{ count: 2 }]);
  const { letters: traces, by } = decodeSettled(store.get("dlq.3.g1.settled") ?? "");
  expect([by, traces]).toEqual(["ana", [[id, letter(2).group, "redrive", ""]]]);
  expect(after.settle(items, how)).toBe(0);
  expect(after.isChanged).toBe(false);
});

test("a page whose last letter is settled goes, and so does its room", () => {
  const letters = new OpenLetters(3, "g1");
  letters.add(letter(1));
  committed(new Map(), letters);
  letters.settle([{ id: letter(1).id, page: 0, do: "discard", why: "noise" }], how);
  const [page] = letters.messages();
  expect(page).toMatchObject({ subject: "dlq.3.g1.0", ttlSeconds: 3_600 });
  expect([letters.characters, letters.count, letters.groups()]).toEqual([0, 0, []]);
});

test("beyond their bound the oldest of the largest group are only counted, those of others stay (O2)", () => {
  const bounds = { gatewayCharactersMax: 40_000, partitionCharactersMax: 1_000_000 };
  const letters = new PartitionLetters(3, bounds);
  const noise = (position: number) => {
    // What does not compress.
    const payload = Buffer.from(
      Array.from({ length: 300 }, (_, at) => (position * 7_919 + at * at * 104_729) % 251),
    );
    return letter(position, { payload: payload.toString("base64") });
  };
  letters.add("g1", letter(1, { reason: "rare" }));
  for (let position = 2; position <= 3_000; position++) letters.add("g1", noise(position));
  letters.bound();
  const { count, share } = letters.fill("g1") ?? { count: 0, share: 2 };
  expect(count).toBe(3_000);
  expect(share).toBeLessThanOrEqual(1);
  const store = new Map(letters.messages("g1").map(({ subject, data }) => [subject, data]));
  const { groups } = decodeSummary(store.get("dlq.3.g1") ?? "");
  const [rare, common] = groups;
  expect(rare).toMatchObject({ reason: "rare", count: 1, counted: 0 });
  expect((common?.count ?? 0) + (common?.counted ?? 0)).toBe(2_999);
  expect(common?.counted).toBeGreaterThan(0);
  const kept = idsIn(store);
  expect(kept).toContain(noise(3_000).id);
  expect(kept).not.toContain(noise(2).id);
});

test("causes without end share the last group of their kind", () => {
  const letters = new OpenLetters(3, "g1");
  for (let position = 1; position <= groupsMax + 50; position++)
    letters.add(letter(position, { reason: `r${position}` }));
  expect(letters.groups()).toHaveLength(groupsMax);
  expect(letters.count).toBe(groupsMax + 50);
});

test("a page that cannot be read stops nobody, and its letters stay where they are (O4)", () => {
  const letters = new OpenLetters(3, "g1");
  letters.add(letter(1));
  const store = committed(new Map(), letters);
  const page = JSON.parse(store.get("dlq.3.g1.0") ?? "") as { z: string };
  store.set("dlq.3.g1.0", JSON.stringify({ ...page, z: "AAAA" }));
  const after = restored(store);
  expect(after.settle([{ id: letter(1).id, page: 0, do: "redrive", why: "" }], how)).toBe(0);
  expect(after.messages()).toEqual([]);
});
