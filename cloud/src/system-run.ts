/** `causeway-cloud run`: connects, makes the streams, and runs the stages until it is stopped. */

import { join } from "node:path";
import { tellDeployment, tellOver } from "@causeway/shared/alert/deployment-alert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { DeviceBook } from "@causeway/shared/devices/device-facts.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { startAll } from "@causeway/shared/lifecycle.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { SendCommand } from "@causeway/shared/notify/command-receiver.ts";
import { planOf } from "@causeway/shared/notify/plan-settings.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { streamPlans } from "@causeway/shared/streams.ts";
import { devicesStream } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemLogger } from "@causeway/shared/system-log.ts";
import {
  endOrder,
  exitCodes,
  stopOnBrokenInvariant,
  untilEnded,
} from "@causeway/shared/system-process.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { version } from "@causeway/shared/version.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { NatsAlertSubjects } from "./alert/nats-alert-subjects.ts";
import { compiledOf } from "./api/api-sources.ts";
import { feedMetrics, receiverMetrics } from "./api/cloud-metrics.ts";
import { readTokens } from "./api/file-tokens.ts";
import { HttpApi } from "./api/http-api.ts";
import { backtestApart } from "./backtest/system-backtest.ts";
import { auditLines } from "./cli/audit.ts";
import { deskMetrics } from "./command/desk-metrics.ts";
import { NatsCommandDesk } from "./command/nats-command-desk.ts";
import { NatsCommandStore } from "./command/nats-command-store.ts";
import { signingKeyOf } from "./command/system-signing-key.ts";
import type { CloudConfig } from "./config.ts";
import { NatsDeviceFacts } from "./devices/nats-device-facts.ts";
import { NatsRegistry } from "./devices/nats-registry.ts";
import { registryMetrics } from "./devices/registry-metrics.ts";
import { ServiceRules } from "./devices/service-rules.ts";
import { Engine } from "./engine/engine.ts";
import { engineMetrics, ruleMetrics } from "./engine/engine-metrics.ts";
import { engineJournal } from "./engine/nats-engine-journal.ts";
import { NatsEngineStore } from "./engine/nats-engine-store.ts";
import { historyMetrics } from "./history/history-metrics.ts";
import { SystemHistory } from "./history/system-history.ts";
import { ensureStreams } from "./ingest/nats-streams.ts";
import { loadLedgers, wholeMarks } from "./ledger/committed.ts";
import { NatsBucketFeed, readBucket } from "./nats-bucket-feed.ts";
import { NatsNotifier } from "./notify/nats-notifier.ts";
import { openReceivers } from "./notify/system-receivers.ts";
import { NatsOperationsFeed, NatsOperationsStore } from "./operate/nats-operations.ts";
import { keepingOperators, NatsOperatorsLog } from "./operate/nats-operators-log.ts";
import { reportJournal } from "./report/nats-report-journal.ts";
import { lastReport } from "./report/nats-reports.ts";
import { reportMetrics } from "./report/report-metrics.ts";
import { isOutBy } from "./report/report-sites.ts";
import { ReportStage, usualSilentMs } from "./report/report-stage.ts";
import { openJournalSession } from "./retention/nats-journal-session.ts";
import { Retention } from "./retention/retention.ts";
import { retentionMetrics, roomReasons } from "./retention/retention-metrics.ts";
import { asked } from "./rules/begin-rules.ts";
import { openRules } from "./rules/nats-hot-rules.ts";
import { NatsRulesDesk } from "./rules/nats-rules-desk.ts";
import { NatsRulesStore } from "./rules/nats-rules-store.ts";
import type { LoadedRules } from "./rules/rules-document.ts";
import { rulesMetrics } from "./rules/rules-metrics.ts";
import { limitsOf } from "./rules/series-limits.ts";
import { siteJournal } from "./site/nats-site-journal.ts";
import { siteMetrics, siteReasons } from "./site/site-metrics.ts";
import { SiteStage } from "./site/site-stage.ts";
import { tickMetrics } from "./ticks/tick-metrics.ts";
import { noTickMs } from "./ticks/tick-watch.ts";
import type { Ticker } from "./ticks/ticker.ts";
import { FileViewCheckpoint } from "./views/file-view-checkpoint.ts";
import { defaultViewBounds, FleetView } from "./views/fleet-view.ts";
import type { ViewCheckpoints } from "./views/nats-view-feed.ts";
import { NatsViewFeed } from "./views/nats-view-feed.ts";

