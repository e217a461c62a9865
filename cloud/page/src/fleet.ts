/**
 * The fleet as the stream tells it: what is shown of it, by topic, so that a part of the page is
 * drawn again only where something that it shows has changed. Pure.
 *
 *   F1  A series never moves back: an update of an older version changes nothing. Versions are of one
 *       start of the cloud, so each `hello` begins to compare anew.
 *   F2  After a `hello` that does not resume, what is known is forgotten before more is taken.
 *   F3  Bounded: `seriesMax` series, `curveMax` values each, `resolvedMax` alerts that are over.
 */
import type {
  Alert,
  Counters,
  Facts,
  Gateway,
  SeriesUpdate,
  Severity,
  Spoken,
  StreamEvents,
} from "./api-types.ts";

const seriesMax = 20_000;
const curveMax = 60;
const resolvedMax = 200;
const ratesMax = 120;
/** A counter tells a rate only over some time. */
const rateSpanMsMin = 500;

export type LinkState = "wait" | "live" | "lost";
export type Topic = "link" | "counters" | "gateways" | "alerts" | "spoken" | "series" | "values";

export interface Series {
  update: SeriesUpdate;
  /** By which `hello` it came. */
  hello: number;
  recent: readonly number[];
}

export interface Device {
  readonly gateway: string;
  readonly device: string;
  readonly series: Map<string, Series>;
  receivedAt: number;
}

export type Place = Pick<Alert, "gateway" | "device" | "metric">;
export const deviceKey = ({ gateway, device }: Omit<Place, "metric">) => `${gateway}\n${device}`;

const ranks: Readonly<Record<Severity, number>> = { critical: 0, warning: 1, info: 2 };

export class Fleet {
  link: { state: LinkState; since: number } = { state: "wait", since: 0 };
  facts: Facts | undefined;
  counters: Counters | undefined;
  /** Server's time less ours. */
  skewMs = 0;
  /** Readings a second, one for each frame of counters, oldest first. */
  rates: number[] = [];
  gateways: readonly Gateway[] = [];
  readonly devices = new Map<string, Device>();
  seriesCount = 0;
  /** Grows with every change of alerts and of what people say of them. */
  alertVersion = 0;
  spoken: Spoken = { silences: [], acknowledgements: {} };
  readonly #firing = new Map<string, Alert>();
  readonly #resolved = new Map<string, Alert>();
  readonly #told: (topics: ReadonlySet<Topic>) => void;
  #hello = 0;
  #lastCount: { now: number; readings: number } | undefined;

  /** `told` is called after every change with what has changed. */
  constructor(told: (topics: ReadonlySet<Topic>) => void) {
    this.#told = told;
  }

  apply<Name extends keyof StreamEvents>(
    name: Name,
    data: StreamEvents[Name],
    nowMs: number,
  ): void {
    this.#takers[name](data, nowMs);
  }

  tellLink(state: LinkState, nowMs: number): void {
    if (this.link.state === state) return;
    this.link = { state, since: nowMs };
    this.#told(new Set(["link"]));
  }

  /** What fires, the gravest first, then the newest. */
  firing(): readonly Alert[] {
    return [...this.#firing.values()].sort(
      (a, b) => ranks[a.severity] - ranks[b.severity] || b.firingAt - a.firingAt,
    );
  }

