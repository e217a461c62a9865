/** Goal: the messages are what gateways send, and the figures those that were measured. */
import { decodeBody, expandBody } from "@causeway/shared/batch-codec.ts";
import { expect, test } from "vitest";
import { gateways, parseAlone, resultOf, seriesCount, table, turns, variants } from "./engine.ts";

test("a turn has one batch of each gateway, its positions follow on the last one's, all series come", () => {
  const shape = { eventsPerBatch: 100, readingsPerEvent: 5 };
  const source = turns(shape);
  const series = new Set<string>();
  for (let turn = 0; turn < 2; turn++) {
    const messages = source.next().value;
    expect(messages.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: gateways }, (_, gateway) => turn * gateways + gateway + 1),
    );
    for (const { data } of messages) {
      const body = decodeBody(expandBody(data));
      expect([body.from, body.to]).toEqual([turn * 100 + 1, turn * 100 + 100]);
      for (const { event } of body.blocks.flatMap(({ items }) => items)) {
        if (event?.kind !== "reading") throw new Error("no reading");
        for (const { metric } of event.readings) {
          series.add(`${body.gateway} ${event.device} ${metric}`);
        }
      }
    }
  }
  expect(series.size).toBe(seriesCount);
});

test("every variant is a list of rules that users could write", () => {
  expect(variants().map(({ rules }) => rules.length)).toEqual([0, 1, 11, 1, 11, 11]);
});

test("the table tells medians, and CPU against no rules and against the parsing alone", () => {
  const shape = { eventsPerBatch: 200, readingsPerEvent: 5 };
  const round = (cpuMs: number) => ({ readings: 1_000, wallMs: 2 * cpuMs, cpuMs });
  const results = [
    resultOf(shape, parseAlone, [round(1)]),
    resultOf(shape, "no rules", [round(9), round(2), round(4)]),
    resultOf(shape, "auto", [round(8)]),
  ];
  expect(table(results).split("\n").slice(2)).toEqual([
    "| expand, JSON.parse | 500k | 1.00 | 1000k | 0.25x | 1.00x |",
    "| no rules | 125k | 4.00 | 250k | 1.00x | 4.00x |",
    "| auto | 63k | 8.00 | 125k | 2.00x | 8.00x |",
  ]);
});
