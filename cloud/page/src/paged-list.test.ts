// A long list is fetched page by page, each once, as far as one looks, and again where one looks.
import { expect, test } from "vitest";
import { PagedList } from "./paged-list.ts";

function opened(total: number, failing = new Set<number>()) {
  const asked: string[] = [];
  let changed: () => void = () => {};
  const settled = (isSo: () => boolean) =>
    new Promise<void>((resolve) => {
      changed = () => isSo() && resolve();
      changed();
    });
  const list: PagedList<number> = new PagedList(
    10,
    async (after) => {
      asked.push(after ?? "");
      const from = Number(after ?? 0);
      if (failing.delete(from)) throw new Error("away");
      const rows = Array.from({ length: Math.min(10, total - from) }, (_, at) => from + at);
      return { total, rows, next: from + 10 < total ? `${from + 10}` : null };
    },
    () => changed(),
  );
  return { list, asked, settled };
}

test("only what is looked at is fetched, each page by the cursor of the one before", async () => {
  const { list, asked, settled } = opened(95);
  list.want(0);
  await settled(() => list.row(0) !== undefined);
  expect([list.total, list.row(9), list.row(10)]).toEqual([95, 9, undefined]);
  list.want(34);
  await settled(() => list.row(34) !== undefined);
  expect(asked).toEqual(["", "10", "20", "30"]);
});

test("the end of the list is the end, and what is in sight can be asked for again", async () => {
  const { list, asked, settled } = opened(25);
  list.want(1_000);
  await settled(() => list.row(24) !== undefined);
  list.want(2_000);
  expect(asked).toEqual(["", "10", "20"]);
  await Promise.resolve();
  await list.refresh(12, 24);
  expect(asked).toEqual(["", "10", "20", "10", "20"]);
});

test("a page that could not be had is asked for when one looks again", async () => {
  const { list, asked, settled } = opened(25, new Set([10]));
  list.want(15);
  await settled(() => asked.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(list.row(15)).toBeUndefined();
  list.want(15);
  await settled(() => list.row(15) !== undefined);
});

test("nothing is changed by what comes after the end", async () => {
  const { list, asked, settled } = opened(25);
  list.want(0);
  list.stop();
  await settled(() => asked.length === 1);
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(list.row(0)).toBeUndefined();
});
