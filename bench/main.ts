/** `npm run bench -- intake`: measures Causeway against its peers on this machine. */
import { parseArgs } from "node:util";
import { reasonOf } from "@causeway/shared/errors.ts";
import { benchFaults } from "./faults.ts";
import { drawPictures } from "./file-pictures.ts";
import { cellOf } from "./intake.ts";
import { benchBytes } from "./system-bytes.ts";
import { benchDecode } from "./system-decode.ts";
import { benchDetect } from "./system-detect.ts";
import { benchDrain } from "./system-drain.ts";
import { benchEngine } from "./system-engine.ts";
import { benchHistory } from "./system-history.ts";
import { benchIdle } from "./system-idle.ts";
import { benchIntake } from "./system-intake.ts";
import { benchRegistry } from "./system-registry.ts";
import { takeScreenshots } from "./system-screenshots.ts";
import { benchStart } from "./system-start.ts";
import { benchWorkers } from "./system-workers.ts";

const usage = `Usage: npm run bench -- bytes [--seconds <n>] [--idle <s>] [--gathers <list>] [--json]
       npm run bench -- decode [--json]
       npm run bench -- detect [--json]
       npm run bench -- drain [--events <n>] [--rounds <n>] [--outage <s>] [--drained <list>] [--json]
       npm run bench -- engine [--rounds <n>] [--batches <list>] [--readings <list>] [--json]
       npm run bench -- faults
       npm run bench -- history [--rows <n>] [--postgres-rows <n>] [--batch <n>] [--json]
       npm run bench -- idle [--seconds <n>] [--json]
       npm run bench -- intake [options]
       npm run pictures
       npm run screenshots
       npm run bench -- registry [--json]
       npm run bench -- workers [--workers <list>] [--series <list>] [--events <n>] [--json]
       npm run bench -- start [--rounds <n>] [--stored <MiB>] [--json]

  --cells <list>     connections x window each (default: 1x1,10x100,100x100)
  --rounds <n>       every peer is measured so often, in turn; the medians are told (default: 3)
  --seconds <n>      measured each time (default: 4)
  --warm-up <n>      seconds before, not measured (default: 2)
  --batches <list>   events a batch (default: 200,2000)
  --readings <list>  readings an event (default: 5,1)
  --peers <list>     edge, edge-filter, mosquitto, nats, nats-always, aedes (default: all but edge-filter)
  --events <n>       published while the link is away, or taken by workers (default: 200000)
  --workers <list>   processes that share the work (default: 1,2,4)
  --series <list>    of all gateways (default: 10000,100000)
  --outage <s>       how long it is away at least (default: 35)
  --drained <list>   edge, mosquitto, leaf (default: all)
  --idle <s>         how long nobody speaks (default: 130)
  --gathers <list>   uplink.gatherMs of gateways (default: 50,1000,10000)
  --stored <MiB>     readings that the gateway finds when it starts (default: 1500)
  --rows <n>         readings in DuckDB (default: 50000000)
  --postgres-rows <n>  readings in PostgreSQL (default: 2000000)
  --batch <n>        readings a transaction (default: 2000)
  --json             print one JSON object a line instead of tables
`;

