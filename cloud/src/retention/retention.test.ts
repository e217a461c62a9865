// The journal is purged below the floor and nowhere else; gateways are slowed where that is not enough.

import type { Finding } from "@causeway/shared/alert/deployment-alert.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { partitionCount } from "@causeway/shared/subjects.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { describe, expect, test } from "vitest";
import { encodeCheckpoint, noCheckpoint } from "../engine/checkpoint.ts";
import type { Place } from "../engine/place.ts";
import type { JournalSession } from "./journal-session.ts";
import type { RetainingEngine } from "./retention.ts";
import { Retention } from "./retention.ts";
import { MemoryJournalServer, MemoryJournalSession } from "./testing/memory-journal-session.ts";

const hourMs = 3_600_000;
const fence = 4;
const messageBytes = 100;

class World {
  readonly clock = new VirtualClock();
  readonly server = new MemoryJournalServer();
  readonly caps: (number | undefined)[] = [];
  readonly hurries: boolean[] = [];
  readonly findings: Finding[] = [];
  fences: ReadonlyMap<number, number> | undefined = fencesOf(fence);
  /** Done between the questions of a round. */
  onAsk: (asked: string) => void = () => {};
  readonly retention: Retention;
  #isStarted = false;

  constructor(replayMs = 0) {
    const engine: RetainingEngine = {
      holding: () => this.fences,
      setCap: (cap) => this.#note(this.caps, cap),
      hurry: (isPressed) => this.#note(this.hurries, isPressed),
    };
    this.retention = new Retention({
      open: async () => this.#watched(new MemoryJournalSession(this.server)),
      engine,
      tell: async (finding) => this.findings.push(finding),
      clock: this.clock,
      log: silentLogger,
      replayMs,
      slowDownBytesPerSecond: 32_768,
    });
  }

  #note<Value>(list: Value[], value: Value): void {
    if (list.length === 0 || list.at(-1) !== value) list.push(value);
  }

  /** The first rounds begin here. */
  async run(byMs: number): Promise<void> {
    if (!this.#isStarted) this.retention.start();
    this.#isStarted = true;
    await this.clock.advance(byMs);
  }

  #watched(session: MemoryJournalSession): JournalSession {
    const told = <Answer>(asked: string, answer: Promise<Answer>) => {
      this.onAsk(asked);
      return answer;
    };
    return {
      journal: () => session.journal(),
      engine: () => session.engine(),
      messageAt: (sequence) => session.messageAt(sequence),
      checkpoints: async () => told("checkpoints", Promise.resolve(await session.checkpoints())),
      readers: async () => told("readers", Promise.resolve(await session.readers())),
      purge: (sequence) => session.purge(sequence),
      close: () => session.close(),
    };
  }

  fill(to: number, life = "a", everyMs = 1): void {
    while (this.server.last < to) {
      const nonce = `${life}.${this.server.last + 1}`;
      const storedAt = this.clock.wallMs() - (to - this.server.last - 1) * everyMs;
      this.server.append({ identity: { subject: "tlm.3.g1.live", nonce }, storedAt }, messageBytes);
    }
  }

  /** Every partition has a snapshot there, as committed under a fence. */
  snapshotAt(place: Place | undefined, own = fence, partitions = allPartitions): void {
    for (const partition of partitions) {
      const snapshot = place && {
        generation: `${own}-a`,
        place,
        shards: 0,
        hash: "",
        rules: undefined,
        tick: undefined,
      };
      const checkpoint = { ...noCheckpoint, fence: own, snapshot };
      this.server.checkpoints.set(partition, encodeCheckpoint(checkpoint));
    }
  }

  async register(name: string, place: Place | undefined): Promise<void> {
    const places = place === undefined ? [] : [place];
    const found = await this.server.readers.load(name);
    const state = { places, at: this.clock.wallMs(), kind: "test", generation: 1, writer: "a" };
    await this.server.readers.write(name, state, found?.revision ?? 0);
  }

  nextRound(): Promise<void> {
    return this.run(61_000);
  }
}

const allPartitions = Array.from({ length: partitionCount }, (_, partition) => partition);

function fencesOf(own: number): ReadonlyMap<number, number> {
  return new Map(allPartitions.map((partition) => [partition, own]));
}

function place(sequence: number, life = "a"): Place {
  return { sequence, identity: { subject: "tlm.3.g1.live", nonce: `${life}.${sequence}` } };
}

