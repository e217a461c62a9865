/**
 * One key in time, whatever the order in which readings come.
 *
 *     ───────────────┬───────────────────┬─────────>  time of the key
 *          settled   │ items, sorted     │ newest
 *                 horizon = newest - allowedLateness
 *
 * What the present says is what all items say in the order of time, whenever they came.
 *
 * K1 Of what is settled nothing changes any more: it is a state without its readings. Items after the
 *    horizon are kept; an item before it is late, and is not for this timeline.
 * K2 An item that comes in order steps the present. One that does not has the present made anew, of
 *    the settled state and the items: as in the rollback of Time Warp (Jefferson, 1985).
 * K3 Ticks let time pass in the present alone: the next reading may be older than that, and is then
 *    heard in its order. Where nothing is open, settled and present are one state, kept once.
 * K4 An occurrence that was told is not told again when the present is made anew; one that came to
 *    light by it is told, also where it is over.
 *
 * Bounds: 256 items; at the bound the oldest is settled early. 64 occurrences that were told.
 */

import { isValue } from "./evidence.ts";
import { decodeItem, encodeItem, keptItem } from "./kept-item.ts";
import type { Item } from "./operator.ts";
import { isTime, never } from "./operator.ts";
import type { Change, Tree } from "./pattern-state.ts";
import { noChanges, PatternState } from "./pattern-state.ts";

export const itemsMax = 256;
const toldMax = 64;
/** Less than this the horizon catches up with by itself. */
const stepBackMs = 60_000;

export interface Program {
  /** Of its inputs: leaves, derived events, rules and schedules. */
  readonly inputs: number;
  readonly latenessMs: number;
  readonly plant: () => Tree;
}

/** What was said last. */
export interface Said {
  readonly holds: boolean;
  readonly at: number;
  readonly reason: string;
  /** Of the newest reading that fitted then. */
  readonly value: Item["value"];
  readonly unit: string | undefined;
}

export class Timeline {
  readonly #program: Program;
  #present: PatternState;
  /** Undefined: the present is. */
  #settled: PatternState | undefined;
  #items: Item[] = [];
  /** Whether a tick was the last to move the present. */
  #isTicked = false;
  #newest = Number.NEGATIVE_INFINITY;
  #receivedAt = 0;
  /** Times of occurrences that were told and may be found again (K4). */
  #told: number[] = [];
  said: Said | undefined;

  constructor(program: Program) {
    this.#program = program;
    this.#present = new PatternState(program.plant);
  }

  get present(): PatternState {
    return this.#present;
  }

