/** `causeway-edge run`: opens the real parts in order and stops them in reverse. */
import { join } from "node:path";
import { CodedError } from "@causeway/shared/errors.ts";
import { startAll } from "@causeway/shared/lifecycle.ts";
import { isLoopback } from "@causeway/shared/loopback.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { checkCredentials } from "@causeway/shared/nats-connection.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemLogger } from "@causeway/shared/system-log.ts";
import { endOrder, stopOnBrokenInvariant, untilEnded } from "@causeway/shared/system-process.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import { version } from "@causeway/shared/version.ts";
import type { Passwords } from "./broker/access.ts";
import { parsePasswords } from "./broker/access.ts";
import { AedesBroker } from "./broker/aedes-broker.ts";
import type { EdgeConfig } from "./config.ts";
import { Gateway } from "./gateway.ts";
import { openLevelStore } from "./outbox/level-store.ts";
import { Outbox } from "./outbox/outbox.ts";
import { HttpStatus } from "./status/http-status.ts";
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
  const passwords = passwordsOf(config);
  checkCredentials(config.uplink);
  const outbox = await Outbox.open({
    gateway: gatewayName,
    openStore: () => openLevelStore(join(config.dataDir, "outbox"), log),
    clock,
    random,
    bounds: config.outbox,
    log,
  });
  const link = new NatsLink({ gateway: gatewayName, settings: config.uplink, clock, random, log });
  const { windowBytes, batchBytes, inflightMax, gatherMs } = config.uplink;
  const uplinkBounds = { ...defaultUplinkBounds, windowBytes, batchBytes, inflightMax, gatherMs };
  const { heartbeatMs } = config;
  const gateway = new Gateway({
    gateway: gatewayName,
    version,
    outbox,
    link,
    clock,
    random,
    uplinkBounds,
    heartbeatMs,
    log,
  });
  const broker = new AedesBroker({
    ...config.mqtt,
    passwords,
    records: outbox.records,
    clock,
    log,
  });
  broker.listen(gateway);
  const http = new HttpStatus({
    address: config.http,
    token: config.http.tokenFile === undefined ? undefined : readSecret(config.http.tokenFile),
    status: () => ({ ...gateway.status(), broker: broker.status(), version }),
  });
  const lifecycle = await startAll([
    { name: "outbox", start: () => {}, stop: () => outbox.close() },
    { name: "link", start: () => link.start(), stop: () => link.close() },
    { name: "gateway", start: () => gateway.start(), stop: () => gateway.stop() },
    { name: "http", start: () => http.start(), stop: () => http.stop() },
    { name: "broker", start: () => broker.start(), stop: () => broker.stop() },
  ]);
  log.info({ addresses: { mqtt: broker.addresses(), http: http.url() } }, "ready");
  return untilEnded(order, lifecycle.stop, log);
}

/** Undefined admits anyone, which is refused where others than this machine can connect. */
function passwordsOf({ mqtt }: EdgeConfig): Passwords | undefined {
  const { anonymous, passwordFile } = mqtt.auth;
  if (passwordFile !== undefined) return parsePasswords(readSecret(passwordFile), passwordFile);
  if (!anonymous) {
    const cure = "set mqtt.auth.passwordFile, or on loopback mqtt.auth.anonymous: true";
    throw new CodedError("SECURITY_REFUSED", `no device could connect: ${cure}`);
  }
  const open = mqtt.listeners.find(({ host }) => !isLoopback(host));
  if (open === undefined) return undefined;
  const cure = "set mqtt.auth.passwordFile, or the listener's host to 127.0.0.1";
  throw new CodedError(
    "SECURITY_REFUSED",
    `mqtt listener ${open.host} would admit anyone: ${cure}`,
  );
}
