/** `causeway-cloud run`: connects, makes the streams, and runs the stages until it is stopped. */
import type { Clock } from "@causeway/shared/clock.ts";
import { startAll } from "@causeway/shared/lifecycle.ts";
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
import { readTokens } from "./api/file-tokens.ts";
import { HttpApi } from "./api/http-api.ts";
import type { CloudConfig } from "./config.ts";
import type { Stage } from "./stages/stage.ts";
import { apiStage } from "./stages/system-api-stage.ts";
import { engineStage } from "./stages/system-engine-stage.ts";
import type { Ground } from "./stages/system-ground.ts";
import { openGround } from "./stages/system-ground.ts";
import { historyStage } from "./stages/system-history-stage.ts";
import { notifyStage } from "./stages/system-notify-stage.ts";
import { defaultViewBounds, FleetView } from "./views/fleet-view.ts";

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
  const [clock, random] = [systemClock(), systemRandom];
  const { stages } = config;
  const ground = await openGround({ config, configName, stages, order, clock, random, log });
  if (ground === undefined) return exitCodes.good;
  reload = () => ground.hotRules.reload();
  const { url, parts } = stagesOf(ground, clock);
  const lifecycle = await startAll([...ground.parts, ...parts]);
  log.info({ stages, addresses: { http: url() } }, "ready");
  return untilEnded(order, lifecycle.stop, log);
}

function stagesOf(ground: Ground, clock: Clock) {
  const { config, log } = ground;
  const wants = new Set(config.stages);
  const engine = wants.has("engine") ? engineStage(ground) : undefined;
  const notify = wants.has("notify") ? notifyStage(ground) : undefined;
  const history = wants.has("history") ? historyStage(ground) : undefined;
  const all: Stage[] = [engine, notify, history].filter((stage) => stage !== undefined);
  const ready = () => {
    const reasons = [...ground.reasons(), ...all.flatMap((stage) => stage.reasons())];
    return { ready: reasons.length === 0, reasons };
  };
  const metrics = () => [...ground.metrics(), ...all.flatMap((stage) => stage.metrics())];
  if (wants.has("api")) {
    const api = apiStage(ground, { notify, history, ready, metrics });
    all.push(api);
    return { url: () => api.url(), parts: all.flatMap((stage) => stage.parts) };
  }
  const health = new HttpApi({
    ...{ address: config.http, tokens: readTokens(config.http), anonymous: config.http.anonymous },
    ...{ view: new FleetView(defaultViewBounds), version, log, clock, ready },
    ...{ engineMetrics: metrics, healthOnly: true },
  });
  const part = { name: "health", start: () => health.start(), stop: () => health.stop() };
  return { url: () => health.url(), parts: [...all.flatMap((stage) => stage.parts), part] };
}
