/**
 * What the outbox may take: bytes for each log, bytes of the whole disk that others need too, and
 * appends that wait for their sync.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { logKeys } from "./layout.ts";
import type { Store } from "./store.ts";

export interface OutboxBounds {
  /** All blocks; a part of it is kept free for what giving way itself costs. */
  readonly bytesMax: number;
  /** The part of it that `priority` has; at most an eighth. */
  readonly priorityBytesMax?: number;
  /** Released blocks kept for a cloud that rolls back. */
  readonly tailBytesMax: number;
  /** Appends waiting for their sync; beyond it they fail with OUTBOX_FULL. */
  readonly pendingBytesMax: number;
  /** So much of the disk stays free; below it the outbox acts as at its bound. */
  readonly diskReserveBytes?: number;
  /** What becomes of telemetry that was never sent, at the bound; `reject` if left out. */
  readonly whenFull?: WhenFull;
  /** Events that were never sent and are older are lost; none if left out. */
  readonly ageMaxMs?: number | undefined;
}

export const whenFullPolicies = ["thin", "drop-oldest", "reject"] as const;
export type WhenFull = (typeof whenFullPolicies)[number];

export type FreeBytes = () => Promise<number>;

/** What deletes, losses, roll-ups and compaction take before they give. */
const reserveShare = 1 / 16;
const reserveBytesMax = 64 * 1_024 * 1_024;
const priorityShareMax = 1 / 8;
/** Beyond this share of its bound a log gives way, down to the lower one. */
const highShare = 0.9;
const lowShare = 0.8;
const freeCheckMs = 100;
/** The store's size leaves out what LevelDB still has in its two write buffers. */
const notMeasuredBytesMax = 8 * 1_024 * 1_024;

export class Space {
  readonly #bounds: OutboxBounds;
  readonly #clock: Clock;
  readonly #freeBytes: FreeBytes | undefined;
  readonly #max: Readonly<Record<Log, number>>;
  readonly #stored: Record<Log, number>;
  #free = Number.POSITIVE_INFINITY;
  #checkedMs = Number.NEGATIVE_INFINITY;
  #refused = 0;

  constructor(
    bounds: OutboxBounds,
    stored: Readonly<Record<Log, number>>,
    clock: Clock,
    freeBytes: FreeBytes | undefined,
  ) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#freeBytes = freeBytes;
    const { bytesMax, priorityBytesMax = Number.POSITIVE_INFINITY } = bounds;
    const priority = Math.min(priorityBytesMax, bytesMax * priorityShareMax);
    const reserve = Math.min(reserveBytesMax, bytesMax * reserveShare);
    this.#max = { telemetry: bytesMax - reserve - priority, priority };
    this.#stored = { ...stored };
  }

  get bytes(): number {
    return this.#stored.telemetry + this.#stored.priority;
  }

  /** Bytes free on the disk; undefined where nobody looks. */
  get free(): number | undefined {
    return Number.isFinite(this.#free) ? this.#free : undefined;
  }

  get refused(): number {
    return this.#refused;
  }

  of(log: Log): { readonly bytes: number; readonly bytesMax: number } {
    return { bytes: this.#stored[log], bytesMax: this.#max[log] };
  }

  /** Why an append must not be admitted. */
  refusal(log: Log, pendingBytes: number): CodedError | undefined {
    const why = this.whyNot(log, pendingBytes);
    if (why === undefined) return undefined;
    this.#refused++;
    return new CodedError("OUTBOX_FULL", why);
  }

  whyNot(log: Log, pendingBytes: number): string | undefined {
    const { pendingBytesMax, diskReserveBytes = 0 } = this.#bounds;
    if (pendingBytes >= pendingBytesMax) return `${pendingBytes} bytes wait for the disk already`;
    if (this.#free < diskReserveBytes) {
      const cure = "free some space, or lower outbox.diskReserveBytes";
      return `the disk has ${this.#free} bytes left, ${diskReserveBytes} are reserved: ${cure}`;
    }
    const [bytes, bytesMax] = [this.#stored[log], this.#max[log]];
    if (bytes < bytesMax) return undefined;
    const cure = "the cloud takes nothing, or raise outbox.bytesMax";
    return `${Math.round(bytes)} of ${Math.round(bytesMax)} bytes of ${log} are used: ${cure}`;
  }

  added(log: Log, bytes: number): void {
    this.#stored[log] += bytes;
  }

  given(log: Log, bytes: number): void {
    this.#stored[log] = Math.max(0, this.#stored[log] - bytes);
  }

  /** How many bytes a log should give; from its bound on only, where it is held. */
  over(log: Log, isHeld: boolean): number {
    const [bytes, bytesMax] = [this.#stored[log], this.#max[log]];
    const from = isHeld ? 1 : highShare;
    return bytes < bytesMax * from ? 0 : bytes - bytesMax * lowShare;
  }

  /** How many bytes the disk should get back. */
  short(): number {
    const { diskReserveBytes = 0 } = this.#bounds;
    return this.#free < diskReserveBytes ? diskReserveBytes * 1.1 - this.#free : 0;
  }

  isTight(): boolean {
    return this.short() > 0 || logs.some((log) => this.over(log, false) > 0);
  }

  /** True where it must be asked. */
  get isStale(): boolean {
    if (this.#freeBytes === undefined || !this.#bounds.diskReserveBytes) return false;
    return this.#clock.bootMs() - this.#checkedMs >= freeCheckMs;
  }

  /** Asks the disk, unless it was asked just now. */
  async check(): Promise<void> {
    if (this.#freeBytes === undefined || !this.isStale) return;
    this.#checkedMs = this.#clock.bootMs();
    // Where it cannot be told, a write that fails will tell.
    this.#free = await this.#freeBytes().catch(() => Number.POSITIVE_INFINITY);
  }

  /** What was written and not given up, corrected by the size on disk where that is far smaller. */
  async measure(store: Store): Promise<void> {
    for (const log of logs) {
      const { from, until } = logKeys(log);
      const onDisk = await store.size(from, until);
      const bytes = Math.min(this.#stored[log], onDisk + notMeasuredBytesMax);
      this.#stored[log] = Math.max(onDisk, bytes);
    }
  }
}

/** As the store measures them. */
export async function storedBytes(store: Store): Promise<Record<Log, number>> {
  const [telemetry, priority] = [logKeys("telemetry"), logKeys("priority")];
  return {
    telemetry: await store.size(telemetry.from, telemetry.until),
    priority: await store.size(priority.from, priority.until),
  };
}
