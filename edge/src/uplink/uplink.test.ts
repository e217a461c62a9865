/**
 * Goal: the uplink keeps U1-U6 whatever order its events come in. The journey over a lossy link with
 * a cloud that takes only the next one is uplink-journey.test.ts.
 */
import { logs } from "@causeway/shared/event.ts";
import { describe, expect, test } from "vitest";
import { Bench, doubtAbout, epochOf, first, second } from "../testing/uplink-bench.ts";

describe("before anything is sent", () => {
  test("nothing is done while the link is down, and no wake is asked for", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.step({ kind: "appended", epoch: first, log: "telemetry", last: 101, bytes: 10 });
    bench.pass(3_600_000);
    expect(bench.done).toEqual([]);
  });

  test("the mark is read when the link comes up, and nothing is read from the outbox before", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.step({ kind: "link-up" });
    expect(bench.done.map(({ kind }) => kind)).toEqual(["ask-mark"]);
    bench.pass(60_000);
    expect(bench.count("read")).toBe(0);
  });

  test("sending begins behind the mark and not at the first event", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up({ [first]: { telemetry: 40 } }, 7);
    expect(bench.last("read")).toMatchObject({ epoch: first, log: "telemetry", from: 41 });
    expect(bench.last("release")).toMatchObject({ epoch: first, log: "telemetry", through: 40 });
  });

  test("a mark beyond what this outbox holds is not believed beyond its last position", () => {
    const bench = new Bench([epochOf(first, 100, { closed: true })]);
    bench.up({ [first]: { telemetry: 500 } }, 7);
    expect(bench.last("release").through).toBe(100);
    expect(bench.status()).toMatchObject({ unsentEvents: 0, untakenEvents: 0 });
  });

  test("a mark that cannot be read is asked for again, later each time, and never in a spin", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.step({ kind: "link-up" });
    for (let failure = 1; failure <= 10; failure++) {
      expect(bench.count("ask-mark")).toBe(failure);
      bench.markFails();
      expect(bench.count("ask-mark"), "not at once").toBe(failure);
      bench.pass(31_000);
    }
    expect(bench.count("read")).toBe(0);
  });

  test("a mark that arrives after the link went down starts nothing", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.step({ kind: "link-up" });
    bench.step({ kind: "link-down" });
    bench.mark({});
    bench.pass(60_000);
    expect(bench.count("read")).toBe(0);
  });
});

describe("U1 order", () => {
  test("batches follow each other without a gap", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up();
    bench.found(10);
    bench.pass(1_000);
    bench.found(5);
    expect(bench.of("publish").map(({ batch }) => [batch.from, batch.to])).toEqual([
      [1, 10],
      [11, 15],
    ]);
  });

  test("the older epoch goes to its last position before the newer one begins", () => {
    const ends = { telemetry: 10, priority: 0 };
    const newer = { ...epochOf(second, 5), before: { epoch: first, ends } };
    const bench = new Bench([epochOf(first, 10, { closed: true }), newer]);
    bench.up();
    bench.found(10);
    bench.pass(1_000);
    expect(bench.last("read")).toMatchObject({ epoch: second, from: 1 });
    const { batch } = bench.found(5);
    expect(batch).toMatchObject({ before: { epoch: first, ends }, end: undefined });
    expect(bench.of("publish")[0]?.batch.end, "a closed epoch tells its end").toBe(10);
  });

  test("an epoch's end is known from its successor's record", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.up();
    const before = { epoch: first, ends: { telemetry: 8, priority: 0 } };
    bench.step({ kind: "epoch-opened", epoch: { ...epochOf(second, 0), before } });
    expect(bench.found(8).batch).toMatchObject({ to: 8, end: 8 });
    bench.pass(1_000);
    expect(bench.count("read"), "nothing is left beyond the end").toBe(1);
  });

  test("one read at a time for each lane", () => {
    const bench = new Bench([epochOf(first, 1_000)]);
    bench.up();
    bench.pass(59_000);
    expect(bench.count("read")).toBe(1);
  });

  test("a priority event does not wait for telemetry", () => {
    const facts = { ...epochOf(first, 1_000), last: { telemetry: 1_000, priority: 3 } };
    const bench = new Bench([facts]);
    bench.up();
    expect(bench.of("read").map(({ log }) => log)).toEqual(["priority", "telemetry"]);
  });
});

