/** Starts real programs for a scenario: nats-server, cloud and gateways, with data of their own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { NatsCluster } from "@causeway/shared/testing/system-nats-cluster.ts";
import { startNatsCluster } from "@causeway/shared/testing/system-nats-cluster.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import type { TcpProxy } from "../proxy/tcp-proxy.ts";
import type { Finished, Program, ProgramName } from "./system-program.ts";
import { ready, runProgram, startProgram, until } from "./system-program.ts";
import type { MadeWay, Way } from "./system-way.ts";
import { SecuredNats, startProxy } from "./system-way.ts";

export interface StackOptions {
  /** More lines of cloud.yaml. */
  readonly cloud?: string;
  readonly edge?: string;
  /** More of the gateway's `uplink`. */
  readonly uplink?: Readonly<Record<string, unknown>>;
  /** Another gateway than that of this checkout. */
  readonly edgeProgram?: ProgramName;
  /** Three nats-servers, and streams with three replicas. */
  readonly cluster?: boolean;
  /** The gateway's link goes through a proxy. */
  readonly proxied?: boolean;
  /** That way it goes through a proxy, too. */
  readonly way?: Exclude<Way, "nats">;
}

/** A gateway's program and folder. */
export class GatewayProgram {
  readonly folder: string;
  readonly mqttUrl: string;
  readonly url: string;
  readonly #name: ProgramName;
  program: Program | undefined;

  private constructor(folder: string, mqttPort: number, httpPort: number, name: ProgramName) {
    this.folder = folder;
    this.#name = name;
    this.mqttUrl = `mqtt://127.0.0.1:${mqttPort}`;
    this.url = `http://127.0.0.1:${httpPort}`;
  }

  /** Writes its configuration; data that is in the folder is used. */
  static async create(
    folder: string,
    uplink: object,
    more = "",
    name: ProgramName = "causeway-edge",
  ): Promise<GatewayProgram> {
    const ports = { mqtt: await freePort(), http: await freePort() };
    const gateway = new GatewayProgram(folder, ports.mqtt, ports.http, name);
    writeFileSync(
      gateway.config,
      `gateway: g1
dataDir: ${JSON.stringify(gateway.data)}
mqtt:
  listeners: [{ host: 127.0.0.1, port: ${ports.mqtt} }]
  auth: { anonymous: true }
uplink: ${JSON.stringify(uplink)}
http: { host: 127.0.0.1, port: ${ports.http} }
${more}
`,
    );
    return gateway;
  }

  get config(): string {
    return `${this.folder}/edge.yaml`;
  }

  get data(): string {
    return join(this.folder, "edge");
  }

  async start(): Promise<void> {
    const log = join(this.folder, "edge.log");
    this.program = startProgram(this.#name, ["run", "--config", this.config], log);
    await ready(`${this.url}/readyz`, this.program);
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.program?.kill(signal);
    await this.program?.exited;
    this.program = undefined;
  }

  async status(): Promise<GatewayNumbers> {
    return (await fetch(`${this.url}/api/status`)).json() as never;
  }
}

/** What `/api/status` of a gateway tells, as far as scenarios ask. */
export interface GatewayNumbers {
  readonly takenAgoMs?: number;
  readonly outbox: { readonly appended: number };
  readonly pump: { readonly batches: number; readonly events: number; readonly bytes: number };
  readonly uplink: {
    readonly link: string;
    readonly unsentEvents: number;
    readonly untakenEvents: number;
    readonly lanes: { readonly history: { readonly untakenEvents: number } };
    readonly goBacks: number;
    readonly rollbacks: number;
  };
}

interface Network {
  readonly servers: readonly NatsServer[];
  readonly cluster: NatsCluster | undefined;
  readonly proxy: TcpProxy | undefined;
}

async function proxiedWay(port: number): Promise<MadeWay> {
  const proxy = await startProxy({ host: "127.0.0.1", port });
  return { uplink: { servers: [`nats://127.0.0.1:${proxy.port}`] }, proxy };
}

/** nats-server or three of them, one cloud and one gateway, on free ports, in a folder of their own. */
export class Stack {
  readonly folder: string;
  readonly servers: readonly NatsServer[];
  readonly cluster: NatsCluster | undefined;
  readonly gateway: GatewayProgram;
  readonly cloudUrl: string;
  readonly #proxy: TcpProxy | undefined;
  cloud: Program | undefined;

