/**
 * A link that counts as down until the clock is set, though for a while only: what is sent before that
 * stays undated for ever, and NTP often needs the same network a few seconds longer.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import type { Link, PublishOutcome } from "../uplink/link.ts";
import type { UplinkLane } from "../uplink/uplink.ts";

interface HeldLinkParts {
  readonly clock: Clock;
  readonly waitMs: number;
  /** Whether nothing need wait any more. */
  readonly mayPass: () => boolean;
  /** Called when it was waited for in vain. */
  readonly waited: () => void;
}

export class HeldLink implements Link {
  readonly #link: Link;
  readonly #parts: HeldLinkParts;
  #listener: ((state: "up" | "down", reason?: string) => void) | undefined;
  #timer: Cancel | undefined;
  /** Counted from the first time that the link came up. */
  #untilMs: number | undefined;

  constructor(link: Link, parts: HeldLinkParts) {
    this.#link = link;
    this.#parts = parts;
  }

  /** While the link is up and waits: how much longer at most. */
  get waitsMs(): number | undefined {
    if (this.#timer === undefined) return undefined;
    return Math.max(0, (this.#untilMs ?? 0) - this.#parts.clock.bootMs());
  }

  listen(listener: (state: "up" | "down", reason?: string) => void): void {
    this.#listener = listener;
    this.#link.listen((state, reason) => {
      this.#cancel();
      if (state === "up" && !this.#parts.mayPass()) return this.#hold();
      listener(state, reason);
    });
  }

  /** The clock is set. */
  release(): void {
    if (this.#timer === undefined) return;
    this.#cancel();
    this.#listener?.("up");
  }

  stop(): void {
    this.#cancel();
  }

  #hold(): void {
    const { clock, waitMs, waited } = this.#parts;
    this.#untilMs ??= clock.bootMs() + waitMs;
    const leftMs = Math.max(0, this.#untilMs - clock.bootMs());
    this.#timer = clock.after(leftMs, () => {
      waited();
      this.release();
    });
  }

  #cancel(): void {
    this.#timer?.();
    this.#timer = undefined;
  }

  publish(
    lane: UplinkLane,
    headers: readonly [string, string][],
    body: Uint8Array,
  ): Promise<PublishOutcome> {
    return this.#link.publish(lane, headers, body);
  }

  readMark(): Promise<Mark | undefined> {
    return this.#link.readMark();
  }

  carriedBytes(): number {
    return this.#link.carriedBytes?.() ?? 0;
  }

  cut(): void {
    this.#link.cut();
  }

  close(): Promise<void> {
    this.#cancel();
    return this.#link.close();
  }
}
