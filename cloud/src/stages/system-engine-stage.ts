/** The stage that takes what gateways send: partitions by leases, sites, the journal's clock and room. */
import { tellDeployment, tellOver } from "@causeway/shared/alert/deployment-alert.ts";
import { compiledOf } from "../api/api-sources.ts";
import { boundsOf } from "../dead/open-letters.ts";
import { Engine } from "../engine/engine.ts";
import { engineMetrics, engineReasons, ruleMetrics } from "../engine/engine-metrics.ts";
import { engineJournal } from "../engine/nats-engine-journal.ts";
import { quotasOf } from "../quota/quota-settings.ts";
import { openJournalSession } from "../retention/nats-journal-session.ts";
import { Retention } from "../retention/retention.ts";
import { retentionMetrics, roomReasons } from "../retention/retention-metrics.ts";
import { siteJournal } from "../site/nats-site-journal.ts";
import { siteMetrics, siteReasons } from "../site/site-metrics.ts";
import { SiteStage } from "../site/site-stage.ts";
import { tickMetrics, tickReasons } from "../ticks/tick-metrics.ts";
import type { Stage } from "./stage.ts";
import type { Ground } from "./system-ground.ts";
import { leaseGroups } from "./system-ground.ts";

export function engineStage(ground: Ground): Stage {
  const { config, connection, jetstream, manager, store, ruleSets, ticker } = ground;
  const { alerts, clock, random, log, prepare } = ground;
  const partitions = ground.leases.of(leaseGroups.engine.name);
  const engine = new Engine({
    store,
    ...engineJournal(connection, jetstream, manager),
    prepare,
    leases: partitions,
    ruleSets,
    tellGap: (what) => tellOver(alerts, "system-journal-gap", what, clock.wallMs()),
    silentAfterMs: config.gateways.silentAfter || undefined,
    quotaOf: quotasOf(
      config.quotas,
      compiledOf(() => ground.hotRules.current.fleet),
    ),
    quotaZone: config.quotas.zone,
    letterBounds: boundsOf(config.deadLetters),
    clock,
    random,
    log,
  });
  const sites = new SiteStage({
    ...{ store, ...siteJournal(connection, jetstream, manager), ruleSets },
    leases: ground.leases.of(leaseGroups.sites.name),
    ...{ clock, random, log },
  });
  const purging = ground.leases.of(leaseGroups.retention.name);
  const retention = new Retention({
    open: () => openJournalSession(config.nats, random),
    engine,
    mayPurge: () => purging.wanted().size > 0,
    tell: (finding) => tellDeployment(alerts, finding),
    clock,
    log,
    replayMs: config.streams.replayHours * 3_600_000,
    slowDownBytesPerSecond: config.streams.slowDownBytesPerSecond,
  });
  return {
    name: "engine",
    parts: [
      { name: "engine", start: () => engine.start(), stop: () => engine.stop() },
      { name: "sites", start: () => sites.start(), stop: () => sites.stop() },
      { name: "retention", start: () => retention.start(), stop: () => retention.stop() },
    ],
    reasons: () => [
      ...engineReasons(engine.status(), partitions),
      ...tickReasons(ticker.status()),
      ...siteReasons(sites.status(), clock.wallMs()),
      ...roomReasons(retention.status()),
    ],
    metrics: () => [
      ...engineMetrics(engine.status()),
      ...ruleMetrics(engine.ruleCounts()),
      ...siteMetrics(sites.status(), sites.refused(), clock.wallMs()),
      ...tickMetrics(ticker.status()),
      ...retentionMetrics(retention.status()),
    ],
  };
}