describe("U2 release", () => {
  test("a PubAck releases nothing", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.up();
    const { batch } = bench.found(10);
    bench.step({ kind: "stored", batchId: batch.id });
    bench.pass(10_000);
    expect(bench.count("release")).toBe(0);
  });

  test("the mark is asked for soon after a PubAck, and releases exactly what it covers", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.up();
    const { batch } = bench.found(10);
    bench.step({ kind: "stored", batchId: batch.id });
    bench.pass(300);
    expect(bench.count("ask-mark")).toBe(2);
    bench.mark({ [first]: { telemetry: 7 } }, 2);
    expect(bench.of("release")).toEqual([
      { kind: "release", epoch: first, log: "telemetry", through: 7 },
    ]);
    expect(bench.status()).toMatchObject({ unsentEvents: 0, untakenEvents: 3 });
  });

  test("while nothing new is taken the mark is asked for less and less often", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.up();
    const { batch } = bench.found(10);
    bench.step({ kind: "stored", batchId: batch.id });
    const from = bench.nowMs;
    for (let asked = bench.count("ask-mark"); bench.nowMs < from + 50_000; ) {
      bench.pass(50);
      if (bench.count("ask-mark") === asked) continue;
      asked = bench.count("ask-mark");
      bench.mark({}, 1);
    }
    expect(bench.count("ask-mark")).toBeGreaterThan(8);
    expect(bench.count("ask-mark")).toBeLessThan(25);
  });

  test("with everything taken the uplink is quiet: no question, no wake", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.up();
    bench.found(10);
    bench.mark({ [first]: { telemetry: 10 } }, 2);
    const before = bench.done.length;
    bench.pass(24 * 3_600_000);
    expect(bench.done.slice(before)).toEqual([]);
    expect(bench.wakeAtMs).toBeUndefined();
  });
});

