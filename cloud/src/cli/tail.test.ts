// What was thinned at the edge is printed as what it is: a mean over a window, and not a reading.
import { derivedEvent } from "@causeway/shared/testing/derived-event.ts";
import { expect, test } from "vitest";
import { foldMessage, Ledgers } from "../ingest/fold.ts";
import { bootOffset, journalMessage, rollupEvent } from "../testing/journal-writer.ts";
import { derivedLine, tailLines } from "./tail.ts";

function taken() {
  const [event] = foldMessage(new Ledgers(), journalMessage(1, 1, [rollupEvent(7)]))?.taken ?? [];
  if (event === undefined) throw new Error("nothing was taken");
  return event;
}

test("a roll-up is a line for each series and window, at the window's start", () => {
  const lines = tailLines(taken(), "reading", "json").map((line) => JSON.parse(line));
  expect(lines).toMatchObject([
    {
      id: "g1/1-00000001/telemetry/1/0",
      device: "d1",
      metric: "temperature",
      value: 21.5,
      quality: "thinned",
      observedAt: bootOffset + 300_000,
      windowMs: 60_000,
      ...{ min: 20, max: 23, last: 22, count: 6, bad: 1 },
    },
    { value: 24, observedAt: bootOffset + 360_000 },
  ]);
});

test("a roll-up stands where readings are asked for, and in words says what it is", () => {
  const [line] = tailLines(taken(), "reading", "text");
  expect(line).toContain("d1  temperature = 21.5 Cel (mean of 6 in 60 s, 20 to 23)");
  expect(tailLines(taken(), "all", "text")).toHaveLength(2);
  expect(tailLines(taken(), "loss", "text")).toEqual([]);
});

test("what a rule emits is a line that names event, rule and place", () => {
  expect(derivedLine(derivedEvent(), "text")).toBe(
    "1970-01-01T00:00:02.000Z  g1  freezer-1  door-ajar = -10 Cel (door-open: door open for 2 min)",
  );
  const wide = derivedEvent({ device: "", value: null, unit: undefined });
  expect(JSON.parse(derivedLine(wide, "json"))).toMatchObject({ device: null, unit: null });
  expect(derivedLine(wide, "text")).toContain("g1  -  door-ajar (door-open");
  expect(JSON.parse(derivedLine(wide, "cloudevents"))).toMatchObject({
    ...{ specversion: "1.0", id: "a1b2", source: "/gateways/g1", type: "dev.causeway.derived.v1" },
    ...{ time: "1970-01-01T00:00:01.000Z", data: { name: "door-ajar", rule: "door-open" } },
  });
});
