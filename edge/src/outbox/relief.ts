/**
 * Makes room at the bound of a log, or of the disk. What gives way, in this order:
 *
 *   1. the tail beyond what is kept of it at least: a day, or `tailBytesMax`
 *   2. telemetry that was never sent, by policy: thinned, dropped, or not at all
 *   3. the rest of the tail
 *   4. of priority that was never sent what only says how the gateway fares, unless the policy is
 *      to reject
 *
 * Thinning keeps half of the room for readings as they came, a quarter for minutes, an eighth for
 * ten minutes and the rest for hours, the oldest being the coarsest.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Ages } from "./age.ts";
import type { StoredBlock } from "./continuity.ts";
import type { Epoch } from "./epoch.ts";
import { sentThrough } from "./epoch.ts";
import type { GivenWay } from "./given.ts";
import { addLost, addThinned, givenChange } from "./given.ts";
import { blockKey } from "./layout.ts";
import type { Replaced, Stretch, Write } from "./replace.ts";
import { Replacer, rewritten } from "./replace.ts";
import type { Summary } from "./rewrite.ts";
import { Dropping, Thinning } from "./rewrite.ts";
import type { OutboxBounds, Space } from "./space.ts";
import type { Change, Store } from "./store.ts";
import { giveUp, tailsOf } from "./tail.ts";

export interface ReliefParts {
  readonly clock: Clock;
  readonly bounds: OutboxBounds;
  readonly space: Space;
  readonly ages: Ages;
  readonly store: () => Store;
  readonly epochs: () => readonly Epoch[];
  readonly write: Write;
  /** The cloud may have rolled back: the tail gives way only where appends would else be refused. */
  readonly isHeld: () => boolean;
}

const minute = 60_000;
const tailAgeMinMs = 24 * 60 * minute;
const steps = [
  { windowMs: minute, weight: 1 },
  { windowMs: 10 * minute, weight: 2 },
  { windowMs: 60 * minute, weight: 4 },
] as const;
/** A roll-up is written only where it takes at most this share of what it stands for. */
const worthShare = 0.75;
const turnBytesMin = 64 * 1_024;
const turnBytesMax = 16 * 1_024 * 1_024;
const roundsMax = 20;
const trimRoundsMax = 5;
/** Between any two keys of blocks: a compaction of nothing, which writes LevelDB's buffers out. */
const nowhere = Buffer.from([0x62, 0xff]);

interface Zone {
  readonly step: number;
  readonly epoch: Epoch;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

/** Bytes still to be given, of each log and of the disk. */
class Need {
  readonly #over: Record<Log, number>;
  #short: number;
  given = 0;

  constructor(space: Space, isHeld: boolean) {
    const over = (log: Log) => space.over(log, isHeld);
    this.#over = { telemetry: over("telemetry"), priority: over("priority") };
    this.#short = space.short();
  }

  of(log: Log): number {
    return Math.max(0, this.#over[log], this.#short);
  }

  took(log: Log, bytes: number): void {
    this.#over[log] -= bytes;
    this.#short -= bytes;
    this.given += bytes;
  }
}

export class Relief {
  readonly #parts: ReliefParts;
  readonly #replacer: Replacer;
  #given: GivenWay;

  constructor(parts: ReliefParts, given: GivenWay) {
    this.#parts = parts;
    this.#given = given;
    this.#replacer = new Replacer(parts.write);
  }

  get given(): GivenWay {
    return this.#given;
  }

  /** What the write that opens the store again must hold; `restored` once it does. */
  restore(): readonly Change[] {
    return this.#replacer.restore();
  }

  restored(): void {
    this.#replacer.restored();
  }

  /** Gives way until nothing is tight or nothing is left to give. */
  async relieve(): Promise<void> {
    const { space, store, isHeld, bounds } = this.#parts;
    for (let round = 0; round < roundsMax; round++) {
      const need = new Need(space, isHeld());
      if (logs.every((log) => need.of(log) <= 0)) return;
      await this.#giveTails(
        need,
        (block) => (this.#parts.ages.of(block) ?? Infinity) > tailAgeMinMs,
      );
      const { whenFull = "reject" } = bounds;
      if (whenFull === "thin") await this.#thin(need);
      if (whenFull === "drop-oldest") await this.#drop("telemetry", need, () => false);
      await this.#giveTails(need, () => true);
      if (whenFull !== "reject") await this.#drop("priority", need, isOfUse);
      await space.measure(store());
      await space.check();
      if (need.given <= 0) return;
    }
  }

