/** When the mark is read: one read at a time, sooner while it brings progress. */
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import type { PublishFault } from "./fault.ts";
import { schedules } from "./fault.ts";

export const markSoonMs = 250;
const intervalMaxMs = 5_000;

export class MarkAsking {
  #isPending = false;
  #atMs: number | undefined;
  #intervalMs = markSoonMs;
  #attempt = 0;

  linkUp(nowMs: number): void {
    this.#isPending = false;
    this.#atMs = nowMs;
  }

  linkDown(): void {
    this.#isPending = false;
    this.#atMs = undefined;
  }

  /** No later than `atMs`. */
  by(atMs: number): void {
    if (this.#atMs === undefined || atMs < this.#atMs) this.#atMs = atMs;
  }

  /** Whether it is to be asked for now. */
  begin(nowMs: number): boolean {
    if (this.#isPending || this.#atMs === undefined || nowMs < this.#atMs) return false;
    this.#isPending = true;
    this.#atMs = undefined;
    return true;
  }

  /** An answer that is awaited wakes by itself. */
  get wakeAtMs(): number | undefined {
    return this.#isPending ? undefined : this.#atMs;
  }

  answered(): void {
    this.#isPending = false;
    this.#attempt = 0;
  }

  failed(fault: PublishFault, nowMs: number, random: Random): void {
    this.#isPending = false;
    this.#attempt++;
    this.#atMs = nowMs + markSoonMs + retryDelayMs(schedules[fault], this.#attempt, random);
  }

  /** What is doubted is asked for again soon. */
  again(nowMs: number): void {
    this.#atMs = nowMs + markSoonMs;
  }

  /** Asked for while something is sent and not taken. */
  settled({ hasProgressed, isWaiting }: Settled, nowMs: number): void {
    this.#intervalMs = hasProgressed ? markSoonMs : Math.min(intervalMaxMs, this.#intervalMs * 2);
    this.#atMs = isWaiting ? nowMs + this.#intervalMs : undefined;
  }
}

interface Settled {
  readonly hasProgressed: boolean;
  readonly isWaiting: boolean;
}
