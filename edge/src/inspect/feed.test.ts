// Goal: what waits for a reader is bounded in bytes, and what it missed is told in its place.
import { expect, test } from "vitest";
import { Feed } from "./feed.ts";

const notice = (detail: string) => ({ kind: "notice", receivedAt: 1, name: "x", detail }) as const;

test("beyond its bytes lines are dropped and counted, and once they are taken there is room", () => {
  let awakened = 0;
  const awaken = () => {
    awakened++;
  };
  const feed = new Feed({ refused: false }, awaken, { bytesMax: 1_000, perSecondMax: 1_000 });
  for (let n = 0; n < 20; n++) feed.put(notice("y".repeat(200)));
  expect(feed.admits(0), "nothing more is made for it").toBe(false);
  const lines = feed.take().trim().split("\n");
  expect(lines).toHaveLength(5);
  expect(lines.at(-1)).toBe('{"kind":"dropped","count":17}');
  expect([feed.hasAny, feed.take(), feed.dropped, awakened]).toEqual([false, "", 17, 1]);
  expect(feed.admits(0)).toBe(true);
  feed.put(notice("z"));
  expect([feed.take().trim(), awakened]).toEqual([JSON.stringify(notice("z")), 2]);
});
