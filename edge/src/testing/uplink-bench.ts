/** The pump, the outbox and the clock around one uplink, for its tests. */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Log } from "@causeway/shared/event.ts";
import type { Doubt, Mark } from "@causeway/shared/mark.ts";
import { emptyLogLedger } from "@causeway/shared/mark.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { expect } from "vitest";
import type { BudgetStart } from "../uplink/budget.ts";
import { Budget } from "../uplink/budget.ts";
import type { PublishFault } from "../uplink/fault.ts";
import type { EpochFacts, UplinkAction, UplinkBounds, UplinkEvent } from "../uplink/uplink.ts";
import { defaultUplinkBounds, Uplink } from "../uplink/uplink.ts";

type Action<Kind extends UplinkAction["kind"]> = Extract<UplinkAction, { kind: Kind }>;
export type Throughs = Readonly<Record<EpochId, Partial<Record<Log, number>>>>;

export const first = "1-00000001";
export const second = "2-00000002";
const nothingStored = { position: 0, bytes: 0 };
export const eventBytes = 100;

/** The pump, the outbox and the clock in a few lines; positions exist up to each epoch's `last`. */
export class Bench {
  readonly #uplink: Uplink;
  nowMs = 1_000;
  wakeAtMs: number | undefined;
  done: UplinkAction[] = [];

  constructor(
    epochs: readonly EpochFacts[],
    bounds: Partial<UplinkBounds> = {},
    options: { markCommit?: number; seed?: string; budget?: BudgetStart } = {},
  ) {
    const { markCommit = 0, seed = "bench", budget } = options;
    const { batchBytes } = { ...defaultUplinkBounds, ...bounds };
    const start = { epochs, markCommit, budget: budget && new Budget(budget, batchBytes) };
    this.#uplink = new Uplink({ ...defaultUplinkBounds, ...bounds }, seededRandom(seed), start);
  }

  step(event: UplinkEvent): readonly UplinkAction[] {
    const actions = this.#uplink.step(event, this.nowMs);
    this.done.push(...actions);
    const wake = actions.findLast((action) => action.kind === "wake");
    this.wakeAtMs = wake?.kind === "wake" ? wake.atMs : undefined;
    return actions;
  }

  /** Moves time on, waking where asked to; fails on a wake that neither acts nor moves time. */
  pass(ms: number): void {
    const untilMs = this.nowMs + ms;
    let idle = 0;
    while (this.wakeAtMs !== undefined && this.wakeAtMs <= untilMs) {
      idle = this.wakeAtMs > this.nowMs ? 0 : idle + 1;
      this.nowMs = Math.max(this.nowMs, this.wakeAtMs);
      if (this.step({ kind: "wake" }).some(({ kind }) => kind !== "wake")) idle = 0;
      expect(idle, `wakes at ${this.nowMs} again and again`).toBeLessThan(3);
    }
    this.nowMs = untilMs;
  }

  of<Kind extends UplinkAction["kind"]>(kind: Kind): Action<Kind>[] {
    return this.done.filter((action): action is Action<Kind> => action.kind === kind);
  }

  last<Kind extends UplinkAction["kind"]>(kind: Kind): Action<Kind> {
    const found = this.of(kind).at(-1);
    if (found === undefined) throw new Error(`no ${kind} among ${JSON.stringify(this.done)}`);
    return found;
  }

  count(kind: UplinkAction["kind"]): number {
    return this.of(kind).length;
  }

  /** Answers the last read with so many events from where it asked. */
  found(events: number, bytes = events * eventBytes): Action<"publish"> {
    this.finds(events, 0, bytes);
    return this.last("publish");
  }

  /** The same with events of some age; what is made of it is told. */
  finds(
    events: number,
    ageMs: number,
    bytes = events * eventBytes,
    { readId, from } = this.last("read"),
  ): readonly UplinkAction[] {
    const found = { from, to: from + events - 1, bytes, ageMs };
    return this.step({ kind: "read", readId, found });
  }

  mark(
    throughs: Throughs,
    commit = 1,
    doubts: readonly Doubt[] = [],
    cap?: number,
  ): readonly UplinkAction[] {
    return this.step({ kind: "mark", mark: { ...markOf(throughs, commit, doubts), cap } });
  }

  fail(fault: PublishFault, batchId = this.last("publish").batch.id): readonly UplinkAction[] {
    return this.step({ kind: "failed", batchId, fault, reason: "test" });
  }

  markFails(fault: PublishFault = "retry"): readonly UplinkAction[] {
    return this.step({ kind: "mark-failed", fault, reason: "test" });
  }

  stored(batchId = this.last("publish").batch.id): void {
    this.step({ kind: "stored", batchId });
  }

  up(throughs: Throughs = {}, commit = 0): void {
    this.step({ kind: "link-up" });
    this.mark(throughs, commit);
  }

  status() {
    return this.#uplink.status(this.nowMs);
  }
}

export function markOf(throughs: Throughs, commit: number, doubts: readonly Doubt[]): Mark {
  const epochs = Object.entries(throughs).map(([epoch, through]) => ({
    epoch,
    logs: {
      telemetry: { ...emptyLogLedger, through: through.telemetry ?? 0 },
      priority: { ...emptyLogLedger, through: through.priority ?? 0 },
    },
  }));
  return { commit, gateway: "gw", run: undefined, epochs, doubts, cap: undefined };
}

/** An epoch with so many telemetry events; closed where `closed`. */
export function epochOf(
  id: EpochId,
  telemetry: number,
  options: { closed?: boolean } = {},
): EpochFacts {
  const last = { telemetry, priority: 0 };
  return {
    id,
    ordinal: Number(id.split("-")[0]),
    before: undefined,
    ends: options.closed ? last : undefined,
    last,
    released: { telemetry: 0, priority: 0 },
    stored: { telemetry: nothingStored, priority: nothingStored },
  };
}

export function doubtAbout(
  nonce: string,
  expected: number,
  kind: Doubt["kind"] = "expected",
): Doubt {
  return { epoch: first, log: "telemetry", expected, nonce, kind, reason: "test" };
}
