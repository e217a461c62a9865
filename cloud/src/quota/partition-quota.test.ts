/** Goal: the cap of a gateway beyond its quota, and its alert, go in one commit, once, whatever engine tells them. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { expect, test } from "vitest";
import { Partition } from "../engine/partition.ts";
import { noCounts } from "../engine/partition-counters.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { bootOffset, journalMessage, readingEvent } from "../testing/journal-writer.ts";
import type { QuotaOf } from "./quota-settings.ts";

const quotaOf: QuotaOf = (gateway) =>
  gateway === "g1" ? { eventsPerSecond: 2, bytesPerDay: undefined } : undefined;
const rules = { name: "", alerting: createAlerting(compileRules([])) };

/** Engines of one partition, one after the other. */
class Engines {
  partition = this.#open(0);
  told: string[] = [];
  mark: Mark | undefined;
  #sequence = 0;
  #at = bootOffset;
  #n = 0;
  readonly #positions = new Map<string, number>();
  readonly #journal: JournalMessage[] = [];

  #open(until: number): Partition {
    return new Partition(3, rules, until, noCounts(), { quotaOf });
  }

  send(events: number, gateway = "g1"): void {
    const from = (this.#positions.get(gateway) ?? 0) + 1;
    this.#positions.set(gateway, from + events - 1);
    const made = Array.from({ length: events }, (_, index) => readingEvent("d", "t", index));
    const written = journalMessage(++this.#sequence, from, made, { gateway });
    const message = { ...written, storedAt: this.#at };
    this.#journal.push(message);
    this.partition.take(message);
  }

  pass(seconds: number): void {
    for (let until = this.#at + seconds * 1_000; this.#at < until; ) {
      this.#at += 5_000;
      const tick = { n: ++this.#n, at: this.#at, rules: "", revision: 0 };
      this.partition.tick(++this.#sequence, tick, undefined);
      this.commit();
    }
  }

  commit(): void {
    if (!this.partition.isDirty) return;
    const { messages } = this.partition.collect(1, 500);
    for (const { subject, data } of messages) {
      if (subject === "mark.3.g1") this.mark = decodeMark(data);
      if (!subject.startsWith("alert.3.g1.")) continue;
      const { transitions } = JSON.parse(data) as { transitions: AlertTransition[] };
      this.told.push(...transitions.map(({ rule, state }) => `${rule} ${state}`));
      expect(messages.map((message) => message.subject)).toContain("mark.3.g1");
    }
  }

  /** Without a snapshot, so everything is read again. */
  takeOver(): void {
    this.partition = this.#open(this.#sequence);
    if (this.mark !== undefined) this.partition.restoreMark(this.mark);
    for (const message of this.#journal) this.partition.take(message);
  }
}

test("over its quota a gateway gets a cap and an alert, once; both end, and another is left alone", () => {
  const engines = new Engines();
  engines.send(100);
  engines.send(1_000, "g2");
  engines.pass(5);
  expect([engines.mark?.cap, engines.told]).toEqual([undefined, []]);
  engines.send(100);
  engines.pass(5);
  expect(engines.mark?.cap).toBeGreaterThan(0);
  expect(engines.told).toEqual(["system-quota firing"]);
  engines.takeOver();
  engines.pass(20);
  expect(engines.told).toEqual(["system-quota firing"]);
  expect(engines.mark?.cap).toBeGreaterThan(0);
  engines.pass(120);
  expect([engines.mark?.cap, engines.told]).toEqual([undefined, ["system-quota firing"]]);
  engines.pass(300);
  expect(engines.told).toEqual(["system-quota firing", "system-quota resolved"]);
});

test("a full journal's cap goes over the quota's where it is lower, and is there after it", () => {
  const engines = new Engines();
  engines.send(300);
  engines.pass(5);
  const quotaCap = engines.mark?.cap ?? 0;
  engines.partition.setCap(quotaCap - 1);
  engines.commit();
  expect(engines.mark?.cap).toBe(quotaCap - 1);
  engines.partition.setCap(quotaCap + 1);
  engines.commit();
  expect(engines.mark?.cap).toBe(quotaCap);
  engines.takeOver();
  engines.pass(300);
  expect(engines.mark?.cap).toBe(quotaCap + 1);
  engines.partition.setCap(undefined);
  engines.commit();
  expect(engines.mark?.cap).toBeUndefined();
});
