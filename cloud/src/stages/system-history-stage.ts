/** The stage that keeps readings. Of several processes one has the history open; others ask that one. */

import type { HistoryDesk } from "../history/history-desk.ts";
import { historyMetrics } from "../history/history-metrics.ts";
import { SystemHistory } from "../history/system-history.ts";
import type { Stage } from "./stage.ts";
import type { Ground } from "./system-ground.ts";

export interface HistoryStage extends Stage {
  readonly desk: HistoryDesk;
}

export function historyStage(ground: Ground): HistoryStage {
  return stageOf(ground, false);
}

/** For a process that has the history of others to show. */
export function readingHistory(ground: Ground): HistoryStage {
  return stageOf(ground, true);
}

function stageOf(ground: Ground, readsOnly: boolean): HistoryStage {
  const { connection, jetstream, manager, clock, random, log, config, hotRules } = ground;
  const history = new SystemHistory({
    ...{ connection, jetstream, manager, clock, random, log },
    ...{ settings: config.history, dataDir: config.dataDir, readsOnly },
    fleet: () => hotRules.current.fleet,
  });
  return {
    name: "history",
    parts: [{ name: "history", start: () => history.start(), stop: () => history.stop() }],
    desk: history.desk,
    reasons: () => [],
    metrics: () => historyMetrics(history.status()),
  };
}
