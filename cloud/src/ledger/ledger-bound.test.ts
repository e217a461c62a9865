/**
 * Goal: a mark does not grow with a gateway's life, and nothing is forgotten by that: marks and pages
 * together are the ledger, for the engine, for readers, for the audit, and in a snapshot.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import { decodeEpochPage, encodeEpochPage } from "@causeway/shared/epoch-page.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Mark, Predecessor } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { describe, expect, test } from "vitest";
import { defaultLedgerBounds } from "./bounds.ts";
import { wholeMarks } from "./committed.ts";
import { forksMax } from "./forks.ts";
import { GatewayLedger } from "./ledger.ts";

const small = { ...defaultLedgerBounds, markRowsMax: 2, pageBytesMax: 64 };
const idOf = (ordinal: number): EpochId => `${ordinal}-${ordinal.toString(16).padStart(8, "0")}`;
const ends = (telemetry: number) => ({ telemetry, priority: 0 });

function after(ordinal: number): Predecessor | null {
  return ordinal === 0 ? null : { epoch: idOf(ordinal), ends: ends(10) };
}

/** A ledger with what it commits, text and all. */
class Committed {
  ledger: GatewayLedger;
  pages = new Map<number, EpochPage>();
  text = "";
  forgotten: number[] = [];
  #commit = 0;
  readonly #bounds: typeof small;

  constructor(bounds = defaultLedgerBounds) {
    this.#bounds = bounds;
    this.ledger = new GatewayLedger("g1", bounds);
  }

  take(epoch: EpochId, before: Predecessor | null, to = 10): void {
    this.ledger.noteBefore(epoch, before);
    this.ledger.take(epoch, "telemetry", to);
  }

  /** Ten events each, a commit after each. */
  live(from: number, to: number): void {
    for (let ordinal = from; ordinal <= to; ordinal++) {
      this.take(idOf(ordinal), after(ordinal - 1));
      this.commit();
    }
  }

