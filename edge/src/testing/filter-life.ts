/** A filter on an outbox in memory, in virtual time, and what is sent through it. */
import type { Quality, Reading, ReadingEvent } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import type { DeviceId, MetricName } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { filtersSchema } from "../filter/filter-settings.ts";
import { chooserOf } from "../filter/filter-way.ts";
import type { FilterBounds } from "../filter/reading-filter.ts";
import { defaultFilterBounds, ReadingFilter } from "../filter/reading-filter.ts";
import { MemoryDisk } from "../outbox/memory-store.ts";
import type { OutboxBounds } from "../outbox/outbox.ts";
import { Outbox } from "../outbox/outbox.ts";
import { contentsOf } from "./outbox-contents.ts";
import { wide } from "./outbox-life.ts";

export interface FilterLifeOptions {
  readonly disk?: MemoryDisk;
  readonly clock?: VirtualClock;
  readonly bounds?: Partial<FilterBounds>;
  readonly outboxBounds?: Partial<OutboxBounds>;
  readonly isNeeded?: (device: string, metric: string) => boolean;
}

export interface Sent {
  readonly device?: string;
  readonly topic?: string;
  readonly metric?: string;
  readonly at?: number;
  readonly quality?: Quality;
  readonly unit?: string;
}

export class FilterLife {
  readonly disk: MemoryDisk;
  readonly clock: VirtualClock;
  readonly outbox: Outbox;
  readonly filter: ReadingFilter;
  readonly refused: string[] = [];

  private constructor(
    disk: MemoryDisk,
    clock: VirtualClock,
    outbox: Outbox,
    filter: ReadingFilter,
  ) {
    this.disk = disk;
    this.clock = clock;
    this.outbox = outbox;
    this.filter = filter;
  }

  static async begin(filters: unknown, options: FilterLifeOptions = {}): Promise<FilterLife> {
    const { disk = new MemoryDisk(), clock = new VirtualClock() } = options;
    const outbox = await Outbox.open({
      ...{ gateway: "gw", clock, random: seededRandom("filter"), log: silentLogger },
      openStore: async () => disk.open(),
      bounds: { ...wide, ...options.outboxBounds },
    });
    const filter = await ReadingFilter.open({
      ...{ outbox, clock, log: silentLogger, chooser: chooserOf(filtersSchema.parse(filters)) },
      isNeeded: options.isNeeded ?? (() => false),
      bounds: { ...defaultFilterBounds, ...options.bounds },
    });
    filter.start();
    return new FilterLife(disk, clock, outbox, filter);
  }

  /** The next process, after a kill, on the same machine or after its reboot. */
  async restart(filters: unknown, options: FilterLifeOptions = {}): Promise<FilterLife> {
    this.filter.stop();
    this.disk.crash();
    return FilterLife.begin(filters, { disk: this.disk, clock: this.clock, ...options });
  }

  /** One publish; it has settled when this resolves. */
  async send(value: Reading["value"], sent: Sent = {}): Promise<void> {
    const { device = "d1", metric = "t", at = null, quality = "good", unit } = sent;
    const { topic = `devices/${device}/telemetry` } = sent;
    const reading = { metric: metric as MetricName, value, quality };
    const event: ReadingEvent = {
      ...{ kind: "reading", device: device as DeviceId, topic, observedAt: at },
      bootMs: this.clock.bootMs(),
      readings: [unit === undefined ? reading : { ...reading, unit }],
    };
    const isAdmitted = this.outbox.obstacle("telemetry") === undefined;
    const events = isAdmitted ? this.filter.take(event) : [event];
    this.outbox.append("telemetry", events, (failure) => {
      if (failure !== undefined) this.refused.push(failure.code);
    });
    await this.clock.advance(0);
  }

  async log(): Promise<ReadingEvent[]> {
    const events: ReadingEvent[] = [];
    for (const { id } of this.outbox.epochs())
      for (const { event } of await contentsOf(this.outbox, id, "telemetry"))
        if (event?.kind === "reading") events.push(event);
    return events;
  }

  /** As `t=21.5`, with `@` and its own time where it has one. */
  async told(): Promise<string[]> {
    const events = await this.log();
    return events.flatMap(({ readings, observedAt }) =>
      readings.map((reading) => {
        const at = reading.observedAt ?? observedAt;
        return `${reading.metric}=${reading.value}${at === null ? "" : `@${at}`}`;
      }),
    );
  }
}
