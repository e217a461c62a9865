import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import { Operations } from "@causeway/shared/operate/operations.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { expect, test } from "vitest";
import type { Telling } from "../notify/told-table.ts";
import { evidenceOf, timelineOf } from "./alert-shown.ts";

const telling = (over: Partial<Telling>): Telling => ({
  ...{ receiver: "pager", reason: "new", state: "firing", outcome: "delivered", at: 0, detail: "" },
  ...over,
});

test("the timeline of an alert says in order who was told of what", () => {
  const first = transition({ at: 1_000, firingAt: 1_000 });
  const last = transition({ state: "resolved", at: 9_000, firingAt: 1_000 });
  const tellings = [
    telling({ at: 2_000 }),
    telling({ at: 5_000, reason: "repeat", receiver: "mail", outcome: "waiting" }),
    telling({ at: 6_000, outcome: "dead", receiver: "chat", detail: "HTTP 410" }),
    telling({ at: 9_500, state: "resolved" }),
  ];
  const circumstances = circumstancesOf(new Operations(), emptyFleet);
  const around = { circumstances, tellings, now: 10_000 };
  const told = timelineOf({ first, last }, around);
  expect(told.map(({ what, text }) => `${what}: ${text}`)).toEqual([
    "fired: -3.5 Cel is above -15 Cel",
    "told: pager",
    "telling: mail again, as it goes on",
    "not told: chat: HTTP 410",
    "resolved: -3.5 Cel is above -15 Cel",
    "told: pager that it is over",
  ]);
});

test("the evidence of an alert that is over is what made it fire, with the worst that came", () => {
  const reading = (value: number) => ({ at: value, value });
  const fired = { readings: [reading(1), reading(9)], expected: { high: 2 }, score: 1 };
  const over = { readings: [reading(1)], durationMs: 5, worst: reading(11) };
  const first = transition({ evidence: fired });
  const last = transition({ state: "resolved", evidence: over });
  expect(evidenceOf({ first, last })).toEqual({ ...fired, durationMs: 5, worst: reading(11) });
  expect(evidenceOf({ first: last, last })).toEqual(over);
  expect(evidenceOf({ first: transition(), last: transition() })).toBeNull();
});
