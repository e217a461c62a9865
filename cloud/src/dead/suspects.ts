/**
 * What rules failed at, in this process: an event, or a tick, that made them throw is not judged
 * again, and becomes a dead letter.
 *
 *   X1  The state of rules after it is that before it. The first failure ends the tenure: its
 *       partitions are read again from their snapshots, and the event is passed over. From then on
 *       the state of its gateway is put by before each event, so that the next failures cost less.
 *   X2  Who has not failed for `carefulEventsMax` events is trusted again.
 */
import { reasonOf } from "@causeway/shared/errors.ts";

export interface Failure {
  readonly reason: string;
  readonly detail: string;
  readonly tries: number;
}

/** X2. */
export const carefulEventsMax = 10_000;
/** What is forgotten here fails once more, and ends a tenure. */
const failuresMax = 10_000;
const detailMax = 1_024;

export class Suspects {
  readonly #failures = new Map<string, Failure>();
  readonly #condemned = new Map<string, Failure>();
  readonly #fences = new Map<number, number>();
  /** By gateway: how many events more. */
  /** Of letters that are tried again: how often they were before. */
  readonly #tries = new Map<string, number>();
  readonly #careful = new Map<string, number>();

  /** Why what has this id is not to be judged. */
  failureOf(id: string): Failure | undefined {
    if (this.#condemned.size > 0) {
      const condemned = this.#condemned.get(id);
      if (condemned !== undefined) return condemned;
    }
    return this.#failures.size === 0 ? undefined : this.#failures.get(id);
  }

  /** It ended the process so often; in this one it is not tried again. */
  condemn(id: string, tries: number): void {
    const [oldest] = this.#condemned.keys();
    if (this.#condemned.size >= failuresMax && oldest !== undefined) this.#condemned.delete(oldest);
    const detail = "the engine's process ended each time that it was tried, alone at last";
    this.#condemned.set(id, { reason: "crash-loop", detail, tries });
  }

  /** Whether a partition's fence is the one that this process raised last. */
  isOwnFence(partition: number, fence: number): boolean {
    return this.#fences.get(partition) === fence;
  }

  noteFence(partition: number, fence: number): void {
    this.#fences.set(partition, fence);
  }

  /** Whether its state is to be put by before the next event. */
  isCareful(gateway: string): boolean {
    const left = this.#careful.get(gateway);
    if (left === undefined) return false;
    if (left > 1) this.#careful.set(gateway, left - 1);
    else this.#careful.delete(gateway);
    return true;
  }

  note(gateway: string, id: string, thrown: unknown): Failure {
    const tries = (this.#tries.get(id) ?? 0) + 1;
    const stack = thrown instanceof Error ? (thrown.stack ?? "").split("\n").slice(1, 4) : [];
    const detail = [reasonOf(thrown), ...stack.map((line) => line.trim())].join("; ");
    const failure = { reason: nameOf(thrown), detail: detail.slice(0, detailMax), tries };
    const [oldest] = this.#failures.keys();
    if (this.#failures.size >= failuresMax && oldest !== undefined) this.#failures.delete(oldest);
    this.#failures.set(id, failure);
    this.#careful.set(gateway, carefulEventsMax);
    return failure;
  }

  /** It may be judged again. */
  forget(id: string, tries = 0): void {
    this.#failures.delete(id);
    if (this.#tries.size >= failuresMax) this.#tries.clear();
    this.#tries.set(id, tries);
  }
}

/** A cause, not an occurrence: numbers in its words would make a group of each. */
function nameOf(thrown: unknown): string {
  const what = reasonOf(thrown).replace(/[0-9]+/g, "#");
  return (thrown instanceof Error ? `${thrown.name}: ${what}` : what).slice(0, 160);
}
