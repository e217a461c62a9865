/**
 * Measures the pure path of the engine, from a batch as it lies in the journal to what a commit
 * holds: expand, decode, fold, judge, alert, collect. Every variant takes the same messages, in
 * turn within a round, so that what else the machine does falls on all alike.
 */
import { expandBody } from "@causeway/shared/batch-codec.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { Partition } from "../cloud/src/engine/partition.ts";
import { noCounts } from "../cloud/src/engine/partition-counters.ts";
import { createAlerting } from "../shared/src/alert/alerting.ts";
import type { Measured, Shape, Turn, Variant } from "./engine.ts";
import { parseAlone, resultOf, seriesCount, table, turns, variants } from "./engine.ts";

export interface EngineBench {
  readonly shapes: readonly Shape[];
  readonly rounds: number;
  readonly print: (line: string) => void;
  readonly asJson: boolean;
}

/** `auto` learns for 100 readings before it judges. */
const warmUpReadings = 120 * seriesCount;
const roundReadings = 20 * seriesCount;
const commitMessagesMax = 400;

interface Run {
  readonly name: string;
  take(turn: Turn): void;
}

export function benchEngine({ shapes, rounds, print, asJson }: EngineBench): void {
  for (const shape of shapes) {
    const results = measureShape(shape, rounds);
    if (asJson) for (const result of results) print(JSON.stringify(result));
    else {
      const { eventsPerBatch, readingsPerEvent } = shape;
      print(`\n${eventsPerBatch} events a batch, ${readingsPerEvent} readings an event`);
      print(table(results));
    }
  }
}

function measureShape(shape: Shape, rounds: number) {
  const runs = [parseRun(), ...variants().map((variant) => engineRun(variant, shape))];
  const measured = new Map<string, Measured[]>(runs.map(({ name }) => [name, []]));
  const source = turns(shape);
  for (let round = 0; round <= rounds; round++) {
    const wanted = round === 0 ? warmUpReadings : roundReadings;
    const { taken, readings } = nextTurns(source, shape, wanted);
    // Each is first in turn: the first one pays for what the messages' making left behind.
    const first = round % runs.length;
    for (const run of [...runs.slice(first), ...runs.slice(0, first)]) {
      const one = measure(run, taken, readings);
      if (round > 0) measured.get(run.name)?.push(one);
    }
  }
  return runs.map(({ name }) => resultOf(shape, name, measured.get(name) ?? []));
}

/** Made before anything is measured. */
function nextTurns(source: Generator<Turn, never>, shape: Shape, wanted: number) {
  const taken: Turn[] = [];
  let readings = 0;
  while (readings < wanted) {
    const { value } = source.next();
    taken.push(value);
    readings += value.length * shape.eventsPerBatch * shape.readingsPerEvent;
  }
  return { taken, readings };
}

function measure(run: Run, taken: readonly Turn[], readings: number): Measured {
  const [begin, cpu] = [process.hrtime.bigint(), process.cpuUsage()];
  for (const turn of taken) run.take(turn);
  const { user, system } = process.cpuUsage(cpu);
  const wallMs = Number(process.hrtime.bigint() - begin) / 1e6;
  return { readings, wallMs, cpuMs: (user + system) / 1_000 };
}

function engineRun({ name, rules }: Variant, shape: Shape): Run {
  const readingsPerBatch = shape.eventsPerBatch * shape.readingsPerEvent;
  const alerting = createAlerting(compileRules(rules));
  const counters = noCounts();
  const partition = new Partition(3, { name, alerting }, 0, counters);
  let commit = 0;
  return {
    name,
    take(turn) {
      const before = counters.readings;
      for (const message of turn) partition.take(message);
      if (counters.readings - before !== turn.length * readingsPerBatch) {
        throw new Error(`${name}: not every reading took effect`);
      }
      for (let complete = false; !complete; ) {
        commit += 1;
        complete = partition.collect(commit, commitMessagesMax).complete;
      }
    },
  };
}

/** The least that any reader of these bytes does. */
function parseRun(): Run {
  return {
    name: parseAlone,
    take(turn) {
      for (const { data } of turn) {
        if (JSON.parse(expandBody(data).toString("utf8")) === null) throw new Error("no body");
      }
    },
  };
}