describe("the journal", () => {
  test("is purged before the lowest snapshot, whose message stays", async () => {
    const world = new World();
    world.fill(100);
    world.snapshotAt(place(80));
    world.snapshotAt(place(60), fence, [17]);
    await world.nextRound();
    expect(world.server.purged).toEqual([60]);
    expect(world.server.messages.has(60)).toBe(true);
    expect(world.retention.status().floor?.heldBy).toBe("partition 17's snapshot");
    await world.retention.stop();
  });

  test("is not purged past a registered reader, nor while one has read nothing or cannot be read", async () => {
    const world = new World();
    world.fill(100);
    world.snapshotAt(place(80));
    await world.register("history", place(30));
    await world.nextRound();
    expect(world.server.purged).toEqual([30]);
    expect(world.retention.status().readers).toEqual([{ name: "history", messages: 70 }]);
    await world.register("history", place(70));
    await world.register("route", undefined);
    await world.nextRound();
    expect(world.server.purged).toEqual([30]);
    await world.server.readers.remove("route");
    world.server.readers.writeText("later", '{"v":2}', 0);
    await world.nextRound();
    expect(world.server.purged).toEqual([30]);
    await world.server.readers.remove("later");
    await world.nextRound();
    expect(world.server.purged).toEqual([30, 70]);
    await world.retention.stop();
  });

  test("is not purged while a partition has no snapshot, however full it is", async () => {
    const world = new World();
    world.fill(990);
    world.snapshotAt(place(980));
    world.snapshotAt(undefined, fence, [63]);
    await world.nextRound();
    expect(world.server.purged).toEqual([]);
    expect(world.retention.status().floor?.heldBy).toContain("partition 63");
    await world.retention.stop();
  });

  test("is not purged by places of another life of it: they say nothing of what is needed", async () => {
    for (const stale of ["a snapshot", "a reader"]) {
      const world = new World();
      world.fill(40);
      world.fill(100, "b");
      world.snapshotAt(place(90, "b"));
      if (stale === "a snapshot") world.snapshotAt(place(80, "a"), fence, [5]);
      else await world.register("history", place(80, "a"));
      await world.nextRound();
      expect(world.server.purged, stale).toEqual([]);
      await world.retention.stop();
    }
  });

  test("is not purged by an engine that was fenced, or holds nothing", async () => {
    const world = new World();
    world.fill(100);
    world.snapshotAt(place(80), fence + 1);
    await world.nextRound();
    world.fences = undefined;
    world.snapshotAt(place(80));
    await world.nextRound();
    expect(world.server.purged).toEqual([]);
    world.fences = fencesOf(fence);
    await world.nextRound();
    expect(world.server.purged).toEqual([80]);
    await world.retention.stop();
  });

  test("that is rolled back in the middle of a round is not purged by what was read before", async () => {
    for (const asked of ["checkpoints", "readers"]) {
      const world = new World();
      world.fill(100);
      world.snapshotAt(place(80));
      world.onAsk = (what) => {
        if (what !== asked) return;
        world.onAsk = () => {};
        world.server.rollBack(40);
        world.fill(200, "b");
      };
      await world.nextRound();
      expect(world.server.purged, asked).toEqual([]);
      expect(world.server.last).toBe(200);
      world.snapshotAt(place(150, "b"));
      await world.nextRound();
      expect(world.server.purged, asked).toEqual([150]);
      await world.retention.stop();
    }
  });

  test("keeps what is young enough for a replay, by the server's clock where ours is ahead", async () => {
    const world = new World(hourMs);
    world.fill(240, "a", 60_000); // four hours, a message a minute
    world.snapshotAt(place(230));
    world.clock.jump(48 * hourMs);
    await world.run(1_000);
    expect(world.server.purged).toEqual([180]);
    await world.retention.stop();
  });
});

describe("under pressure", () => {
  test("the oldest of the replay time goes first, no more than is needed, and nobody is slowed", async () => {
    const world = new World(24 * hourMs);
    world.fill(900);
    world.snapshotAt(place(890));
    await world.run(1_000);
    const [sequence = 0] = world.server.purged;
    expect(world.server.journal().bytes).toBeLessThan(75_000);
    expect(sequence).toBeLessThan(200);
    expect(world.caps).toEqual([undefined]);
    expect(world.findings.map(({ isWrong }) => isWrong)).toEqual([false]);
    await world.retention.stop();
  });

  test("what a reader holds stays; gateways are slowed and people are told, until it has moved on", async () => {
    const world = new World();
    world.fill(700);
    world.snapshotAt(place(690));
    await world.register("history", place(10));
    await world.run(1_000);
    expect(world.caps).toEqual([undefined]);
    world.fill(860);
    await world.run(4_000);
    expect(world.server.first).toBe(10);
    expect(world.caps).toEqual([undefined, 32_768]);
    expect(world.hurries).toEqual([false, true]);
    expect(world.findings.at(-1)?.isWrong).toBe(true);
    expect(world.findings.at(-1)?.reason).toMatch(/TLM is 85 % full, held back by reader history/);
    await world.register("history", place(60)); // 80 %
    await world.run(4_000);
    expect(world.server.first).toBe(60);
    expect(world.caps.at(-1)).toBe(32_768);
    await world.register("history", place(200));
    await world.run(4_000);
    expect(world.caps.at(-1)).toBeUndefined();
    expect(world.findings.at(-1)).toMatchObject({ isWrong: false });
    await world.retention.stop();
  });

  test("between the bounds a process that starts leaves the marks as it finds them", async () => {
    const world = new World();
    world.fill(800);
    world.snapshotAt(place(1));
    await world.run(10_000);
    expect(world.caps).toEqual([]);
    expect(world.findings).toEqual([]);
    await world.retention.stop();
  });

  test("a full stream ENGINE is told too, and slows nobody", async () => {
    const world = new World();
    world.server.engineBytes = 86_000;
    await world.run(4_000);
    expect(world.findings.at(-1)?.reason).toBe("stream ENGINE is 86 % full");
    expect(world.caps).toEqual([undefined]);
    await world.retention.stop();
  });
});
