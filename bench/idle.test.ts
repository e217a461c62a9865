// Figures for operators who pay by the byte: counted by the kernel, and summed up right.
import { expect, test } from "vitest";
import { costsOf, countedOf, idleTable, megabytesPerMonth, since, wireBytes } from "./idle.ts";

const line =
  "ESTAB 0 0 127.0.0.1:4222 127.0.0.1:51234 cubic bytes_sent:1000 bytes_acked:1000 " +
  "bytes_received:500 segs_out:10 segs_in:12 data_segs_out:6 data_segs_in:5";

test("the kernel's figures are read, and headers of all segments added", () => {
  const counted = countedOf(line);
  expect(counted).toEqual({ bytesSent: 1_000, bytesReceived: 500, segments: 22 });
  if (counted === undefined) return;
  expect(wireBytes(counted)).toBe(1_500 + 22 * 52);
  expect(wireBytes(since(counted, counted))).toBe(0);
  expect(countedOf("")).toBeUndefined();
});

test("what each costs comes from gateways that differ in it alone", () => {
  const costs = costsOf(
    ...(["nats", { seconds: 100, bytes: 200 }] as const),
    { seconds: 100, bytes: 16_200, everyS: 1 },
    { seconds: 100, bytes: 50_200, everyS: 2 },
  );
  expect(costs).toEqual({
    ...{ way: "nats", pingBytes: 155, heartbeatBytes: 1_000, questionBytes: 200 },
  });
  const perSecond = 155 / 10 + 1_000 / 60 + 200 / 40;
  expect(megabytesPerMonth(costs, 10, 60)).toBeCloseTo(perSecond * 2.592, 3);
  expect(idleTable([costs])).toContain("| nats:// | 155 | 1000 | 200 |");
});
