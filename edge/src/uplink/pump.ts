/** Performs what the uplink decides: reads the outbox, publishes, reads the mark, releases. */
import { unreachable } from "@causeway/shared/assert.ts";
import { compressBody, encodeHead, joinBody } from "@causeway/shared/batch-codec.ts";
import { mergeBlocks } from "@causeway/shared/block-merge.ts";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import type { Random } from "@causeway/shared/random.ts";
import { Ages } from "../outbox/age.ts";
import type { StoredBlock } from "../outbox/continuity.ts";
import { discard } from "../outbox/discard.ts";
import { blockStamp } from "../outbox/layout.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { Budget, freeBudget } from "./budget.ts";
import type { BudgetRecord } from "./budget-record.ts";
import { cutBlocks, stubOf } from "./cut.ts";
import { faultOf } from "./fault.ts";
import type { Link } from "./link.ts";
import type { Batch, UplinkAction, UplinkBounds, UplinkEvent, UplinkStatus } from "./uplink.ts";
import { Uplink } from "./uplink.ts";
import type { Found } from "./uplink-event.ts";
import { batchWireBytes } from "./wire-bytes.ts";

export interface PumpParts {
  readonly gateway: GatewayId;
  readonly outbox: Outbox;
  readonly link: Link;
  readonly clock: Clock;
  readonly random: Random;
  readonly bounds: UplinkBounds;
  /** Undefined where nothing bounds what is sent but the cloud's cap. */
  readonly budget?: BudgetRecord | undefined;
  /** Keeps something as a `system` event. */
  readonly notice: (name: string, detail: string) => void;
  readonly log: Logger;
}

export interface PumpCounters {
  readonly batches: number;
  /** Positions published, repeats included. */
  readonly events: number;
  readonly bytes: number;
  readonly failures: number;
}

export class Pump {
  readonly #parts: PumpParts;
  readonly #uplink: Uplink;
  readonly #budget: Budget;
  readonly #ages: Ages;
  readonly #found = new Map<number, readonly StoredBlock[]>();
  #wake: { readonly atMs: number; readonly cancel: Cancel } | undefined;
  #stopped = false;
  /** Of the link, as far as it is paid for. */
  #paidBytes = 0;
  #counters = { batches: 0, events: 0, bytes: 0, failures: 0 };

