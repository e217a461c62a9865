/**
 * Keeps the history in a process of its own, for tests that kill it: NATS-URL DATA-DIR SETTINGS-JSON.
 * Prints how many rows it wrote, once it writes.
 */
import { silentLogger } from "@causeway/shared/log.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connectTest } from "../../testing/nats-journal-writer.ts";
import { historySchema } from "../history-settings.ts";
import { SystemHistory } from "../system-history.ts";

const [nats = "", dataDir = "", settings = "{}"] = process.argv.slice(2);
const connection = await connectTest(nats);
const history = new SystemHistory({
  ...{ connection, jetstream: jetstream(connection) },
  manager: await jetstreamManager(connection, { checkAPI: false }),
  ...{ clock: systemClock(), random: systemRandom, log: silentLogger, standbyMs: 500 },
  ...{ settings: historySchema.parse(JSON.parse(settings)), dataDir, fleet: () => emptyFleet },
});
history.start();
const tell = setInterval(() => {
  const { phase, rows } = history.status().feed;
  if (phase === "running") process.stdout.write(`${rows}\n`);
}, 20);
process.stdin.on("end", async () => {
  clearInterval(tell);
  await history.stop();
  process.exit(0);
});
process.stdin.resume();
