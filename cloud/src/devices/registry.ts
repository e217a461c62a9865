/**
 * The registry: which devices there are, built from events alone. A pure fold over what is taken.
 *
 *   G1  What is known of a gateway goes with the ledger that it was folded by: read again from
 *       anywhere, its repeats are known, and nothing is counted twice.
 *   G2  Bounded: gateways, devices in all and of a gateway, metrics, topics and notices; what is
 *       beyond a bound is counted, and one sentence tells of it.
 */
import type { EventKind, Reading } from "@causeway/shared/event.ts";
import type { Service } from "@causeway/shared/rules/fleet.ts";
import type { Folded, TakenEvent } from "../ingest/fold.ts";
import type { DeviceBounds, MetricFact, SharesTags } from "./device-row.ts";
import { DeviceRow } from "./device-row.ts";

export interface RegistryBounds extends DeviceBounds {
  readonly gatewaysMax: number;
  readonly devicesMax: number;
  readonly devicesPerGatewayMax: number;
  /** Metrics of all devices of a gateway, each by unit and quality once. */
  readonly factsPerGatewayMax: number;
  /** Of names and topics of a gateway. */
  readonly charactersPerGatewayMax: number;
  readonly noticesPerGatewayMax: number;
}

export const defaultRegistryBounds: RegistryBounds = {
  gatewaysMax: 10_000,
  devicesMax: 250_000,
  devicesPerGatewayMax: 20_000,
  metricsPerDeviceMax: 256,
  topicsPerDeviceMax: 8,
  factsPerGatewayMax: 20_000,
  charactersPerGatewayMax: 4 * 1_024 * 1_024,
  noticesPerGatewayMax: 32,
};

/** Something that a gateway told of itself or its clients; the same words are one notice. */
export interface Notice {
  readonly name: string;
  readonly detail: string;
  /** When it was told last, in ms, and how often. */
  readonly at: number;
  readonly count: number;
}

/** What is told each minute, is shown anyway, or is no matter for concern. */
const noNotices: ReadonlySet<string> = new Set([
  ...["heartbeat", "started", "clock-synced"],
  ...["device-described", "device-cleared", "device-forgotten"],
]);
/** What a device itself has said, or is said of it. */
const ofDevices: ReadonlySet<EventKind> = new Set(["reading", "quarantined", "presence"]);
/** A gateway of which nothing live came for so long was silent. */
const silenceMs = 3 * 60_000;
const noticeCharactersMax = 512;

export class GatewayRow {
  readonly gateway: string;
  readonly devices = new Map<string, DeviceRow>();
  readonly #facts = new Map<string, MetricFact>();
  readonly #tags = new Map<string, readonly string[]>();
  readonly #bounds: RegistryBounds;
  notices: readonly Notice[] = [];
  version = "";
  firstSeen = 0;
  storedAt = 0;
  liveAt = 0;
  resumedAt = 0;
  events = 0;
  readings = 0;
  late = 0;
  /** Events of devices that had no room, and readings of metrics that had none. */
  devicesBeyond = 0;
  metricsBeyond = 0;
  characters = 0;

  constructor(gateway: string, bounds: RegistryBounds) {
    this.gateway = gateway;
    this.#bounds = bounds;
  }

