/** `causeway-edge run`: opens the real parts in order and stops them in reverse. */
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import type { Clock } from "@causeway/shared/clock.ts";
import type { Command } from "@causeway/shared/command/command.ts";
import { commandPublicKeys } from "@causeway/shared/command/command-signature.ts";
import { checkHttpAddress } from "@causeway/shared/http-access.ts";
import { startAll } from "@causeway/shared/lifecycle.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { checkCredentials } from "@causeway/shared/nats-connection.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemLogger } from "@causeway/shared/system-log.ts";
import { endOrder, stopOnBrokenInvariant, untilEnded } from "@causeway/shared/system-process.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import { version } from "@causeway/shared/version.ts";
import type { LocalAlarms, LocalAlarmsParts, LocalAlarmsStatus } from "./alarms/system-alarms.ts";
import { AedesBroker } from "./broker/aedes-broker.ts";
import { FileAccess } from "./broker/file-access.ts";
import { checkSource, MqttSource } from "./broker/mqtt-source.ts";
import type { EdgeConfig } from "./config.ts";
import { Dispatcher } from "./downlink/dispatcher.ts";
import { NatsCommands } from "./downlink/nats-commands.ts";
import type { FilterParts, FilterStatus } from "./filter/reading-filter.ts";
import { Gateway } from "./gateway.ts";
import type { Bound } from "./inspect/bound-watch.ts";
import { HttpInspect } from "./inspect/http-inspect.ts";
import type { LiveRoutes, LiveRoutesParts } from "./mapping/file-live-routes.ts";
import type { RoutingSettings } from "./mapping/file-routing.ts";
import { openLevelStore } from "./outbox/level-store.ts";
import { Outbox } from "./outbox/outbox.ts";
import { diskSize, writtenToDisk } from "./outbox/system-disk.ts";
import type { JudgingConfig } from "./rules/judging-settings.ts";
import { HttpStatus } from "./status/http-status.ts";
import { systemTimeSource } from "./time/system-time-source.ts";
import { BudgetRecord } from "./uplink/budget-record.ts";
import { budgetOf, isBounded } from "./uplink/budget-settings.ts";
import { askEveryMs } from "./uplink/dial-settings.ts";
import { NatsLink } from "./uplink/nats-link.ts";
import { defaultUplinkBounds } from "./uplink/uplink.ts";

/**
 * The exit code once the process was asked to stop; `judging` where the configuration has rules,
 * `routing` where it has routes.
 */
