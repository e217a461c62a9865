/** A notifier in a process of its own, for a test that kills it: NATS-URL HOOK-URL. */
import { silentLogger } from "@causeway/shared/log.ts";
import { httpWebhook } from "@causeway/shared/notify/http-webhook.ts";
import { defaultPlan } from "@causeway/shared/notify/plan-settings.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import { Operations } from "@causeway/shared/operate/operations.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { NatsEngineStore } from "../../engine/nats-engine-store.ts";
import { connectTest } from "../../testing/nats-journal-writer.ts";
import { NatsNotifier } from "../nats-notifier.ts";

const [nats = "", url = ""] = process.argv.slice(2);
const clock = systemClock();
const connection = await connectTest(nats);
const client = jetstream(connection);
const manager = await jetstreamManager(connection, { checkAPI: false });
const options = { name: "hook", url, timeoutMs: 5_000, key: undefined, userAgent: "test" };
new NatsNotifier({
  ...{ connection, jetstream: client, manager, clock, random: systemRandom, log: silentLogger },
  batches: new NatsEngineStore(connection, client, manager, systemRandom),
  receivers: [httpWebhook(options, clock)],
  settingsOf: () => ({ ...defaultPlan, groupWait: 20, groupInterval: 50 }),
  spokenOf: {
    loaded: async () => {},
    circumstances: () => circumstancesOf(new Operations(), emptyFleet),
  },
  standbyMs: 600,
}).start();
process.stdin.on("end", () => process.exit(0)).resume();
