/** What every stage stands on: the connection, the streams, the rules, the leases. */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { DeviceBook } from "@causeway/shared/devices/device-facts.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Part } from "@causeway/shared/lifecycle.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Metric } from "@causeway/shared/metric.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { streamPlans } from "@causeway/shared/streams.ts";
import { devicesStream, gatewaysStream, partitionCount } from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { NatsAlertSubjects } from "../alert/nats-alert-subjects.ts";
import { NatsCommandStore } from "../command/nats-command-store.ts";
import { signingKeyOf } from "../command/system-signing-key.ts";
import type { CloudConfig } from "../config.ts";
import { NatsDeviceFacts } from "../devices/nats-device-facts.ts";
import { NatsRegistry } from "../devices/nats-registry.ts";
import { registryMetrics } from "../devices/registry-metrics.ts";
import { ServiceRules } from "../devices/service-rules.ts";
import { NatsEngineStore } from "../engine/nats-engine-store.ts";
import { GatewayBook } from "../gateways/gateway-entry.ts";
import { ensureStreams } from "../ingest/nats-streams.ts";
import { leaseMetrics } from "../leases/lease-metrics.ts";
import type { LeaseGroup } from "../leases/lease-table.ts";
import { Leases } from "../leases/leases.ts";
import { NatsLeaseStore } from "../leases/nats-lease-store.ts";
import { isGoneBy, systemWorker } from "../leases/system-worker.ts";
import { NatsBucketFeed, readBucket } from "../nats-bucket-feed.ts";
import { NatsOperationsFeed } from "../operate/nats-operations.ts";
import { asked } from "../rules/begin-rules.ts";
import type { OpenedRules } from "../rules/nats-hot-rules.ts";
import { openRules } from "../rules/nats-hot-rules.ts";
import type { LoadedRules } from "../rules/rules-document.ts";
import { rulesMetrics } from "../rules/rules-metrics.ts";
import type { StageName } from "./stage.ts";

/** What only one process does at a time. */
export const leaseGroups = {
  engine: { name: "engine", count: partitionCount },
  /** The journal's clock, and with it which rules are announced. */
  clock: { name: "clock", count: 1 },
  sites: { name: "sites", count: 1 },
  retention: { name: "retention", count: 1 },
} as const satisfies Record<string, LeaseGroup>;

/** Who needs the registry always; of those that judge, only the one that announces rules. */
const withRegistry: ReadonlySet<StageName> = new Set(["notify", "history", "api"]);

/** Whose process takes part in which. */
const leasedBy: Readonly<Record<StageName, readonly LeaseGroup[]>> = {
  engine: Object.values(leaseGroups),
  notify: [],
  history: [],
  api: [],
};

/** Without a leader a stream does not answer at all; those who ask try again. */
const managerTimeoutMs = 2_000;
const dialSchedule = { firstMs: 500, maxMs: 10_000, factor: 2 };

export interface Ground extends OpenedRules {
  readonly config: CloudConfig;
  /** What its rules are called where they stand in it. */
  readonly configName: string;
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly store: NatsEngineStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Makes the streams that are not there. */
  readonly prepare: () => Promise<void>;
  readonly leases: Leases;
  readonly alerts: NatsAlertSubjects;
  /** What people say of devices and gateways. */
  readonly book: DeviceBook;
  readonly gateways: GatewayBook;
  readonly facts: NatsDeviceFacts;
  readonly registry: NatsRegistry;
  readonly spoken: NatsOperationsFeed;
  readonly commands: NatsCommandStore;
  /** Started before all stages, and stopped after them. */
  readonly parts: readonly Part[];
  reasons(): readonly string[];
  metrics(): readonly Metric[];
}

