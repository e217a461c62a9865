/**
 * `backtest` over the journal: what these rules would have found, beside what was told.
 *
 *   N1  Nothing is published and nothing is registered: streams are only read.
 *   N2  The journal is read from its first message, so that detectors have learned what it holds;
 *       what they learned before that they do not know.
 *   N3  Of each partition as much is judged as the engine has committed: what it has not come to
 *       cannot have been told.
 */

import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { reservedRulePrefix } from "@causeway/shared/names.ts";
import { clockSubject, telemetryStream } from "@causeway/shared/subjects.ts";
import { jetstream } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { Backtest } from "../backtest/backtest.ts";
import type { PlottedSeries } from "../backtest/backtest-chart.ts";
import { backtestChart, plottedMax, seriesToPlot } from "../backtest/backtest-chart.ts";
import type { Found } from "../backtest/comparison.ts";
import { compare } from "../backtest/comparison.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import type { JournalMessage } from "../ingest/journal.ts";
import type { Committed } from "../ingest/journal-reader.ts";
import { JournalReader } from "../ingest/journal-reader.ts";
import { JournalInterrupted, readJournal } from "../ingest/nats-journal.ts";
import type { Extent, Series } from "../plot/chart.ts";
import { Gathered } from "../plot/thin.ts";
import type { Tick } from "../ticks/tick.ts";
import { decodeTick } from "../ticks/tick.ts";
import type { CommandParts } from "./nats-commands.ts";
import { connected, readTransitions } from "./nats-commands.ts";
import { committedOf, rangeOf } from "./nats-tail.ts";

const reopenDelayMs = 250;

export interface JournalRun {
  readonly alerting: Alerting;
  /** Their names. */
  readonly rules: readonly string[];
  readonly range: Extent;
}

/** The chart is made only where it is asked for: it reads the journal once more. */
export function backtestJournal<Result>(
  parts: CommandParts,
  { alerting, rules, range }: JournalRun,
  tell: (found: Found) => Promise<Result>,
): Promise<Result> {
  return connected(parts, async (connection) => {
    const committed = await committedOf(connection, parts.random);
    const { first, last } = await rangeOf(connection, telemetryStream);
    const told = (await readTransitions(connection, parts, "alert.>")).filter(
      ({ rule }) => !rule.startsWith(reservedRulePrefix),
    );
    const journal = { connection, parts, committed, first, last };
    const backtest = new Backtest(alerting);
    await fold(journal, {
      take: (taken) => backtest.take(taken),
      tick: (tick, concerns) => backtest.tick(tick, concerns),
    });
    const compared = compare(backtest.transitions, told, range);
    return tell({
      compared,
      hasJudged: backtest.hasJudged,
      chart: async () => {
        const series = await gather(journal, seriesToPlot(compared), range);
        const title = `${new Date(range.from).toISOString()} to ${new Date(range.to).toISOString()}`;
        return backtestChart(compared, { title, series, range, rules, hasBefore: true });
      },
    });
  });
}

interface Journal {
  readonly connection: NatsConnection;
  readonly parts: CommandParts;
  readonly committed: Committed;
  readonly first: number;
  readonly last: number;
}

interface Taker {
  take(taken: TakenEvent): void;
  tick(tick: Tick, concerns: (gateway: string) => boolean): void;
}

/** N2, N3. An interrupted reading goes on behind the last message. */
async function fold({ connection, parts, committed, first, last }: Journal, taker: Taker) {
  const { clock, signal } = parts;
  const reader = new JournalReader(committed);
  const { coveredUntil } = committed;
  const partitions = new Map<string, number>();
  const isCovered = (partition: number, sequence: number) =>
    coveredUntil.size === 0 || sequence <= (coveredUntil.get(partition) ?? 0);
  const handle = (message: JournalMessage) => {
    if (message.subject === clockSubject) {
      const tick = tickOf(message);
      const concerns = (gateway: string) =>
        isCovered(partitions.get(gateway) ?? 0, message.sequence);
      if (tick !== undefined) taker.tick(tick, concerns);
    }
    for (const { source, taken } of reader.fold(message)) {
      partitions.set(source.gateway, source.partition);
      if (!isCovered(source.partition, message.sequence)) continue;
      for (const event of taken) taker.take(event);
    }
  };
  for (let next = first; next <= last && !signal.aborted; ) {
    const subjects = ["tlm.>", clockSubject];
    const request = { stream: telemetryStream, subjects, from: next, signal };
    try {
      for await (const message of readJournal(connection, jetstream(connection), request)) {
        next = message.sequence + 1;
        if (message.sequence <= last) handle(message);
        if (next > last) break;
      }
    } catch (failure) {
      if (!(failure instanceof JournalInterrupted)) throw failure;
      await sleep(clock, reopenDelayMs, signal);
    }
  }
}

/** The engine passes over a tick that cannot be read, too. */
function tickOf({ data }: JournalMessage): Tick | undefined {
  try {
    return decodeTick(data);
  } catch {
    return undefined;
  }
}

/** A place without a metric stands for all of its device's, as far as there is room. */
async function gather(
  journal: Journal,
  places: readonly PlottedSeries[],
  { from, to }: Extent,
): Promise<readonly Series[]> {
  const gathered = new Map<string, Gathered>();
  const pointsOf = (label: string) => {
    const known = gathered.get(label);
    if (known !== undefined || gathered.size >= plottedMax) return known;
    const points = new Gathered();
    gathered.set(label, points);
    return points;
  };
  const take = ({ gateway, event, receivedAt }: TakenEvent) => {
    if (event.kind !== "reading") return;
    const { device } = event;
    const own = places.filter((place) => place.gateway === gateway && place.device === device);
    if (own.length === 0) return;
    for (const { metric, value, observedAt } of event.readings) {
      const at = observedAt ?? event.observedAt ?? receivedAt;
      const isWanted = own.some((place) => place.metric === metric || place.metric === "");
      const isNumber = typeof value === "number" || typeof value === "boolean";
      if (!isWanted || !isNumber || at < from || at > to) continue;
      pointsOf(`${gateway} ${device} ${metric}`)?.add([at, Number(value)]);
    }
  };
  await fold(journal, { take, tick: () => {} });
  return [...gathered].map(([label, { points }]) => ({
    label,
    points: points.toSorted(([left], [right]) => left - right),
  }));
}