/** Without a leader a stream does not answer at all; those who ask try again. */
const managerTimeoutMs = 2_000;
const dialSchedule = { firstMs: 500, maxMs: 10_000, factor: 2 };

/**
 * The exit code once the process was asked to stop; `configName` is what its rules are called where
 * they stand in it. Throws CONFIG_INVALID or CONFIG_UNREADABLE where the rules of its file cannot be
 * used, and no others are in force.
 */
export async function run(
  config: CloudConfig,
  configName: string,
  endWithStdin: boolean,
): Promise<number> {
  const log = systemLogger(config.logLevel, { service: "causeway-cloud" });
  stopOnBrokenInvariant(log);
  const order = endOrder(endWithStdin);
  let reload = () => {}; // before the rules are there they will be read anyway
  process.on("SIGHUP", () => reload());
  const clock = systemClock();
  const random = systemRandom;
  const tokens = readTokens(config.http);
  const signingKey = signingKeyOf(config.commands.signingKeyFile);
  let commandStore: NatsCommandStore | undefined; // there is no connection yet
  const send: SendCommand = (command, now) =>
    commandStore?.send(command, now) ?? Promise.reject(new Error("not connected"));
  const receivers = openReceivers(config.receivers, clock, random, log, send);
  const dial = () =>
    connectNats(config.nats, { name: "causeway-cloud", reconnect: true }, systemRandom);
  const connection = await whenThere(dial, order, log);
  if (connection === undefined) return exitCodes.good;
  const options = { timeout: managerTimeoutMs, checkAPI: false };
  const manager = await jetstreamManager(connection, options);
  const prepare = async () => {
    await connected(connection); // other requests would wait in vain
    await ensureStreams(manager, streamPlans(config.streams), log);
  };
  await whenThere(prepare, order, log);
  if (order.aborted) {
    await connection.close();
    return exitCodes.good;
  }
  const client = jetstream(connection);
  const store = new NatsEngineStore(connection, client, manager, random);
  const place = { config, configName, connection, client, manager, store };
  const book = new DeviceBook();
  const parts = { connection, jetstream: client, manager, clock, random, log };
  const deploymentAlerts = new NatsAlertSubjects(client, manager);
  const facts = new NatsDeviceFacts(client, manager);
  const registry = new NatsRegistry({ ...parts, book, facts, alerts: deploymentAlerts });
  const service = new ServiceRules(book, log, () => registry.tags);
  const open = async () => {
    // Else rules would be announced that look at what is out of service.
    await asked(() => readBucket(client, devicesStream, book));
    const inService = (rules: LoadedRules) => service.of(rules);
    const inForce = (rules: LoadedRules) => service.begin(rules);
    return openRules({ ...place, inService, inForce, clock, random, log });
  };
  const opened = await whenThere(open, order, log);
  if (opened === undefined) {
    await connection.close();
    return exitCodes.good;
  }
  const { ruleSets, ticker, hotRules } = opened;
  reload = () => hotRules.reload();
  const engine = new Engine({
    store,
    ...engineJournal(connection, client, manager),
    prepare,
    ruleSets,
    tellGap: (what) => tellOver(deploymentAlerts, "system-journal-gap", what, clock.wallMs()),
    silentAfterMs: config.gateways.silentAfter || undefined,
    clock,
    random,
    log,
  });
  const sites = new SiteStage({
    ...{ store, ...siteJournal(connection, client, manager), ruleSets },
    ...{ clock, random, log },
  });
  const retention = new Retention({
    open: () => openJournalSession(config.nats, random),
    engine,
    tell: (finding) => tellDeployment(deploymentAlerts, finding),
    clock,
    log,
    replayMs: config.streams.replayHours * 3_600_000,
    slowDownBytesPerSecond: config.streams.slowDownBytesPerSecond,
  });
  const view = new FleetView(defaultViewBounds, book);
  const commands = new NatsCommandStore(client, manager, store, signingKey);
  commandStore = commands;
  const gatewaysMax = defaultViewBounds.gatewaysMax;
  const desk = new NatsCommandDesk({
    ...{ store: commands, clock, random, log },
    gateways: () => view.gateways(gatewaysMax).map(({ gateway }) => gateway),
  });
  const feed = new NatsViewFeed({
    connection,
    jetstream: client,
    manager,
    view,
    taken: (event) => desk.take(event),
    checkpoints: viewCheckpoints(config.dataDir, clock, () => desk.status().waiting === 0),
    clock,
    random,
    log,
  });
  const spoken = new NatsOperationsFeed(parts);
  const bookFeed = new NatsBucketFeed(parts, devicesStream, book);
  const reports = new ReportStage({
    ...{ reports: config.reports, store, journal: reportJournal(parts), clock, random, log },
    fleet: () => hotRules.current.fleet,
    isOut: isOutBy(book),
    silentMs: config.gateways.silentAfter || usualSilentMs,
  });
  const notifier = new NatsNotifier({
    ...{ ...parts, batches: store, receivers },
    settingsOf: (name) => planOf(config.receivers.find((own) => own.name === name)),
    spokenOf: {
      loaded: () => spoken.loaded(),
      circumstances: () => circumstancesOf(spoken.operations, hotRules.current.fleet),
    },
  });
  const operators = new NatsOperatorsLog(client, manager);
  const compiledFleet = compiledOf(() => hotRules.current.fleet);
  const history = new SystemHistory({
    ...{ ...parts, settings: config.history, dataDir: config.dataDir },
    fleet: () => hotRules.current.fleet,
  });
  const api = new HttpApi({
    address: config.http,
    demoUrl: config.http.demoUrl,
    limitsOf: (place) => limitsOf(hotRules.current, place),
    ...{ tokens, anonymous: config.http.anonymous },
    requestsPerMinute: config.http.requestsPerMinute,
    view,
    ready: () => readiness(connection, engine, ticker, retention, sites),
    engineMetrics: () => [
      ...engineMetrics(engine.status()),
      ...ruleMetrics(engine.ruleCounts()),
      ...siteMetrics(sites.status(), sites.refused(), clock.wallMs()),
      ...tickMetrics(ticker.status()),
      ...rulesMetrics(hotRules.status()),
      ...retentionMetrics(retention.status()),
      ...feedMetrics(feed.status()),
      ...receiverMetrics(notifier.status()),
      ...reportMetrics(reports.status()),
      ...deskMetrics(desk.status()),
      ...registryMetrics(registry.registry, registry.status()),
      ...historyMetrics(history.status()),
    ],
    version,
    log,
    clock,
    fleet: () => hotRules.current.fleet,
    silentAfterMs: config.gateways.silentAfter || undefined,
    places: feed,
    ledger: async (gateway) => {
      const known = isGatewayId(gateway) ? gateway : undefined;
      if (known === undefined) return [];
      return auditLines(wholeMarks(await loadLedgers(store, known)));
    },
    troubles: () => ({
      refusedRules: hotRules.status().refused,
      receivers: notifier.status(),
    }),
    operators: {
      keep: keepingOperators(operators, log),
      read: (query) => operators.read(query),
    },
    rules: {
      desk: new NatsRulesDesk({
        ...{ store: new NatsRulesStore(client, manager), config, configName },
        current: () => hotRules.current,
        refused: () => hotRules.status().refused,
        named: () => ticker.status().rules,
      }),
      backtest: (order, signal) => backtestApart({ ...order, settings: config.nats }, signal),
    },
    operations: {
      view: spoken.operations,
      store: new NatsOperationsStore(client, manager),
      newId: () => random.hex(12),
    },
    history: history.desk,
    reports: {
      names: config.reports.map(({ name }) => name),
      last: (name) => lastReport(manager, name),
    },
    commands: { store: commands, newId: () => random.hex(16) },
    devices: {
      sources: () => ({
        ...{ registry: registry.registry, book, now: clock.wallMs() },
        silentAfterMs: config.gateways.silentAfter || undefined,
        fleet: compiledFleet(),
      }),
      store: facts,
    },
  });
  const lifecycle = await startAll([
    { name: "connection", start: () => watch(connection, log), stop: () => connection.close() },
    { name: "rules", start: () => hotRules.start(), stop: () => hotRules.stop() },
    { name: "clock", start: () => ticker.start(), stop: () => ticker.stop() },
    { name: "engine", start: () => engine.start(), stop: () => engine.stop() },
    { name: "sites", start: () => sites.start(), stop: () => sites.stop() },
    { name: "retention", start: () => retention.start(), stop: () => retention.stop() },
    { name: "silences", start: () => spoken.start(), stop: () => spoken.stop() },
    { name: "reports", start: () => reports.start(), stop: () => reports.stop() },
    { name: "notifier", start: () => notifier.start(), stop: () => notifier.stop() },
    { name: "commands", start: () => desk.start(), stop: () => desk.stop() },
    { name: "said of devices", start: () => bookFeed.start(), stop: () => bookFeed.stop() },
    { name: "registry", start: () => registry.start(), stop: () => registry.stop() },
    { name: "history", start: () => history.start(), stop: () => history.stop() },
    { name: "views", start: () => feed.start(), stop: () => feed.stop() },
    { name: "api", start: () => api.start(), stop: () => api.stop() },
  ]);
  log.info({ addresses: { http: api.url() } }, "ready");
  return untilEnded(order, lifecycle.stop, log);
}