  /** What is over, the newest first. */
  resolved(): readonly Alert[] {
    return [...this.#resolved.values()].reverse();
  }

  alert(id: string): Alert | undefined {
    return this.#firing.get(id) ?? this.#resolved.get(id);
  }

  /** Gravest severity that fires at the place, or below it. */
  severityAt(gateway: string, device?: string, metric?: string): Severity | undefined {
    let gravest: Severity | undefined;
    for (const alert of this.#firing.values()) {
      if (alert.gateway !== gateway) continue;
      if (device !== undefined && alert.device !== device) continue;
      if (metric !== undefined && alert.metric !== metric) continue;
      if (gravest === undefined || ranks[alert.severity] < ranks[gravest]) gravest = alert.severity;
    }
    return gravest;
  }

  readonly #takers: {
    [Name in keyof StreamEvents]: (data: StreamEvents[Name], now: number) => void;
  } = {
    hello: (data, now) => {
      if (!data.resumed) this.#forget(); // F2
      this.#hello++;
      this.#takeFacts(data, now);
      this.link = { state: "live", since: now };
      this.#told(new Set(["link", "alerts", "series", "gateways", "counters"]));
    },
    counters: (data, now) => {
      this.#takeFacts(data, now);
      this.#takeRate(data.now, data.counters.readings);
      this.counters = data.counters;
      this.#told(new Set(["counters"]));
    },
    gateways: (data) => {
      this.gateways = data;
      this.#told(new Set(["gateways"]));
    },
    alerts: ({ open, recent }) => {
      this.#firing.clear();
      this.#resolved.clear();
      for (const alert of recent.toReversed()) this.#takeAlert(alert);
      for (const alert of open) this.#takeAlert(alert);
      this.#told(new Set(["alerts"]));
    },
    alert: (data) => {
      this.#takeAlert(data);
      this.#told(new Set(["alerts"]));
    },
    silences: (data) => {
      this.spoken = data;
      this.alertVersion++;
      this.#told(new Set(["spoken"]));
    },
    latest: (updates) => {
      const before = this.seriesCount;
      for (const update of updates) this.#takeSeries(update);
      this.#told(new Set(this.seriesCount === before ? ["values"] : ["values", "series"]));
    },
  };

  #takeFacts({ now, version, ready, reasons }: Facts, nowMs: number): void {
    this.skewMs = now - nowMs;
    this.facts = { now, version, ready, reasons };
  }

  #takeRate(now: number, readings: number): void {
    const before = this.#lastCount;
    if (before !== undefined && now - before.now < rateSpanMsMin) return;
    this.#lastCount = { now, readings };
    if (before === undefined) return;
    const rate = Math.max(0, readings - before.readings) / ((now - before.now) / 1_000);
    this.rates = [...this.rates, rate].slice(-ratesMax);
  }

  #takeAlert(alert: Alert): void {
    this.alertVersion++;
    if (alert.state === "firing") {
      if (!this.#resolved.has(alert.id)) this.#firing.set(alert.id, alert);
      return;
    }
    this.#firing.delete(alert.id);
    this.#resolved.delete(alert.id);
    this.#resolved.set(alert.id, alert);
    const [oldest] = this.#resolved.keys();
    if (this.#resolved.size > resolvedMax && oldest !== undefined) this.#resolved.delete(oldest);
  }

  /** F1. */
  #takeSeries(update: SeriesUpdate): void {
    const device = this.#deviceOf(update);
    const known = device?.series.get(update.metric);
    if (device === undefined || (known === undefined && this.seriesCount >= seriesMax)) return;
    device.receivedAt = Math.max(device.receivedAt, update.receivedAt);
    if (known === undefined) {
      const recent = update.recent ?? numbers(update);
      device.series.set(update.metric, { update, recent, hello: this.#hello });
      this.seriesCount++;
    } else if (known.hello !== this.#hello || update.version > known.update.version) {
      known.hello = this.#hello;
      known.recent = (update.recent ?? [...known.recent, ...numbers(update)]).slice(-curveMax);
      known.update = update;
    }
  }

  #deviceOf({ gateway, device }: SeriesUpdate): Device | undefined {
    const key = deviceKey({ gateway, device });
    const known = this.devices.get(key);
    if (known !== undefined || this.seriesCount >= seriesMax) return known;
    const added = { gateway, device, series: new Map(), receivedAt: 0 };
    this.devices.set(key, added);
    return added;
  }

  #forget(): void {
    this.devices.clear();
    this.seriesCount = 0;
    this.#firing.clear();
    this.#resolved.clear();
    this.#lastCount = undefined;
  }
}

function numbers({ value }: SeriesUpdate): readonly number[] {
  return typeof value === "number" ? [value] : [];
}