describe("U3 go back", () => {
  test("after a failed publish the mark is read first, then all behind it goes again", () => {
    const bench = new Bench([epochOf(first, 30)]);
    bench.up();
    const one = bench.found(10).batch;
    bench.pass(60);
    bench.found(10);
    bench.fail("retry", one.id);
    const [asks, reads] = [bench.count("ask-mark"), bench.count("read")];
    bench.pass(1_000);
    expect([bench.count("ask-mark"), bench.count("read")]).toEqual([asks + 1, reads]);
    bench.mark({ [first]: { telemetry: 4 } }, 2);
    bench.pass(1_000);
    expect(bench.last("read").from).toBe(5);
    expect(bench.last("report")).toMatchObject({ what: "fault", lane: "live", times: 1 });
  });

  test("a link flap goes back on both lanes", () => {
    const facts = { ...epochOf(first, 50), last: { telemetry: 50, priority: 5 } };
    const bench = new Bench([facts]);
    bench.up();
    for (const { readId, from, log } of bench.of("read")) {
      const to = log === "priority" ? 5 : 50;
      bench.step({ kind: "read", readId, found: { from, to, bytes: 500, ageMs: 0 } });
    }
    bench.step({ kind: "link-down" });
    bench.done = [];
    bench.up();
    bench.pass(60);
    expect(bench.of("read").map(({ log, from }) => [log, from])).toEqual([
      ["priority", 1],
      ["telemetry", 1],
    ]);
  });

  test("a read that was under way at the go-back publishes nothing when it comes", () => {
    const bench = new Bench([epochOf(first, 50)]);
    bench.up();
    const { readId } = bench.last("read");
    bench.step({ kind: "link-down" });
    bench.up();
    bench.pass(60);
    bench.step({ kind: "read", readId, found: { from: 1, to: 50, bytes: 500, ageMs: 0 } });
    expect(bench.count("publish")).toBe(0);
    expect(bench.found(50).batch.from).toBe(1);
  });

  test("answers to batches of before the go-back count for nothing", () => {
    const bench = new Bench([epochOf(first, 50)]);
    bench.up();
    const { batch } = bench.found(50);
    bench.step({ kind: "link-down" });
    bench.up();
    bench.pass(60);
    const goBacks = bench.status().goBacks;
    bench.fail("retry", batch.id);
    bench.step({ kind: "stored", batchId: batch.id });
    expect(bench.status()).toMatchObject({ goBacks, link: "up" });
    expect(bench.count("read")).toBe(2);
  });

  test.each([
    ["refused", 10],
    ["too large", 10],
    ["too large", 1],
  ])("%s alone, an item of %i positions goes as a stub (U7)", (fault, positions) => {
    const bench = new Bench([epochOf(first, 20)]);
    bench.up();
    const asked: unknown[] = [];
    while (bench.last("read").cut?.stubReason === undefined && asked.length < 9) {
      asked.push(bench.last("read").cut?.positionsMax);
      const { batch } = bench.found(positions);
      if (fault === "too large") bench.fail("split", batch.id);
      else bench.mark({}, asked.length, [doubtAbout(batch.nonce, 1, "refused")]);
      bench.pass(31_000);
      bench.mark({}, asked.length);
      bench.pass(31_000);
    }
    expect(asked).toEqual(positions === 1 ? [undefined] : [undefined, 5, 2, 1]);
    expect(bench.last("read")).toMatchObject({ from: 1, cut: { positionsMax: 1 } });
  });

  test("what is refused is narrowed down without beginning anew: log2 n rounds, and whole again", () => {
    const [last, fault] = [1_000, 700];
    const bench = new Bench([epochOf(first, last)]);
    bench.up();
    let [through, rounds, sent] = [0, 0, 0];
    for (let commit = 1; through < last; commit++) {
      const before = bench.count("publish");
      for (let read = bench.last("read"); ; read = bench.last("read")) {
        const { positionsMax = last } = read.cut ?? {};
        bench.found(Math.min(positionsMax, last - read.from + 1));
        bench.pass(60);
        if (bench.last("read") === read) break;
      }
      const batches = bench.of("publish").slice(before);
      sent += batches.reduce((sum, { batch }) => sum + batch.to - batch.from + 1, 0);
      const isStub = bench.last("read").cut?.stubReason !== undefined;
      const refused = batches.find(
        ({ batch }) => batch.from <= fault && batch.to >= fault && !isStub,
      );
      through = refused === undefined ? last : refused.batch.from - 1;
      if (isStub) through = fault;
      rounds++;
      const doubts = refused && [doubtAbout(refused.batch.nonce, through + 1, "refused")];
      bench.mark({ [first]: { telemetry: through } }, commit, doubts);
      bench.pass(31_000);
    }
    expect(rounds).toBeLessThanOrEqual(2 + Math.ceil(Math.log2(last)));
    expect(sent).toBeLessThan(4 * last);
    expect(bench.last("publish").batch, "behind it all goes in one").toMatchObject({ to: last });
  });

  test("too large halves the batch each time, down to a floor, and the server's bound is kept", () => {
    const bench = new Bench([epochOf(first, 50_000)], { batchBytes: 64 * 1_024 });
    bench.up();
    const asked: number[] = [];
    for (let turn = 0; turn < 7; turn++) {
      asked.push(bench.last("read").bytesMax);
      const { batch } = bench.found(100, bench.last("read").bytesMax);
      bench.fail("split", batch.id);
      bench.pass(31_000);
      bench.mark({});
      bench.pass(31_000);
    }
    expect(asked.map((bytes) => bytes / 1_024)).toEqual([64, 32, 16, 8, 4, 4, 4]);
  });

  test("nothing taken for a minute goes back, then waits twice as long each time", () => {
    const bench = new Bench([epochOf(first, 10)]);
    bench.up();
    const wentBackAfter: number[] = [];
    for (let turn = 0; turn < 6; turn++) {
      const { batch } = bench.found(10);
      const sentAt = bench.nowMs;
      bench.step({ kind: "stored", batchId: batch.id });
      for (let asks = bench.count("ask-mark"); bench.status().goBacks <= turn; ) {
        bench.pass(1_000);
        if (bench.count("ask-mark") > asks) bench.mark({}, 1);
        asks = bench.count("ask-mark");
      }
      wentBackAfter.push(Math.floor((bench.nowMs - sentAt) / 60_000));
      while (bench.of("read").length < turn + 2) {
        bench.pass(1_000);
        bench.mark({}, 1);
      }
    }
    expect(wentBackAfter).toEqual([1, 2, 4, 8, 16, 16]);
  });

  test("what the cloud takes resets the wait for nothing taken", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up();
    bench.found(100);
    for (let through = 10; through <= 90; through += 10) {
      bench.pass(50_000);
      bench.mark({ [first]: { telemetry: through } }, through);
    }
    expect(bench.count("report")).toBe(0);
  });

  test("a read that fails while batches wait past their time does not spin", () => {
    const bench = new Bench([epochOf(first, 100)], { gatherMs: 1 });
    bench.up();
    bench.found(10);
    bench.pass(59_990);
    for (let failure = 0; failure < 12; failure++) {
      bench.step({ kind: "read", readId: bench.last("read").readId, found: undefined });
      bench.pass(3_000);
    }
  });

  test("back-off grows while nothing is taken, though every publish is stored", () => {
    // A batch that the cloud stores and refuses again and again must not fill a metered link.
    const bench = new Bench([epochOf(first, 10)]);
    bench.up();
    for (let commit = 1; bench.nowMs < 600_000; commit++) {
      const { batch } = bench.found(10);
      bench.step({ kind: "stored", batchId: batch.id });
      bench.pass(300);
      const reads = bench.count("read");
      bench.mark({}, commit, [doubtAbout(batch.nonce, 1, "refused")]);
      while (bench.count("read") === reads) bench.pass(100);
    }
    expect(bench.count("publish"), "times in ten minutes").toBeLessThan(100);
  });
});

