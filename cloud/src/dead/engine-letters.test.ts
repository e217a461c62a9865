// What cannot be used holds up nothing, is kept until somebody settles it, and what is made of it is
// taken once, by everyone, whatever is read again.
import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import type { Event } from "@causeway/shared/event.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { expect, test } from "vitest";
import { EngineWorld, hotRules } from "../engine/testing/engine-world.ts";
import { foldMessage, Ledgers } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import { journalMessage, quarantinedEvent, readingEvent } from "../testing/journal-writer.ts";
import { KeptRuleSets } from "../ticks/rule-sets.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { decodeSummary, lettersOf } from "./letter-pages.ts";
import type { RedriveItem } from "./redrive-message.ts";
import { encodeRedrive, redriveHeader } from "./redrive-message.ts";

const epoch = "1-00000001";

const quarantined = (text: string) => quarantinedEvent("s1", text, 5_000);

function redriveOf(
  sequence: number,
  number: number,
  items: readonly Partial<RedriveItem>[],
): JournalMessage {
  const gateway = gatewayId("g1");
  const whole = items.map((item): RedriveItem => {
    const place = { epoch, log: "telemetry" as const, position: 1 };
    return {
      ...{ id: "", page: 0, tries: 0, do: "redrive", why: "", events: [], at: [60, 1] },
      ...place,
      ...item,
    };
  });
  const data = encodeRedrive({ gateway, number, by: "ana", with: "r", items: whole });
  const header = (name: string) =>
    ({ [redriveHeader]: `${number}`, "Cw-Nonce": `r${sequence}` })[name];
  return { sequence, subject: "tlm.3.g1.redrive", storedAt: 70, data, header };
}

class LetterWorld extends EngineWorld {
  send(position: number, events: readonly Event[]): void {
    this.journal.append(journalMessage(this.next, position, events));
  }

  redrive(number: number, items: readonly Partial<RedriveItem>[]): void {
    this.journal.append(redriveOf(this.next, number, items));
  }

  get next(): number {
    return (this.journal.messages.at(-1)?.sequence ?? 0) + 1;
  }

  letters(): DeadLetter[] {
    const pages = this.store.messages.filter(({ subject }) => /^dlq\.3\.g1\.[0-9]+$/.test(subject));
    return pages.flatMap(({ text }) => lettersOf(text));
  }

  groups() {
    const found = this.store.messages.find(({ subject }) => subject === "dlq.3.g1");
    return found === undefined ? [] : decodeSummary(found.text).groups;
  }

  mark() {
    const found = this.store.messages.find(({ subject }) => subject === "mark.3.g1");
    return decodeMark(found?.text ?? "");
  }
}

const id = `g1/${epoch}/telemetry/1`;
const hot = readingEvent("s1", "temperature", 70, 5_000);

test("a quarantined message is an open dead letter, with all that is needed to try it again", async () => {
  const world = new LetterWorld();
  world.engine();
  world.send(1, [quarantined("t=70")]);
  await world.clock.advance(1_000);
  expect(world.letters()).toMatchObject([
    {
      ...{ id, kind: "quarantined", reason: "not-understood", topic: "plant/s1/up", tries: 0 },
      ...{ epoch, from: 1, sequence: 1, payload: Buffer.from("t=70").toString("base64") },
    },
  ]);
});

test("a redrive is judged late, and closes its letter in the commit that says it was taken", async () => {
  const world = new LetterWorld();
  world.engine();
  world.send(1, [quarantined("t=70")]);
  await world.clock.advance(1_000);
  const torn: number[] = [];
  const { commit } = world.store;
  world.store.commit = async (messages) => {
    const outcome = await commit.call(world.store, messages);
    if ((world.mark().redriven === undefined) !== (world.letters().length === 1)) torn.push(1);
    return outcome;
  };
  world.redrive(1_000, [{ id, events: [hot] }]);
  await world.clock.advance(1_000);
  expect(world.letters()).toEqual([]);
  expect(world.groups()).toEqual([]);
  expect(world.mark().redriven).toBe(1_000);
  expect(torn).toEqual([]);
  const alert = world.store.messages.find(({ subject }) => subject.startsWith("alert."));
  expect(JSON.parse(alert?.text ?? "{}")).toMatchObject({
    transitions: [{ rule: "hot", device: "s1", late: true, cause: `${id}/r/0` }],
  });
});

test("a second redrive of the same number is a repeat, also for an engine that takes over", async () => {
  const world = new LetterWorld();
  const first = world.engine();
  world.send(1, [quarantined("t=70")]);
  world.redrive(1_000, [{ id, events: [hot] }]);
  await world.clock.advance(1_000);
  world.redrive(1_000, [{ id, events: [hot] }]);
  await world.clock.advance(1_000);
  expect(first.status()).toMatchObject({ events: 2, readings: 1 });
  const alerts = world.alerts();
  await first.stop();
  const second = world.engine();
  await world.clock.advance(1_000);
  world.reading(2, 20);
  await world.clock.advance(1_000);
  expect(second.status()).toMatchObject({ readings: 1 });
  expect(world.alerts()).toEqual(alerts);
});