/** Kept once a minute, and at the end. */
function viewCheckpoints(
  dataDir: string,
  clock: Clock,
  isWorkedOff: () => boolean,
): ViewCheckpoints {
  const file = new FileViewCheckpoint(join(dataDir, "view.checkpoint"), clock);
  return {
    load: () => file.load(),
    save: (checkpoint) => file.save(checkpoint),
    ...{ isWorkedOff, everyMs: 60_000 },
  };
}

/** Waits for a server that is away or has no leader; undefined where the process is to end first. */
async function whenThere<Result>(
  ask: () => Promise<Result>,
  order: AbortSignal,
  log: Logger,
): Promise<Result | undefined> {
  const clock = systemClock();
  for (let attempt = 1; !order.aborted; attempt++) {
    try {
      return await ask();
    } catch (failure) {
      if (!(failure instanceof CodedError) || failure.code !== "NATS_UNREACHABLE") throw failure;
      log.warn({ code: failure.code, reason: failure.message }, "waiting for nats-server");
      await sleep(clock, retryDelayMs(dialSchedule, attempt, systemRandom), order);
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

function readiness(
  connection: NatsConnection,
  engine: Engine,
  ticker: Ticker,
  retention: Retention,
  sites: SiteStage,
) {
  const { phase, lastFault, missingRules } = engine.status();
  const reasons: string[] = [];
  if (connection.isClosed()) reasons.push("the connection to nats-server is closed");
  if (phase !== "running")
    reasons.push(`the engine is ${phase}${lastFault === undefined ? "" : `: ${lastFault}`}`);
  if (missingRules !== undefined)
    reasons.push(`rule set ${missingRules} is missing: restart the cloud to announce its rules`);
  if (ticker.status().isOverdue) reasons.push(`no tick for ${noTickMs / 1_000} s`);
  reasons.push(...siteReasons(sites.status(), systemClock().wallMs()));
  reasons.push(...roomReasons(retention.status()));
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
