/**
 * Goal: whatever is cut or killed when, nothing that a client was told to be done with is missing,
 * and what a client that counts sent is an event once.
 */
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { describe, expect, test } from "vitest";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { RepeatsLife } from "../testing/repeats-life.ts";
import type { Sender } from "./repeats.ts";
import { defaultRepeatBounds } from "./repeats.ts";

const bounds = { ...defaultRepeatBounds, countedMin: 12, recordsMax: 8 };
const constantHash = 7;

interface Message {
  readonly number: number;
  readonly id: number;
  readonly hash: number;
}

interface Kind {
  readonly window: number;
  /** The id of the next message; `used` are those under way. */
  readonly next: (last: number, used: ReadonlySet<number>) => number;
  readonly counts: boolean;
}

const up = (last: number) => (last % 65_535) + 1;
const kinds: Readonly<Record<string, Kind>> = {
  "one that waits for each PUBACK": { window: 1, next: up, counts: true },
  "one that counts, with four under way": { window: 4, next: up, counts: true },
  "one that takes the lowest free id, with four under way": {
    window: 4,
    counts: false,
    next: (_last, used) => {
      let id = 1;
      while (used.has(id)) id++;
      return id;
    },
  },
  "one that counts to ten": { window: 4, next: (last) => (last % 10) + 1, counts: false },
  "one that always takes the same": { window: 1, next: () => 1_000, counts: false },
};

/**
 * Of the last publish under an id. It is "ended" when bytes followed its PUBACK on its connection, or
 * a later one brought news and ended.
 */
interface Phase {
  readonly connection: number;
  at: "waits" | "acked" | "passed" | "ended" | "over";
}

/** One client, its gateway, and the bytes between them. */
class World {
  readonly #random: Random;
  readonly #kind: Kind;
  readonly #disk = new MemoryDisk();
  #life: RepeatsLife;
  #sender: Sender | undefined;
  #toGateway: ("ping" | (Message & { isRepeat: boolean }))[] = [];
  #toClient: number[] = [];
  // The client
  #under: Message[] = [];
  #lastId: number;
  #sent = 0;
  readonly done = new Set<number>();
  // What is true of the gateway
  readonly events = new Map<number, number>();
  readonly counted = new Set<number>();
  /** By id: how far what came last under it is from being over, on the disk too. */
  readonly #phases = new Map<number, Phase>();
  #connections = 0;

  private constructor(kind: Kind, random: Random, life: RepeatsLife, lastId: number) {
    this.#kind = kind;
    this.#random = random;
    this.#life = life;
    this.#lastId = lastId;
  }

  static async begin(kind: Kind, random: Random, lastId = 0): Promise<World> {
    const world = new World(kind, random, undefined as never, lastId);
    world.#life = await RepeatsLife.begin(world.#disk, bounds);
    return world;
  }

