// However many things are wrong with a gateway, the number of its open alerts stays bounded.
import { expect, test } from "vitest";
import type { Finding } from "../ingest/fold.ts";
import { GatewayConditions, quietMs } from "./gateway-conditions.ts";

test("beyond sixteen open alerts those of one rule share one, and all of them end (G3)", () => {
  const conditions = new GatewayConditions("g1");
  const told = Array.from({ length: 100 }, (_, index) =>
    conditions.find(lossOf(index + 1), 1_000),
  ).flat();
  expect(told).toHaveLength(17);
  expect(new Set(told.map(({ id }) => id)).size).toBe(17);
  expect(told.at(-1)?.reason).toContain("other");
  expect(conditions.find(lossOf(3), 2_000)).toEqual([]);
  const ended = conditions.settle({ at: 2_000 + quietMs, cause: "clk/1" });
  expect(ended.map(({ id, state }) => `${id} ${state}`).toSorted()).toEqual(
    told.map(({ id }) => `${id} resolved`).toSorted(),
  );
  expect(ended.at(-1)?.reason).toContain("84 events");
  expect(conditions.open).toEqual([]);
});

function lossOf(position: number): Finding {
  const place = { epoch: "1-00000001", log: "telemetry", from: position, to: position } as const;
  return { kind: "loss", id: `g1/${position}`, reason: `reason ${position}`, ...place };
}
