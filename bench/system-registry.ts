/**
 * Measures the registry of devices: what an event costs beside the journal's fold, what a device
 * takes in memory and when it is kept, and how long keeping, loading and listing take.
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { DeviceBook } from "@causeway/shared/devices/device-facts.ts";
import type { Event } from "@causeway/shared/event.ts";
import { eventId } from "@causeway/shared/event.ts";
import { deviceId, gatewayId, isMetricName } from "@causeway/shared/names.ts";
import { listDevices } from "../cloud/src/devices/device-view.ts";
import { defaultRegistryBounds, Registry } from "../cloud/src/devices/registry.ts";
import { decodeGateway, encodeGateway } from "../cloud/src/devices/registry-codec.ts";
import type { TakenEvent } from "../cloud/src/ingest/fold.ts";

export interface RegistryBench {
  readonly print: (line: string) => void;
  readonly asJson: boolean;
}

const [gatewayCount, perGateway, rounds] = [100, 1_000, 5];
const metrics = ["temperature", "humidity", "battery", "rssi", "uptime"].filter(isMetricName);
const secondMs = 1_000;

export function benchRegistry({ print, asJson }: RegistryBench): void {
  const collect = collector();
  const before = collect();
  const registry = new Registry();
  let foldMs = 0;
  for (let round = 0; round < rounds; round++) {
    for (let gateway = 0; gateway < gatewayCount; gateway++) {
      const events = eventsOf(gateway, round);
      const source = { partition: 0, gateway: gatewayId(`gw-${gateway}`), lane: "live" as const };
      const begun = spentMs();
      registry.take({ source, taken: events, dead: [], doubt: undefined, findings: [] }, round);
      if (round > 0) foldMs += spentMs() - begun;
    }
  }
  const bytes = collect() - before;
  const devices = registry.devices;
  const kept = timed(() =>
    [...registry.gateways.values()].map((row) => encodeGateway({ row, mark: markOf(row.gateway) })),
  );
  const characters = kept.result.flat().reduce((sum, { length }) => sum + length, 0);
  const loaded = timed(() =>
    kept.result.map((pieces, at) => decodeGateway(`gw-${at}`, pieces, defaultRegistryBounds)),
  );
  const sources = { registry, book: new DeviceBook(), now: rounds, silentAfterMs: undefined };
  const listed = timed(() => listDevices(sources, { limit: 100 }));
  const figures = {
    devices,
    metricsPerDevice: metrics.length,
    nsPerEvent: Math.round((foldMs * 1e6) / ((rounds - 1) * gatewayCount * perGateway)),
    bytesPerDevice: Math.round(bytes / devices),
    keptBytesPerDevice: Math.round(characters / devices),
    keepMs: kept.ms,
    loadMs: loaded.ms,
    listMs: listed.ms,
  };
  if (asJson) print(JSON.stringify(figures));
  else for (const [name, value] of Object.entries(figures)) print(`${name.padEnd(20)} ${value}`);
}

function eventsOf(gateway: number, round: number): readonly TakenEvent[] {
  const id = gatewayId(`gw-${gateway}`);
  return Array.from({ length: perGateway }, (_, index) => {
    const device = deviceId(`sensor-${gateway}-${index}`);
    // Each at a pace of its own: equal ones would take next to nothing when they are kept.
    const paceMs = 50 * secondMs + ((gateway * perGateway + index) % 9_973);
    const receivedAt = Date.UTC(2026, 0, 1) + round * paceMs + index;
    const readings = metrics.map((metric, at) => ({
      ...{ metric, value: round * 1.5 + at, unit: "Cel", quality: "good" as const },
    }));
    const place = { topic: `devices/${device}/telemetry`, bootMs: receivedAt, observedAt: null };
    const event: Event = { kind: "reading", device, ...place, readings };
    const position = round * perGateway + index + 1;
    return {
      ...{ id: eventId(id, "1-00000001", "telemetry", position), gateway: id, lane: "live" },
      ...{ epoch: "1-00000001", log: "telemetry", position, event, receivedAt },
      ...{ timeQuality: "synchronised", late: false, effect: true },
    } as TakenEvent;
  });
}

function markOf(gateway: string) {
  return { commit: 0, gateway, run: undefined, epochs: [], doubts: [], cap: undefined };
}

/** Bytes on the heap once nothing is left to be collected. */
function collector(): () => number {
  setFlagsFromString("--expose-gc");
  const gc: unknown = runInNewContext("gc");
  return () => {
    if (typeof gc === "function") gc();
    return process.memoryUsage().heapUsed;
  };
}

/** CPU of this thread: what else the machine does must not count. */
function spentMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

function timed<Result>(act: () => Result): { readonly result: Result; readonly ms: number } {
  const begun = spentMs();
  const result = act();
  return { result, ms: Math.round(spentMs() - begun) };
}
