/** A map by series (device, metric) that looks up without building a key. */
export class SeriesMap<Value> {
  readonly #devices = new Map<string, Map<string, Value>>();
  #size = 0;
  #lastDevice: string | undefined;
  #last: Map<string, Value> | undefined;

  /** Series held. */
  get size(): number {
    return this.#size;
  }

  get(device: string, metric: string): Value | undefined {
    // Readings of one device come together.
    if (device !== this.#lastDevice) {
      this.#last = this.#devices.get(device);
      this.#lastDevice = device;
    }
    return this.#last?.get(metric);
  }

  set(device: string, metric: string, value: Value): void {
    let metrics = this.#devices.get(device);
    if (metrics === undefined) {
      metrics = new Map();
      this.#devices.set(device, metrics);
      this.#lastDevice = undefined;
    }
    if (!metrics.has(metric)) this.#size += 1;
    metrics.set(metric, value);
  }

  delete(device: string, metric: string): void {
    const metrics = this.#devices.get(device);
    if (metrics === undefined || !metrics.delete(metric)) return;
    this.#size -= 1;
    if (metrics.size > 0) return;
    this.#devices.delete(device);
    this.#lastDevice = undefined;
  }

  clear(): void {
    this.#devices.clear();
    this.#lastDevice = undefined;
    this.#size = 0;
  }

  *entries(): Generator<readonly [device: string, metric: string, value: Value]> {
    for (const [device, metrics] of this.#devices) {
      for (const [metric, value] of metrics) yield [device, metric, value];
    }
  }
}
