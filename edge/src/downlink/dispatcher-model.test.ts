// Goal: whatever crashes, fails or comes twice, a command has exactly one last word, is not handed
// out behind it, and is not acknowledged to the cloud before it is on the disk (W1-W5).
import type { Command } from "@causeway/shared/command/command.ts";
import { encodeCommand, encodeSigned } from "@causeway/shared/command/command.ts";
import type { ReplyEvent } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import { defaultBrokerBounds } from "../broker/bounds.ts";
import { Sessions } from "../broker/sessions.ts";
import { MemoryDisk } from "../outbox/memory-store.ts";
import { contentsOf } from "../testing/outbox-contents.ts";
import { failure, Life } from "../testing/outbox-life.ts";
import type {
  CommandBroker,
  CommandBrokerListener,
  DeviceMessage,
  Offer,
} from "./command-broker.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Places } from "./downlink.ts";

const runs = Number(process.env["CAUSEWAY_DOWNLINK_RUNS"] ?? 80);
const stepsMax = 120;
const lifetimeMs = 60_000;

/** `s` has a session, `c` has none, and nobody is there for `n`. */
const devices = ["s", "c", "n"] as const;

/** The MQTT side: a real session's queue, and a device whose connection comes and goes. */
class ModelBroker implements CommandBroker {
  readonly sessions: Sessions;
  readonly awaited: string[] = [];
  listener: CommandBrokerListener | undefined;
  isConnected = true;
  readonly #received: (id: string) => void;

  constructor(life: Life, received: (id: string) => void) {
    const { sessions: bounds } = defaultBrokerBounds;
    const { outbox, clock } = life;
    const forgotten = () => {};
    this.sessions = new Sessions({
      records: outbox.records,
      clock,
      bounds,
      log: silentLogger,
      forgotten,
    });
    this.#received = received;
  }

  async load(): Promise<void> {
    await this.sessions.load();
    await this.sessions.open("s").catch(() => {});
    await this.sessions.subscribe("s", [{ topic: "devices/s/commands/+", qos: 1 }]).catch(() => {});
  }

  listen(listener: CommandBrokerListener): void {
    this.listener = listener;
  }

  offer({ id, device, topic, payload }: DeviceMessage): Offer | undefined {
    if (device === "s" && this.sessions.has("s")) {
      const message = { topic, payload, qos: 1, retain: false } as const;
      const { changes, queued, settle } = this.sessions.enqueue(message, new Set(["s"]));
      const places = Object.fromEntries(queued.sequences);
      const settled = (isDurable: boolean) => {
        settle(isDurable);
        return isDurable ? this.rejoin(id, places) : [];
      };
      return { places, changes, settle: settled, send: () => 0 };
    }
    if (device !== "c" || !this.isConnected) return undefined;
    const send = () => {
      this.#received(id);
      this.awaited.push(id);
      return 1;
    };
    return { places: {}, changes: [], settle: () => [], send };
  }

  rejoin(id: string, places: Places): readonly string[] {
    return Object.entries(places).flatMap(([client, sequence]) => {
      const isThere = this.sessions.follow(client, sequence, (isDelivered) => {
        if (isDelivered) this.listener?.acknowledged(id, client);
        else this.listener?.lost(id, client);
      });
      return isThere ? [] : [client];
    });
  }

  withdraw(places: Places) {
    return Object.entries(places).flatMap(([client, sequence]) =>
      this.sessions.withdraw(client, sequence),
    );
  }

  /** The device with the session takes the oldest of its queue, and acknowledges it or not. */
  async pull(acknowledges: boolean): Promise<void> {
    const [first] = await this.sessions.batch("s", 0);
    if (first?.kind !== "publish" || !this.sessions.holds("s", first.sequence)) return;
    const { id } = JSON.parse(Buffer.from(first.message.payload).toString()) as { id: string };
    this.#received(id);
    const messageId = await this.sessions.sending("s", first.sequence, 7);
    if (acknowledges) this.sessions.delivered("s", messageId);
  }

  cut(): void {
    this.isConnected = false;
    for (const id of this.awaited.splice(0)) this.listener?.lost(id);
  }
}

class World {
  readonly disk = new MemoryDisk();
  readonly clock = new VirtualClock();
  readonly random: Random;
  /** What the cloud gives out until it is acknowledged. */
  readonly pending = new Map<string, Command>();
  readonly commands: Command[] = [];
  readonly received: string[] = [];
  readonly faults: string[] = [];
  life: Life | undefined;
  broker: ModelBroker | undefined;
  dispatcher: Dispatcher | undefined;

  constructor(seed: string) {
    this.random = seededRandom(seed);
    this.disk.failedBytes = this.random.next() < 0.5 ? "lost" : "appear-later";
  }

  async begin(): Promise<void> {
    const life = await Life.begin(this.disk, { clock: this.clock });
    life.outbox.listen({ epochOpened() {}, appended() {}, poisoned() {} });
    this.life = life;
    this.broker = new ModelBroker(life, (id) => this.#receive(id));
    const { outbox } = life;
    this.dispatcher = new Dispatcher({
      ...{ gateway: gatewayId("gw"), outbox, clock: this.clock, log: silentLogger },
      ...{ publicKeys: undefined, presentMs: () => this.clock.wallMs() },
    });
    const loading = [this.dispatcher.load(), this.broker.load()];
    await this.clock.advance(5);
    await Promise.all(loading);
    this.dispatcher.start(this.broker);
  }

  #receive(id: string): void {
    this.received.push(id);
    if (this.#record(id)?.includes("until")) this.faults.push(`${id} came behind its last word`);
  }

  #record(id: string): string | undefined {
    const own = this.disk
      .syncedChanges()
      .find(({ key }) => Buffer.from(key).toString() === `d${id}`);
    return own?.kind === "put" ? Buffer.from(own.value).toString() : undefined;
  }

