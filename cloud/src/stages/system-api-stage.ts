/** The stage that people ask: the views, the HTTP API and the page, and what becomes of commands. */
import { join } from "node:path";
import type { Clock } from "@causeway/shared/clock.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { Metric } from "@causeway/shared/metric.ts";
import { isGatewayId } from "@causeway/shared/names.ts";
import { notifyStream } from "@causeway/shared/subjects.ts";
import { version } from "@causeway/shared/version.ts";
import { compiledOf } from "../api/api-sources.ts";
import { feedMetrics, letterMetrics } from "../api/cloud-metrics.ts";
import { readTokens } from "../api/file-tokens.ts";
import type { Readiness } from "../api/http-api.ts";
import { HttpApi } from "../api/http-api.ts";
import { NatsSessionStore } from "../api/nats-session-store.ts";
import { backtestApart } from "../backtest/system-backtest.ts";
import { auditLines } from "../cli/audit.ts";
import { deskMetrics } from "../command/desk-metrics.ts";
import { NatsCommandDesk } from "../command/nats-command-desk.ts";
import { NatsDeadDesk } from "../dead/nats-dead-desk.ts";
import { accessOf } from "../gateways/gateway-access.ts";
import { loadLedgers, wholeMarks } from "../ledger/committed.ts";
import { NatsBucketFeed } from "../nats-bucket-feed.ts";
import { ToldTable, toldSubjects } from "../notify/told-table.ts";
import { NatsOperationsStore } from "../operate/nats-operations.ts";
import { keepingOperators, NatsOperatorsLog } from "../operate/nats-operators-log.ts";
import { quotasOf } from "../quota/quota-settings.ts";
import { quotaShown } from "../quota/quota-shown.ts";
import { lastReport } from "../report/nats-reports.ts";
import { NatsRulesDesk } from "../rules/nats-rules-desk.ts";
import { NatsRulesStore } from "../rules/nats-rules-store.ts";
import { limitsOf } from "../rules/series-limits.ts";
import { FileViewCheckpoint } from "../views/file-view-checkpoint.ts";
import { defaultViewBounds, FleetView } from "../views/fleet-view.ts";
import type { ViewCheckpoints } from "../views/nats-view-feed.ts";
import { NatsViewFeed } from "../views/nats-view-feed.ts";
import type { Stage } from "./stage.ts";
import type { Ground } from "./system-ground.ts";
import type { HistoryStage } from "./system-history-stage.ts";
import { readingHistory } from "./system-history-stage.ts";
import type { NotifyStage } from "./system-notify-stage.ts";

/** What the process has beside it. */
export interface Beside {
  readonly notify: NotifyStage | undefined;
  readonly history: HistoryStage | undefined;
  ready(): Readiness;
  metrics(): readonly Metric[];
}

export interface ApiStage extends Stage {
  url(): string;
}

export function apiStage(ground: Ground, beside: Beside): ApiStage {
  const { config, configName, connection, manager, store, clock, random, log } = ground;
  const { jetstream: client, book, facts, registry, spoken, hotRules, ticker, commands } = ground;
  const { notify, ready, metrics } = beside;
  const history = beside.history ?? readingHistory(ground);
  const parts = { connection, jetstream: client, manager, clock, random, log };
  const tokens = readTokens(config.http);
  const view = new FleetView(defaultViewBounds, book);
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
  const told = new ToldTable();
  const toldFeed = new NatsBucketFeed(parts, notifyStream, told, toldSubjects);
  const sessionStore = new NatsSessionStore(parts, manager);
  const operators = new NatsOperatorsLog(client, manager);
  const compiledFleet = compiledOf(() => hotRules.current.fleet);
  const quotaOf = quotasOf(config.quotas, compiledFleet);
  const api = new HttpApi({
    address: config.http,
    demoUrl: config.http.demoUrl,
    limitsOf: (place) => limitsOf(hotRules.current, place),
    ...{ tokens, anonymous: config.http.anonymous },
    requestsPerMinute: config.http.requestsPerMinute,
    view,
    ready,
    engineMetrics: () => [
      ...metrics(),
      ...feedMetrics(feed.status()),
      ...letterMetrics(view.deadGroups()),
      ...deskMetrics(desk.status()),
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
    quota: async (gateway) => {
      const known = isGatewayId(gateway) ? gateway : undefined;
      if (known === undefined) return null;
      const [found] = await store.loadLast(`mark.*.${known}`);
      const mark = found && decodeMark(found.text);
      return quotaShown(mark, quotaOf(known), config.quotas.zone);
    },
    troubles: () => ({
      refusedRules: hotRules.status().refused,
      receivers: notify?.receivers() ?? [],
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
    access: (gateway) => accessOf(ground.gateways, gateway),
    tellingsOf: (alert) => told.of(alert),
    sessionStore,
    history: history.desk,
    reports: {
      names: config.reports.map(({ name }) => name),
      last: (name) => lastReport(manager, name),
    },
    commands: { store: commands, newId: () => random.hex(16) },
    deadLetters: new NatsDeadDesk({ jetstream: client, manager, clock, random }),
    devices: {
      sources: () => ({
        ...{ registry: registry.registry, book, now: clock.wallMs() },
        silentAfterMs: config.gateways.silentAfter || undefined,
        fleet: compiledFleet(),
      }),
      store: facts,
    },
  });
  return {
    name: "api",
    parts: [
      ...(beside.history === undefined ? history.parts : []),
      { name: "told", start: () => toldFeed.start(), stop: () => toldFeed.stop() },
      { name: "commands", start: () => desk.start(), stop: () => desk.stop() },
      { name: "views", start: () => feed.start(), stop: () => feed.stop() },
      { name: "sessions", start: () => sessionStore.start(), stop: () => sessionStore.stop() },
      { name: "api", start: () => api.start(), stop: () => api.stop() },
    ],
    url: () => api.url(),
    reasons: () => [],
    metrics: () => [],
  };
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
