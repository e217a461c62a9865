/** Metrics as Prometheus reads them, together with those of the process. */

import { Counter, collectDefaultMetrics, Gauge, Registry } from "prom-client";
import type { Metric } from "./metric.ts";

export class MetricsText {
  readonly contentType: string;
  readonly #process = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#process });
    this.contentType = this.#process.contentType;
  }

  /** Values are read when they are asked for; nothing is counted twice. */
  async text(metrics: readonly Metric[]): Promise<string> {
    const registry = new Registry();
    for (const [name, group] of Map.groupBy(metrics, (metric) => metric.name)) {
      const { help, kind, labels = {} } = group[0] as Metric;
      const config = { name, help, labelNames: Object.keys(labels), registers: [registry] };
      const each = kind === "gauge" ? new Gauge(config) : new Counter(config);
      for (const metric of group) each.inc(metric.labels ?? {}, metric.value);
    }
    return `${await this.#process.metrics()}\n${await registry.metrics()}`;
  }
}
