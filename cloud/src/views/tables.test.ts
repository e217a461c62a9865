// Tables keep what is asked of them, in their order and within their bounds.
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { AlertTable } from "./alert-table.ts";
import type { DeadSample } from "./dead-table.ts";
import { DeadTable, groupsMax, samplesMax } from "./dead-table.ts";
import { pageOf } from "./paging.ts";

const over = (id: string) => transition({ id, state: "resolved", reason: "it is normal" });

test("an alert is kept in its last state, with how it began, and never fires again", () => {
  const table = new AlertTable({ openMax: 10, resolvedMax: 10 });
  expect(table.take(transition({ id: "a" }))).toBe(true);
  expect(table.take(transition({ id: "a" }))).toBe(false);
  expect(table.firingOf(transition().gateway)).toBe(1);
  expect(table.take(over("a"))).toBe(true);
  expect(table.take(transition({ id: "a" }))).toBe(false);
  expect(table.get("a")).toMatchObject({
    first: { state: "firing" },
    last: { state: "resolved", reason: "it is normal" },
  });
  expect([table.openCount, table.firingOf(transition().gateway)]).toEqual([0, 0]);
});

test("of those that fire the oldest goes at the bound, of resolved ones the first resolved", () => {
  const table = new AlertTable({ openMax: 2, resolvedMax: 2 });
  for (const id of ["a", "b", "c"]) table.take(transition({ id }));
  expect(table.open().map(({ last }) => last.id)).toEqual(["b", "c"]);
  expect(table.firingOf(transition().gateway)).toBe(2);
  for (const id of ["c", "b", "x"]) table.take(over(id));
  expect(table.resolved().map(({ last }) => last.id)).toEqual(["x", "b"]);
  expect(table.get("c")).toBeUndefined();
});

test("what could not be used is told in groups, with the newest of each and the head of its bytes", () => {
  const table = new DeadTable();
  const place = { kind: "quarantined", gateway: "gw-1", receiver: null } as const;
  const sample = (n: number): DeadSample => {
    return { id: `${n}`, at: n, device: null, topic: "a", detail: `d${n}`, bytes: 1, payload: "" };
  };
  for (let n = 1; n <= 20; n++) table.add({ ...place, reason: "not-json" }, sample(n));
  const large = { ...sample(21), payload: "A".repeat(1e6) };
  table.add({ ...place, reason: "too-large" }, large);
  const [newest, group] = table.all();
  expect(newest?.samples[0]?.payload.length).toBeLessThan(6_000);
  expect(group).toMatchObject({ count: 20, firstAt: 1, lastAt: 20, detail: "d20" });
  expect(group?.samples.map(({ at }) => at)).toEqual(
    Array.from({ length: samplesMax }, (_, index) => 21 - samplesMax + index),
  );
  for (let n = 0; n < groupsMax + 10; n++) table.add({ ...place, reason: `r${n}` }, sample(n));
  expect(table.all()).toHaveLength(groupsMax);
  expect(table.get(group?.id ?? "")).toBeUndefined();
});

test("pages hold every row once, in order, whatever the order and however many are equal", () => {
  const random = seededRandom("pages");
  const rows = Array.from({ length: 200 }, (_, index) => {
    return { value: Math.floor(random.next() * 5), id: `row-${index}` };
  });
  for (const order of ["asc", "desc"] as const) {
    for (const limit of [1, 7, 200, 1_000]) {
      const found: typeof rows = [];
      for (let after: string | undefined, pages = 0; pages < 300; pages++) {
        const page = pageOf(rows, (row) => row, { limit, order, after });
        found.push(...page.rows);
        if (page.next === null) break;
        after = page.next;
      }
      expect(found).toHaveLength(rows.length);
      expect(new Set(found).size).toBe(rows.length);
      const sorted = found.toSorted((a, b) => (order === "asc" ? 1 : -1) * (a.value - b.value));
      expect(found).toEqual(sorted);
    }
  }
  const odd = pageOf(rows, (row) => row, { limit: 3, order: "asc", after: "no cursor" });
  expect(odd.rows).toHaveLength(3);
});