  constructor(parts: PumpParts) {
    this.#parts = parts;
    const { outbox, clock, budget } = parts;
    const presentMs = (nowMs: number) => {
      const offset = outbox.bootOffset(clock.bootId);
      return offset === undefined ? undefined : nowMs + offset;
    };
    const { settings, use } = budget ?? freeBudget;
    this.#budget = new Budget({ settings, use, presentMs }, parts.bounds.batchBytes);
    this.#uplink = new Uplink(parts.bounds, parts.random, {
      epochs: outbox.epochs(),
      markCommit: outbox.markCommit,
      budget: this.#budget,
    });
    this.#ages = new Ages(parts.clock, { get: (bootId) => parts.outbox.bootOffset(bootId) });
    parts.link.listen((state, reason) =>
      this.feed(state === "up" ? { kind: "link-up" } : { kind: "link-down", reason }),
    );
  }

  status(): UplinkStatus {
    return this.#uplink.status(this.#parts.clock.bootMs());
  }

  /** Milliseconds until a backlog of so many bytes is sent, for all that the budget allows. */
  plannedDrainMs(backlogBytes: number): number | undefined {
    return this.#budget.drainMs(backlogBytes, this.#parts.clock.bootMs());
  }

  counters(): PumpCounters {
    return { ...this.#counters };
  }

  feed(event: UplinkEvent): void {
    if (this.#stopped) return;
    for (const action of this.#uplink.step(event, this.#parts.clock.bootMs())) this.#act(action);
  }

  stop(): void {
    this.#stopped = true;
    const use = this.#budget.close();
    if (use !== undefined) this.#parts.budget?.keep(use);
    this.#wake?.cancel();
  }

  #act(action: UplinkAction): void {
    const { outbox, link } = this.#parts;
    switch (action.kind) {
      case "ask-mark":
        return this.#askMark();
      case "read":
        return void this.#read(action);
      case "publish":
        return this.#publish(action.readId, action.batch);
      case "release":
        return outbox.release(action.epoch, action.log, action.through);
      case "marked":
        outbox.markCommit = action.commit;
        return;
      case "remember":
        return outbox.remember(action.epoch, action.log, action);
      case "hold-tail":
        return outbox.holdTail(action.isHeld);
      case "leave-epoch":
        return outbox.leaveEpoch(action.reason);
      case "redial":
        return link.cut();
      case "keep-use":
        return this.#parts.budget?.keep(action.use);
      case "notice":
        this.#parts.log.warn({ reason: action.detail }, action.name);
        return this.#parts.notice(action.name, action.detail);
      case "wake":
        return this.#wakeAt(action.atMs);
      case "report":
        return this.#report(action);
      default:
        unreachable(action);
    }
  }

  #report({ what, lane, reason, times }: Extract<UplinkAction, { kind: "report" }>): void {
    const level = what === "fork" ? "error" : what === "jump" ? "info" : "warn";
    this.#parts.log[level]({ lane, reason, times }, `uplink ${what}`);
  }

  #askMark(): void {
    this.#parts.link.readMark().then(
      (mark) => {
        this.#payCarried();
        this.feed({ kind: "mark", mark });
      },
      (failure) => {
        this.feed({ kind: "mark-failed", ...faultOf(failure) });
      },
    );
  }

  /** Finds the blocks, and sees to it that they may be published (O7), so that lanes keep their order. */
  async #read(action: Extract<UplinkAction, { kind: "read" }>): Promise<void> {
    const { readId, epoch, log, from, bytesMax, cut } = action;
    const { outbox } = this.#parts;
    let found: Found | undefined;
    let whole: readonly StoredBlock[] = [];
    try {
      whole = await outbox.read(epoch, log, from, bytesMax);
      const blocks = cut === undefined ? whole : cutTo(whole, from, cut);
      found = this.#foundIn(blocks);
      if (found !== undefined) await outbox.publishing(epoch, log, found);
      this.#found.set(readId, blocks);
    } catch (failure) {
      this.#parts.log.warn({ reason: reasonOf(failure) }, "the outbox cannot be read");
      found = undefined;
    }
    this.feed({ kind: "read", readId, found });
    this.#found.delete(readId);
    for (const { bytes } of whole) discard(bytes);
  }

  #publish(readId: number, batch: Batch): void {
    const blocks = this.#found.get(readId) ?? [];
    const { gateway, outbox, link } = this.#parts;
    const headers = encodeHead({
      run: outbox.run,
      epoch: batch.epoch,
      log: batch.log,
      from: batch.from,
      to: batch.to,
      end: batch.end,
      before: batch.before,
      nonce: batch.nonce,
      watermark: batch.lane === "live" && !batch.olderWaits ? this.#watermark(blocks) : undefined,
    });
    const bytes = blocks.map((block) => block.bytes);
    const joined = joinBody(gateway, batch, this.#boots(blocks), mergeBlocks(bytes));
    const body = compressBody(joined);
    discard(joined);
    this.#counters.batches++;
    this.#counters.events += batch.to - batch.from + 1;
    this.#counters.bytes += body.length;
    void link.publish(batch.lane, headers, body).then((outcome) => {
      if (outcome.kind === "stored") return this.feed({ kind: "stored", batchId: batch.id });
      this.#counters.failures++;
      this.feed({ ...outcome, batchId: batch.id });
    });
    const wireBytes = batchWireBytes(headers, body.length);
    this.#paidBytes += wireBytes;
    this.feed({ kind: "sent", batchId: batch.id, bytes: wireBytes });
  }

  /** Batches are paid for as they go, and here what the link counts beyond them. */
  #payCarried(): void {
    const { link, budget } = this.#parts;
    const bytes = (link.carriedBytes?.() ?? 0) - this.#paidBytes;
    if (budget === undefined || bytes <= 0) return;
    this.#paidBytes += bytes;
    this.feed({ kind: "carried", bytes });
  }

  #foundIn(blocks: readonly StoredBlock[]): Found | undefined {
    const [first, last] = [blocks[0], blocks.at(-1)];
    if (first === undefined || last === undefined) return undefined;
    let [bytes, ageMs] = [0, Number.NEGATIVE_INFINITY];
    for (const block of blocks) {
      bytes += block.bytes.length;
      ageMs = Math.max(ageMs, this.#ages.of(block.bytes) ?? Number.POSITIVE_INFINITY);
    }
    return { from: first.from, to: last.to, bytes, ageMs };
  }

  /** Everything older was sent before on this lane, so nothing below this time is unsent. */
  #watermark(blocks: readonly StoredBlock[]): number | undefined {
    const [first] = blocks;
    const stamp = first === undefined ? undefined : blockStamp(first.bytes);
    const offset = stamp === undefined ? undefined : this.#parts.outbox.bootOffset(stamp.bootId);
    return stamp === undefined || offset === undefined
      ? undefined
      : Math.max(0, stamp.bootMs + offset);
  }

  #boots(blocks: readonly StoredBlock[]): Record<string, number | null> {
    const boots: Record<string, number | null> = {};
    for (const block of blocks) {
      const bootId = blockStamp(block.bytes)?.bootId;
      if (bootId !== undefined) boots[bootId] = this.#parts.outbox.bootOffset(bootId) ?? null;
    }
    return boots;
  }

  #wakeAt(atMs: number): void {
    if (this.#wake !== undefined && this.#wake.atMs <= atMs) return;
    this.#wake?.cancel();
    const delayMs = Math.max(0, atMs - this.#parts.clock.bootMs());
    const cancel = this.#parts.clock.after(delayMs, () => {
      this.#wake = undefined;
      this.feed({ kind: "wake" });
    });
    this.#wake = { atMs, cancel };
  }
}

function cutTo(
  blocks: readonly StoredBlock[],
  from: number,
  { positionsMax, stubReason }: { readonly positionsMax: number; readonly stubReason?: string },
): readonly StoredBlock[] {
  if (stubReason !== undefined) return stubOf(blocks, from, stubReason);
  return cutBlocks(blocks, from, positionsMax);
}