describe("U4 bounds", () => {
  test("at the window the lane waits until something is taken", () => {
    const bench = new Bench([epochOf(first, 1_000)], { windowBytes: 2_000, batchBytes: 1_000 });
    bench.up();
    for (let turn = 0; turn < 2; turn++) {
      const { batch } = bench.found(10);
      bench.step({ kind: "stored", batchId: batch.id });
      bench.pass(51);
    }
    expect(bench.count("publish")).toBe(2);
    bench.pass(10_000);
    expect(bench.count("read")).toBe(2);
    bench.mark({ [first]: { telemetry: 10 } }, 2);
    expect(bench.last("read")).toMatchObject({ from: 21, bytesMax: 1_000 });
  });

  test("a read asks for no more than the window has room for", () => {
    const bench = new Bench([epochOf(first, 1_000)], { windowBytes: 1_500, batchBytes: 1_000 });
    bench.up();
    bench.found(10);
    bench.pass(51);
    expect(bench.last("read").bytesMax).toBe(500);
  });

  test("at most so many batches wait for their PubAck", () => {
    const bench = new Bench([epochOf(first, 1_000)], { inflightMax: 2 });
    bench.up();
    const { batch } = bench.found(1);
    bench.pass(51);
    bench.found(1);
    bench.pass(10_000);
    expect(bench.count("read")).toBe(2);
    bench.step({ kind: "stored", batchId: batch.id });
    expect(bench.count("read")).toBe(3);
  });

  test("a lane that is not behind gathers, a full batch goes at once", () => {
    const bench = new Bench([epochOf(first, 10)], { gatherMs: 50, batchBytes: 1_000 });
    bench.up();
    bench.found(10, 900);
    const append = (last: number, bytes: number) =>
      bench.step({ kind: "appended", epoch: first, log: "telemetry", last, bytes });
    append(11, 100);
    bench.pass(49);
    expect(bench.count("read")).toBe(1);
    bench.pass(2);
    expect(bench.count("read")).toBe(2);
    bench.found(1);
    append(25, 1_000);
    expect(bench.count("read")).toBe(3);
  });

  test("a lane that is behind does not wait between batches", () => {
    const bench = new Bench([epochOf(first, 1_000)], { gatherMs: 1_000, batchBytes: 1_000 });
    bench.up();
    bench.found(10);
    bench.found(10);
    expect(bench.count("read")).toBe(3);
  });
});