  /** G2: undefined where there is no room for another. */
  readonly share = (
    metric: string,
    unit: string | undefined,
    quality: Reading["quality"],
  ): MetricFact | undefined => {
    const key = `${quality} ${unit ?? ""}\n${metric}`;
    const known = this.#facts.get(key);
    if (known !== undefined) return known;
    if (this.#facts.size >= this.#bounds.factsPerGatewayMax) return undefined;
    if (!this.hasRoom(metric.length)) return undefined;
    const fact: MetricFact = { metric, unit, quality };
    this.#facts.set(key, fact);
    this.characters += metric.length;
    return fact;
  };

  /** G2: undefined where there is no room for other tags. */
  readonly shareTags: SharesTags = (tags) => {
    const key = JSON.stringify(tags);
    const known = this.#tags.get(key);
    if (known !== undefined) return known;
    if (!this.hasRoom(key.length)) return undefined;
    this.#tags.set(key, tags);
    this.characters += key.length;
    return tags;
  };

  hasRoom(characters: number): boolean {
    return this.characters + characters <= this.#bounds.charactersPerGatewayMax;
  }

  notice(name: string, detail: string, at: number): void {
    const kept = detail.slice(0, noticeCharactersMax);
    const isIt = (notice: Notice) => notice.name === name && notice.detail === kept;
    const count = (this.notices.find(isIt)?.count ?? 0) + 1;
    const others = this.notices.filter((notice) => !isIt(notice));
    const all = [...others, { name, detail: kept, at, count }];
    this.notices = all.slice(-this.#bounds.noticesPerGatewayMax);
  }
}

export class Registry {
  readonly bounds: RegistryBounds;
  readonly gateways = new Map<string, GatewayRow>();
  /** That changed since it was emptied by whoever keeps them. */
  readonly changed = new Set<string>();
  #devices = 0;
  #gatewaysBeyond = 0;
  #tagsVersion = 0;
  #events = 0;

  constructor(bounds: RegistryBounds = defaultRegistryBounds) {
    this.bounds = bounds;
  }

  get devices(): number {
    return this.#devices;
  }

  /** Another number where a device has other tags than before. */
  get tagsVersion(): number {
    return this.#tagsVersion;
  }

  /** Devices with tags of routes, those of a gateway with equal tags together. */
  tagged(): NonNullable<Service["tags"]> {
    return [...this.gateways].flatMap(([gateway, { devices }]) => {
      const own = [...devices.values()].filter(({ tags }) => tags.length > 0);
      const groups = Map.groupBy(own, ({ tags }) => JSON.stringify(tags));
      return [...groups.values()].map(
        (rows) => [gateway, rows[0]?.tags ?? [], rows.map(({ device }) => device)] as const,
      );
    });
  }

  /** Events that were taken since the start of the process. */
  get events(): number {
    return this.#events;
  }

  /** What one journal message brought; `storedAt` is when the server stored it, in ms. */
  take({ source, taken, findings }: Folded, storedAt: number): void {
    const gateway = this.#gateway(source.gateway, storedAt);
    if (gateway === undefined) return;
    if (storedAt > gateway.storedAt) gateway.storedAt = storedAt;
    for (const event of taken) this.#take(gateway, event, storedAt);
    for (const finding of findings) {
      if (finding.kind !== "fork") continue;
      const { kind, epoch, other } = finding.fork;
      const detail = `epoch ${epoch}${other === undefined ? "" : ` beside ${other}`}`;
      const name = kind === "conflict" ? "identity-conflict" : kind;
      gateway.notice(name, detail, storedAt);
    }
    this.changed.add(source.gateway);
  }

  #take(gateway: GatewayRow, taken: TakenEvent, storedAt: number): void {
    const { event, receivedAt: at, late } = taken;
    this.#events++;
    gateway.events++;
    if (late) gateway.late++;
    else if (taken.timeQuality === "synchronised" && at > gateway.liveAt) {
      if (at - gateway.liveAt >= silenceMs) gateway.resumedAt = at;
      gateway.liveAt = at;
    }
    if (event.kind === "system" && event.device === null) {
      if (event.name === "started") gateway.version = event.detail.slice(0, 64);
      if (!noNotices.has(event.name)) gateway.notice(event.name, event.detail, at);
    }
    if (event.device === null || !ofDevices.has(event.kind)) return;
    const row = this.#device(gateway, event.device, at);
    if (row === undefined) {
      gateway.devicesBeyond++;
      return;
    }
    row.take(taken, storedAt);
    if (event.kind !== "reading") return;
    gateway.readings += event.readings.length;
    const [beyond, topics] = [row.beyond, row.topics];
    row.takeReadings(taken, event.readings, this.bounds, gateway.share);
    gateway.metricsBeyond += row.beyond - beyond;
    if (row.takeTags(taken, gateway.shareTags)) this.#tagsVersion++;
    if (row.topics !== topics) gateway.characters += row.topics.at(-1)?.length ?? 0;
  }

  /** G2. */
  #gateway(id: string, storedAt: number): GatewayRow | undefined {
    const known = this.gateways.get(id);
    if (known !== undefined) return known;
    if (this.gateways.size >= this.bounds.gatewaysMax) {
      this.#gatewaysBeyond++;
      return undefined;
    }
    const made = new GatewayRow(id, this.bounds);
    made.firstSeen = storedAt;
    this.gateways.set(id, made);
    return made;
  }

  /** G2. */
  #device(gateway: GatewayRow, device: string, at: number): DeviceRow | undefined {
    const known = gateway.devices.get(device);
    if (known !== undefined) return known;
    const { devicesMax, devicesPerGatewayMax } = this.bounds;
    if (this.#devices >= devicesMax || gateway.devices.size >= devicesPerGatewayMax)
      return undefined;
    if (!gateway.hasRoom(device.length)) return undefined;
    const row = new DeviceRow(device, at);
    gateway.devices.set(device, row);
    gateway.characters += device.length;
    this.#devices++;
    return row;
  }

  /** As it was kept. */
  restore(gateway: GatewayRow): void {
    this.gateways.set(gateway.gateway, gateway);
    this.#devices += gateway.devices.size;
  }

  /** Forgets a device, or a gateway with all of its own; it begins anew when it speaks again. */
  forget(gateway: string, device: string): void {
    const row = this.gateways.get(gateway);
    if (row === undefined) return;
    this.changed.add(gateway);
    this.#tagsVersion++;
    if (device === "") {
      this.#devices -= row.devices.size;
      this.gateways.delete(gateway);
    } else if (row.devices.delete(device)) this.#devices--;
  }

  /** G2: a sentence where a bound is reached; undefined where none is. */
  fullness(): string | undefined {
    const { gatewaysMax, devicesMax, devicesPerGatewayMax } = this.bounds;
    const cure = "others are not listed: forget some that are gone";
    if (this.#gatewaysBeyond > 0) return `the registry holds ${gatewaysMax} gateways; ${cure}`;
    if (this.#devices >= devicesMax) return `the registry holds ${devicesMax} devices; ${cure}`;
    const why = "does something publish under ever new names?";
    for (const { gateway, devices, devicesBeyond, metricsBeyond } of this.gateways.values()) {
      if (devicesBeyond > 0 && devices.size >= devicesPerGatewayMax) {
        const what = `gateway ${gateway} has more than ${devicesPerGatewayMax} devices`;
        return `${what}; others are not listed: ${why}`;
      }
      if (devicesBeyond > 0)
        return `names and topics at gateway ${gateway} are too long in all; some devices are not listed`;
      if (metricsBeyond > 0)
        return `devices of gateway ${gateway} publish more metrics than are listed: ${why}`;
    }
    return undefined;
  }
}
