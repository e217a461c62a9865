// A fleet spreads over its servers, leaves those that fail, and comes back.
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { ServerOrder } from "./server-order.ts";

const servers = ["a", "b", "c"];
const listed = () => new ServerOrder(servers, "listed", 600_000, seededRandom("order"));

test("a shuffle keeps every server, and each comes first at about as many gateways", () => {
  const firsts: Record<string, number> = { a: 0, b: 0, c: 0 };
  for (let gateway = 0; gateway < 300; gateway++) {
    const { servers: order } = new ServerOrder(
      ...([servers, "shuffled", 1, seededRandom(`${gateway}`)] as const),
    );
    expect([...order].sort()).toEqual(servers);
    const [first = ""] = order;
    firsts[first] = (firsts[first] ?? 0) + 1;
  }
  for (const count of Object.values(firsts)) expect(count).toBeGreaterThan(70);
});

test("as listed: the first is tried first, and one that is named twice once", () => {
  expect(listed().round(0)).toEqual(servers);
  expect(new ServerOrder(["a", "b", "a"], "listed", 1, seededRandom("x")).round(0)).toEqual([
    "a",
    "b",
  ]);
});

test("one that failed comes last for a minute, the longest avoided last of all", () => {
  const order = listed();
  order.failed("a", 0);
  expect(order.round(1)).toEqual(["b", "c", "a"]);
  order.leaving("b", 0);
  expect(order.round(1)).toEqual(["c", "a", "b"]);
  expect(order.round(60_000)).toEqual(["a", "c", "b"]);
  expect(order.round(180_000)).toEqual(servers);
});

test("what failed and is connected to again is as good as any", () => {
  const order = listed();
  order.failed("a", 0);
  order.connected("a");
  expect(order.round(1)).toEqual(servers);
});

test("from another server one goes back to the first, once that is not avoided any more", () => {
  const order = listed();
  expect(order.better("a", 0)).toBeUndefined();
  expect(order.better("c", 0)).toBe("a");
  order.failed("a", 0);
  expect(order.better("c", 1)).toBe("b");
  expect(order.better("b", 1)).toBeUndefined();
  expect(order.better("b", 60_000)).toBe("a");
});

test("from a server that will end one goes to any other", () => {
  const order = listed();
  order.leaving("a", 0);
  expect(order.better("a", 1)).toBe("b");
});

test("gateways look for a better server at different times, and alone never", () => {
  const order = listed();
  const times = Array.from({ length: 100 }, () => order.lookAfterMs() ?? 0);
  expect(Math.min(...times)).toBeGreaterThanOrEqual(600_000);
  expect(Math.max(...times)).toBeLessThan(1_200_000);
  expect(new Set(times).size).toBeGreaterThan(90);
  expect(
    new ServerOrder(["a"], "listed", 600_000, seededRandom("x")).lookAfterMs(),
  ).toBeUndefined();
  expect(new ServerOrder(servers, "listed", 0, seededRandom("x")).lookAfterMs()).toBeUndefined();
});
