/** A gateway's broker on a real LevelDB, without a cloud, whose disk a test can hold or break. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { AedesBrokerOptions } from "../broker/aedes-broker.ts";
import { AedesBroker } from "../broker/aedes-broker.ts";
import { defaultBrokerBounds } from "../broker/bounds.ts";
import { Dispatcher } from "../downlink/dispatcher.ts";
import { Gateway } from "../gateway.ts";
import { openLevelStore } from "../outbox/level-store.ts";
import { Outbox } from "../outbox/outbox.ts";
import type { Change, Store } from "../outbox/store.ts";
import type { Link } from "../uplink/link.ts";
import { defaultUplinkBounds } from "../uplink/uplink.ts";
import type { ConnectOptions } from "./mqtt-raw-client.ts";
import { RawMqtt } from "./mqtt-raw-client.ts";

const mebibyte = 1_024 * 1_024;

/** The disk's gate: synced writes wait while it is shut, and fail when told to. */
export class Gate {
  failure: Error | undefined;
  /** How many writes wait. */
  waiting = 0;
  /** Called before a synced write, and behind it. */
  before: (changes: readonly Change[]) => void = () => {};
  after: (changes: readonly Change[]) => void = () => {};
  syncs = 0;
  #shut: Promise<void> | undefined;
  #open = () => {};

  shut(): void {
    this.#shut = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  open(): void {
    this.#shut = undefined;
    this.#open();
  }

  /** Lets the waiting writes go and shuts behind them. */
  turn(): void {
    const open = this.#open;
    this.shut();
    open();
  }

  around(store: Store): Store {
    return {
      write: async (changes, options) => {
        if (options.sync && this.#shut !== undefined) {
          this.waiting++;
          await this.#shut;
          this.waiting--;
        }
        if (this.failure !== undefined) throw this.failure;
        this.before(changes);
        await store.write(changes, options);
        this.syncs += options.sync ? 1 : 0;
        this.after(changes);
      },
      get: (key) => store.get(key),
      scan: (range) => store.scan(range),
      size: (from, until) => store.size(from, until),
      compact: (from, until) => store.compact(from, until),
      close: () => store.close(),
    };
  }
}

const noLink: Link = {
  listen: () => {},
  publish: async () => ({ kind: "failed", fault: "retry", reason: "no link" }),
  readMark: () => Promise.reject(new Error("no link")),
  cut: () => {},
  close: async () => {},
};

export interface EdgeOptions extends Partial<AedesBrokerOptions> {
  readonly folder?: string;
  readonly outboxBytesMax?: number;
}

export class MqttEdge {
  readonly folder: string;
  readonly gate: Gate;
  readonly outbox: Outbox;
  readonly broker: AedesBroker;
  readonly gateway: Gateway;
  readonly dispatcher: Dispatcher;
  readonly #clients: RawMqtt[] = [];

  private constructor(
    folder: string,
    gate: Gate,
    outbox: Outbox,
    broker: AedesBroker,
    gateway: Gateway,
    dispatcher: Dispatcher,
  ) {
    this.dispatcher = dispatcher;
    this.folder = folder;
    this.gate = gate;
    this.outbox = outbox;
    this.broker = broker;
    this.gateway = gateway;
  }

  static async start(options: EdgeOptions = {}, gate = new Gate()): Promise<MqttEdge> {
    const folder = options.folder ?? mkdtempSync(join(tmpdir(), "causeway-broker-"));
    const [clock, random, log] = [systemClock(), systemRandom, silentLogger];
    const bytesMax = options.outboxBytesMax ?? 1_024 * mebibyte;
    const outbox = await Outbox.open({
      gateway: "gw",
      openStore: async () => gate.around(await openLevelStore(join(folder, "outbox"))),
      clock,
      random,
      bounds: { bytesMax, tailBytesMax: 0, pendingBytesMax: 16 * mebibyte },
      log,
    });
    const dispatcher = new Dispatcher({
      ...{ gateway: gatewayId("gw"), outbox, clock, log, publicKeys: undefined },
      presentMs: () => clock.wallMs(),
    });
    const gateway = new Gateway({
      gateway: gatewayId("gw"),
      version: "test",
      outbox,
      link: noLink,
      clock,
      random,
      uplinkBounds: defaultUplinkBounds,
      heartbeatMs: 3_600_000,
      log,
      tell: (topic, payload) => broker.commands.tell(topic, payload),
      reply: (publish, settle) => dispatcher.reply(publish, settle),
    });
    await gateway.start();
    const broker = new AedesBroker({
      ...defaultBrokerBounds,
      listeners: [{ host: "127.0.0.1", port: 0, protocol: "mqtt" }],
      auth: { anonymous: true },
      throttle: { connectionsPerSecond: 1_000, connectionsBurst: 10_000 },
      access: { passwords: undefined, acl: undefined, pairs: [] },
      packetBytesMax: 256 * 1_024,
      connectionsMax: 100,
      inflightPerClientMax: 1_000,
      records: outbox.records,
      clock,
      log,
      ...options,
    });
    broker.listen(gateway);
    const edge = new MqttEdge(folder, gate, outbox, broker, gateway, dispatcher);
    try {
      await dispatcher.load();
      await broker.start();
      dispatcher.start(broker.commands);
    } catch (failure) {
      await edge.remove();
      throw failure;
    }
    return edge;
  }

  get port(): number {
    return Number(this.broker.addresses()[0]?.split(":").at(-1));
  }

  /** Another process on the same folder, after this one has ended in order. */
  async restart(options: EdgeOptions = {}): Promise<MqttEdge> {
    await this.stop();
    return MqttEdge.start({ ...options, folder: this.folder });
  }

  async stop(): Promise<void> {
    this.gate.open();
    for (const client of this.#clients) client.close();
    await this.broker.stop();
    this.gateway.stop();
    this.dispatcher.stop();
    await this.outbox.close();
  }

  async remove(): Promise<void> {
    await this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  async connect(connect?: ConnectOptions): Promise<RawMqtt> {
    const client = await RawMqtt.open(this.port, connect);
    this.#clients.push(client);
    return client;
  }

  async events(log: Log = "telemetry"): Promise<Event[]> {
    return eventsOf(this.outbox, log);
  }

  async values(): Promise<unknown[]> {
    return (await this.events()).map(readValue);
  }

  async system(name: string): Promise<Event[]> {
    const events = await this.events("priority");
    return events.filter((event) => event.kind === "system" && event.name === name);
  }
}

export async function eventsOf(outbox: Outbox, log: Log): Promise<Event[]> {
  const events: Event[] = [];
  for (const { id, last } of outbox.epochs()) {
    for (let next = 1; next <= last[log]; ) {
      const blocks = await outbox.read(id, log, next, mebibyte);
      for (const { bytes, to } of blocks) {
        for (const { event } of decodeBlock(bytes).items)
          if (event !== undefined) events.push(event);
        next = to + 1;
      }
      if (blocks.length === 0) throw new Error(`nothing at ${next}`);
    }
  }
  return events;
}

export function readValue(event: Event): unknown {
  return event.kind === "reading" ? event.readings[0]?.value : event.kind;
}
