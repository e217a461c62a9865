/** The stage that tells people: receivers of alerts, and reports. */
import type { SendCommand } from "@causeway/shared/notify/command-receiver.ts";
import { planOf } from "@causeway/shared/notify/plan-settings.ts";
import { circumstancesOf } from "@causeway/shared/operate/circumstances.ts";
import { receiverMetrics } from "../api/cloud-metrics.ts";
import type { ReceiverStatus } from "../notify/nats-notifier.ts";
import { NatsNotifier } from "../notify/nats-notifier.ts";
import { openReceivers } from "../notify/system-receivers.ts";
import { reportJournal } from "../report/nats-report-journal.ts";
import { reportMetrics } from "../report/report-metrics.ts";
import { isOutBy } from "../report/report-sites.ts";
import { ReportStage, usualSilentMs } from "../report/report-stage.ts";
import type { Stage } from "./stage.ts";
import type { Ground } from "./system-ground.ts";

export interface NotifyStage extends Stage {
  receivers(): readonly ReceiverStatus[];
}

export function notifyStage(ground: Ground): NotifyStage {
  const { config, store, clock, random, log, book, spoken, hotRules, commands } = ground;
  const send: SendCommand = (command, now) => commands.send(command, now);
  const reports = new ReportStage({
    ...{ reports: config.reports, store, journal: reportJournal(ground), clock, random, log },
    fleet: () => hotRules.current.fleet,
    isOut: isOutBy(book),
    silentMs: config.gateways.silentAfter || usualSilentMs,
  });
  const { connection, jetstream, manager } = ground;
  const notifier = new NatsNotifier({
    ...{ connection, jetstream, manager, clock, random, log, batches: store },
    receivers: openReceivers(config.receivers, clock, random, log, send),
    settingsOf: (name) => planOf(config.receivers.find((own) => own.name === name)),
    spokenOf: {
      loaded: () => spoken.loaded(),
      circumstances: () => circumstancesOf(spoken.operations, hotRules.current.fleet),
    },
  });
  return {
    name: "notify",
    parts: [
      { name: "reports", start: () => reports.start(), stop: () => reports.stop() },
      { name: "notifier", start: () => notifier.start(), stop: () => notifier.stop() },
    ],
    receivers: () => notifier.status(),
    reasons: () => [],
    metrics: () => [...receiverMetrics(notifier.status()), ...reportMetrics(reports.status())],
  };
}