export interface GroundOrder {
  readonly config: CloudConfig;
  readonly configName: string;
  readonly stages: readonly StageName[];
  readonly order: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

/**
 * Undefined where the process is to end first. Throws CONFIG_INVALID or CONFIG_UNREADABLE where the
 * rules of its file cannot be used, and no others are in force.
 */
export async function openGround(given: GroundOrder): Promise<Ground | undefined> {
  const { config, configName, stages, clock, random, log } = given;
  const signingKey = signingKeyOf(config.commands.signingKeyFile);
  const dial = () => connectNats(config.nats, { name: "causeway-cloud", reconnect: true }, random);
  const connection = await whenThere(dial, given);
  if (connection === undefined) return undefined;
  const manager = await jetstreamManager(connection, {
    ...{ timeout: managerTimeoutMs, checkAPI: false },
  });
  const prepare = async () => {
    await connected(connection); // other requests would wait in vain
    await ensureStreams(manager, streamPlans(config.streams), log);
  };
  await whenThere(prepare, given);
  const client = jetstream(connection);
  const store = new NatsEngineStore(connection, client, manager, random);
  const [book, gateways] = [new DeviceBook(), new GatewayBook()];
  const parts = { connection, jetstream: client, manager, clock, random, log };
  const alerts = new NatsAlertSubjects(client, manager);
  const facts = new NatsDeviceFacts(client, manager);
  const registry = new NatsRegistry({ ...parts, book, facts, alerts });
  const leases = openLeases(given, client, manager, prepare);
  const clockLease = stages.includes("engine") ? leases.of(leaseGroups.clock.name) : undefined;
  const isClock = () => (clockLease?.wanted().size ?? 0) > 0;
  const service = new ServiceRules(book, log, () => registry.tags, gateways);
  const open = async () => {
    // Else rules would be announced that look at what is out of service.
    await asked(() => readBucket(client, devicesStream, book));
    await asked(() => readBucket(client, gatewaysStream, gateways));
    const inService = (rules: LoadedRules) => service.of(rules);
    const inForce = (rules: LoadedRules) => service.begin(rules);
    const looksOnly = () => !isClock();
    const place = { config, configName, connection, client, manager, store, looksOnly };
    return openRules({ ...place, inService, inForce, clock, random, log });
  };
  const opened = given.order.aborted ? undefined : await whenThere(open, given);
  if (opened === undefined) {
    await connection.close();
    return undefined;
  }
  const { hotRules, ticker } = opened;
  const bookFeed = new NatsBucketFeed(parts, devicesStream, book);
  const gatewayFeed = new NatsBucketFeed(parts, gatewaysStream, gateways);
  const spoken = new NatsOperationsFeed(parts);
  let hasRegistry = stages.some((stage) => withRegistry.has(stage));
  const beginRegistry = () => {
    if (hasRegistry) return registry.start();
    clockLease?.onChange(() => {
      if (!hasRegistry && isClock()) registry.start();
      hasRegistry ||= isClock();
    });
  };
  clockLease?.onChange(() => ticker.wake());
  return {
    ...{ ...parts, ...opened, config, configName, store, prepare, leases, alerts },
    ...{ book, gateways, facts, registry, spoken },
    commands: new NatsCommandStore(client, manager, store, signingKey),
    parts: [
      { name: "connection", start: () => watch(connection, log), stop: () => connection.close() },
      { name: "leases", start: () => leases.start(), stop: () => leases.stop() },
      { name: "rules", start: () => hotRules.start(), stop: () => hotRules.stop() },
      { name: "clock", start: () => ticker.start(), stop: () => ticker.stop() },
      { name: "said of devices", start: () => bookFeed.start(), stop: () => bookFeed.stop() },
      { name: "gateways", start: () => gatewayFeed.start(), stop: () => gatewayFeed.stop() },
      { name: "silences", start: () => spoken.start(), stop: () => spoken.stop() },
      { name: "registry", start: beginRegistry, stop: () => registry.stop() },
    ],
    reasons: () => (connection.isClosed() ? ["the connection to nats-server is closed"] : []),
    metrics: () => [
      ...leaseMetrics(leases.status()),
      ...rulesMetrics(hotRules.status()),
      ...registryMetrics(registry.registry, registry.status()),
    ],
  };
}

function openLeases(
  { stages, clock, random, log }: GroundOrder,
  client: JetStreamClient,
  manager: JetStreamManager,
  prepare: () => Promise<void>,
): Leases {
  const groups = stages.flatMap((stage) => leasedBy[stage]);
  const self = systemWorker(
    groups.map(({ name }) => name),
    clock,
    random,
  );
  const store = new NatsLeaseStore(client, manager);
  return new Leases({ store, self, groups, isGone: isGoneBy(self), prepare, clock, log });
}

/** Waits for a server that is away or has no leader; undefined where the process is to end first. */
async function whenThere<Result>(
  ask: () => Promise<Result>,
  { order, clock, random, log }: GroundOrder,
): Promise<Result | undefined> {
  for (let attempt = 1; !order.aborted; attempt++) {
    try {
      return await ask();
    } catch (failure) {
      if (!(failure instanceof CodedError) || failure.code !== "NATS_UNREACHABLE") throw failure;
      log.warn({ code: failure.code, reason: failure.message }, "waiting for nats-server");
      await sleep(clock, retryDelayMs(dialSchedule, attempt, random), order);
    }
  }
  return undefined;
}

/** Rejects at once while disconnected. */
async function connected(connection: NatsConnection): Promise<void> {
  try {
    await connection.rtt();
  } catch (failure) {
    throw new CodedError("NATS_UNREACHABLE", reasonOf(failure), { cause: failure });
  }
}

function watch(connection: NatsConnection, log: Logger): void {
  const follow = async () => {
    for await (const status of connection.status()) {
      if (status.type === "disconnect") log.warn({ server: status.server }, "nats-server is away");
      if (status.type === "reconnect") log.info({ server: status.server }, "nats-server is back");
    }
  };
  follow().catch((failure) => log.error({ reason: reasonOf(failure) }, "connection status"));
}