describe("U5 doubts", () => {
  test("a doubt about a batch that is under way goes back once", () => {
    const bench = new Bench([epochOf(first, 30)]);
    bench.up();
    const { batch } = bench.found(30);
    bench.mark({ [first]: { telemetry: 9 } }, 2, [doubtAbout(batch.nonce, 10)]);
    bench.pass(1_000);
    expect(bench.last("read").from).toBe(10);
    bench.found(21);
    bench.mark({ [first]: { telemetry: 9 } }, 3, [doubtAbout(batch.nonce, 10)]);
    bench.pass(1_000);
    expect(bench.count("publish"), "the old doubt was answered").toBe(2);
    expect(bench.status().goBacks).toBe(1);
  });

  test("a doubt that an earlier process left in the mark is not answered", () => {
    // Generations begin again with the process, so the number alone would match by chance.
    const bench = new Bench([epochOf(first, 30)]);
    bench.up();
    const { batch } = bench.found(30);
    const [generation = ""] = batch.nonce.split(".");
    bench.mark({}, 2, [doubtAbout(`${generation}.ffffffff`, 1)]);
    expect(bench.status().goBacks).toBe(0);
  });

  test("a doubt about one log leaves the other lane alone", () => {
    const facts = { ...epochOf(first, 10), last: { telemetry: 10, priority: 2 } };
    const bench = new Bench([facts]);
    bench.up();
    const [priority, telemetry] = bench.of("read").map(({ readId, from, log }) => {
      const to = log === "priority" ? 2 : 10;
      bench.step({ kind: "read", readId, found: { from, to, bytes: 100, ageMs: 0 } });
      return bench.last("publish").batch;
    });
    bench.mark({}, 2, [doubtAbout(telemetry?.nonce ?? "", 1)]);
    bench.pass(1_000);
    expect(
      bench
        .of("read")
        .slice(2)
        .map(({ log }) => log),
    ).toEqual(["telemetry"]);
    expect(priority?.lane).toBe("priority");
  });
});

describe("U6 rollback", () => {
  test("a lower position under a higher commit number is a rollback at once", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up({ [first]: { telemetry: 80 } }, 5);
    bench.found(20);
    bench.mark({ [first]: { telemetry: 30 } }, 6);
    expect(bench.status().rollbacks).toBe(1);
    bench.pass(1_000);
    expect(bench.last("read").from).toBe(31);
  });

  test("an epoch that the mark no longer names counts as not taken", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up({ [first]: { telemetry: 80 } }, 5);
    bench.found(20);
    bench.mark({}, 6);
    bench.pass(1_000);
    expect(bench.last("read").from).toBe(1);
  });

  test("a lower commit number is doubted for five seconds, asked again, then believed", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up({ [first]: { telemetry: 80 } }, 5);
    bench.found(20);
    const from = bench.nowMs;
    while (bench.status().rollbacks === 0) {
      bench.mark({ [first]: { telemetry: 30 } }, 3);
      const asked = bench.count("ask-mark");
      bench.pass(251);
      if (bench.status().rollbacks === 0) expect(bench.count("ask-mark")).toBe(asked + 1);
    }
    expect(bench.nowMs - from).toBeGreaterThanOrEqual(5_000);
    expect(bench.nowMs - from).toBeLessThan(6_000);
    bench.pass(1_000);
    expect(bench.last("read").from).toBe(31);
  });

  test("a stale answer followed by a good one changes nothing", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up({ [first]: { telemetry: 80 } }, 5);
    bench.found(20);
    bench.mark({ [first]: { telemetry: 30 } }, 3);
    bench.pass(4_000);
    bench.mark({ [first]: { telemetry: 80 } }, 5);
    bench.pass(4_000);
    bench.mark({ [first]: { telemetry: 30 } }, 3);
    expect(bench.status()).toMatchObject({ rollbacks: 0, untakenEvents: 20 });
  });

  test("a missing mark where there was one is a lower commit number", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up({ [first]: { telemetry: 80 } }, 5);
    bench.step({ kind: "mark", mark: undefined });
    expect(bench.status().rollbacks).toBe(0);
    bench.pass(5_001);
    bench.step({ kind: "mark", mark: undefined });
    expect(bench.status()).toMatchObject({ rollbacks: 1, untakenEvents: 100 });
  });

  test("after a rollback the outbox is told to keep again what is no longer taken", () => {
    const bench = new Bench([epochOf(first, 100)]);
    bench.up({ [first]: { telemetry: 80 } }, 5);
    bench.mark({ [first]: { telemetry: 30 } }, 6);
    expect(bench.last("release"), "else the tail would give up 31 to 80").toMatchObject({
      log: "telemetry",
      through: 30,
    });
  });
});

test("status counts what is unsent and untaken over all epochs and logs", () => {
  const closed = epochOf(first, 10, { closed: true });
  const bench = new Bench([closed, { ...epochOf(second, 5), last: { telemetry: 5, priority: 2 } }]);
  expect(bench.status()).toMatchObject({ link: "down", unsentEvents: 17, untakenEvents: 17 });
  bench.up();
  expect(bench.status().link).toBe("up");
  expect(logs).toHaveLength(2);
});