  private constructor(
    folder: string,
    { servers, cluster, proxy }: Network,
    gateway: GatewayProgram,
    cloudPort: number,
  ) {
    this.folder = folder;
    this.servers = servers;
    this.cluster = cluster;
    this.#proxy = proxy;
    this.gateway = gateway;
    this.cloudUrl = `http://127.0.0.1:${cloudPort}`;
  }

  static async start(options: StackOptions = {}): Promise<Stack> {
    const folder = mkdtempSync(join(tmpdir(), "causeway-stack-"));
    const store = join(folder, "nats");
    const cluster = options.cluster ? await startNatsCluster(store) : undefined;
    const { edge, edgeProgram, way } = options;
    const secured = way === undefined ? undefined : await SecuredNats.plan();
    const settings = secured === undefined ? {} : { settings: secured.settings };
    const servers = cluster?.servers ?? [await startNatsServer({ folder: store, ...settings })];
    const urls = servers.map(({ url }) => url);
    const port = servers[0]?.port ?? 0;
    const plain = { uplink: { servers: urls }, proxy: undefined };
    const made =
      secured !== undefined && way !== undefined
        ? await secured.way(way, port, folder)
        : options.proxied
          ? await proxiedWay(port)
          : plain;
    const { proxy } = made;
    const uplink = { ...options.uplink, ...made.uplink };
    const gateway = await GatewayProgram.create(folder, uplink, edge, edgeProgram);
    const stack = new Stack(folder, { servers, cluster, proxy }, gateway, await freePort());
    stack.#writeConfig(secured?.cloud(port) ?? { servers: urls }, options);
    try {
      await Promise.all([stack.startCloud(), stack.startEdge()]);
    } catch (failure) {
      await stack.end();
      throw failure;
    }
    return stack;
  }

  #writeConfig(nats: object, { cluster, cloud = "" }: StackOptions): void {
    writeFileSync(
      this.cloudConfig,
      `nats: ${JSON.stringify(nats)}
dataDir: ${JSON.stringify(join(this.folder, "cloud"))}
http: { host: 127.0.0.1, port: ${new URL(this.cloudUrl).port} }
${cluster ? "streams: { replicas: 3 }" : ""}
${cloud}
`,
    );
  }

  get nats(): NatsServer {
    return this.servers[0] as NatsServer;
  }

  /** Throws where the stack was started without. */
  get proxy(): TcpProxy {
    if (this.#proxy === undefined) throw new Error("the gateway's link has no proxy");
    return this.#proxy;
  }

  get cloudConfig(): string {
    return join(this.folder, "cloud.yaml");
  }

  get mqttUrl(): string {
    return this.gateway.mqttUrl;
  }

  async startCloud(): Promise<void> {
    const log = join(this.folder, "cloud.log");
    this.cloud = startProgram("causeway-cloud", ["run", "--config", this.cloudConfig], log);
    await ready(`${this.cloudUrl}/readyz`, this.cloud);
  }

  startEdge(): Promise<void> {
    return this.gateway.start();
  }

  async killCloud(): Promise<void> {
    this.cloud?.kill("SIGKILL");
    await this.cloud?.exited;
  }

  command(...args: readonly string[]): Promise<Finished> {
    return runProgram("causeway-cloud", [...args, "--config", this.cloudConfig]);
  }

  /** A counter of the engine. */
  async engineMetric(name: string): Promise<number> {
    const text = await (await fetch(`${this.cloudUrl}/metrics`)).text();
    return Number(new RegExp(`^causeway_engine_${name}_total ([0-9]+)`, "m").exec(text)?.[1]);
  }

  /** Waits until the cloud has taken all that the gateway has. */
  async allTaken(timeoutMs = 60_000, gateway = this.gateway): Promise<void> {
    const isTaken = async () => (await gateway.status()).uplink.untakenEvents === 0;
    await until(isTaken, timeoutMs, "all taken");
  }

  /** Ends every program; the folder stays, with what they logged. */
  async end(): Promise<void> {
    await Promise.all([this.gateway.end("SIGKILL"), this.killCloud()]);
    await this.#proxy?.stop();
    await Promise.all(this.servers.map((server) => server.kill()));
  }

  async remove(): Promise<void> {
    await this.end();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
