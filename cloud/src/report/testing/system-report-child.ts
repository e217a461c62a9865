/**
 * What makes reports and tells them, in a process of its own, for a test that kills it:
 * NATS-URL HOOK-URL REPORTS-AS-JSON [KILL-AT]. Before its action of that number it kills itself.
 */
import { silentLogger } from "@causeway/shared/log.ts";
import { httpWebhook } from "@causeway/shared/notify/http-webhook.ts";
import { defaultPlan } from "@causeway/shared/notify/plan-settings.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import { Operations } from "@causeway/shared/operate/operations.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { NatsEngineStore } from "../../engine/nats-engine-store.ts";
import { NatsNotifier } from "../../notify/nats-notifier.ts";
import { connectTest } from "../../testing/nats-journal-writer.ts";
import { reportJournal } from "../nats-report-journal.ts";
import { reportsSchema } from "../report-settings.ts";
import { ReportStage } from "../report-stage.ts";

const [nats = "", url = "", reports = "[]", killAt = "0"] = process.argv.slice(2);
let actions = 0;

/** Each call of a method is an action: it is killed before it, and so after the one before. */
function mortal<Part extends object>(part: Part): Part {
  return new Proxy(part, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== "function") return value;
      return (...args: unknown[]) => {
        if (name !== "session" && ++actions === Number(killAt))
          process.kill(process.pid, "SIGKILL");
        const result: unknown = Reflect.apply(value, target, args);
        return name === "open" ? (result as Promise<object>).then(mortal) : result;
      };
    },
  });
}

const clock = systemClock();
const connection = await connectTest(nats);
const client = jetstream(connection);
const manager = await jetstreamManager(connection, { checkAPI: false });
const parts = { connection, jetstream: client, manager, clock, random: systemRandom };
const store = mortal(new NatsEngineStore(connection, client, manager, systemRandom));
const options = { name: "hook", url, timeoutMs: 5_000, key: undefined, userAgent: "test" };
const receiver: Receiver = httpWebhook(options, clock);
new NatsNotifier({
  ...{ ...parts, log: silentLogger, batches: store, receivers: [mortal(receiver)] },
  settingsOf: () => ({ ...defaultPlan, tell: "each" }),
  spokenOf: {
    loaded: async () => {},
    circumstances: () => circumstancesOf(new Operations(), emptyFleet),
  },
  standbyMs: 300,
}).start();
new ReportStage({
  ...{ store, journal: mortal(reportJournal(parts)), clock, random: systemRandom },
  reports: reportsSchema.parse(JSON.parse(reports)),
  fleet: () => emptyFleet,
  isOut: () => false,
  ...{ silentMs: 180_000, log: silentLogger, standbyMs: 300, keepMs: 100, settleMs: 20 },
}).start();
process.stdin.on("end", () => process.exit(0)).resume();
