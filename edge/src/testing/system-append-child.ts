/**
 * A process that appends to the outbox in the folder given until it is killed, and prints a line
 * `<epoch> <log> <position> <tag>` for each append that was acknowledged. With `go-on` as its third
 * argument it goes on after a failed write, and says `poisoned` on stderr. A fourth bounds the
 * appends that wait, and so the size of a group.
 */
import { writeSync } from "node:fs";
import type { Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { openLevelStore } from "../outbox/level-store.ts";
import { Outbox } from "../outbox/outbox.ts";

const [folder = "", firstTag = "1", mode = "", waitingText = "200"] = process.argv.slice(2);
const goesOn = mode === "go-on";
const waitingMax = Number(waitingText);
const clock = systemClock();
const outbox = await Outbox.open({
  gateway: "gw",
  openStore: () => openLevelStore(folder),
  clock,
  random: systemRandom,
  bounds: { bytesMax: 2 ** 32, tailBytesMax: 0, pendingBytesMax: 2 ** 24 },
  log: silentLogger,
});
const settled: Record<Log, number[]> = { telemetry: [], priority: [] };
const last = { telemetry: 0, priority: 0 };
let tag = Number(firstTag);
let waiting = 0;
let refused = false;

outbox.listen({
  epochOpened: () => Object.assign(last, { telemetry: 0, priority: 0 }),
  poisoned: (failure) => {
    if (!goesOn) throw failure;
    process.stderr.write(`poisoned: ${failure.message}\n`);
  },
  appended: (epoch, log, to) => {
    let lines = "";
    while (last[log] < to) lines += `${epoch} ${log} ${++last[log]} ${settled[log].shift()}\n`;
    writeSync(1, lines);
  },
});

function fill(): void {
  refused = false;
  while (waiting < waitingMax && !refused) {
    waiting++;
    const [mine, log] = [tag++, logs[tag % 5 === 0 ? 1 : 0] ?? "telemetry"];
    const common = { device: null, topic: null, bootMs: clock.bootMs(), observedAt: null };
    const detail = "x".repeat(mine % 700);
    outbox.append(log, { kind: "system", ...common, name: `n${mine}`, detail }, (failure) => {
      waiting--;
      if (failure === undefined) settled[log].push(mine);
      else if (!goesOn) throw failure;
      else refused = true;
    });
  }
  if (refused) setTimeout(fill, 20);
  else setImmediate(fill);
}
fill();
