// A notifier that is killed at any step of its work must lose nothing, and repeat only what its
// receiver has seen under the same key. Memory ledger, virtual time, a crash at each step in turn.

import { expect, test } from "vitest";
import type { AlertTransition } from "../alert/alert.ts";
import { sleep } from "../clock.ts";
import { silentLogger } from "../log.ts";
import { circumstancesOf } from "../operate/circumstances.ts";
import { Operations } from "../operate/operations.ts";
import { seededRandom } from "../random.ts";
import { emptyFleet } from "../rules/fleet.ts";
import { VirtualClock } from "../testing/virtual-clock.ts";
import type { AlertReading, ReadAlerts } from "./alert-reading.ts";
import type { LedgerCommit, LedgerStore } from "./ledger.ts";
import { ledgerOf } from "./ledger.ts";
import type { Notification } from "./notification.ts";
import { reportNotification } from "./notification.ts";
import { headRecord } from "./plan-codec.ts";
import { defaultPlan } from "./plan-settings.ts";
import type { AddressedReport } from "./report-message.ts";
import { Teller } from "./teller.ts";
import { transition } from "./testing/transition.ts";

/** Dies at a step: before its effect, or behind it with the answer lost. */
class Crash extends Error {}

class World implements LedgerStore {
  readonly clock = new VirtualClock();
  readonly told: string[] = [];
  readonly messages: AlertTransition[][] = [];
  /** In place of the message at that index. */
  readonly reports = new Map<number, AddressedReport>();
  readonly records = new Map<string, string>();
  revision = 0;
  /** Before each message is read. */
  readingMs = 0;
  steps = 0;
  crashAt = Number.POSITIVE_INFINITY;
  #dead = false;

  /** Nothing that a dead process does has an effect. */
  async #step<Result>(effect: () => Result): Promise<Result> {
    await Promise.resolve();
    if (this.#dead) throw new Crash("dead");
    const step = this.steps++;
    if (step === this.crashAt) {
      this.#dead = true;
      throw new Crash("before");
    }
    const result = effect();
    if (step + 0.5 === this.crashAt) {
      this.#dead = true;
      throw new Crash("behind");
    }
    return result;
  }

  load() {
    return this.#step(() => ({ revision: this.revision, records: new Map(this.records) }));
  }

  commit({ head, told, state }: LedgerCommit, expected: number): Promise<number | undefined> {
    return this.#step(() => {
      if (expected !== this.revision) return undefined;
      for (const [name, text] of [...told, ...state]) this.records.set(name, text);
      this.records.set(headRecord, head);
      return ++this.revision;
    });
  }

  #alerts(signal: AbortSignal): AlertReading {
    const { messages, clock, readingMs, reports } = this;
    const follow = async function* (after: number): AsyncGenerator<ReadAlerts> {
      for (const [index, transitions] of messages.entries()) {
        if (index < after) continue;
        if (readingMs > 0) await sleep(clock, readingMs, signal);
        const place = { sequence: index + 1, identity: "m" };
        const report = reports.get(index);
        yield { place, transitions, ...(report === undefined ? {} : { report }) };
      }
      await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    };
    const place = { sequence: 0, identity: "" };
    return {
      follow,
      isThere: async () => true,
      fold: async () => ({ place, firing: new Map() }),
      end: async () => messages.length,
      historyTaken: async (gateways) => new Set(gateways),
      stillOpen: async () => new Set(),
      former: async () => undefined,
      forgetFormer: async () => {},
    };
  }

  /** A process until it dies or all is settled. */
  async life(name: string): Promise<void> {
    this.#dead = false;
    const end = new AbortController();
    const random = seededRandom(name);
    const teller = new Teller({
      receiver: {
        name: "people",
        deliver: ({ key }: Notification) =>
          this.#step(() => {
            this.told.push(key);
            return { kind: "delivered" as const };
          }).catch(() => ({ kind: "retry" as const, reason: "the process is dead" })),
      },
      settings: { ...defaultPlan, repeatInterval: 0 },
      ledger: this,
      alerts: this.#alerts(end.signal),
      keepDead: async () => {},
      spokenOf: {
        loaded: async () => {},
        circumstances: () => circumstancesOf(new Operations(), emptyFleet),
      },
      ...{ clock: this.clock, random, log: silentLogger },
    });
    const running = teller
      .run(end.signal, () => {})
      .catch((failure) => {
        if (!(failure instanceof Crash)) throw failure;
      });
    await this.clock.advance(150_000);
    end.abort();
    await this.clock.advance(1_000);
    await running;
  }
}