export async function run(
  config: EdgeConfig,
  endWithStdin: boolean,
  judging?: JudgingConfig,
  routing?: RoutingSettings,
): Promise<number> {
  const log = systemLogger(config.logLevel, { service: "causeway-edge", gateway: config.gateway });
  stopOnBrokenInvariant(log);
  const order = endOrder(endWithStdin);
  const clock = systemClock();
  const random = systemRandom;
  const gatewayName = gatewayId(config.gateway);
  const { access, token, publicKeys } = readFiles(config, clock, log);
  process.on("SIGHUP", () => {
    access.reload();
    alarms?.reload();
    routes?.reload();
  });
  const folder = join(config.dataDir, "outbox");
  const outbox = await Outbox.open({
    gateway: gatewayName,
    openStore: () => openLevelStore(folder, log),
    freeBytes: async () => (await diskSize(folder)).freeBytes,
    clock,
    random,
    bounds: config.outbox,
    log,
  });
  const { bytes: diskBytes } = await diskSize(folder);
  const startedMs = clock.bootMs();
  const dispatcher = new Dispatcher({
    ...{ gateway: gatewayName, outbox, clock, publicKeys, log },
    presentMs: () => gateway.presentMs(),
  });
  const commands = new NatsCommands({
    ...{ gateway: gatewayName, clock, random, log },
    askEveryMs: askEveryMs(config.uplink.pingMs),
    room: () => dispatcher.room,
    take: (text, acknowledge) => dispatcher.take(text, acknowledge),
  });
  const believedMs = () =>
    gateway.floorOfDoubtedClock() === undefined ? clock.wallMs() : undefined;
  const link = new NatsLink({
    gateway: gatewayName,
    settings: config.uplink,
    clock,
    random,
    log,
    cloudTime: (storedAtMs) => gateway.cloudTime(storedAtMs),
    floorOfDoubtedClock: () => gateway.floorOfDoubtedClock(),
    presentMs: () => gateway.presentMs() ?? believedMs(),
    connected: (connection) => void commands.serve(connection),
  });
  const { windowBytes, batchBytes, inflightMax, gatherMs, freshAfterMs } = config.uplink;
  const sending = { windowBytes, batchBytes, inflightMax, gatherMs, freshAfterMs };
  const uplinkBounds = { ...defaultUplinkBounds, ...sending };
  const budgeted = budgetOf(config.uplink.budget);
  const budget = isBounded(budgeted)
    ? await BudgetRecord.open(budgeted, outbox.records)
    : undefined;
  const { heartbeatMs } = config;
  const alarms = await localAlarms({
    ...{ config: judging, gateway: gatewayName, outbox, clock, random, log },
    waitMs: config.time.waitMs,
    presentMs: () => gateway.floorOfDoubtedClock() ?? clock.wallMs(),
    publish: (message) => broker.publish(message),
    command: (command) => keptCommand(dispatcher, command, clock),
    notice: (name, detail) => gateway.tell(name, detail),
    raised: () => link.openForAlarm(),
  });
  const routes = await liveRoutes(routing, {
    ...{ records: outbox.records, clock, log },
    notice: (name, detail) => gateway.tell(name, detail),
  });
  const filter = await readingFilter(config, routing, {
    ...{ outbox, clock, log },
    ...(routes === undefined ? {} : { filterOf: (route) => routes.filterOf(route) }),
    isNeeded: (device, metric) => alarms?.selects(device, metric) ?? false,
  });
  const gateway = new Gateway({
    gateway: gatewayName,
    version,
    outbox,
    link,
    clock,
    time: { source: systemTimeSource, waitMs: config.time.waitMs },
    random,
    uplinkBounds,
    budget,
    heartbeatMs,
    log,
    ...(alarms === undefined ? {} : { alarms }),
    routes: routes?.routes,
    filter,
    bounds: () => boundsOf(alarms?.status(), filter?.status()),
    reply: (publish, settle) => dispatcher.reply(publish, settle),
    tell: (topic, payload) => broker.commands.tell(topic, payload),
  });
  const broker = new AedesBroker({
    ...config.mqtt,
    access: access.access,
    records: outbox.records,
    clock,
    log,
  });
  broker.listen(gateway);
  const sources = config.mqtt.sources.map(
    (settings) =>
      new MqttSource({
        settings,
        gateway: gatewayName,
        bounds: config.mqtt,
        listener: gateway,
        repeats: broker.repeats,
        records: outbox.records,
        clock,
        random,
        log,
      }),
  );
  const http = new HttpStatus({
    address: config.http,
    token,
    status: () => ({
      ...gateway.status(),
      dial: link.dialStatus(),
      broker: broker.status(),
      access: access.status(),
      sources: sources.map((source) => source.status()),
      downlink: { ...dispatcher.status(), trouble: commands.trouble },
      alarms: alarms?.status(),
      routes: routes?.status(),
      disk: {
        bytes: diskBytes,
        writtenBytes: writtenToDisk(),
        forMs: clock.bootMs() - startedMs,
      },
      version,
    }),
    inspect: new HttpInspect({
      ...{ inspection: gateway.inspection, clients: broker.client, clock, version },
      gateway: config.gateway,
    }),
  });
  const lifecycle = await startAll([
    { name: "outbox", start: () => {}, stop: () => outbox.close() },
    { name: "commands", start: () => dispatcher.load(), stop: () => dispatcher.stop() },
    { name: "link", start: () => link.start(), stop: () => link.close() },
    { name: "gateway", start: () => gateway.start(), stop: () => gateway.stop() },
    {
      name: "routes",
      start: () => routes?.start((changed) => gateway.useRoutes(changed)),
      stop: () => routes?.stop(),
    },
    { name: "broker", start: () => broker.start(), stop: () => broker.stop() },
    { name: "downlink", start: () => dispatcher.start(broker.commands), stop: () => {} },
    // It says that the gateway is ready, so devices must reach it by then.
    { name: "http", start: () => http.start(), stop: () => http.stop() },
    { name: "alarms", start: () => alarms?.start(), stop: () => alarms?.stop() },
    ...sources.map((source) => ({
      name: "source",
      start: () => source.start(),
      stop: () => source.stop(),
    })),
    {
      name: "access",
      start: () => access.start((renewed) => broker.renew(renewed)),
      stop: () => access.stop(),
    },
  ]);
  log.info({ addresses: { mqtt: broker.addresses(), http: http.url() } }, "ready");
  flushCompileCache(); // Node would write it at the end, which a power cut leaves out
  return untilEnded(order, lifecycle.stop, log);
}

