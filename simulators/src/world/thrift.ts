/**
 * C16: what a gateway may send is not exceeded. Its own count of the day, over restarts and power cuts,
 * is never below what went over its wire; telemetry goes no faster than allowed, but for a burst; and
 * history goes in its hours. Where clocks are wrong, or disks are others', days and hours are not told.
 */
import type { BudgetSettings } from "@causeway/edge/uplink/budget.ts";
import type { UplinkLane } from "@causeway/edge/uplink/uplink.ts";
import { isWithin } from "@causeway/shared/hours.ts";
import type { Dice, FaultName, Violate } from "./faults.ts";
import { worldBeginsMs } from "./process-clock.ts";
import type { Timeline } from "./timeline.ts";

/** A gateway that is wrong about the time waits for its own hours, for longer than a world lasts. */
const wrongClocks: readonly FaultName[] = ["clock-jump", "clock-unset"];
/** Whose day may be counted anew, or by another clock. */
const doubtful: readonly FaultName[] = [
  ...wrongClocks,
  ...(["disk-restored", "disk-cloned", "disk-lies"] as const),
  ...(["block-rots", "write-failed", "read-failed"] as const),
];
/** A batch that was begun within the hours may leave behind them. */
const hoursSlackMs = 2_000;
/** What a lane may have at hand at once, and a batch that is due goes whole. */
const burstBytesMax = 12 * 1_024;

/** A backlog has to wait for its turn, and all of it goes within the hour. */
export function budgetOf(dice: Dice): BudgetSettings | undefined {
  if (!dice.has("budget-small")) return undefined;
  const begins = dice.between(1, 3);
  const spans = [
    { from: 0, to: begins },
    { from: begins + dice.between(1, 3), to: 23 * 60 },
  ];
  const isByHours = dice.between(0, 1) === 1 && !wrongClocks.some((name) => dice.has(name));
  return {
    bytesPerSecond: dice.between(0, 3) > 0 ? dice.between(150, 400) : undefined,
    bytesPerDay: 50_000_000,
    hours: isByHours ? { spans, zone: "UTC" } : undefined,
    zone: "UTC",
  };
}

export class Thrift {
  readonly #settings: BudgetSettings;
  readonly #timeline: Timeline;
  readonly #violate: Violate;
  readonly #isDayCertain: boolean;
  /** Over all processes. */
  #bytes = 0;
  /** Of the process that runs. */
  #telemetry = { bytes: 0, sinceMs: 0 };

  constructor(settings: BudgetSettings, timeline: Timeline, dice: Dice, violate: Violate) {
    this.#settings = settings;
    this.#timeline = timeline;
    this.#violate = violate;
    this.#isDayCertain = !doubtful.some((name) => dice.has(name));
  }

  started(): void {
    this.#telemetry = { bytes: 0, sinceMs: this.#timeline.nowMs };
  }

  sent(lane: UplinkLane, bytes: number): void {
    const { hours, bytesPerSecond } = this.#settings;
    const { nowMs } = this.#timeline;
    this.#bytes += bytes;
    if (lane !== "priority") this.#telemetry.bytes += bytes;
    const passedMs = nowMs - this.#telemetry.sinceMs;
    const most = ((bytesPerSecond ?? Number.POSITIVE_INFINITY) * passedMs) / 1_000 + burstBytesMax;
    if (this.#telemetry.bytes > most) {
      this.#violate("C16", `${this.#telemetry.bytes} bytes are sent in ${passedMs} ms`);
    }
    if (lane !== "history" || hours === undefined || !this.#isDayCertain) return;
    const at = worldBeginsMs + nowMs;
    if (isWithin(hours, at) || isWithin(hours, at - hoursSlackMs)) return;
    this.#violate("C16", "history is sent out of its hours");
  }

  /** What the gateway says of its day. */
  counted(usedBytes: number): void {
    if (!this.#isDayCertain || usedBytes >= this.#bytes) return;
    this.#violate("C16", `${this.#bytes} bytes are sent, and ${usedBytes} are counted`);
  }
}
