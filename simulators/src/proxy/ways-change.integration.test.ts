/**
 * Goal: a gateway follows names that change their address, servers that go and come back, and links that
 * are half dead, without a crowd of dials.
 */
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { expect, onTestFinished, test, vi } from "vitest";
import { dial, host, soon, startFront, startLink } from "../testing/nats-ways.ts";

async function startServer() {
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  return server;
}

test("a name is looked up at each dial: the server may move to another address", async () => {
  const server = await startServer();
  const [here, there] = ["127.0.0.2", "127.0.0.3"];
  const first = await startLink(server.port, { host: here, port: 0 });
  const second = await startLink(server.port, { host: there, port: first.port });
  let address = here;
  const asked: string[] = [];
  const { when } = dial(
    { servers: [`nats://moving.example:${first.port}`] },
    {
      lookup: async (name) => {
        asked.push(name);
        return [{ address, family: 4 }];
      },
    },
  );
  await when(/^up/);
  address = there;
  await first.stop();
  await vi.waitFor(() => expect(second.counters().open).toBe(1), soon);
  await when(/^up/);
  expect(asked.length).toBeGreaterThanOrEqual(2);
  expect(new Set(asked)).toEqual(new Set(["moving.example"]));
});

test("of several addresses the first that answers is taken, though others say nothing", async () => {
  const server = await startServer();
  const addresses = ["127.0.0.2", host, "::1"];
  const { when } = dial(
    { servers: [`nats://many.example:${server.port}`] },
    { lookup: async () => addresses.map((address) => ({ address, family: 4 })) },
  );
  await when(/^up/);
});

test("behind a proxy the proxy looks names up, and not this machine", async () => {
  const server = await startServer();
  const proxy = await startFront();
  const asked: string[] = [];
  const { when } = dial(
    {
      servers: [`nats://localhost:${server.port}`],
      proxy: { url: `http://proxy.example:${proxy.port}` },
    },
    {
      lookup: async (name) => {
        asked.push(name);
        return [{ address: host, family: 4 }];
      },
    },
  );
  await when(/^up/);
  expect(asked).toEqual(["proxy.example"]);
});

test("a server that dies is left for another, and gone back to when it is there again", async () => {
  const [first, second] = [await startServer(), await startServer()];
  const { link, told, when } = dial({
    ...{ servers: [first.url, second.url], order: "listed", backAfterMs: 500 },
  });
  await when(/^up/);
  expect(link.dialStatus().server).toBe(first.url);
  await first.kill();
  await vi.waitFor(() => expect(link.dialStatus().server).toBe(second.url), soon);
  await first.start();
  // It is left alone for a minute, unless the other goes, too.
  await second.kill();
  await vi.waitFor(() => expect(link.dialStatus().server).toBe(first.url), soon);
  expect(told.filter((state) => state === "up")).toHaveLength(3);
});

test("the preferred server is gone back to, by a connection that is there before the other goes", async () => {
  const [first, second] = [await startServer(), await startServer()];
  const clock = systemClock();
  let aheadMs = 0;
  const { link, told, when } = dial(
    { servers: [first.url, second.url], order: "listed", backAfterMs: 200 },
    { clock: { ...clock, bootMs: () => clock.bootMs() + aheadMs, after: clock.after.bind(clock) } },
  );
  await when(/^up/);
  await first.kill();
  await vi.waitFor(() => expect(link.dialStatus().server).toBe(second.url), soon);
  await first.start();
  aheadMs = 61_000;
  await vi.waitFor(() => expect(link.dialStatus().server).toBe(first.url), soon);
  expect(link.dialStatus()).toMatchObject({ moves: 1 });
  expect(told.slice(-2)).toEqual([`down moved to ${first.url}`, "up"]);
});

test("a server that says it will end is left before it does", async () => {
  const [first, second] = [await startServer(), await startServer()];
  const { link, when } = dial({ servers: [first.url, second.url], order: "listed" });
  await when(/^up/);
  const pid = first.pid();
  if (pid === undefined) throw new Error("no server");
  process.kill(pid, "SIGUSR2");
  await vi.waitFor(() => expect(link.dialStatus().server).toBe(second.url), soon);
  expect(link.dialStatus().moves, "the server had not closed it").toBe(1);
  const { dials } = link.dialStatus();
  expect(dials).toBe(2);
});