  /** Tail beyond its bound, in quiet times too. */
  async trimTail(): Promise<void> {
    if (this.#parts.isHeld()) return;
    const { store, epochs, bounds, space } = this.#parts;
    // Blocks are smaller on the disk than they count for here, so that once may be too little.
    for (let round = 0; round < trimRoundsMax; round++) {
      const tails = await tailsOf(store(), epochs());
      const before = tails.reduce((sum, { bytes }) => sum + bytes, 0) - bounds.tailBytesMax;
      let over = before;
      for (const tail of tails) {
        if (over <= 0) break;
        const given = await giveUp(store(), tail, over, this.#remove);
        space.given(tail.log, given);
        over -= given;
      }
      if (over === before) return;
      await space.measure(store());
    }
  }

  /** What was never sent and is too old. */
  async dropAged(): Promise<void> {
    const { ageMaxMs } = this.#parts.bounds;
    if (ageMaxMs === undefined) return;
    const isDue = ({ bytes }: StoredBlock) => (this.#parts.ages.of(bytes) ?? 0) > ageMaxMs;
    const newSummary = () => new Dropping("age", () => false);
    for (const log of logs) {
      for (const epoch of this.#parts.epochs()) {
        for (let from = sentThrough(epoch, log) + 1; from <= epoch.last[log]; ) {
          const to = epoch.last[log];
          const stretch = { epoch, log, from, to, bytesMax: turnBytesMax };
          const found = await this.#rewritten(stretch, newSummary, isDue);
          if (found === undefined) break;
          if (found.fresh > 0 && !(await this.#write(stretch, found, "age"))) break;
          from = found.through + 1;
        }
      }
    }
  }

  readonly #remove = (epoch: Epoch, deletes: readonly Change[]): Promise<void> =>
    this.#replacer.remove(epoch, deletes);

  async #giveTails(need: Need, isDue: (block: Uint8Array) => boolean): Promise<void> {
    const { store, epochs, space } = this.#parts;
    if (logs.every((log) => need.of(log) <= 0)) return;
    for (const tail of await tailsOf(store(), epochs())) {
      const bytes = need.of(tail.log);
      if (bytes <= 0) continue;
      const given = await giveUp(store(), tail, bytes, this.#remove, isDue);
      space.given(tail.log, given);
      need.took(tail.log, given);
    }
  }

  async #drop(log: Log, need: Need, keeps: (event: Event) => boolean): Promise<void> {
    const newSummary = () => new Dropping("full", keeps);
    for (const epoch of this.#parts.epochs()) {
      const guard = epoch.guard[log];
      const first = Math.max(sentThrough(epoch, log), guard.passed) + 1;
      let through = 0;
      while (need.of(log) > 0) {
        const from = Math.max(sentThrough(epoch, log), guard.passed) + 1;
        const to = epoch.last[log];
        if (from > to) break;
        const bytesMax = clamp(need.of(log), turnBytesMin / 16, turnBytesMax);
        const stretch = { epoch, log, from, to, bytesMax };
        const found = await this.#rewritten(stretch, newSummary, () => true);
        if (found === undefined) break;
        if (found.fresh > 0) {
          if (!(await this.#write(stretch, found, "full"))) break;
          need.took(log, found.given);
          through = found.through;
        } else if (found.through >= to) break;
        // One loss alone is joined by the next.
        if (found.fresh === 0 || found.items > 1) guard.passed = found.through;
      }
      if (through > 0) await this.#compact({ epoch, log, from: first, to: through });
    }
  }

  async #thin(need: Need): Promise<void> {
    if (need.of("telemetry") <= 0 || (await this.#nextZone()) === undefined) return;
    await this.#parts.store().compact(nowhere, nowhere);
    const touched = new Map<Epoch, { from: number; to: number }>();
    while (need.of("telemetry") > 0) {
      const zone = await this.#nextZone();
      if (zone === undefined) break;
      const through = await this.#thinZone(zone, need);
      if (through === undefined) continue;
      const { from, to } = touched.get(zone.epoch) ?? { from: zone.from, to: through };
      const range = { from: Math.min(from, zone.from), to: Math.max(to, through) };
      touched.set(zone.epoch, range);
    }
    for (const [epoch, range] of touched) {
      await this.#compact({ epoch, log: "telemetry", ...range });
    }
  }

  /** The last position that was replaced. */
  async #thinZone(zone: Zone, need: Need): Promise<number | undefined> {
    const { step, epoch, from, to, bytes } = zone;
    const { windowMs } = steps[step] ?? steps[0];
    const bytesMax = clamp(bytes / 4, turnBytesMin, turnBytesMax);
    const stretch: Stretch = { epoch, log: "telemetry", from, to, bytesMax };
    const found = await this.#rewritten(
      stretch,
      () => new Thinning(windowMs),
      () => true,
    );
    const through = found?.through ?? to;
    epoch.thinned.telemetry[step] = through;
    const isWorth = found !== undefined && found.given > (1 - worthShare) * found.bytes;
    if (!isWorth) return undefined;
    if (!(await this.#write(stretch, found, undefined))) return undefined;
    need.took("telemetry", found.given);
    return through;
  }

  /** The oldest stretch of that resolution which has more than its share of the room. */
  async #nextZone(): Promise<Zone | undefined> {
    const store = this.#parts.store();
    const firsts: (Zone | undefined)[] = [];
    const weights: number[] = steps.map(() => 0);
    for (const epoch of this.#parts.epochs()) {
      let from = Math.max(sentThrough(epoch, "telemetry"), 0) + 1;
      for (let step = steps.length - 1; step >= -1; step--) {
        const upTo = step < 0 ? epoch.last.telemetry : (epoch.thinned.telemetry[step] ?? 0);
        const of = step + 1;
        if (upTo < from) continue;
        if (of < steps.length) {
          const { ordinal } = epoch.record;
          const keys = [from, upTo + 1].map((at) => blockKey("telemetry", ordinal, at));
          const bytes = await store.size(keys[0] as Buffer, keys[1] as Buffer);
          firsts[of] ??= { step: of, epoch, from, to: upTo, bytes };
          weights[of] = (weights[of] ?? 0) + (bytes + 1) * (steps[of]?.weight ?? 1);
        }
        from = upTo + 1;
      }
    }
    const heaviest = weights.indexOf(Math.max(...weights));
    return firsts[heaviest];
  }

  #rewritten(
    stretch: Stretch,
    newSummary: () => Summary,
    isDue: (block: StoredBlock) => boolean,
  ): Promise<Replaced | undefined> {
    return rewritten(this.#parts.store(), this.#parts.clock, stretch, newSummary, isDue);
  }

  /** False where it is to be sent now; `reason` is why events are lost, if they are. */
  async #write(
    stretch: Stretch,
    { from, changes, fresh, given }: Replaced,
    reason: string | undefined,
  ): Promise<boolean> {
    const before = this.#given;
    this.#given = reason === undefined ? addThinned(before, fresh) : addLost(before, reason, fresh);
    const all = { from, changes: [...changes, givenChange(this.#given)] };
    const isDone = await this.#replacer.replace(stretch, all);
    if (isDone) this.#parts.space.given(stretch.log, given);
    else this.#given = before;
    return isDone;
  }

  async #compact({ epoch, log, from, to }: Omit<Stretch, "bytesMax">): Promise<void> {
    const { ordinal } = epoch.record;
    await this.#parts.store().compact(blockKey(log, ordinal, from), blockKey(log, ordinal, to + 1));
  }
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value));
}

/** What others wait for or must be told of, unlike how the gateway and its connections fared. */
function isOfUse({ kind }: Event): boolean {
  return kind !== "system" && kind !== "presence";
}
