/**
 * Goal: marks and pages are one: written in one commit, loaded together, gone together; a gateway that
 * restarts in a loop is told of, and no gateway can make a mark that cannot be stored.
 */
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import { decodeEpochPage } from "@causeway/shared/epoch-page.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import { defaultLedgerBounds } from "../ledger/bounds.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { EngineWorld } from "./testing/engine-world.ts";

const idOf = (ordinal: number): EpochId => `${ordinal}-${ordinal.toString(16).padStart(8, "0")}`;
const small = { ...defaultLedgerBounds, markRowsMax: 4, pageBytesMax: 128 };

/** Appends the first event of so many epochs, each naming the one before. */
function restarts(world: EngineWorld, from: number, to: number): void {
  for (let ordinal = from; ordinal <= to; ordinal++) {
    const ends = { telemetry: 1, priority: 0 };
    const before = ordinal === 1 ? undefined : { epoch: idOf(ordinal - 1), ends };
    const sequence = (world.journal.messages.at(-1)?.sequence ?? 0) + 1;
    const head = { epoch: idOf(ordinal), before, nonce: `1.${sequence}` };
    const events = [readingEvent("d1", "temperature", 60)];
    world.journal.append(journalMessage(sequence, 1, events, { head }));
  }
}

const subjectsUnder = (world: EngineWorld, head: string) =>
  world.store.messages.filter(({ subject }) => subject.startsWith(head));
const mark = (world: EngineWorld) => decodeMark(subjectsUnder(world, "mark.")[0]?.text ?? "");
const pages = (world: EngineWorld) =>
  subjectsUnder(world, "epochs.").map(({ text }) => decodeEpochPage(text));

test("a second engine knows every epoch, those in pages too: nothing is told twice", async () => {
  const world = new EngineWorld();
  const first = world.engine(undefined, { ledgerBounds: small });
  await world.clock.advance(10);
  restarts(world, 1, 40);
  await world.clock.advance(1_000);
  expect(mark(world).epochs.length).toBeLessThanOrEqual(4);
  expect(pages(world).length).toBeGreaterThan(3);
  await first.stop();
  const second = world.engine(undefined, { ledgerBounds: small });
  await world.clock.advance(10);
  const told = world.alerts().length;
  for (const message of [...world.journal.messages]) {
    const sequence = (world.journal.messages.at(-1)?.sequence ?? 0) + 1;
    world.journal.append({ ...message, sequence });
  }
  await world.clock.advance(1_000);
  expect(second.status()).toMatchObject({ events: 0, repeats: 40, lastFault: undefined });
  expect(world.alerts()).toHaveLength(told);
});

test("where ENGINE is put back to a copy, pages and mark go back as one", async () => {
  const world = new EngineWorld();
  const first = world.engine(undefined, { ledgerBounds: small });
  await world.clock.advance(10);
  restarts(world, 1, 20);
  await world.clock.advance(1_000);
  const [copy, known] = [world.store.contents(), pages(world).length];
  restarts(world, 21, 40);
  await world.clock.advance(1_000);
  expect(pages(world).length).toBeGreaterThan(known);
  world.store.restore(copy);
  world.journal.rollBack(20);
  await world.clock.advance(60_000);
  restarts(world, 21, 40);
  await world.clock.advance(1_000);
  expect(mark(world).epochs.at(-1)).toMatchObject({ epoch: idOf(40), coversBefore: true });
  const rows = pages(world).flatMap(({ epochs }) => epochs.map(({ epoch }) => epoch));
  expect(new Set(rows).size, "each stands there once").toBe(rows.length);
  await first.stop();
});

test("pages that a mark counts and that are missing are told (T6)", async () => {
  const world = new EngineWorld();
  const first = world.engine(undefined, { ledgerBounds: small });
  await world.clock.advance(10);
  restarts(world, 1, 40);
  await world.clock.advance(1_000);
  await first.stop();
  const { messages, sequence } = world.store.contents();
  const left = messages.filter(({ subject }) => subject !== "epochs.3.g1.1");
  world.store.restore({ messages: left, sequence });
  const errors: string[] = [];
  const second = world.engine(undefined, {
    ledgerBounds: small,
    log: { ...silentLogger, error: (_fields: unknown, text: string) => errors.push(text) },
  });
  await world.clock.advance(1_000);
  expect(errors).toContain("pages of a gateway's ledger are missing");
  expect(second.status().phase).toBe("running");
});

test("a gateway that restarts in a loop is told of before its oldest epochs are forgotten", async () => {
  const world = new EngineWorld();
  world.engine(undefined, { ledgerBounds: { ...small, pagesMax: 6 } });
  await world.clock.advance(10);
  const reasons = () =>
    subjectsUnder(world, "alert.3.g1.system-restarts").flatMap(({ text }) => {
      const { transitions } = JSON.parse(text) as { transitions: { reason: string }[] };
      return transitions.map(({ reason }) => reason);
    });
  for (let ordinal = 1; ordinal <= 60; ordinal++) {
    restarts(world, ordinal, ordinal);
    await world.clock.advance(200);
  }
  expect(reasons()[0]).toContain("half of the epochs");
  expect(reasons().join()).toContain("the oldest epochs are forgotten");
  expect(mark(world).epochs.at(-1)).toMatchObject({ epoch: idOf(60), coversBefore: true });
  expect(pages(world).filter(({ epochs }) => epochs.length > 0).length).toBeLessThanOrEqual(6);
});

test("doubts without end leave a bounded mark (P5)", async () => {
  const world = new EngineWorld();
  world.engine(undefined, { ledgerBounds: small });
  await world.clock.advance(10);
  for (let ordinal = 1; ordinal <= 500; ordinal++) {
    const head = { epoch: idOf(ordinal), nonce: `1.${ordinal}` };
    const events = [readingEvent("d1", "temperature", 20)];
    world.journal.append(journalMessage(ordinal, 7, events, { head }));
  }
  await world.clock.advance(1_000);
  expect(mark(world).doubts.map(({ nonce }) => nonce)).toContain("1.500");
  expect(mark(world).doubts).toHaveLength(16);
  expect(subjectsUnder(world, "mark.")[0]?.text.length).toBeLessThan(4_000);
});