test("a link that is half dead is given up by its pings, and dialled anew", async () => {
  const server = await startServer();
  const proxy = await startLink(server.port);
  const { told, when } = dial({ servers: [`nats://${host}:${proxy.port}`], pingMs: 1_000 });
  await when(/^up/);
  proxy.set({ swallow: "down" });
  await when(/^down the server answers no pings any more/);
  proxy.set({ swallow: "nothing" });
  await when(/^up/);
  expect(told.filter((state) => state === "up")).toHaveLength(2);
});

test("who accepts and says nothing gets no heap of connections", async () => {
  const server = await startServer();
  const proxy = await startLink(server.port);
  proxy.set({ swallow: "both" });
  const sockets = () =>
    process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
  const before = sockets();
  const { when } = dial(
    { servers: [`nats://${host}:${proxy.port}`], redialMaxMs: 500 },
    { dialTimeoutMs: 100 },
  );
  await when(/^down NATS_UNREACHABLE: .*no hello came/);
  const dials = 10;
  await vi.waitFor(() => expect(proxy.counters().connections).toBeGreaterThan(dials), soon);
  // The proxy keeps both its sides of each, for a dead link says nothing; ours is gone but for one.
  expect(sockets() - before).toBeLessThan(2.5 * dials);
});

test("a proxy that asks for patience gets it", async () => {
  const server = await startServer();
  const proxy = await startFront();
  proxy.set({ connectStatus: 503, retryAfterSeconds: 3 });
  const settings = { servers: [`nats://localhost:${server.port}`] };
  const { when } = dial({ ...settings, proxy: { url: `http://${host}:${proxy.port}` } });
  const began = performance.now();
  await when(/^down NATS_UNREACHABLE/);
  proxy.set({ connectStatus: undefined });
  await when(/^up/);
  expect(performance.now() - began).toBeGreaterThan(3_000);
  expect(proxy.counters().denied).toBe(1);
});

test("a connection that does not last is not dialled in a frenzy", async () => {
  const server = await startServer();
  const proxy = await startLink(server.port);
  const longest = { ...systemRandom, next: () => 0.999 };
  const { link } = dial(
    { servers: [`nats://${host}:${proxy.port}`], redialMaxMs: 15_000 },
    { random: longest },
  );
  const began = performance.now();
  for (let connections = 1; connections <= 3; connections++) {
    await vi.waitFor(() => expect(link.dialStatus().server).toBeDefined(), soon);
    expect(link.dialStatus().dials).toBe(connections);
    proxy.cut();
    await vi.waitFor(() => expect(link.dialStatus().server).toBeUndefined(), soon);
  }
  await vi.waitFor(() => expect(link.dialStatus().server).toBeDefined(), soon);
  expect(performance.now() - began).toBeGreaterThan(500 + 1_000 + 2_000 - 100);
});

test("outside of its windows there is no link, but for an alarm", async () => {
  const server = await startServer();
  let present = Date.UTC(2026, 5, 1, 23, 30);
  const clock = systemClock();
  const windows = { hours: "22:00-06:00", zone: "UTC" };
  const make = (more: object = {}) =>
    dial(
      { servers: [server.url], windows: { ...windows, ...more } },
      {
        presentMs: () => present,
        // Minutes are tenths of a second here.
        clock: {
          ...clock,
          bootMs: () => clock.bootMs(),
          after: (ms, act) => clock.after(ms / 600, act),
        },
      },
    );
  const { link, when } = make();
  await when(/^up/);
  present = Date.UTC(2026, 5, 2, 6, 0);
  await when(/^down uplink\.windows keep the link closed until 22:00 \(UTC\)/);
  expect(link.dialStatus().shut).toMatch(/until 22:00/);
  link.openForAlarm();
  await when(/^up/);
  const deaf = make({ openForAlarms: false });
  await deaf.when(/^down uplink\.windows/);
  deaf.link.openForAlarm();
  present = Date.UTC(2026, 5, 2, 22, 0);
  await deaf.when(/^up/);
});