function alerts(): AlertTransition[][] {
  const at = (id: string, state: "firing" | "resolved") =>
    transition({ id, fingerprint: `f-${id}`, state, rule: `rule-${id}` });
  return [[at("a", "firing"), at("b", "firing")], [at("a", "resolved")], [at("c", "firing")]];
}

test("a notifier that dies at any step loses nothing and repeats only under the same key (N1)", async () => {
  const whole = new World();
  whole.messages.push(...alerts());
  await whole.life("whole");
  const wanted = new Set(whole.told);
  expect(wanted).toEqual(new Set(["a/resolved", "b/firing", "c/firing"]));
  expect(whole.told).toHaveLength(wanted.size);
  let repeats = 0;
  for (let crashAt = 0; crashAt < whole.steps; crashAt += 0.5) {
    const world = new World();
    world.messages.push(...alerts());
    world.crashAt = crashAt;
    await world.life("first");
    world.crashAt = Number.POSITIVE_INFINITY;
    await world.life("second");
    await world.life("third");
    expect(new Set(world.told), `killed at ${crashAt}`).toEqual(wanted);
    expect(world.told.length, `killed at ${crashAt}`).toBeLessThanOrEqual(wanted.size + 1);
    repeats += world.told.length - wanted.size;
    const { revision, records } = world;
    expect(ledgerOf({ revision, records }).outstanding.size).toBe(0);
  }
  expect(repeats, "the answers that were lost").toBeGreaterThan(0);
});

test("what stood in the stream is read before anyone is told of it, however long that takes (N5)", async () => {
  const world = new World();
  world.readingMs = 5_000;
  world.messages.push(...alerts());
  await world.life("slow");
  expect(world.told.toSorted()).toEqual(["a/resolved", "b/firing", "c/firing"]);
});

test("a stream that is not read within half a minute holds nobody's telling back", async () => {
  const world = new World();
  world.readingMs = 20_000;
  world.messages.push(...alerts());
  await world.life("stuck");
  expect(world.told.toSorted()).toEqual(["a/firing", "a/resolved", "b/firing", "c/firing"]);
});

test("a report is told to those whom it names, once, whenever its notifier dies (N1)", async () => {
  const notice = { title: "a day", summary: [], text: [], figures: {} };
  const reportTo = (receiver: string, key: string) => {
    return { receivers: [receiver], notification: reportNotification("daily", key, notice, 0) };
  };
  const lived = async (crashAt: number) => {
    const world = new World();
    world.messages.push(...alerts(), [], []);
    world.reports.set(3, reportTo("people", "report/1"));
    world.reports.set(4, reportTo("others", "report/2"));
    world.crashAt = crashAt;
    await world.life("first");
    world.crashAt = Number.POSITIVE_INFINITY;
    await world.life("second");
    return world;
  };
  const whole = await lived(Number.POSITIVE_INFINITY);
  expect(whole.told.filter((key) => key.startsWith("report/"))).toEqual(["report/1"]);
  for (let crashAt = 0; crashAt < whole.steps; crashAt += 0.5) {
    const { told } = await lived(crashAt);
    expect(new Set(told), `${crashAt}`).toEqual(new Set(whole.told));
  }
});
