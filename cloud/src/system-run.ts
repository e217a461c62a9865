/** `causeway-cloud run`: connects, makes the streams, and runs the stages until it is stopped. */
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { startAll } from "@causeway/shared/lifecycle.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { streamPlans } from "@causeway/shared/streams.ts";
import { telemetryStream } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemLogger } from "@causeway/shared/system-log.ts";
import {
  endOrder,
  exitCodes,
  stopOnBrokenInvariant,
  untilEnded,
} from "@causeway/shared/system-process.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import { version } from "@causeway/shared/version.ts";
import type { JetStreamManager } from "@nats-io/jetstream";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { createAlerting } from "./alert/alerting.ts";
import { HttpApi } from "./api/http-api.ts";
import { feedMetrics, receiverMetrics } from "./api/metric.ts";
import type { CloudConfig } from "./config.ts";
import type { MessageIdentity } from "./engine/checkpoint.ts";
import { Engine } from "./engine/engine.ts";
import { engineMetrics } from "./engine/engine-metrics.ts";
import { NatsEngineStore } from "./engine/nats-engine-store.ts";
import { readJournal } from "./ingest/nats-journal.ts";
import { ensureStreams } from "./ingest/nats-streams.ts";
import { NatsNotifier } from "./notify/nats-notifier.ts";
import { openReceivers } from "./notify/system-receivers.ts";
import { FleetView } from "./views/fleet-view.ts";
import { NatsViewFeed } from "./views/nats-view-feed.ts";

const dialSchedule = { firstMs: 500, maxMs: 10_000, factor: 2 };

/** The exit code once the process was asked to stop. */
export async function run(config: CloudConfig, endWithStdin: boolean): Promise<number> {
  const log = systemLogger(config.logLevel, { service: "causeway-cloud" });
  stopOnBrokenInvariant(log);
  const order = endOrder(endWithStdin);
  const clock = systemClock();
  const random = systemRandom;
  const token = config.http.tokenFile === undefined ? undefined : readSecret(config.http.tokenFile);
  const receivers = openReceivers(config.receivers, clock, log);
  const alerting = createAlerting(compileRules(config.rules));
  const connection = await connectWhenThere(config, order, log);
  if (connection === undefined) return exitCodes.good;
  const manager = await jetstreamManager(connection);
  const prepare = async () => {
    await connection.rtt(); // rejects at once while disconnected; other requests would wait in vain
    await ensureStreams(manager, streamPlans(config.streams), log);
  };
  await prepare();
  const client = jetstream(connection);
  const engine = new Engine({
    store: new NatsEngineStore(connection, client, manager, random),
    journal: (from, signal) =>
      readJournal(connection, client, {
        stream: telemetryStream,
        subjects: ["tlm.>"],
        from,
        signal,
      }),
    messageAt: async (sequence) => {
      await connection.rtt();
      return messageAt(manager, sequence);
    },
    lastSequence: async () => (await manager.streams.info(telemetryStream)).state.last_seq,
    prepare,
    alerting,
    clock,
    random,
    log,
  });
  const view = new FleetView();
  const feed = new NatsViewFeed({
    connection,
    jetstream: client,
    manager,
    view,
    clock,
    random,
    log,
  });
  const notifier = new NatsNotifier({
    connection,
    jetstream: client,
    manager,
    receivers,
    clock,
    random,
    log,
  });
  const api = new HttpApi({
    address: config.http,
    token,
    view,
    ready: () => readiness(connection, engine),
    engineMetrics: () => [
      ...engineMetrics(engine.status()),
      ...feedMetrics(feed.status()),
      ...receiverMetrics(notifier.status()),
    ],
    version,
    log,
    clock,
  });
  const lifecycle = await startAll([
    { name: "connection", start: () => watch(connection, log), stop: () => connection.close() },
    { name: "engine", start: () => engine.start(), stop: () => engine.stop() },
    { name: "notifier", start: () => notifier.start(), stop: () => notifier.stop() },
    { name: "views", start: () => feed.start(), stop: () => feed.stop() },
    { name: "api", start: () => api.start(), stop: () => api.stop() },
  ]);
  log.info({ addresses: { http: api.url() } }, "ready");
  return untilEnded(order, lifecycle.stop, log);
}

/** Waits for a server that is away; undefined where the process is to end meanwhile. */
async function connectWhenThere(
  config: CloudConfig,
  order: AbortSignal,
  log: Logger,
): Promise<NatsConnection | undefined> {
  const clock = systemClock();
  for (let attempt = 1; !order.aborted; attempt++) {
    try {
      return await connectNats(
        config.nats,
        { name: "causeway-cloud", reconnect: true },
        systemRandom,
      );
    } catch (failure) {
      if (!(failure instanceof CodedError) || failure.code !== "NATS_UNREACHABLE") throw failure;
      log.warn({ code: failure.code, reason: failure.message }, "waiting for nats-server");
      await sleep(clock, retryDelayMs(dialSchedule, attempt, systemRandom), order);
    }
  }
  return undefined;
}

/** From the leader: a follower may be behind, and a late answer would look like a rollback. */
async function messageAt(
  manager: JetStreamManager,
  seq: number,
): Promise<MessageIdentity | undefined> {
  // Beyond the end the server answers with an error that is none of "not found".
  if ((await manager.streams.info(telemetryStream)).state.last_seq < seq) return undefined;
  const found = await manager.streams.getMessage(telemetryStream, { seq });
  if (found === null) return undefined;
  return { subject: found.subject, nonce: found.header.get("Cw-Nonce") || undefined };
}

function readiness(connection: NatsConnection, engine: Engine) {
  const { phase, lastFault } = engine.status();
  const reasons: string[] = [];
  if (connection.isClosed()) reasons.push("the connection to nats-server is closed");
  if (phase !== "running")
    reasons.push(`the engine is ${phase}${lastFault === undefined ? "" : `: ${lastFault}`}`);
  return { ready: reasons.length === 0, reasons };
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