function boundsOf(alarms?: LocalAlarmsStatus, filter?: FilterStatus): readonly Bound[] {
  const { readingsBeyond = 0, series = 0, alarmsRefused = 0, openCount = 0 } = alarms?.rules ?? {};
  const { beyond = 0, series: filtered = 0 } = filter ?? {};
  return [
    {
      ...{ name: "rules-series-bound", beyond: readingsBeyond },
      detail: `rules know ${series} series; readings of others are not judged: raise alarms.seriesMax`,
    },
    {
      ...{ name: "alarms-bound", beyond: alarmsRefused },
      detail: `${openCount} alarms are open; others are not raised: raise alarms.alarmsMax`,
    },
    {
      ...{ name: "filter-bound", beyond },
      detail: `filters know ${filtered} series; readings of others pass as they are`,
    },
  ];
}

/** Loaded only where there are rules, or some have left alarms to be ended. */
async function localAlarms(parts: LocalAlarmsParts): Promise<LocalAlarms | undefined> {
  const range = { from: Buffer.from("ac"), until: Buffer.from("ad"), countMax: 1 };
  const isNeeded =
    parts.config !== undefined || (await parts.outbox.records.scan(range)).length > 0;
  if (!isNeeded) return undefined;
  const { LocalAlarms } = await import("./alarms/system-alarms.ts");
  return LocalAlarms.open(parts);
}

/** Loaded only where something is filtered, or something is left that was held. */
async function readingFilter(
  { filters }: EdgeConfig,
  routing: RoutingSettings | undefined,
  parts: Omit<FilterParts, "chooser">,
) {
  const range = { from: Buffer.from("fs"), until: Buffer.from("ft"), countMax: 1 };
  const { routes = [], routesFile } = routing ?? {};
  const mayCome = routesFile !== undefined || routes.some(({ filter }) => filter !== undefined);
  const isSet = filters.length > 0 || mayCome;
  if (!isSet && (await parts.outbox.records.scan(range)).length === 0) return undefined;
  const { ReadingFilter } = await import("./filter/reading-filter.ts");
  const { chooserOf } = await import("./filter/filter-way.ts");
  return ReadingFilter.open({ ...parts, chooser: chooserOf(filters) });
}

/** Loaded only where topics have routes. */
async function liveRoutes(
  routing: RoutingSettings | undefined,
  parts: Omit<LiveRoutesParts, "routing">,
): Promise<LiveRoutes | undefined> {
  if (routing === undefined) return undefined;
  const { LiveRoutes } = await import("./mapping/file-live-routes.ts");
  return LiveRoutes.open({ ...parts, routing });
}

const keptWithinMs = 10_000;

function keptCommand(dispatcher: Dispatcher, command: Command, clock: Clock): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = () => reject(new Error("the command is not on the disk yet"));
    const cancel = clock.after(keptWithinMs, late);
    dispatcher.takeOwn(command, () => {
      cancel();
      resolve();
    });
  });
}

/** All that the configuration names, so that a mistake is told before anything is opened. */
export function readFiles(config: EdgeConfig, clock: Clock, log: Logger) {
  const { tokenFile } = config.http;
  const token = tokenFile === undefined ? undefined : readSecret(tokenFile);
  checkHttpAddress(config.http, token);
  checkCredentials(config.uplink);
  for (const source of config.mqtt.sources) checkSource(source);
  const { publicKeyFile } = config.downlink;
  const publicKeys =
    publicKeyFile === undefined
      ? undefined
      : commandPublicKeys(readSecret(publicKeyFile), publicKeyFile);
  return { access: new FileAccess(config.mqtt, clock, log), token, publicKeys };
}
