/**
 * Keeps a view with its checkpoint in a process of its own, for tests that kill it: NATS-URL FILE.
 * Prints the sequence that it has come to.
 */
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connectTest } from "../../testing/nats-journal-writer.ts";
import { FileViewCheckpoint } from "../file-view-checkpoint.ts";
import { FleetView } from "../fleet-view.ts";
import { NatsViewFeed } from "../nats-view-feed.ts";

const [nats = "", path = ""] = process.argv.slice(2);
const connection = await connectTest(nats);
const clock = systemClock();
const file = new FileViewCheckpoint(path, clock);
const feed = new NatsViewFeed({
  ...{ connection, jetstream: jetstream(connection), view: new FleetView() },
  manager: await jetstreamManager(connection, { checkAPI: false }),
  ...{ clock, random: systemRandom, log: silentLogger },
  checkpoints: {
    load: () => file.load(),
    save: (checkpoint) => file.save(checkpoint),
    isWorkedOff: () => true,
    everyMs: 5,
  },
});
feed.start();
setInterval(() => process.stdout.write(`${feed.status().events.sequence}\n`), 10);
