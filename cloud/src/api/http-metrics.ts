/** Metrics in Prometheus' text form, together with those of the process. */
import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Metric } from "./metric.ts";

export class HttpMetrics {
  readonly #process = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#process });
  }

  get contentType(): string {
    return this.#process.contentType;
  }

  /** Values are read when they are asked for; nothing is counted twice. */
  async text(metrics: readonly Metric[]): Promise<string> {
    const registry = new Registry();
    for (const [name, group] of Map.groupBy(metrics, (metric) => metric.name)) {
      const [{ help, kind, labels = {} }] = group as [Metric, ...Metric[]];
      const options = { name, help, labelNames: Object.keys(labels), registers: [registry] };
      const own = kind === "gauge" ? new Gauge(options) : new Counter(options);
      for (const metric of group) own.inc(metric.labels ?? {}, metric.value);
    }
    return `${await this.#process.metrics()}\n${await registry.metrics()}`;
  }
}
