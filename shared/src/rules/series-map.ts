/** A map by series (device, metric) that looks up without building a key. */
export class SeriesMap<Value> {
  readonly #devices = new Map<string, Map<string, Value>>();
  #size = 0;

  /** Series held. */
  get size(): number {
    return this.#size;
  }

  get(device: string, metric: string): Value | undefined {
    return this.#devices.get(device)?.get(metric);
  }

  set(device: string, metric: string, value: Value): void {
    let metrics = this.#devices.get(device);
    if (metrics === undefined) {
      metrics = new Map();
      this.#devices.set(device, metrics);
    }
    if (!metrics.has(metric)) this.#size += 1;
    metrics.set(metric, value);
  }

  delete(device: string, metric: string): void {
    const metrics = this.#devices.get(device);
    if (metrics === undefined || !metrics.delete(metric)) return;
    this.#size -= 1;
    if (metrics.size === 0) this.#devices.delete(device);
  }

  clear(): void {
    this.#devices.clear();
    this.#size = 0;
  }

  *entries(): Generator<readonly [device: string, metric: string, value: Value]> {
    for (const [device, metrics] of this.#devices) {
      for (const [metric, value] of metrics) yield [device, metric, value];
    }
  }
}
