// The goal: the exported schemas are the ones the code keeps to, and describe what it writes.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { cloudEvent } from "./cloudevents.ts";
import { seededRandom } from "./random.ts";
import { schemaFiles } from "./schemas.ts";
import { randomItems } from "./testing/random-events.ts";

const folder = join(import.meta.dirname, "../schema");

test("shared/schema/ is current: else run `node shared/src/system-write-schemas.ts`", () => {
  const files = schemaFiles();
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  expect(names.filter((name) => name.endsWith(".json")).toSorted()).toEqual(
    [...files.keys()].toSorted(),
  );
  for (const [name, text] of files)
    expect(readFileSync(join(folder, name), "utf8"), name).toBe(text);
});

/** A schema file as a validator that knows nothing of ours. */
function validator(name: string): z.ZodType {
  return z.fromJSONSchema(JSON.parse(schemaFiles().get(name) ?? "false"));
}

describe("the schemas accept what is written", () => {
  const items = randomItems(seededRandom("schemas"), 1, 200);

  test("as an event, with keys of a later version", () => {
    const schema = validator("event.v1.json");
    for (const { event } of items) {
      const result = schema.safeParse({ ...event, later: 1 });
      expect(result.error, JSON.stringify(event)).toBeUndefined();
    }
  });

  test("as the data of a CloudEvent, under the name that its dataschema gives", () => {
    const place = { id: "plant-3/1-00000000/telemetry/1", gateway: "plant-3", receivedAt: 1 };
    for (const { event } of items) {
      if (event === undefined) continue;
      const mapped = cloudEvent(place, event);
      const text = schemaFiles().get(`cloudevents/${event.kind}.v1.json`) ?? "";
      expect(JSON.parse(text)).toMatchObject({ $id: mapped.dataschema });
      const result = validator(`cloudevents/${event.kind}.v1.json`).safeParse(mapped.data);
      expect(result.error, JSON.stringify(mapped)).toBeUndefined();
    }
  });

  test("and refuse what is not", () => {
    const schema = validator("event.v1.json");
    const { event } = items[0] ?? {};
    for (const change of [{ kind: "later" }, { bootMs: -1 }, { bootMs: 0.5 }, { topic: 7 }]) {
      expect(schema.safeParse({ ...event, ...change }).success, JSON.stringify(change)).toBe(false);
    }
    const reading = validator("reading.v1.json");
    expect(reading.safeParse({ metric: "rpm", value: 1, quality: "good" }).success).toBe(true);
    expect(reading.safeParse({ metric: "rpm", value: 1, quality: "fine" }).success).toBe(false);
    expect(reading.safeParse({ metric: "rpm", value: {}, quality: "good" }).success).toBe(false);
  });
});
