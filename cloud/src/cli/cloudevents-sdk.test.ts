// Goal: what `tail --format cloudevents` prints is a CloudEvent to those who wrote the standard, and comes
// through their library, in JSON and over HTTP, as it was.

import type { Event } from "@causeway/shared/event.ts";
import { timeMsMax } from "@causeway/shared/event.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { derivedEvent } from "@causeway/shared/testing/derived-event.ts";
import { randomItems } from "@causeway/shared/testing/random-events.ts";
import { CloudEvent, HTTP } from "cloudevents";
import { describe, expect, test } from "vitest";
import type { TakenEvent } from "../ingest/fold.ts";
import { foldMessage, Ledgers } from "../ingest/fold.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { derivedLine, tailLines } from "./tail.ts";

/** All kinds, with texts and times at their bounds, as an engine takes them. */
function takenEvents(): readonly TakenEvent[] {
  const events = randomItems(seededRandom("cloudevents"), 1, 300).flatMap(({ event }) =>
    event === undefined ? [] : [event],
  );
  const taken: TakenEvent[] = [];
  for (const event of events) {
    const message = journalMessage(1, 1, [event as Event]);
    taken.push(...(foldMessage(new Ledgers(), message)?.taken ?? []));
  }
  return taken;
}

const lines = [
  ...takenEvents().flatMap((taken) => tailLines(taken, "all", "cloudevents")),
  derivedLine(derivedEvent(), "cloudevents"),
  derivedLine(derivedEvent({ device: "", value: null, unit: undefined }), "cloudevents"),
];

describe("each line", () => {
  test("is of one of all kinds of event", () => {
    const types = new Set(lines.map((line) => (JSON.parse(line) as { type: string }).type));
    expect(types.size).toBeGreaterThanOrEqual(9);
  });

  test("is valid in the eyes of the official library, which reads the same", () => {
    for (const line of lines) {
      const event = new CloudEvent(JSON.parse(line) as object, true);
      expect(event.validate(), line).toBe(true);
      expect(JSON.parse(JSON.stringify(event)), line).toEqual(JSON.parse(line));
    }
  });

  test.each(["binary", "structured"] as const)("goes over HTTP in %s form", (form) => {
    for (const line of lines) {
      const written = JSON.parse(line) as Record<string, unknown>;
      const came = HTTP.toEvent(HTTP[form](new CloudEvent(written)));
      expect(JSON.parse(JSON.stringify(came)), line).toEqual(written);
    }
  });
});

test("a time that the standard cannot state is left to the data, and the gateway's stands for it", () => {
  const event = { ...readingEvent("d1", "temperature", 20), observedAt: timeMsMax };
  const [taken] = foldMessage(new Ledgers(), journalMessage(1, 1, [event]))?.taken ?? [];
  const [line = "{}"] = tailLines(taken as TakenEvent, "all", "cloudevents");
  const time = new Date((taken as TakenEvent).receivedAt).toISOString();
  expect(JSON.parse(line)).toMatchObject({ time, data: { observedAt: timeMsMax } });
});
