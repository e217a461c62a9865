/** A notifier in a process of its own, for a test that kills it: NATS-URL HOOK-URL [PLAN-AS-JSON]. */
import { silentLogger } from "@causeway/shared/log.ts";
import { httpWebhook } from "@causeway/shared/notify/http-webhook.ts";
import type { PlanSettings } from "@causeway/shared/notify/plan-settings.ts";
import { defaultPlan } from "@causeway/shared/notify/plan-settings.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { NatsEngineStore } from "../../engine/nats-engine-store.ts";
import { NatsOperationsFeed } from "../../operate/nats-operations.ts";
import { connectTest } from "../../testing/nats-journal-writer.ts";
import { NatsNotifier } from "../nats-notifier.ts";

const [nats = "", url = "", plan = "{}"] = process.argv.slice(2);
const clock = systemClock();
const connection = await connectTest(nats);
const client = jetstream(connection);
const manager = await jetstreamManager(connection, { checkAPI: false });
const options = { name: "hook", url, timeoutMs: 20_000, key: undefined, userAgent: "test" };
const own = { ...defaultPlan, groupWait: 20, groupInterval: 50 };
const settings: PlanSettings = { ...own, ...(JSON.parse(plan) as Partial<PlanSettings>) };
const parts = { connection, jetstream: client, manager, clock, random: systemRandom };
const spoken = new NatsOperationsFeed({ ...parts, log: silentLogger });
spoken.start();
const fleet = { gateways: [{ match: ["hall-*"], site: "hall", labels: {} }], devices: [] };
new NatsNotifier({
  ...{ ...parts, log: silentLogger },
  batches: new NatsEngineStore(connection, client, manager, systemRandom),
  receivers: [httpWebhook(options, clock)],
  settingsOf: () => settings,
  spokenOf: {
    loaded: () => spoken.loaded(),
    circumstances: () => circumstancesOf(spoken.operations, fleet),
  },
  standbyMs: 600,
}).start();
process.stdin.on("end", () => process.exit(0)).resume();
