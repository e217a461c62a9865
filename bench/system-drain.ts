/**
 * Measures how a backlog reaches the cloud after an outage: the link goes, devices publish on, the
 * link comes back. Within a round every peer in turn, each with fresh processes on fresh stores.
 */
import { performance } from "node:perf_hooks";
import { sleep } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { cpuSecondsOf } from "../simulators/src/load/system-load.ts";
import type { Drained, DrainResult } from "./drain.ts";
import { drainResultOf, drainTable } from "./drain.ts";
import { fleetMessages } from "./fleet-messages.ts";
import { MqttWire } from "./mqtt-wire.ts";
import type { DrainPeer, DrainRun } from "./system-drain-peers.ts";
import { drainPeers, liveTopic } from "./system-drain-peers.ts";

export interface DrainOptions {
  readonly events: number;
  readonly rounds: number;
  /** The link is away so long at least: what is younger goes in its order, not as history. */
  readonly outageMs: number;
  readonly peers: readonly string[];
  readonly tell: (line: string) => void;
  readonly print: (line: string) => void;
  readonly asJson: boolean;
}

const window = 1_000;
const warmEvents = 2_000;
const liveEveryMs = 50;
const pollMs = 5;
const drainMsMax = 180_000;

export async function benchDrain(options: DrainOptions): Promise<void> {
  const { rounds, events, peers, tell, print, asJson } = options;
  const results = new Map<string, { rounds: Drained[]; failure?: string }>();
  for (const name of peers) {
    const peer = drainPeers[name];
    if (peer === undefined) throw new Error(`${name}: a peer is one of ${Object.keys(drainPeers)}`);
    const isMissing = peer.program !== undefined && peer.program() === undefined;
    const failure = `not installed, run: ${peer.cure}`;
    results.set(name, { rounds: [], ...(isMissing ? { failure } : {}) });
    if (isMissing) tell(`SKIPPED: ${name}: ${failure}`);
  }
  for (let round = 1; round <= rounds; round++) {
    for (const [name, result] of results) {
      if (result.failure !== undefined) continue;
      try {
        const one = await drain(drainPeers[name] as DrainPeer, options);
        result.rounds.push(one);
        tell(`round ${round} ${name}: ${JSON.stringify(one)}`);
      } catch (failure) {
        result.failure = reasonOf(failure);
        tell(`round ${round} ${name}: FAILED: ${result.failure}`);
      }
    }
  }
  const told = [...results].map(
    ([name, { rounds: done, failure }]): DrainResult => drainResultOf(name, events, done, failure),
  );
  if (asJson) for (const result of told) print(JSON.stringify(result));
  else print(`\n${events} events of the standard fleet\n${drainTable(told)}`);
}

async function drain(peer: DrainPeer, { events, outageMs }: DrainOptions): Promise<Drained> {
  const run = await peer.start();
  try {
    const messages = fleetMessages(Date.now() - (events * 1_000) / 12);
    const devices = await MqttWire.open(run.mqttPort, "fleet");
    await devices.publishAll(taken(messages, warmEvents), window);
    await until(async () => (await run.arrived()).events >= warmEvents, "the first events");
    run.proxy.set({ refuse: true });
    run.proxy.reset();
    const cutMs = performance.now();
    await devices.publishAll(taken(messages, events), window);
    const published = devices.acknowledged;
    await sleep(systemClock(), Math.max(0, cutMs + outageMs - performance.now()));
    const live = await publishLive(run.mqttPort);
    await run.returned(published);
    const drained = await measure(run);
    const lost = await lostOf(run, published + (await live()));
    devices.close();
    return { ...drained, lost };
  } finally {
    await run.stop();
  }
}

async function measure(run: DrainRun): Promise<Omit<Drained, "lost">> {
  const { proxy, edgePids, cloudPids } = run;
  const { connections } = proxy.counters();
  const bytesBefore = proxy.counters();
  proxy.set({ refuse: false });
  const returnedMs = performance.now();
  await until(async () => proxy.counters().connections > connections, "the peer dials again");
  const upMs = performance.now();
  const [edgeCpu, cloudCpu] = [cpuOf(edgePids), cpuOf(cloudPids)];
  let firstLiveMs: number | undefined;
  await until(async () => {
    const { live, backlog } = await run.arrived();
    if (live) firstLiveMs ??= performance.now() - upMs;
    return backlog;
  }, "the backlog is there");
  const drainedMs = performance.now() - upMs;
  const { bytesUp, bytesDown } = proxy.counters();
  return {
    redialMs: upMs - returnedMs,
    firstLiveMs,
    drainedMs,
    bytes: bytesUp + bytesDown - bytesBefore.bytesUp - bytesBefore.bytesDown,
    edgeCpuSeconds: cpuOf(edgePids) - edgeCpu,
    cloudCpuSeconds: cpuOf(cloudPids) - cloudCpu,
  };
}

/** Fresh data all the while; what it returns ends it and says how many were acknowledged. */
async function publishLive(port: number): Promise<() => Promise<number>> {
  const wire = await MqttWire.open(port, "live");
  let seq = 0;
  const timer = setInterval(() => {
    wire.publish({ topic: liveTopic, payload: `{"ts":${Date.now()},"t":20.5,"seq":${++seq}}` });
  }, liveEveryMs);
  return async () => {
    clearInterval(timer);
    await wire.publishAll([], window);
    wire.close();
    return wire.acknowledged;
  };
}

/** What was acknowledged and never arrived. */
async function lostOf(run: DrainRun, acknowledged: number): Promise<number> {
  const isThere = async () => (await run.arrived()).events >= acknowledged;
  await until(isThere, "the rest", 10_000).catch(() => {});
  return Math.max(0, acknowledged - (await run.arrived()).events);
}

/** The generator goes on behind them. */
function* taken<Message>(messages: Generator<Message, never>, count: number): Generator<Message> {
  for (let index = 0; index < count; index++) yield messages.next().value;
}

function cpuOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0);
}

async function until(
  isSo: () => Promise<boolean>,
  what: string,
  timeoutMs = drainMsMax,
): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!(await isSo())) {
    if (performance.now() > endMs) throw new Error(`waited ${timeoutMs} ms for: ${what}`);
    await sleep(systemClock(), pollMs);
  }
}