  below(count: number): number {
    return Math.floor(this.#random.next() * count);
  }

  /** Some more of what is under way arrives, then the connection breaks. */
  cut(): void {
    this.hear();
    this.answer();
    const isNoticed = this.below(2) === 0;
    if (isNoticed && this.#sender !== undefined) this.#life.repeats.disconnected(this.#sender);
    this.#sender = undefined;
    this.#advance("passed", "ended", () => true);
    [this.#toGateway, this.#toClient] = [[], []];
  }

  connect(): void {
    if (this.#sender !== undefined) this.cut();
    this.#sender = this.#life.repeats.connected("a");
    this.#connections++;
    for (const each of this.#under) this.#toGateway.push({ ...each, isRepeat: true });
  }

  get isConnected(): boolean {
    return this.#sender !== undefined;
  }

  ping(): void {
    if (this.#sender !== undefined) this.#toGateway.push("ping");
  }

  send(): void {
    if (this.#under.length >= this.#kind.window) return;
    const id = this.#kind.next(this.#lastId, new Set(this.#under.map((each) => each.id)));
    const number = ++this.#sent;
    // Equal bytes right behind a PUBACK that nothing followed cannot be told from a repeat.
    const mayEqual = (this.#phases.get(id)?.at ?? "over") === "over" && this.below(4) > 0;
    const message = { number, id, hash: mayEqual ? constantHash : 1_000 + number };
    this.#lastId = id;
    this.#under.push(message);
    if (this.#sender !== undefined) this.#toGateway.push({ ...message, isRepeat: false });
  }

  /** One chunk of what the client sent arrives. */
  hear(): void {
    const sender = this.#sender;
    if (sender === undefined || this.#toGateway.length === 0) return;
    const chunk = this.#toGateway.splice(0, 1 + this.below(this.#toGateway.length));
    this.#life.repeats.heard(sender);
    this.#advance("acked", "ended", ({ connection }) => connection === this.#connections);
    for (const each of chunk) if (each !== "ping") this.#take(sender, each);
  }

  #take(sender: Sender, { number, id, hash, isRepeat }: Message & { isRepeat: boolean }): void {
    const connection = this.#connections;
    const acknowledge = () => {
      const isOpen = this.#sender !== undefined && this.#connections === connection;
      if (isOpen) this.#toClient.push(id);
    };
    const phase: Phase = { connection, at: "waits" };
    if (isRepeat && this.#life.repeat(sender, id, hash, (ok) => ok && acknowledge())) return;
    const entry = this.#life.publish(sender, id, hash, (isDurable) => {
      if (!isDurable) return;
      this.events.set(number, (this.events.get(number) ?? 0) + 1);
      if (entry.isCounted) this.counted.add(number);
      phase.at = "acked";
      this.#advance("acked", "passed", (each) => each.connection < connection);
      acknowledge();
    });
    this.#phases.set(id, phase);
  }

  #advance(from: Phase["at"], to: Phase["at"], where: (phase: Phase) => boolean): void {
    for (const phase of this.#phases.values()) if (phase.at === from && where(phase)) phase.at = to;
  }

  async sync(failure?: Error): Promise<void> {
    const ended = [...this.#phases.values()].filter(({ at }) => at === "ended");
    await this.#life.group(failure);
    // The gateway closes, and hears no more.
    if (failure !== undefined) this.#toGateway = [];
    if (failure !== undefined) return this.cut();
    for (const phase of ended) phase.at = "over";
  }

  /** Some PUBACKs arrive. */
  answer(): void {
    for (const id of this.#toClient.splice(0, this.below(this.#toClient.length + 1))) {
      const at = this.#under.findIndex((each) => each.id === id);
      const [message] = at < 0 ? [] : this.#under.splice(at, 1);
      if (message !== undefined) this.done.add(message.number);
    }
  }

  /** It begins anew, and knows nothing of what was under way. */
  reboot(): void {
    this.cut();
    this.#under = [];
    this.#lastId = 0;
  }

  async kill(): Promise<void> {
    this.cut();
    // Nobody wrote down that it ended.
    this.#advance("ended", "acked", () => true);
    this.#life = await this.#life.crash(this.#disk, bounds);
  }

  /** All that is under way comes through. */
  async settle(): Promise<void> {
    for (let turn = 0; this.#under.length > 0; turn++) {
      if (this.#sender === undefined || turn % 50 === 0) this.connect();
      this.hear();
      await this.sync();
      this.answer();
    }
  }
}

async function live(kind: Kind, seed: string, lastId = 0): Promise<World> {
  const random = seededRandom(seed);
  const world = await World.begin(kind, random, lastId);
  const isCalm = world.below(3) > 0;
  for (let step = 0; step < 600; step++) {
    const dice = world.below(isCalm ? 1_000 : 100);
    if (dice < 4) world.cut();
    else if (dice === 4) await world.sync(new Error("no space"));
    else if (dice < 7) await world.kill();
    else if (dice === 7 && world.below(4) === 0) world.reboot();
    else if (dice < 14) world.ping();
    else if (dice < 16 || (!world.isConnected && dice % 5 === 0)) world.connect();
    else if (dice % 4 === 0) world.send();
    else if (dice % 4 === 1) world.hear();
    else if (dice % 4 === 2) await world.sync();
    else world.answer();
  }
  await world.settle();
  return world;
}

describe.each(Object.entries(kinds))("%s", (name, kind) => {
  test("loses nothing through cuts, kills and reboots, and is heard once where it counts", async () => {
    let [counted, done] = [0, 0];
    for (let run = 1; run <= 300; run++) {
      const seed = `${name} ${run}`;
      const wraps = run % 10 === 0;
      const world = await live(kind, seed, wraps ? 65_500 : 0);
      for (const number of world.done) {
        expect(world.events.get(number) ?? 0, `seed "${seed}", message ${number}`).toBeGreaterThan(
          0,
        );
      }
      for (const number of world.counted) {
        // Where its whole window is behind as many, and its ids do not begin anew.
        if (wraps || !world.counted.has(number - kind.window)) continue;
        expect(world.events.get(number) ?? 0, `seed "${seed}", ${number}`).toBeLessThanOrEqual(1);
      }
      counted += world.counted.size;
      done += world.done.size;
    }
    if (kind.counts) expect(counted).toBeGreaterThan(done / 4);
    else expect(counted).toBe(0);
  });
});
