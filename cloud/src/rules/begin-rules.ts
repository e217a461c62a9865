/**
 * The rules that a process begins with. Where those that should be in force cannot be used, it goes on
 * with what the journal's last tick names; where that names nothing, with the configuration's; and
 * where those are the broken ones, it does not start.
 */
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import type { EngineStore } from "../engine/engine-store.ts";
import { loadRuleSet } from "../ticks/rule-sets.ts";
import type { TickJournal } from "../ticks/ticker.ts";
import type { Found, LoadedRules } from "./rules-document.ts";
import { loadedFrom } from "./rules-document.ts";
import { WantedRules } from "./wanted-rules.ts";

interface Places {
  readonly configured: Found;
  /** Undefined where there is no key. */
  readonly key: Found | undefined;
  readonly ticks: Pick<TickJournal, "last">;
  readonly store: EngineStore;
}

/** Throws NATS_UNREACHABLE, or why the configuration's rules are refused where there are no others. */
export async function beginRules({ configured, key, ticks, store }: Places): Promise<WantedRules> {
  const head = key ?? configured;
  if (head.kind === "good") return new WantedRules(configured, key, head.rules);
  const inForce = await asked(() => rulesInForce(ticks, store));
  if (inForce !== undefined) return new WantedRules(configured, key, inForce);
  if (configured.kind === "good") return new WantedRules(configured, key, configured.rules);
  throw configured.cause;
}

/** Those that the journal's last tick names; undefined where there are none, or none that can be read. */
export async function rulesInForce(
  ticks: Places["ticks"],
  store: EngineStore,
): Promise<LoadedRules | undefined> {
  const name = (await ticks.last())?.tick.rules;
  const kept = name === undefined ? undefined : await loadRuleSet(store, name);
  return kept && loadedFrom({ fleet: emptyFleet, ...kept }, `the journal (${name})`);
}

/** What has no code of its own is a server that does not answer yet. */
export async function asked<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (failure) {
    if (failure instanceof CodedError) throw failure;
    throw new CodedError("NATS_UNREACHABLE", reasonOf(failure), { cause: failure });
  }
}
