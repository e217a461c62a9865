/** The gateway's link to the cloud goes through a proxy that treats it badly. */
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { TcpProxy } from "../proxy/tcp-proxy.ts";
import { recovery } from "./system-outage.ts";
import { until } from "./system-program.ts";
import type { Figures, Run, Scenario } from "./system-scenario.ts";
import { pause } from "./system-scenario.ts";
import type { Way } from "./system-way.ts";

/** nats.js pings so often; a dead link shows by unanswered pings, or by what is sent. */
const pingIntervalMs = 10_000;
/** Bursts below it are questions and pings; a batch is larger. */
const batchBytesMin = 600;
/** With more sendings of an event the link's faults cost too much. */
const sentTimesMax = 3;

/** A link that is far away is never less behind than its round trips. */
const farBehindMs = 4_000;
const lossyMs = 15_000;

type Misdeed = (run: Run, proxy: TcpProxy) => Promise<void>;

export const acksLost: Scenario = badLink({
  about: "what the server answers is swallowed for a while, then the link is cut, `rounds` times",
  roundsShort: 10,
  roundsLong: 100,
  async misdeed({ stack }, proxy) {
    await pause(150);
    const { bytesSwallowed, bytesUp } = proxy.counters();
    proxy.set({ swallow: "down" });
    const areLost = async () => {
      const now = proxy.counters();
      return now.bytesUp - bytesUp > batchBytesMin && now.bytesSwallowed > bytesSwallowed;
    };
    await until(areLost, 20_000, "answers that are swallowed");
    await pause(100);
    proxy.set({ swallow: "nothing" });
    await recovery(stack);
  },
});

export const cutMidBatch: Scenario = badLink({
  about: "the link is cut in the middle of a batch, `rounds` times",
  roundsShort: 20,
  roundsLong: 200,
  async misdeed({ stack }, proxy) {
    const bytes = Math.floor(systemRandom.next() * batchBytesMin);
    proxy.set({ cutAfter: { direction: "up", bytes, burstBytesMin: batchBytesMin } });
    const isCut = async () => proxy.conditions.cutAfter === undefined;
    await until(isCut, 20_000, "a batch to be cut");
    await recovery(stack);
  },
});

export const halfOpen: Scenario = badLink({
  about: "the link is silent both ways for longer than a ping interval, then reset, `rounds` times",
  roundsShort: 1,
  roundsLong: 5,
  async misdeed({ stack }, proxy) {
    proxy.set({ swallow: "both" });
    await pause(pingIntervalMs + 2_000);
    proxy.set({ swallow: "nothing" });
    await recovery(stack);
  },
});

export const slowLink: Scenario = badLink({
  about: "the link is slow, far away and unsteady, and is reset `rounds` times",
  roundsShort: 1,
  roundsLong: 20,
  async misdeed({ stack, options }, proxy) {
    proxy.set({ delayMs: 300, jitterMs: 200, bytesPerSecond: 32_768 });
    await pause(3_000);
    proxy.reset();
    // Batch, commit and mark take their time over such a link.
    await recovery(stack, (farBehindMs * options.devices) / options.intervalMs);
  },
});

/** Lost packets only slow TCP down; what loses something is a connection that breaks. */
const lossShare = 0.02;

export const lossyTls: Scenario = lossy(100, "tls");
export const lossyWss: Scenario = lossy(20, "wss");

export const halfOpenProxied: Scenario = badLink({
  about:
    "by WebSocket and an HTTP proxy: 20 ms away, then silent both ways, then reset, `rounds` times",
  roundsShort: 1,
  roundsLong: 5,
  way: "wss-by-proxy",
  async misdeed({ stack }, proxy) {
    proxy.set({ delayMs: 20, swallow: "both" });
    await pause(pingIntervalMs + 2_000);
    proxy.set({ swallow: "nothing" });
    await recovery(stack);
  },
});

function lossy(delayMs: number, way: "tls" | "wss"): Scenario {
  return badLink({
    about: `by ${way}://, ${delayMs} ms away, 2 % of all bursts are cut, for a while, \`rounds\` times`,
    roundsShort: 1,
    roundsLong: 20,
    way,
    async misdeed({ stack, options }, proxy) {
      proxy.set({ delayMs, jitterMs: delayMs / 5, cutShare: lossShare });
      await pause(lossyMs);
      proxy.set({ cutShare: 0 });
      await recovery(stack, (farBehindMs * options.devices) / options.intervalMs);
    },
  });
}

interface BadLink {
  readonly about: string;
  readonly roundsShort: number;
  readonly roundsLong: number;
  readonly misdeed: Misdeed;
  readonly way?: Exclude<Way, "nats">;
}

function badLink({ misdeed, way, ...rounds }: BadLink): Scenario {
  return {
    ...rounds,
    stack: way === undefined ? { proxied: true } : { way },
    async act(run) {
      const { stack, options } = run;
      await recovery(stack);
      for (let round = 0; round < options.rounds; round++) {
        await misdeed(run, stack.proxy);
        options.tell(`${round + 1} of ${options.rounds}: taken again`);
      }
      return { ...stack.proxy.counters(), ...(await traffic(run)) };
    },
    check: (_found, { sentTimes = Number.NaN }) =>
      sentTimes <= sentTimesMax ? [] : [`every event was sent ${sentTimes} times`],
  };
}

/** Events sent, repeats included, for each that was to be sent. */
async function traffic({ stack }: Run): Promise<Figures> {
  const { pump, outbox } = await stack.gateway.status();
  const { batches, events, bytes } = pump;
  const [repeats, doubts] = await Promise.all(
    ["repeats", "doubts"].map((name) => stack.engineMetric(name)),
  );
  const sentTimes = Math.round((100 * events) / outbox.appended) / 100;
  return { batches, events, bytes, repeats: repeats ?? 0, doubts: doubts ?? 0, sentTimes };
}
