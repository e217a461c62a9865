// The goal: what leaves as a CloudEvent is one (CloudEvents 1.0 §3.1), and says all that the event said.
import { describe, expect, test } from "vitest";
import { cloudEvent } from "./cloudevents.ts";
import { eventId, eventSchema } from "./event.ts";
import { seededRandom } from "./random.ts";
import { randomItems } from "./testing/random-events.ts";

const place = {
  id: eventId("plant-3", "12-9f3a2b1c", "telemetry", 41),
  gateway: "plant-3",
  receivedAt: 1_700_000_000_500,
};

const reading = eventSchema.parse({
  kind: "reading",
  device: "Freezer 1/é",
  topic: "devices/Freezer 1/telemetry",
  bootMs: 5_000,
  observedAt: 1_700_000_000_000,
  readings: [{ metric: "temperature", value: -18.5, unit: "Cel", quality: "good" }],
});

describe("a reading", () => {
  test("becomes this CloudEvent", () => {
    expect(cloudEvent(place, reading)).toEqual({
      specversion: "1.0",
      id: "plant-3/12-9f3a2b1c/telemetry/41",
      source: "/gateways/plant-3/devices/Freezer%201%2F%C3%A9",
      type: "dev.causeway.reading.v1",
      time: "2023-11-14T22:13:20.000Z",
      datacontenttype: "application/json",
      dataschema: "urn:causeway:schema:reading:v1",
      data: {
        topic: "devices/Freezer 1/telemetry",
        observedAt: 1_700_000_000_000,
        receivedAt: 1_700_000_000_500,
        readings: [{ metric: "temperature", value: -18.5, unit: "Cel", quality: "good" }],
      },
    });
  });

  test("whose device tells no time has the time of its receipt", () => {
    const event = cloudEvent(place, { ...reading, observedAt: null });
    expect(event.time).toBe("2023-11-14T22:13:20.500Z");
  });
});

test("an event of the gateway itself has the gateway as its source", () => {
  const event = cloudEvent(place, { ...reading, device: null });
  expect(event.source).toBe("/gateways/plant-3");
});

test("any event has the required attributes, as JSON, and loses nothing", () => {
  for (let run = 0; run < 200; run++) {
    for (const { event } of randomItems(seededRandom(`cloud ${run}`), 41, 3)) {
      if (event === undefined) continue;
      const mapped = cloudEvent(place, event);
      const message = `seed "cloud ${run}": ${JSON.stringify(mapped)}`;
      expect(JSON.parse(JSON.stringify(mapped)), message).toEqual(mapped);
      // RFC 3986 §4.1: a URI reference, as `source` must be.
      expect(mapped.source, message).toMatch(/^\/(?:[A-Za-z0-9\-._~!'()*]|%[0-9A-F]{2}|\/)+$/);
      expect(mapped.type, message).toBe(`dev.causeway.${event.kind}.v1`);
      const { observedAt } = event;
      const isStatable = observedAt !== null && Math.abs(observedAt) < 253_402_300_800_000;
      const time = isStatable ? observedAt : place.receivedAt;
      expect(Date.parse(mapped.time), message).toBe(time);
      const { device, kind, bootMs, ...rest } = event;
      expect(mapped.data, message).toEqual({ ...rest, receivedAt: place.receivedAt });
    }
  }
});
