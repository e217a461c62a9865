/**
 * Who is drained: the gateway and its cloud, a mosquitto bridge, a nats-server leaf. Each has an edge
 * that devices publish to by MQTT, a cloud, and a proxy between the two.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { epochOrdinal } from "@causeway/shared/batch-codec.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { engineStream, subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort, listening } from "@causeway/shared/testing/system-ports.ts";
import { DiscardPolicy, jetstream, jetstreamManager, StorageType } from "@nats-io/jetstream";
import { connect as connectNats } from "@nats-io/transport-node";
import { TcpProxy } from "../simulators/src/proxy/tcp-proxy.ts";
import { Stack } from "../simulators/src/scenario/system-stack.ts";
import { MqttWire } from "./mqtt-wire.ts";
import { mosquittoPath, natsPath, startProgram } from "./system-peers.ts";

export interface Arrived {
  /** Of all that was ever published. */
  readonly events: number;
  /** Something that was published since `returned`. */
  readonly live: boolean;
  /** All of what was published before. */
  readonly backlog: boolean;
}

export interface DrainRun {
  readonly mqttPort: number;
  readonly proxy: TcpProxy;
  readonly edgePids: readonly number[];
  readonly cloudPids: readonly number[];
  arrived(): Promise<Arrived>;
  /** The link is back from now on; `events` were published so far. */
  returned(events: number): Promise<void>;
  stop(): Promise<void>;
}

export interface DrainPeer {
  readonly program?: () => string | undefined;
  readonly cure?: string;
  start(): Promise<DrainRun>;
}

export const liveDevice = "live";
export const liveTopic = `devices/${liveDevice}/telemetry`;

export const drainPeers: Readonly<Record<string, DrainPeer>> = {
  edge: { start: () => startCauseway() },
  mosquitto: {
    program: mosquittoPath,
    cure: "node deploy/local/tools.mjs mosquitto",
    start: startMosquittoBridge,
  },
  leaf: { program: natsPath, cure: "node deploy/local/setup.mjs", start: startNatsLeaf },
};

/** What arrived is what the engine committed: judged, and alerts with it. */
export async function startCauseway(
  uplink: Readonly<Record<string, number>> = {},
): Promise<DrainRun> {
  const stack = await Stack.start({ proxied: true, uplink });
  const connection = await connectNats({ servers: stack.nats.url });
  const subject = subjects.markOfGateway(gatewayId("g1"));
  let [open, before] = ["", 0];
  const stop = async () => {
    await connection.close();
    await stack.remove();
  };
  return {
    mqttPort: Number(new URL(stack.mqttUrl).port),
    proxy: stack.proxy,
    edgePids: pidsOf(stack.gateway.program?.pid),
    cloudPids: pidsOf(stack.cloud?.pid, stack.nats.pid()),
    async arrived() {
      const answer = await connection.request(`$JS.API.DIRECT.GET.${engineStream}.${subject}`);
      if ((answer.headers?.code ?? 0) >= 400) return { events: 0, live: false, backlog: false };
      const { epochs } = decodeMark(answer.string());
      const events = epochs.reduce((sum, { logs }) => sum + logs.telemetry.through, 0);
      const telemetry = epochs.find(({ epoch }) => epoch === open)?.logs.telemetry;
      const isEnded = telemetry?.end !== undefined && telemetry.through >= telemetry.end;
      const isNewer = (epoch: string) => (epochOrdinal(epoch) ?? 0) > (epochOrdinal(open) ?? 0);
      const jumped = epochs.some(({ epoch, logs }) => isNewer(epoch) && logs.telemetry.through > 0);
      // Without a jump all goes in its order.
      return { events, live: jumped || events > before, backlog: isEnded || events >= before };
    },
    async returned(events) {
      const status = (await stack.gateway.status()) as unknown as { epoch: string };
      [open, before] = [status.epoch, events];
    },
    stop,
  };
}