  async step(): Promise<void> {
    const { random } = this;
    const chance = random.next();
    if (chance < 0.2) this.#issue();
    else if (chance < 0.4) this.#fetch();
    else if (chance < 0.5)
      await Promise.all([this.broker?.pull(random.next() < 0.8), this.clock.advance(0)]);
    else if (chance < 0.58) {
      const id = this.broker?.awaited.shift();
      if (id !== undefined) this.broker?.listener?.acknowledged(id, "c");
    } else if (chance < 0.68) this.#reply();
    else if (chance < 0.72) this.broker?.cut();
    else if (chance < 0.78 && this.broker !== undefined) {
      this.broker.isConnected = true;
      this.broker.listener?.wanted(["devices/c/commands/+"]);
    } else if (chance < 0.82) await this.#failedWrite();
    else if (chance < 0.87) await this.#crash();
    else if (chance < 0.93) await this.clock.advance(Math.floor(random.next() * 20_000));
    else await this.clock.advance(2);
  }

  #issue(): void {
    const { random, clock } = this;
    const id = `c${this.commands.length}`;
    const device = devices[Math.floor(random.next() * devices.length)] as string;
    const times = { issuedAt: clock.wallMs(), expiresAt: clock.wallMs() + lifetimeMs };
    const command: Command = {
      ...{ id, gateway: gatewayId("gw"), device, name: "do", payload: "1", json: true, by: "x" },
      ...{ ...times, reply: device === "s" || random.next() < 0.5, causationid: null },
    };
    this.commands.push(command);
    this.pending.set(id, command);
  }

  /** One that is not acknowledged, or, as after a lost acknowledgement, any. */
  #fetch(): void {
    const all = this.random.next() < 0.8 ? [...this.pending.values()] : this.commands;
    const command = all[Math.floor(this.random.next() * all.length)];
    if (command === undefined) return;
    const signed = encodeSigned({ body: encodeCommand(command), signature: undefined });
    this.dispatcher?.take(signed, () => {
      this.pending.delete(command.id);
      if (this.#record(command.id) === undefined) {
        this.faults.push(`${command.id} was acknowledged before it was on the disk`);
      }
    });
  }

  #reply(): void {
    const id = this.received[Math.floor(this.random.next() * this.received.length)];
    const command = this.commands.find((each) => each.id === id);
    if (command === undefined) return;
    const topic = `devices/${command.device}/replies/${command.id}`;
    const payload = Buffer.from(this.random.next() < 0.5 ? '{"ok":true}' : '{"ok":false}');
    this.dispatcher?.reply({ client: "x", topic, payload, qos: 1 }, () => {});
  }

  async #failedWrite(): Promise<void> {
    this.disk.failure = failure;
    this.#reply();
    this.#fetch();
    await this.clock.advance(1);
    this.disk.failure = undefined;
    await this.clock.advance(1_000);
  }

  /** With what was not settled lost, or written and not told of. */
  async #crash(): Promise<void> {
    if (this.random.next() < 0.5) await this.clock.advance(0);
    this.dispatcher?.stop();
    this.disk.crash();
    await this.begin();
  }

  async finish(): Promise<Map<string, string[]>> {
    for (let times = 0; times < 40; times++) {
      for (const command of [...this.pending.values()]) {
        const body = encodeCommand(command);
        this.dispatcher?.take(encodeSigned({ body, signature: undefined }), () =>
          this.pending.delete(command.id),
        );
      }
      await this.clock.advance(lifetimeMs / 10);
    }
    const finals = new Map<string, string[]>(this.commands.map(({ id }) => [id, []]));
    const { outbox } = this.life as Life;
    for (const { id: epoch } of outbox.epochs()) {
      for (const { event } of await contentsOf(outbox, epoch, "priority")) {
        if (event?.kind === "reply" && event.final) finals.get(event.command)?.push(stateOf(event));
      }
    }
    return finals;
  }
}

function stateOf({ state }: ReplyEvent): string {
  return state;
}

test("a command has exactly one last word, over crashes and failed writes (W1-W5)", async () => {
  const seen = new Set<string>();
  for (let run = 0; run < runs; run++) {
    const seed = `downlink ${run}`;
    const world = new World(seed);
    await world.begin();
    for (let step = 0; step < stepsMax; step++) await world.step();
    const finals = await world.finish();
    expect(world.faults, seed).toEqual([]);
    expect(world.pending.size, seed).toBe(0);
    for (const [id, words] of finals) {
      expect(words.length, `${seed}: ${id}: ${words}`).toBe(1);
      for (const word of words) seen.add(word);
    }
    expect(world.dispatcher?.status().figures.open, seed).toBe(0);
    world.dispatcher?.stop();
  }
  expect([...seen].sort()).toEqual(["done", "expired", "failed"]);
}, 600_000);