  commit(): Mark {
    this.forgotten.push(...this.ledger.settle().forgotten);
    for (const page of this.ledger.takePages()) {
      this.pages.set(page.number, decodeEpochPage(encodeEpochPage(page)));
    }
    this.text = encodeMark(this.ledger.mark(++this.#commit, []));
    return this.mark;
  }

  get mark(): Mark {
    return decodeMark(this.text);
  }

  get allPages(): readonly EpochPage[] {
    return [...this.pages.values()].sort((one, other) => one.number - other.number);
  }

  takeOver(): void {
    this.ledger = new GatewayLedger("g1", this.#bounds);
    this.ledger.layFloor(this.mark, this.allPages);
    this.ledger.passFloor();
  }

  row(epoch: EpochId) {
    return this.mark.epochs.find((each) => each.epoch === epoch);
  }

  named(): readonly number[] {
    return this.mark.epochs.map(({ epoch }) => Number.parseInt(epoch, 10)).sort((a, b) => a - b);
  }
}

function repeats(ledger: GatewayLedger, epochs: number): number {
  let count = 0;
  for (let ordinal = 1; ordinal <= epochs; ordinal++) {
    if (ledger.judge(idOf(ordinal), "telemetry", 1, 10).kind === "repeat") count++;
  }
  return count;
}

describe("L8 what a mark names", () => {
  test("is no more after 5,000 epochs than after 50, and each of them is known", () => {
    const all = new Committed();
    all.live(1, 50);
    const early = all.text.length;
    all.live(51, 5_000);
    expect(all.text.length).toBeLessThan(early + 400);
    expect(all.mark.epochs.length).toBeLessThanOrEqual(defaultLedgerBounds.markRowsMax);
    expect(repeats(all.ledger, 5_000)).toBe(5_000);
    all.takeOver();
    expect(repeats(all.ledger, 5_000)).toBe(5_000);
  });

  test("is every epoch that owes something, however long nothing came of it", () => {
    const few = new Committed(small);
    few.take(idOf(1), null, 7);
    few.live(2, 40);
    expect(few.named(), "three of its ten events never came").toContain(1);
    expect(few.row(idOf(1))?.logs.telemetry).toMatchObject({ through: 7, end: 10 });
    few.ledger.take(idOf(1), "telemetry", 10);
    few.live(41, 45);
    expect(few.named()).not.toContain(1);
  });

  test("is bounded too where all of them owe something", () => {
    const few = new Committed({ ...small, owedRowsMax: 8 });
    for (let ordinal = 1; ordinal <= 40; ordinal++) {
      few.take(idOf(ordinal), after(ordinal - 1), 7);
      few.commit();
    }
    expect(few.mark.epochs.length).toBe(8);
    expect(few.row(idOf(40))?.coversBefore, "what is owed before it is not named").toBeUndefined();
    few.takeOver();
    expect(few.ledger.judge(idOf(1), "telemetry", 8, 10)).toMatchObject({ kind: "taken" });
    const asked = new Set<number>();
    for (let round = 0; round < 40; round++) {
      for (const ordinal of few.commit().epochs.map(({ epoch }) => Number.parseInt(epoch, 10))) {
        asked.add(ordinal);
        few.ledger.take(idOf(ordinal), "telemetry", 10);
      }
    }
    expect(asked.size, "each is named once others are settled").toBe(40);
    few.ledger.hear(idOf(40));
    expect(few.commit().epochs.at(-1)?.coversBefore).toBe(true);
  });

  test("holds a bounded number of stretches; the others stand in pages, and the audit shows all", () => {
    const all = new Committed();
    const stretches = Array.from({ length: 1_000 }, (_, at) => {
      const position = 2 * at + 1;
      return { from: position, to: position, state: "dead", reason: "malformed" } as const;
    });
    for (const stretch of stretches) {
      all.ledger.take(idOf(1), "telemetry", stretch.to, stretch);
      all.ledger.take(idOf(1), "telemetry", stretch.to + 1);
      all.commit();
    }
    expect(all.row(idOf(1))?.logs.telemetry.stretches.length).toBeLessThanOrEqual(100);
    expect(all.text.length).toBeLessThan(6_000);
    all.takeOver();
    all.live(2, 60);
    const marks = [{ partition: 3, mark: all.mark }];
    const [whole] = wholeMarks({ marks, pagesOf: () => all.allPages });
    const own = whole?.epochs.find(({ epoch }) => epoch === idOf(1));
    expect(own?.logs.telemetry.stretches).toEqual(stretches);
    expect(whole?.epochs).toHaveLength(60);
  });

  test("full pages change no more", () => {
    const few = new Committed(small);
    few.live(1, 20);
    const full = few.allPages.slice(0, -1).map(encodeEpochPage);
    few.ledger.hear(idOf(1));
    few.live(21, 40);
    expect(few.allPages.slice(0, full.length).map(encodeEpochPage)).toEqual(full);
  });

  test("an older mark that named everything is taken over and becomes small", () => {
    const old = new Committed({ ...defaultLedgerBounds, markRowsMax: 10_000, owedRowsMax: 10_000 });
    old.live(1, 200);
    expect(old.mark.epochs).toHaveLength(200);
    const small = new Committed();
    small.text = old.text;
    small.takeOver();
    expect(small.commit().epochs.length).toBeLessThanOrEqual(32);
    for (let ordinal = 1; ordinal <= 200; ordinal++) {
      expect(small.ledger.expected(idOf(ordinal), "telemetry")).toBe(11);
    }
  });
});

describe("L9 a mark says what is taken before an epoch", () => {
  test("where every predecessor is taken to the end that its successor states", () => {
    const few = new Committed(small);
    few.live(1, 30);
    expect(few.row(idOf(30))?.coversBefore).toBe(true);
    few.takeOver();
    expect(few.commit().epochs.at(-1)?.coversBefore).toBe(true);
  });

  test("not where what came before it is not known yet", () => {
    const few = new Committed(small);
    few.take(idOf(5), after(4));
    few.commit();
    expect(few.row(idOf(5))?.coversBefore).toBeUndefined();
    expect(few.row(idOf(4))?.logs.telemetry, "it is asked for").toMatchObject({
      through: 0,
      end: 10,
    });
    few.take(idOf(4), after(3));
    few.take(idOf(3), null);
    few.ledger.hear(idOf(5));
    few.commit();
    expect(few.row(idOf(5))?.coversBefore).toBe(true);
  });

  test("by the end that this branch states, where two branches state different ones", () => {
    const few = new Committed(small);
    few.live(1, 10);
    const [one, other] = ["11-0000000a", "11-0000000b"];
    few.take(one, after(10));
    few.commit();
    const further = { epoch: idOf(10), ends: ends(15) };
    few.take(other, further);
    few.commit();
    expect(few.row(idOf(10))?.logs.telemetry, "owed by the other branch").toMatchObject({
      through: 10,
      end: 10,
    });
    few.live(20, 30);
    expect(few.named(), "and named until it comes").toContain(10);
    few.ledger.take(idOf(10), "telemetry", 15);
    few.ledger.hear(other);
    few.commit();
    expect(few.row(other)?.coversBefore).toBe(true);
  });

  test("and whether an epoch that comes next is known without being named", () => {
    const few = new Committed(small);
    few.live(1, 30);
    expect(few.row(idOf(30))?.hasPagedNext).toBeUndefined();
    few.ledger.hear(idOf(3));
    few.commit();
    expect(few.row(idOf(3))).toMatchObject({ hasPagedNext: true, coversBefore: true });
  });
});

describe("L10 an epoch that is not named", () => {
  test("is named again when anything comes of it, and leaves again without being written twice", () => {
    const few = new Committed(small);
    few.live(1, 20);
    expect(few.named()).not.toContain(3);
    expect(few.ledger.hear(idOf(3)), "the mark is written for it").toBe(true);
    expect(few.ledger.hear(idOf(3))).toBe(false);
    few.commit();
    expect(few.row(idOf(3))?.logs.telemetry.through).toBe(10);
    few.live(21, 30);
    expect(few.named()).not.toContain(3);
    const rows = few.allPages.flatMap(({ epochs }) => epochs.map(({ epoch }) => epoch));
    expect(rows.filter((epoch) => epoch === idOf(3))).toHaveLength(1);
  });

  test("is written again where it changed: the later row counts", () => {
    const few = new Committed(small);
    few.live(1, 20);
    few.ledger.take(idOf(3), "telemetry", 14);
    few.live(21, 30);
    few.takeOver();
    expect(few.ledger.expected(idOf(3), "telemetry")).toBe(15);
  });
});

describe("a snapshot", () => {
  test("does not say again what stands in pages, and is the same ledger with them", () => {
    const few = new Committed(small);
    few.live(1, 200);
    const snapshot = decodeMark(encodeMark(few.ledger.replayMark(true)));
    expect(snapshot.epochs.length).toBeLessThanOrEqual(2);
    const [pages, before] = [few.allPages, few.ledger.epochs()];
    const restored = GatewayLedger.fromMark(snapshot, pages, small);
    expect(sorted(restored.epochs())).toEqual(sorted(before));
    expect(restored.isLate(idOf(1), "telemetry", 5)).toBe(
      few.ledger.isLate(idOf(1), "telemetry", 5),
    );
  });

  test("knows of the pages what they held then, and nothing that was added later", () => {
    const few = new Committed(small);
    few.live(1, 21);
    const snapshot = decodeMark(encodeMark(few.ledger.replayMark(true)));
    few.live(22, 60);
    const restored = GatewayLedger.fromMark(snapshot, few.allPages, small);
    for (let ordinal = 1; ordinal <= 60; ordinal++) {
      expect(restored.expected(idOf(ordinal), "telemetry")).toBe(ordinal <= 21 ? 11 : 1);
    }
  });

  test("in the midst of a replay says all, for the pages are ahead of it", () => {
    const few = new Committed(small);
    few.live(1, 20);
    const replay = new GatewayLedger("g1", small);
    replay.layFloor(few.mark, few.allPages);
    replay.take(idOf(1), "telemetry", 4);
    const snapshot = decodeMark(encodeMark(replay.replayMark(false)));
    const restored = GatewayLedger.fromMark(snapshot, few.allPages, small);
    expect(restored.through(idOf(1), "telemetry")).toBe(4);
    expect(restored.through(idOf(2), "telemetry")).toBe(0);
  });
});

describe("L2 beyond the last page", () => {
  const tiny = { ...small, pagesMax: 4 };

  test("the oldest epochs are forgotten and told, and the mark covers what came before all the same", () => {
    const few = new Committed(tiny);
    few.live(1, 60);
    expect(few.forgotten.length).toBeGreaterThan(3);
    expect(few.ledger.epochs().length).toBeLessThan(20);
    expect(few.row(idOf(60))?.coversBefore).toBe(true);
    few.takeOver();
    few.live(61, 70);
    expect(few.row(idOf(70))?.coversBefore).toBe(true);
    expect(few.ledger.judge(idOf(69), "telemetry", 1, 10)).toEqual({ kind: "repeat" });
  });

  test("a repeat of the oldest that is known asks for nothing that was forgotten", () => {
    const few = new Committed(tiny);
    few.live(1, 60);
    const oldest = Math.min(...few.ledger.epochs().map(({ epoch }) => Number.parseInt(epoch, 10)));
    few.ledger.noteBefore(idOf(oldest), after(oldest - 1));
    few.ledger.hear(idOf(oldest));
    few.commit();
    expect(few.row(idOf(oldest - 1))).toBeUndefined();
  });
});

test("a device that forgets its disk at each start leaves a bounded mark (K6)", () => {
  const all = new Committed();
  all.live(1, 3);
  for (let start = 0; start < 500; start++) {
    all.ledger.noteLive(`4-${start.toString(16).padStart(8, "0")}`);
    all.take(`4-${start.toString(16).padStart(8, "0")}`, after(3));
    all.commit();
  }
  expect(all.mark.forks?.forks.length).toBe(forksMax);
  expect(all.text.length).toBeLessThan(8_000);
  for (const log of logs) expect(all.row(idOf(3))?.logs[log].through ?? 10).toBeLessThanOrEqual(10);
});

function sorted<Row extends { readonly epoch: EpochId }>(rows: readonly Row[]): readonly Row[] {
  return [...rows].sort((one, other) => (one.epoch < other.epoch ? -1 : 1));
}
