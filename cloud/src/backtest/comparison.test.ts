/** Goal: what is called a difference is one, and nothing else is. */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { fingerprintOf } from "@causeway/shared/alert/fingerprint.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { describe, expect, test } from "vitest";
import { compare, comparedText, summaryText } from "./comparison.ts";

const day = { from: 0, to: 1_000 };
let ids = 0;

/** One alert of `rule`; it goes on where `to` is not given. */
function alert(from: number, to?: number, rule = "hot"): readonly AlertTransition[] {
  ids += 1;
  const place = { rule, gateway: "g1", device: "d1", metric: "temperature" };
  const fingerprint = fingerprintOf(place);
  const own = { ...place, fingerprint, id: `${ids}`.padStart(24, "0"), firingAt: from };
  const firing = transition({ ...own, state: "firing", at: from });
  return to === undefined ? [firing] : [firing, transition({ ...own, state: "resolved", at: to })];
}

const sides = (now: readonly AlertTransition[], before: readonly AlertTransition[], range = day) =>
  compare(now, before, range).map(({ in: side, alert: { firingAt } }) => `${side} ${firingAt}`);

describe("alerts of one fingerprint", () => {
  test("are the same where they overlap, be it by a moment, and two where they do not (C1)", () => {
    expect(sides(alert(10, 20), alert(15, 30))).toEqual(["both 10"]);
    expect(sides(alert(10, 20), alert(20, 30))).toEqual(["both 10"]);
    expect(sides(alert(10, 20), alert(21, 30))).toEqual(["new 10", "old 21"]);
    expect(sides(alert(50), alert(10))).toEqual(["both 50"]);
  });

  test("match one other each: alarming three times in place of once differs twice (C1)", () => {
    const often = [alert(10, 20), alert(30, 40), alert(50, 60)].flat();
    expect(sides(often, alert(5, 100))).toEqual(["both 10", "new 30", "new 50"]);
    expect(sides(alert(5, 100), often)).toEqual(["both 5", "old 30", "old 50"]);
  });

  test("of another rule, device or gateway are others", () => {
    expect(sides(alert(10, 20, "hot"), alert(10, 20, "warm")).toSorted()).toEqual([
      "new 10",
      "old 10",
    ]);
  });
});

test("what began outside of the range is not told, unless its partner began in it (C2)", () => {
  const range = { from: 100, to: 200 };
  expect(sides(alert(50, 60), alert(250, 260), range)).toEqual([]);
  expect(sides(alert(95, 150), alert(105, 150), range)).toEqual(["both 95"]);
  expect(sides(alert(95, 150), [], range)).toEqual([]);
});

test("an end behind the range is not known to it, so the same range always reads the same (C2)", () => {
  const [[open], [ended]] = [compare(alert(10), [], day), compare(alert(10, 2_000), [], day)];
  expect({ ...ended?.alert, id: "" }).toEqual({ ...open?.alert, id: "" });
});

test("every alert is told exactly once, whatever overlaps", () => {
  const random = seededRandom("comparison");
  const some = () => {
    let at = 0;
    return Array.from({ length: Math.floor(random.next() * 12) }, () => {
      const from = at + 1 + Math.floor(random.next() * 40);
      at = from + Math.floor(random.next() * 40);
      return alert(from, at);
    });
  };
  for (let turn = 0; turn < 500; turn++) {
    const [now, before] = [some(), some()];
    const told = compare(now.flat(), before.flat(), day);
    const count = (side: string) => told.filter((each) => each.in === side).length;
    expect(count("new") + count("both")).toBe(now.length);
    expect(count("old") + count("both")).toBe(before.length);
    const back = compare(before.flat(), now.flat(), day);
    expect(back.filter((each) => each.in === "both")).toHaveLength(count("both"));
  }
});

test("a line says on which side it stands, and the last one counts", () => {
  const compared = compare(alert(10, 20), alert(30, 40), day);
  expect(compared.map(comparedText).map((line) => line.slice(0, 12))).toEqual([
    "+ resolved  ",
    "- resolved  ",
  ]);
  expect(summaryText(compared)).toBe("0 alerts as they were, 1 more (+), 1 less (-)");
});
