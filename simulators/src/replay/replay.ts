/**
 * Publishes a recording in file order, at the pace of its times.
 *
 * R1 the order of publishes is the order of the file, also where its times repeat or step back.
 * R2 it waits where the window is full: memory stays flat while the broker is away.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import type { DeviceId } from "@causeway/shared/names.ts";
import type { Connection } from "../connection.ts";
import { telemetryTopic } from "../connection.ts";
import type { Row } from "./columns.ts";

export interface ReplayPlan {
  readonly device: DeviceId;
  /** Times faster than the recording; Infinity: as fast as it is acknowledged. */
  readonly speed: number;
  /** Added to the time of every row, ms. */
  readonly shiftMs: number;
  /** The window of the connection. */
  readonly windowMax: number;
}

/** Long waits are taken in pieces: timers count to 2^31 ms only. */
const waitMsMax = 3_600_000;

export interface Replayed {
  /** False where it was ended before the last row. */
  readonly complete: boolean;
}

/** Resolves when every row is handed over, or soon after `signal` is aborted. */
export async function replay(
  plan: ReplayPlan,
  rows: AsyncIterable<readonly Row[]>,
  connection: Connection,
  clock: Clock,
  signal: AbortSignal,
): Promise<Replayed> {
  const pace = new Pace(plan.speed, clock.bootMs());
  let seq = 0;
  for await (const batch of rows) {
    for (const row of batch) {
      await untilDue(pace.dueMs(row.timeMs), clock, signal);
      if (!connection.hasRoom) await connection.below(plan.windowMax, signal); // R2
      if (signal.aborted) return { complete: false };
      seq += 1;
      const payload = JSON.stringify({ ts: row.timeMs + plan.shiftMs, ...row.metrics, seq });
      connection.publish({ device: plan.device, topic: telemetryTopic(plan.device), payload, seq });
    }
  }
  return { complete: true };
}

/** The latest time of a recording; what `--time shift` turns into now. */
export async function latestTimeMs(
  rows: AsyncIterable<readonly Row[]>,
): Promise<number | undefined> {
  let latest: number | undefined;
  for await (const batch of rows) {
    for (const { timeMs } of batch) {
      if (latest === undefined || timeMs > latest) latest = timeMs;
    }
  }
  return latest;
}

/** When, in ms since boot, a row is due. */
class Pace {
  readonly #speed: number;
  readonly #startMs: number;
  #firstMs: number | undefined;

  constructor(speed: number, startMs: number) {
    this.#speed = speed;
    this.#startMs = startMs;
  }

  /** A row that steps back in time is due before its turn: it follows at once (R1). */
  dueMs(timeMs: number): number {
    this.#firstMs ??= timeMs;
    return this.#startMs + (timeMs - this.#firstMs) / this.#speed;
  }
}

async function untilDue(dueMs: number, clock: Clock, signal: AbortSignal): Promise<void> {
  for (;;) {
    const waitMs = dueMs - clock.bootMs();
    if (waitMs <= 0 || signal.aborted) return;
    await sleep(clock, Math.min(Math.ceil(waitMs), waitMsMax), signal);
  }
}
