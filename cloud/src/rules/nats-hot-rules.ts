/** Joins what rules come from with the clock that announces them. */

import { tellDeployment } from "@causeway/shared/alert/deployment-alert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { JetStreamClient, JetStreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { NatsAlertSubjects } from "../alert/nats-alert-subjects.ts";
import type { EngineStore } from "../engine/engine-store.ts";
import { checkAnswering } from "../notify/nats-answering.ts";
import { NatsTickJournal } from "../ticks/nats-tick-journal.ts";
import { KeptRuleSets } from "../ticks/rule-sets.ts";
import { Ticker } from "../ticks/ticker.ts";
import { asked, beginRules, rulesInForce } from "./begin-rules.ts";
import type { Configured } from "./file-rules.ts";
import { configuredRules, FileRules } from "./file-rules.ts";
import { HotRules } from "./hot-rules.ts";
import { NatsRulesKey } from "./nats-rules-key.ts";
import { NatsRulesStore } from "./nats-rules-store.ts";
import type { LoadedRules } from "./rules-document.ts";
import { findRules } from "./rules-document.ts";

export interface OpenRulesParts {
  readonly config: Configured;
  /** What its rules are called where they stand in it. */
  readonly configName: string;
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly store: EngineStore;
  /** The rules together with what is out of service; read before. */
  readonly inService?: (rules: LoadedRules) => LoadedRules;
  /** Whether another process is to announce rules and keep the clock. */
  readonly looksOnly?: () => boolean;
  /** Told before, with what engines judge by until then. */
  readonly inForce?: (rules: LoadedRules) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface OpenedRules {
  readonly ruleSets: KeptRuleSets;
  readonly ticker: Ticker;
  readonly hotRules: HotRules;
}

/**
 * Nothing is started yet. Throws NATS_UNREACHABLE to be tried again; CONFIG_INVALID or
 * CONFIG_UNREADABLE where there are no rules to begin with.
 */
export async function openRules(parts: OpenRulesParts): Promise<OpenedRules> {
  const { config, configName, connection, client, manager, store, clock, random, log } = parts;
  const { inService = (rules: LoadedRules) => rules } = parts;
  const journal = new NatsTickJournal(client, manager);
  const alerts = new NatsAlertSubjects(client, manager);
  const key = new NatsRulesKey(new NatsRulesStore(client, manager));
  const { rulesFile } = config;
  const file = rulesFile === undefined ? undefined : new FileRules(rulesFile, clock, log);
  const looked = await asked(() => key.look());
  const wanted = await beginRules({
    configured: file?.read() ?? findRules(configName, () => configuredRules(config, configName)),
    key: typeof looked === "string" ? undefined : looked,
    ticks: journal,
    store,
  });
  const before = parts.inForce && (await asked(() => rulesInForce(journal, store)));
  if (before !== undefined) parts.inForce?.(before);
  const { rules, fleet } = inService(wanted.current);
  const ruleSets = new KeptRuleSets(store, rules, fleet);
  const ticker = new Ticker({
    journal,
    alerts,
    rules: ruleSets.own,
    looksOnly: parts.looksOnly,
    keepRules: async () => {
      await hotRules.look(); // so that none is announced which another process has replaced just now
      await ruleSets.keepOwn();
    },
    checkConnection: (signal) => checkAnswering(connection, clock, signal),
    clock,
    random,
    log,
  });
  const hotRules = new HotRules({
    wanted,
    key,
    file,
    inService,
    change: ({ ruleSet }) => {
      ruleSets.change(ruleSet);
      ticker.change(ruleSet.name);
    },
    tell: (finding) => tellDeployment(alerts, finding),
    clock,
    log,
  });
  return { ruleSets, ticker, hotRules };
}
