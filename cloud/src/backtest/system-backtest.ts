/**
 * A backtest in a thread of its own, so that the engine goes on meanwhile; it is ended when nobody
 * waits for it any more. This file is the thread's program too.
 */
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { NatsSettings } from "@causeway/shared/nats-connection.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { promoted } from "../cli/backtest.ts";
import { backtestJournal } from "../cli/nats-backtest.ts";
import { loadedFrom, parseRules } from "../rules/rules-document.ts";
import type { Compared } from "./comparison.ts";

export interface BacktestOrder {
  readonly settings: NatsSettings;
  /** Of the rules; good. */
  readonly text: string;
  readonly from: number;
  readonly to: number;
  /** Rules in shadow too, as though they were live. */
  readonly shadow: boolean;
  /** Of alerts; more are counted. */
  readonly alertsMax: number;
}

export interface BacktestResult {
  readonly summary: Readonly<Record<Compared["in"], number>>;
  readonly alerts: readonly Compared[];
  readonly omitted: number;
  readonly hasJudged: boolean;
}

type Told =
  | { readonly kind: "done"; readonly result: BacktestResult }
  | { readonly kind: "failed"; readonly reason: string };

const memoryMegabytesMax = 512;
const mark = "causeway backtest";

/** Rejects where it fails or is aborted. */
export function backtestApart(order: BacktestOrder, signal: AbortSignal): Promise<BacktestResult> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { mark, order },
      resourceLimits: { maxOldGenerationSizeMb: memoryMegabytesMax },
    });
    const end = () => void worker.terminate();
    signal.addEventListener("abort", end, { once: true });
    worker.once("message", (told: Told) => {
      if (told.kind === "done") resolve(told.result);
      else reject(new Error(told.reason));
    });
    worker.once("error", reject);
    worker.once("exit", () => {
      signal.removeEventListener("abort", end);
      reject(new Error(signal.aborted ? "it was broken off" : "its thread ended"));
    });
  });
}

async function run({ settings, text, shadow, alertsMax, ...range }: BacktestOrder) {
  const { rules, fleet } = loadedFrom(parseRules(text, "rules"), "rules");
  const tried = shadow ? rules.map(promoted) : rules;
  const alerting = createAlerting(compileRules(tried, fleet));
  const names = tried.filter(({ mode }) => mode === "live").map(({ name }) => name);
  const silent = () => {};
  const { signal } = new AbortController();
  const clock = systemClock();
  const parts = { settings, clock, random: systemRandom, write: silent, warn: silent, signal };
  return backtestJournal(
    parts,
    { alerting, rules: names, range },
    async ({ compared, hasJudged }) => {
      const count = (side: Compared["in"]) => compared.filter((each) => each.in === side).length;
      const summary = { new: count("new"), old: count("old"), both: count("both") };
      // What differs is what one looks for.
      const ranked = compared.toSorted((left, right) => rank(left) - rank(right));
      const alerts = ranked.slice(0, alertsMax);
      return { summary, alerts, omitted: compared.length - alerts.length, hasJudged };
    },
  );
}

function rank({ in: side }: Compared): number {
  return side === "both" ? 1 : 0;
}

function orderOfThread(): BacktestOrder | undefined {
  if (isMainThread || typeof workerData !== "object" || workerData === null) return undefined;
  const given = workerData as { readonly mark?: unknown; readonly order: BacktestOrder };
  return given.mark === mark ? given.order : undefined;
}

const order = orderOfThread();
if (order !== undefined) {
  const tell = (told: Told) => parentPort?.postMessage(told);
  run(order).then(
    (result) => tell({ kind: "done", result }),
    (failure: unknown) => tell({ kind: "failed", reason: reasonOf(failure) }),
  );
}
