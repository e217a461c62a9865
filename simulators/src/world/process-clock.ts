/**
 * The clock of one process on one machine. Everything that reaches a process comes through it, so a
 * process that was killed hears nothing any more, and one that is paused hears it when it goes on.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { Timeline } from "./timeline.ts";

/** 2026-06-01, in ms since 1970: the true time at which every world begins. */
export const worldBeginsMs = Date.UTC(2026, 5, 1);

/** What a machine believes about time; a reboot is a new one. */
export interface Boot {
  readonly id: string;
  readonly atMs: number;
  /** How far the wall clock is off. */
  wrongByMs: number;
}

interface Task {
  act: (() => void) | undefined;
}

export class ProcessClock implements Clock {
  readonly #timeline: Timeline;
  readonly #boot: Boot;
  #state: "running" | "paused" | "dead" = "running";
  #held: Task[] = [];

  constructor(timeline: Timeline, boot: Boot) {
    this.#timeline = timeline;
    this.#boot = boot;
  }

  get bootId(): string {
    return this.#boot.id;
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  bootMs(): number {
    return this.#timeline.nowMs - this.#boot.atMs;
  }

  wallMs(): number {
    return worldBeginsMs + this.#timeline.nowMs + this.#boot.wrongByMs;
  }

  after(delayMs: number, act: () => void): Cancel {
    const task: Task = { act };
    const cancel = this.#timeline.after(delayMs, () => this.#due(task));
    return () => {
      task.act = undefined;
      cancel();
    };
  }

  soon(act: () => void): void {
    const task: Task = { act };
    this.#timeline.soon(() => this.#due(task));
  }

  pause(): void {
    if (this.#state === "running") this.#state = "paused";
  }

  resume(): void {
    if (this.#state !== "paused") return;
    this.#state = "running";
    const held = this.#held;
    this.#held = [];
    for (const task of held) this.#timeline.soon(() => this.#due(task));
  }

  kill(): void {
    this.#state = "dead";
    this.#held = [];
  }

  #due(task: Task): void {
    if (this.#state === "paused") this.#held.push(task);
    if (this.#state !== "running") return;
    const { act } = task;
    task.act = undefined;
    act?.();
  }
}
