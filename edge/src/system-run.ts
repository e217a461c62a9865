/** `causeway-edge run`: opens the real parts in order and stops them in reverse. */
import { flushCompileCache } from "node:module";
import { join } from "node:path";
import type { Clock } from "@causeway/shared/clock.ts";
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
import { AedesBroker } from "./broker/aedes-broker.ts";
import { FileAccess } from "./broker/file-access.ts";
import { checkSource, MqttSource } from "./broker/mqtt-source.ts";
import type { EdgeConfig } from "./config.ts";
import { Gateway } from "./gateway.ts";
import { openLevelStore } from "./outbox/level-store.ts";
import { Outbox } from "./outbox/outbox.ts";
import { diskSize, writtenToDisk } from "./outbox/system-disk.ts";
import { HttpStatus } from "./status/http-status.ts";
import { systemTimeSource } from "./time/system-time-source.ts";
import { NatsLink } from "./uplink/nats-link.ts";
import { defaultUplinkBounds } from "./uplink/uplink.ts";

/** The exit code once the process was asked to stop. */
export async function run(config: EdgeConfig, endWithStdin: boolean): Promise<number> {
  const log = systemLogger(config.logLevel, { service: "causeway-edge", gateway: config.gateway });
  stopOnBrokenInvariant(log);
  const order = endOrder(endWithStdin);
  const clock = systemClock();
  const random = systemRandom;
  const gatewayName = gatewayId(config.gateway);
  const { access, token } = readFiles(config, clock, log);
  process.on("SIGHUP", () => access.reload());
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
  const link = new NatsLink({
    gateway: gatewayName,
    settings: config.uplink,
    clock,
    random,
    log,
    cloudTime: (storedAtMs) => gateway.cloudTime(storedAtMs),
    floorOfDoubtedClock: () => gateway.floorOfDoubtedClock(),
  });
  const { windowBytes, batchBytes, inflightMax, gatherMs } = config.uplink;
  const uplinkBounds = { ...defaultUplinkBounds, windowBytes, batchBytes, inflightMax, gatherMs };
  const { heartbeatMs } = config;
  const gateway = new Gateway({
    gateway: gatewayName,
    version,
    outbox,
    link,
    clock,
    time: { source: systemTimeSource, waitMs: config.time.waitMs },
    random,
    uplinkBounds,
    heartbeatMs,
    log,
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
      broker: broker.status(),
      access: access.status(),
      sources: sources.map((source) => source.status()),
      disk: {
        bytes: diskBytes,
        writtenBytes: writtenToDisk(),
        forMs: clock.bootMs() - startedMs,
      },
      version,
    }),
  });
  const lifecycle = await startAll([
    { name: "outbox", start: () => {}, stop: () => outbox.close() },
    { name: "link", start: () => link.start(), stop: () => link.close() },
    { name: "gateway", start: () => gateway.start(), stop: () => gateway.stop() },
    { name: "http", start: () => http.start(), stop: () => http.stop() },
    { name: "broker", start: () => broker.start(), stop: () => broker.stop() },
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

/** All that the configuration names, so that a mistake is told before anything is opened. */
export function readFiles(config: EdgeConfig, clock: Clock, log: Logger) {
  const { tokenFile } = config.http;
  const token = tokenFile === undefined ? undefined : readSecret(tokenFile);
  checkHttpAddress(config.http, token);
  checkCredentials(config.uplink);
  for (const source of config.mqtt.sources) checkSource(source);
  return { access: new FileAccess(config.mqtt, clock, log), token };
}