/** A gateway asks for commands every 100 s; a whole number of times is counted right. */
const idleSecondsMin = 300;

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      cells: { type: "string", default: "1x1,10x100,100x100" },
      rounds: { type: "string", default: "3" },
      seconds: { type: "string", default: "4" },
      "warm-up": { type: "string", default: "2" },
      batches: { type: "string", default: "200,2000" },
      readings: { type: "string", default: "5,1" },
      peers: { type: "string", default: "edge,mosquitto,nats,nats-always,aedes" },
      events: { type: "string", default: "200000" },
      outage: { type: "string", default: "35" },
      idle: { type: "string", default: "130" },
      gathers: { type: "string", default: "50,1000,10000" },
      workers: { type: "string", default: "1,2,4" },
      series: { type: "string", default: "10000,100000" },
      drained: { type: "string", default: "edge,mosquitto,leaf" },
      stored: { type: "string", default: "1500" },
      rows: { type: "string", default: "50000000" },
      "postgres-rows": { type: "string", default: "2000000" },
      batch: { type: "string", default: "2000" },
      json: { type: "boolean", default: false },
    },
  });
  if (positionals.join() === "pictures") {
    return drawPictures({
      print: (line) => process.stdout.write(`${line}\n`),
      warn: (line) => process.stderr.write(`${line}\n`),
    });
  }
  if (positionals.join() === "screenshots") {
    return takeScreenshots({ print: (line) => process.stdout.write(`${line}\n`) });
  }
  if (positionals.join() === "faults") {
    benchFaults((line) => process.stdout.write(`${line}\n`));
    return 0;
  }
  if (positionals.join() === "decode") {
    benchDecode({ print: (line) => process.stdout.write(`${line}\n`), asJson: values.json });
    return 0;
  }
  if (positionals.join() === "detect") {
    benchDetect({ print: (line) => process.stdout.write(`${line}\n`), asJson: values.json });
    return 0;
  }
  if (positionals.join() === "bytes") {
    await benchBytes({
      seconds: Number(values.seconds),
      idleSeconds: Number(values.idle),
      gathers: values.gathers.split(",").map(Number),
      tell: (line) => process.stderr.write(`${line}\n`),
      print: (line) => process.stdout.write(`${line}\n`),
      asJson: values.json,
    });
    return 0;
  }
  if (positionals.join() === "drain") {
    await benchDrain({
      events: Number(values.events),
      rounds: Number(values.rounds),
      outageMs: Number(values.outage) * 1_000,
      peers: values.drained.split(","),
      tell: (line) => process.stderr.write(`${line}\n`),
      print: (line) => process.stdout.write(`${line}\n`),
      asJson: values.json,
    });
    return 0;
  }
  if (positionals.join() === "engine") {
    benchEngine({
      shapes: shapesOf(values.batches, values.readings),
      rounds: Number(values.rounds),
      print: (line) => process.stdout.write(`${line}\n`),
      asJson: values.json,
    });
    return 0;
  }
  if (positionals.join() === "history") {
    await benchHistory({
      rows: Number(values.rows),
      postgresRows: Number(values["postgres-rows"]),
      batch: Number(values.batch),
      tell: (line) => process.stderr.write(`${line}\n`),
      print: (line) => process.stdout.write(`${line}\n`),
      asJson: values.json,
    });
    return 0;
  }
  if (positionals.join() === "idle") {
    await benchIdle({
      seconds: Math.max(Number(values.seconds), idleSecondsMin),
      tell: (line) => process.stderr.write(`${line}\n`),
      print: (line) => process.stdout.write(`${line}\n`),
      asJson: values.json,
    });
    return 0;
  }
  if (positionals.join() === "registry") {
    benchRegistry({ print: (line) => process.stdout.write(`${line}\n`), asJson: values.json });
    return 0;
  }
  if (positionals.join() === "workers") {
    await benchWorkers({
      workers: values.workers.split(",").map(Number),
      series: values.series.split(",").map(Number),
      events: Number(values.events),
      tell: (line) => process.stderr.write(`${line}\n`),
      print: (line) => process.stdout.write(`${line}\n`),
      asJson: values.json,
    });
    return 0;
  }
  if (positionals.join() === "start") {
    await benchStart({
      rounds: Number(values.rounds),
      storedMebibytes: Number(values.stored),
      tell: (line) => process.stderr.write(`${line}\n`),
      print: (line) => process.stdout.write(`${line}\n`),
      asJson: values.json,
    });
    return 0;
  }
  const cells = values.cells.split(",").map(cellOf);
  const [rounds, seconds, warmUp] = [values.rounds, values.seconds, values["warm-up"]].map(Number);
  const isRight =
    positionals.join() === "intake" &&
    cells.every((cell) => cell !== undefined) &&
    [rounds, seconds, warmUp].every((number) => number !== undefined && number > 0);
  if (!isRight) {
    process.stderr.write(usage);
    return 2;
  }
  await benchIntake({
    cells: cells.filter((cell) => cell !== undefined),
    rounds: rounds ?? 1,
    measuredMs: (seconds ?? 1) * 1_000,
    warmUpMs: (warmUp ?? 1) * 1_000,
    peers: values.peers.split(","),
    tell: (line) => process.stderr.write(`${line}\n`),
    print: (line) => process.stdout.write(`${line}\n`),
    asJson: values.json,
  });
  return 0;
}

function shapesOf(batches: string, readings: string) {
  return readings.split(",").flatMap((each) =>
    batches.split(",").map((batch) => {
      return { eventsPerBatch: Number(batch), readingsPerEvent: Number(each) };
    }),
  );
}

main().then(
  (code) => process.exit(code),
  (failure) => {
    process.stderr.write(`${reasonOf(failure)}\n`);
    process.exit(2);
  },
);