/** Its limits are lifted: as it comes, it drops all beyond 1,000 messages. */
async function startMosquittoBridge(): Promise<DrainRun> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-bench-"));
  const unbound = "max_queued_messages 0\nmax_queued_bytes 0\nmax_inflight_messages 0\n";
  const listener = (port: number) => `listener ${port} 127.0.0.1\nallow_anonymous true\n`;
  const broker = async (name: string, more: string) => {
    const file = join(folder, `${name}.conf`);
    return startProgram(mosquittoPath() ?? "mosquitto", (port) => {
      const place = `persistence_location ${folder}/\npersistence_file ${name}.db\n`;
      writeFileSync(file, `${listener(port)}${unbound}persistence true\n${place}${more}`);
      return ["-c", file];
    });
  };
  const cloud = await broker("cloud", "");
  const proxy = await startProxy(cloud.port);
  const bridge = `connection cloud\naddress 127.0.0.1:${proxy.port}\ntopic devices/# out 1\n`;
  const settings = "cleansession false\nbridge_protocol_version mqttv311\nrestart_timeout 1 5\n";
  const edge = await broker("edge", `${bridge}${settings}`);
  const subscriber = await MqttWire.open(cloud.port, "reader");
  const seen = new Seen();
  subscriber.onMessage = (topic, payload) => seen.take(topic, payload);
  await subscriber.subscribe("devices/#");
  return {
    mqttPort: edge.port,
    proxy,
    edgePids: [edge.pid],
    cloudPids: [cloud.pid],
    arrived: async () => seen.arrived(),
    returned: async (events) => seen.returned(events),
    async stop() {
      subscriber.close();
      await Promise.all([edge.stop(), cloud.stop(), proxy.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A stream on the leaf takes what devices publish by MQTT; one in the cloud sources it. */
async function startNatsLeaf(): Promise<DrainRun> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-bench-"));
  const [leafPort, mqttPort] = [await freePort(), await freePort()];
  const server = async (name: string, more: string) => {
    const configFile = join(folder, `${name}.conf`);
    const limits = `store_dir: "", domain: ${name}, max_file_store: 16GB, max_memory_store: 1GB`;
    writeFileSync(configFile, `server_name: ${name}\njetstream { ${limits} }\n${more}\n`);
    return startNatsServer({ folder: join(folder, name), configFile });
  };
  // Advertised, its address would be dialled instead of the proxy's.
  const listener = `listen: "127.0.0.1:${leafPort}", no_advertise: true`;
  const hub = await server("hub", `leafnodes { ${listener} }`);
  const proxy = await startProxy(leafPort);
  const remote = `leafnodes { remotes = [{ url: "nats://127.0.0.1:${proxy.port}" }] }`;
  const mqtt = `mqtt { host: "127.0.0.1", port: ${mqttPort} }`;
  const edge = await server("edge", `${remote}\n${mqtt}`);
  await listening(mqttPort);
  const [near, far] = [
    await connectNats({ servers: edge.url }),
    await connectNats({ servers: hub.url }),
  ];
  const plan = { storage: StorageType.File, discard: DiscardPolicy.New };
  const nearStreams = (await jetstreamManager(near, { checkAPI: false })).streams;
  const farStreams = (await jetstreamManager(far, { checkAPI: false })).streams;
  await nearStreams.add({ ...plan, name: "TELEMETRY", subjects: ["devices.>"] });
  const external = { api: "$JS.edge.API", deliver: "" };
  await farStreams.add({ ...plan, name: "ALL", sources: [{ name: "TELEMETRY", external }] });
  const seen = new Seen();
  const consumer = await jetstream(far).consumers.get("ALL");
  const messages = await consumer.consume({ max_messages: 10_000 });
  const reading = (async () => {
    for await (const message of messages) {
      seen.take(message.subject.replaceAll(".", "/"), message.string());
    }
  })();
  return {
    mqttPort,
    proxy,
    edgePids: pidsOf(edge.pid()),
    cloudPids: pidsOf(hub.pid()),
    arrived: async () => seen.arrived(),
    returned: async (events) => seen.returned(events),
    async stop() {
      await messages.close();
      await reading;
      await Promise.all([near.close(), far.close()]);
      await Promise.all([edge.remove(), hub.remove(), proxy.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** What a subscriber in the cloud got, each once. */
class Seen {
  readonly #numbers = new Map<string, Set<number>>();
  #events = 0;
  #before = Number.POSITIVE_INFINITY;
  #liveBefore = Number.POSITIVE_INFINITY;
  #live = 0;

  take(topic: string, payload: string): void {
    const numbers = this.#numbers.get(topic) ?? new Set();
    this.#numbers.set(topic, numbers);
    const { seq } = JSON.parse(payload) as { seq: number };
    if (numbers.has(seq)) return;
    numbers.add(seq);
    this.#events++;
    if (topic === liveTopic) this.#live = Math.max(this.#live, seq);
  }

  returned(events: number): void {
    [this.#before, this.#liveBefore] = [events, this.#live];
  }

  /** The backlog goes in its order, so that it is there once as many are. */
  arrived(): Arrived {
    const live = this.#live > this.#liveBefore;
    const backlog = this.#events - (live ? this.#live - this.#liveBefore : 0) >= this.#before;
    return { events: this.#events, live, backlog };
  }
}

async function startProxy(port: number): Promise<TcpProxy> {
  const host = "127.0.0.1";
  const place = { listen: { host, port: 0 }, target: { host, port } };
  const proxy = new TcpProxy({ ...place, clock: systemClock(), random: systemRandom });
  await proxy.start();
  return proxy;
}

function pidsOf(...pids: readonly (number | undefined)[]): readonly number[] {
  return pids.filter((pid) => pid !== undefined);
}
