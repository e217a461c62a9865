/** Goal: what a filter holds is read as it was written, by the next release too. */
import type { DeviceId, MetricName } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { decodeRecord } from "../outbox/layout.ts";
import type { SourceState } from "./filter-record.ts";
import { decodeSource, encodeSource, sourceKey, sourceNumber } from "./filter-record.ts";
import type { Series } from "./filter-series.ts";
import type { Way } from "./filter-way.ts";

const way: Way = {
  ...{ name: "1", version: 7, isOfRoute: false, deadband: undefined },
  ...{ heartbeatMs: undefined, rateLimitMs: 1_000, downsample: undefined },
};
const wayOf = (version: number) => (version === way.version ? way : undefined);
const metric = "t" as MetricName;

const source: SourceState = {
  ...{ device: "d1" as DeviceId, topic: "plant/d1", bootId: "boot", tags: ["hall"], site: "north" },
  series: [
    {
      ...{ metric, way, like: { metric, quality: "bad", unit: "Cel", reason: "nan" } },
      sent: { value: null, at: 1_000_000, bootMs: 5_000 },
      held: { value: null, at: 1_002_000, bootMs: 7_000, isNews: true },
      window: undefined,
    },
    {
      ...{ metric: "w" as MetricName, way, like: { metric: "w" as MetricName, quality: "good" } },
      ...{ sent: undefined, held: undefined },
      window: {
        ...{ basis: "observed", number: 33, dueMs: 12_000, count: 2, mean: 1.5 },
        first: { value: 1, at: 1_001_000, bootMs: 6_000 },
        last: { value: 2, at: null, bootMs: 7_500 },
        min: { value: 1, at: 1_001_000, bootMs: 6_000 },
        max: { value: 2, at: null, bootMs: 7_500 },
      },
    },
  ],
};

test("a record is these bytes, and says the same again", () => {
  const bytes = encodeSource(source);
  const { d, t, ...rest } = decodeRecord(bytes, "a record");
  expect({ d, t, ...rest }).toEqual({
    ...{
      d: "d1",
      t: "plant/d1",
      b: "boot",
      m: 7_000,
      a: 1_002_000,
      g: ["hall"],
      l: "north",
      w: [7],
    },
    s: [
      ["t", 0, [2, "Cel", "nan"], [null, -2_000, -2_000], [null, 0, 0, 1]],
      [
        ...["w", 0, 0, 0, 0],
        [
          0,
          33,
          5_000,
          2,
          1.5,
          [1, -1_000, -1_000],
          [2, "", 500],
          [1, -1_000, -1_000],
          [2, "", 500],
        ],
      ],
    ],
  });
  expect(decodeSource(bytes, wayOf)).toEqual(source);
  expect(bytes.toString("hex", 0, 5)).toBe("0156452324");
});

test("random series are read as they were written", () => {
  const random = seededRandom("records");
  const some = <Value>(value: Value) => (random.next() < 0.5 ? value : undefined);
  const seen = () => ({
    value: [random.next() * 1e9, 0, -1.5, Number.MAX_VALUE][
      Math.floor(random.next() * 4)
    ] as number,
    at: some(Math.floor(random.next() * 1e13)) ?? null,
    bootMs: Math.floor(random.next() * 1e9),
  });
  for (let count = 0; count < 500; count++) {
    const series = Array.from({ length: 1 + Math.floor(random.next() * 5) }, (_, n): Series => {
      const metric = `m${n}` as MetricName;
      const like = { metric, quality: "uncertain" as const };
      const figures = { first: seen(), last: seen(), min: seen(), max: seen() };
      const basis =
        (["observed", "real", "boot"] as const)[Math.floor(random.next() * 3)] ?? "boot";
      const place = { basis, number: Math.floor(random.next() * 1e9), dueMs: count };
      return {
        ...{ metric, way, sent: some(seen()) },
        like: {
          ...like,
          ...(some(true) && { unit: "V" }),
          ...(some(true) && { unitOriginal: "volt" }),
        },
        held: some({ ...seen(), isNews: random.next() < 0.5 }),
        window: some({ ...place, count: 3, mean: random.next(), ...figures }),
      };
    });
    const device = "d2" as DeviceId;
    const topic = some("x") ?? "devices/d2/telemetry";
    const state = { device, topic, tags: undefined, site: undefined, bootId: "b", series };
    expect(decodeSource(encodeSource(state), wayOf)).toEqual(state);
  }
});

test("a way that is not known is told, and keys tell their numbers", () => {
  expect(() => decodeSource(encodeSource(source), () => undefined)).toThrow(
    /version 7 is not known/,
  );
  expect(sourceNumber(sourceKey(77))).toBe(77);
  expect(sourceNumber(Buffer.from("fw"))).toBeUndefined();
});