  /** K1 */
  isLate(at: number): boolean {
    const horizon = this.#newest - this.#program.latenessMs;
    return at < horizon || (this.#settled !== undefined && at < this.#settled.at);
  }

  /** What is live comes in the order of the gateway's time: its clock was wrong, then or now. */
  isAheadOf(receivedAt: number): boolean {
    return this.#newest !== Number.NEGATIVE_INFINITY && receivedAt < this.#receivedAt - stepBackMs;
  }

  /** The key's time when its gateway's is `gatewayAt`. */
  now(gatewayAt: number): number {
    if (this.#newest === Number.NEGATIVE_INFINITY) return Math.max(this.#present.at, gatewayAt);
    return Math.max(this.#present.at, this.#newest + Math.max(0, gatewayAt - this.#receivedAt));
  }

  /** The gateway's time at which `pass` has something to do; Infinity where it has not. */
  get wakeAt(): number {
    const { deadline } = this.#present;
    if (deadline === never || this.#newest === Number.NEGATIVE_INFINITY) return deadline;
    return deadline - this.#newest + this.#receivedAt;
  }

  /**
   * Instead of `take`, of an item by which nothing changes but time (N4), and not even that where
   * something waits for it: false where it has to be taken.
   */
  rest(at: number, receivedAt: number): boolean {
    if (this.#settled !== undefined || this.#program.latenessMs > 0) return false;
    if (at < this.#newest || receivedAt < this.#receivedAt) return false;
    if (!this.#present.rest(at)) return false;
    this.#newest = at;
    this.#receivedAt = receivedAt;
    return true;
  }

  /** Not a late one; `item` may be used anew by the caller. What is to be told, in order. */
  take(item: Item, receivedAt: number): readonly Change[] {
    if (item.at >= this.#newest) {
      this.#newest = item.at;
      this.#receivedAt = receivedAt;
    }
    const { latenessMs, inputs } = this.#program;
    if (this.#settled === undefined && latenessMs === 0) {
      const changes = this.#present.take(item);
      if (changes === noChanges && this.#present.level === (this.said?.holds ?? false)) {
        return noChanges;
      }
      return this.#news(changes);
    }
    return this.#insert(keptItem(item, inputs));
  }

  /** A moment of a schedule, at `now`. */
  takeTimer(item: Item): readonly Change[] {
    return this.#insert(keptItem(item, this.#program.inputs));
  }

  /** K3. What is to be told, in order. */
  pass(gatewayAt: number): readonly Change[] {
    const now = this.now(gatewayAt);
    if (this.#present.deadline > now) return noChanges;
    this.#settled ??= this.#present.copy();
    this.#isTicked = true;
    return this.#news(this.#present.pass(now));
  }

  /** Nothing that comes is of this series any more. */
  forget(series: number): void {
    this.#settled?.forget(series);
    this.#present.forget(series);
    this.#items = this.#items.filter((item) => item.series !== series);
  }

  #insert(item: Item): readonly Change[] {
    this.#settled ??= this.#present.copy();
    const settled = this.#settled;
    const items = this.#items;
    let place = items.length;
    while (place > 0 && (items[place - 1]?.at ?? 0) > item.at) place -= 1;
    const isNewest = place === items.length;
    items.splice(place, 0, item);
    const found = this.#settle(settled);
    if (items.length === 0) {
      this.#present = settled;
      this.#settled = undefined;
      this.#isTicked = false;
      return this.#news(found);
    }
    const { at } = this.#present;
    if (isNewest && (item.at > at || (item.at === at && !this.#isTicked))) {
      this.#isTicked = false;
      return this.#news(this.#present.take(item));
    }
    this.#isTicked = false;
    return this.#news([...found, ...this.#makeAnew(settled)]);
  }

  /** K1 */
  #settle(settled: PatternState): readonly Change[] {
    const horizon = this.#newest - this.#program.latenessMs;
    const items = this.#items;
    let behind = Math.max(0, items.length - itemsMax);
    while (behind < items.length && (items[behind]?.at ?? never) <= horizon) behind += 1;
    return items.splice(0, behind).flatMap((item) => settled.take(item));
  }

  /** K2 */
  #makeAnew(settled: PatternState): readonly Change[] {
    this.#present = settled.copy();
    return this.#items.flatMap((item) => this.#present.take(item));
  }

  /** K4 */
  #news(changes: readonly Change[]): readonly Change[] {
    const news: Change[] = [];
    let holds = this.said?.holds ?? false;
    let ended: Change | undefined;
    for (const change of changes) {
      if (change.kind === "ended") {
        ended = change;
      } else if (this.#told.includes(change.at)) {
        ended = undefined;
      } else {
        if (holds && ended !== undefined) news.push(ended);
        news.push(change);
        holds = true;
        ended = undefined;
        this.#told.push(change.at);
      }
    }
    const { level, changedAt, at } = this.#present;
    if (holds !== level) {
      const silent = { at: changedAt ?? at, causes: [], isTimed: true };
      const present = this.#present;
      const held = () => ({
        kind: "held" as const,
        reason: present.say(),
        shown: present.shownNow(),
      });
      if (level) news.push({ ...silent, ...held() });
      else news.push(ended ?? { ...silent, kind: "ended", reason: "" });
    }
    const last = news.at(-1);
    if (last !== undefined) {
      const { value, unit } = this.#present.shown;
      this.said = { holds: level, at: last.at, reason: last.reason, value, unit };
    }
    this.#prune();
    return news;
  }

  #prune(): void {
    const { at } = this.#settled ?? this.#present;
    if (this.#told.length === 0) return;
    this.#told = this.#told.filter((time) => time >= at).slice(-toldMax);
  }

  encode(): unknown {
    const settled = this.#settled ?? this.#present;
    const isOpen = this.#settled !== undefined;
    const newest = this.#newest === Number.NEGATIVE_INFINITY ? null : this.#newest;
    const { said } = this;
    return [
      settled.encode(),
      [newest, this.#receivedAt],
      said === undefined ? 0 : saidRow(said),
      ...(isOpen || this.#told.length > 0
        ? [
            this.#told,
            isOpen ? [this.#present.at, this.#isTicked ? 1 : 0] : 0,
            this.#items.map(encodeItem),
          ]
        : []),
    ];
  }

  /** To be called on a fresh one; false where `json` is none of this rule. */
  decode(json: unknown): boolean {
    if (!Array.isArray(json)) return false;
    const [state, times, said, told = [], open = 0, items = []] = json as unknown[];
    if (!this.#present.decode(state) || !Array.isArray(times)) return false;
    const [newest, receivedAt] = times as unknown[];
    if ((newest !== null && !isTime(newest)) || !isTime(receivedAt)) return false;
    if (!Array.isArray(told) || !told.every(isTime) || !Array.isArray(items)) return false;
    const kept = items.map(decodeItem);
    if (!kept.every((item) => item !== undefined)) return false;
    this.#newest = newest ?? Number.NEGATIVE_INFINITY;
    this.#receivedAt = receivedAt;
    this.#told = told;
    if (!this.#decodeSaid(said)) return false;
    if (open === 0) return true;
    if (!Array.isArray(open) || kept.length > itemsMax) return false;
    const [at, isTicked] = open as unknown[];
    if (at !== null && !isTime(at)) return false;
    this.#settled = this.#present;
    this.#items = kept;
    this.#makeAnew(this.#settled);
    if (isTicked === 1 && at !== null) this.#present.pass(at);
    this.#isTicked = isTicked === 1;
    return true;
  }

  #decodeSaid(said: unknown): boolean {
    if (said === 0) return true;
    if (!Array.isArray(said)) return false;
    const [holds, at, reason, value, unit] = said as unknown[];
    if (!isTime(at) || typeof reason !== "string" || !isValue(value)) return false;
    if (unit !== undefined && typeof unit !== "string") return false;
    this.said = { holds: holds === 1, at, reason, value, unit };
    return true;
  }
}

function saidRow({ holds, at, reason, value, unit }: Said): unknown {
  const row = [holds ? 1 : 0, at, reason, value];
  return unit === undefined ? row : [...row, unit];
}