test("every reader takes a redrive once, with an id that says what it was made of", () => {
  const ledgers = new Ledgers();
  const taken = [redriveOf(1, 1_000, [{ id, events: [hot] }]), redriveOf(2, 1_000, [])].flatMap(
    (message) => foldMessage(ledgers, message)?.taken ?? [],
  );
  expect(taken).toMatchObject([
    { id: `${id}/r`, lane: "redrive", late: true, receivedAt: 60, timeQuality: "synchronised" },
  ]);
  const kept = ledgers.of("g1").replayMark(true);
  expect(kept.redriven).toBe(1_000);
});

test("an ENGINE that was put back closes the letter again, and tells nothing twice", async () => {
  const world = new LetterWorld();
  world.engine();
  world.send(1, [quarantined("t=70")]);
  await world.clock.advance(1_000);
  const older = world.store.contents();
  world.redrive(1_000, [{ id, events: [hot] }]);
  await world.clock.advance(1_000);
  const alerts = world.alerts();
  world.store.restore(older);
  expect(world.letters()).toHaveLength(1);
  world.journal.interrupt();
  await world.clock.advance(60_000);
  expect(world.letters()).toEqual([]);
  expect(world.alerts()).toEqual(alerts);
});

test("a batch whose headers cannot be read is a dead letter with them, and nothing waits for it", async () => {
  const world = new LetterWorld();
  world.engine();
  const strange = journalMessage(1, 1, [hot]);
  const header = (name: string) => (name === "Cw-Epoch" ? "?" : strange.header(name));
  world.journal.append({ ...strange, header });
  world.send(1, [hot]);
  await world.clock.advance(1_000);
  expect(world.through()).toBe(1);
  const [letter] = world.letters();
  expect(letter).toMatchObject({ kind: "unreadable", reason: "BATCH_MALFORMED" });
  expect(letter?.headers).toMatchObject({ "Cw-Epoch": "?", "Cw-From": "1" });
});

/** Throws at a value, after it has spoiled the state. */
function failingAt(values: readonly number[]): (alerting: Alerting) => Alerting {
  return (alerting) => ({
    ...alerting,
    observe(detection, observation) {
      const verdicts = alerting.observe(detection, observation);
      if (values.includes(Number(observation.value))) throw new Error(`at ${observation.value}`);
      return verdicts;
    },
  });
}

class FailingRules extends KeptRuleSets {
  fail: (alerting: Alerting) => Alerting = (alerting) => alerting;

  override async alertingOf(name: string): Promise<Alerting | undefined> {
    const found = await super.alertingOf(name);
    return found === undefined ? undefined : this.fail(found);
  }
}

test("events that rules fail at are dead letters, one each, and rules know nothing of them (X1)", async () => {
  const snapshots: string[] = [];
  for (const bad of [[], [41, 42, 43]]) {
    const world = new LetterWorld();
    const ruleSets = new FailingRules(world.store, hotRules);
    ruleSets.fail = failingAt([41, 42, 43]);
    const engine = world.engine(hotRules, { ruleSets });
    let position = 1;
    for (const value of [20, 60, ...bad, 21]) {
      world.reading(position++, value);
      await world.clock.advance(2_000);
    }
    expect(world.through()).toBe(position - 1);
    expect(world.letters().map(({ kind, reason, tries }) => [kind, reason, tries])).toEqual(
      bad.map(() => ["failed", "Error: at #", 1]),
    );
    // The first ends a tenure, the others none.
    expect(engine.status().takeOvers).toBe(bad.length === 0 ? 1 : 2);
    expect(world.alerts().map((line) => line.split(" ")[1])).toEqual(["firing", "resolved"]);
    await engine.stop();
    snapshots.push(
      JSON.stringify(
        world.store.messages
          .filter((one) => one.subject === "open.3.g1")
          .map((one) => one.text.length),
      ),
    );
  }
  expect(snapshots[0]).toBe(snapshots[1]);
});

test("an event that failed is judged again by a redrive; where it fails again it is a letter again", async () => {
  const world = new LetterWorld();
  const ruleSets = new FailingRules(world.store, hotRules);
  const values = [70];
  ruleSets.fail = failingAt(values);
  world.engine(hotRules, { ruleSets });
  world.send(1, [hot]);
  await world.clock.advance(5_000);
  const [letter] = world.letters();
  expect(letter).toMatchObject({ id, kind: "failed", tries: 1 });
  const item = { id, do: "judge" as const, events: [hot], tries: letter?.tries ?? 0 };
  world.redrive(1_000, [item]);
  await world.clock.advance(5_000);
  expect(world.letters()).toMatchObject([{ id, tries: 2 }]);
  values.length = 0;
  const [page] = world.store.messages
    .flatMap(({ subject }) => /^dlq\.3\.g1\.([0-9]+)$/.exec(subject)?.[1] ?? [])
    .slice(-1);
  world.redrive(1_001, [{ ...item, page: Number(page), tries: 2 }]);
  await world.clock.advance(5_000);
  expect(world.letters()).toEqual([]);
  expect(world.alerts()).toHaveLength(1);
});
