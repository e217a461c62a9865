/**
 * What rules by site know of one site, and what came of it: a fold over the messages for it and the
 * ticks, in the order of stream ENGINE. Pure.
 *
 *   V1 What a gateway sends in time counts as no earlier than what came before it of any gateway of
 *      the site: nobody waits for a slower one. Nor does it count as later than `aheadMs` after the
 *      newest tick, so that a clock that is ahead does not stop the time of all. What is late is
 *      judged as late.
 *   V2 Only what gateways send moves time: it is that of the gateway that is furthest behind, of those
 *      that are at most `behindMs` behind the newest tick. Reasons name those that are left out.
 *   V3 Rules change with the first message that names others and a later tick than the last one.
 *   V4 Where what a gateway sent has a hole, it is told once.
 *   V5 What the state says of itself, encoded, goes on exactly as it: with the sequence of the last
 *      message that it has seen, and the name of its rules.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { observationOf } from "@causeway/shared/alert/alerting.ts";
import { firingOf, resolvedOf } from "@causeway/shared/alert/reserved-alert.ts";
import { sitePlace } from "@causeway/shared/names.ts";
import { parseState } from "@causeway/shared/rules/parse-state.ts";
import { observePatterns } from "@causeway/shared/rules/pattern/gateway-patterns.ts";
import type { PatternReading } from "@causeway/shared/rules/pattern/pattern.ts";
import type { SaidByRule, SiteInput } from "@causeway/shared/rules/pattern/site-filter.ts";
import { behindMs } from "@causeway/shared/rules/pattern/site-filter.ts";
import type { CompiledRule, RuleVerdict } from "@causeway/shared/rules/rule-set.ts";
import { z } from "zod";
import type { RulesState, Told } from "../alert/gateway-step.ts";
import { joined, takeTick } from "../alert/gateway-step.ts";
import type { NamedRules } from "../ticks/rule-sets.ts";
import type { SeenTick } from "../ticks/tick.ts";
import { isAfter } from "../ticks/tick.ts";

/** V1. */
const aheadMs = 60_000;
/** Of a site; of those that are away the one that was so for longest is forgotten. */
const gatewaysMax = 1_000;
/** Told in a reason; of more, their number. */
const namedMax = 3;

interface Known {
  /** Its time, in ms; undefined while it told none. */
  readonly at: number | undefined;
  /** Number of the next input (V4). */
  readonly next: number;
}

const nothing: Told = { transitions: [], derived: [], site: [] };

export class Site {
  readonly site: string;
  #rules: NamedRules;
  #state: RulesState;
  readonly #gateways = new Map<string, Known>();
  /** V1. */
  #newest = 0;
  #seen: SeenTick | undefined;

  constructor(site: string, rules: NamedRules) {
    this.site = site;
    this.#rules = rules;
    this.#state = {
      detection: rules.alerting.detection(sitePlace(site)),
      alerts: rules.alerting.alerts(),
    };
  }

  /** Name of the rules in force. */
  get rules(): string {
    return this.#rules.name;
  }

  get counts(): RulesState["detection"]["patterns"]["counts"] {
    return this.#state.detection.patterns.counts;
  }

  /** Grows with every change that a tick brings about, told or not. */
  get revision(): number {
    return this.#state.detection.patterns.revision;
  }

  /** Whether a message that follows `tick` has these rules follow others (V3). */
  wants(rules: string, tick: SeenTick): boolean {
    return rules !== this.#rules.name && isAfter(tick, this.#seen);
  }

  /** V3. Patterns that are the same in both sets go on; alerts that none judges end at a tick. */
  useRules(rules: NamedRules, tick: SeenTick): void {
    const place = sitePlace(this.site);
    const { detection, alerts } = this.#state;
    const encoded = this.#rules.alerting.encodeDetection(detection);
    this.#state.detection = rules.alerting.decodeDetection(encoded, place);
    rules.alerting.rejudge(alerts, place);
    this.#rules = rules;
    this.#seen = tick;
    const { context } = this.#state.detection.patterns.set;
    for (const gateway of this.#gateways.keys()) {
      if (context.gateway?.(gateway).site !== this.site) this.#gateways.delete(gateway);
    }
  }

  take(input: SiteInput): Told {
    const lost = this.#number(input);
    const own = this.#takeOne(input);
    return { ...own, transitions: [...lost, ...this.#named(own.transitions)] };
  }

  #takeOne(input: SiteInput): Told {
    if (input.kind === "time") {
      this.#note(input.gateway, { at: input.at });
      return nothing;
    }
    const { detection, alerts } = this.#state;
    const { patterns } = detection;
    const place = sitePlace(this.site);
    if (input.kind === "derived") {
      const { gateway, event } = input;
      const receivedAt = this.#dated(event.receivedAt, event.late);
      const verdicts = observePatterns(
        patterns,
        { kind: "derived", gateway, event: { ...event, receivedAt } },
        [],
      );
      const moment = { id: event.id, gateway: place, at: receivedAt };
      const observation = { ...observationOf(moment), late: event.late };
      return joined(nothing, this.#advance(verdicts, observation), verdicts);
    }
    const { n, said = [], ...reading } = input;
    const receivedAt = this.#dated(reading.receivedAt, reading.late);
    const dated: PatternReading = { ...reading, kind: "reading", receivedAt };
    const verdicts = observePatterns(patterns, dated, said.map(verdictOf));
    const observation = { ...dated, gateway: place };
    const transitions = this.#rules.alerting.advance(alerts, verdicts, observation, detection);
    return joined(nothing, transitions, verdicts);
  }

  #advance(
    verdicts: readonly RuleVerdict[],
    observation: ReturnType<typeof observationOf>,
  ): readonly AlertTransition[] {
    const { detection, alerts } = this.#state;
    return this.#rules.alerting.advance(alerts, verdicts, observation, detection);
  }

  /** V1. */
  #dated(receivedAt: number, late: boolean): number {
    if (late) return receivedAt;
    const latest = this.#seen === undefined ? receivedAt : this.#seen.at + aheadMs;
    this.#newest = Math.max(this.#newest, Math.min(receivedAt, latest));
    return this.#newest;
  }

  /** Nothing comes of one that was seen before. */
  tick(tick: SeenTick): Told {
    if (!isAfter(tick, this.#seen)) return nothing;
    this.#seen = tick;
    const { detection } = this.#state;
    const at = this.#time(tick);
    if (at !== undefined) detection.time = { epoch: "", at };
    const moment = { id: `clk/${tick.n}`, gateway: sitePlace(this.site), at: tick.at };
    const told = takeTick(this.#rules.alerting, this.#state, moment, true);
    return { ...told, transitions: this.#named(told.transitions) };
  }

  /** V2. */
  #time(tick: SeenTick): number | undefined {
    const times = [...this.#gateways.values()].flatMap(({ at }) => {
      return at !== undefined && tick.at - at <= behindMs ? [at] : [];
    });
    return times.length === 0 ? undefined : Math.min(...times);
  }

  /** V2. */
  #named(transitions: readonly AlertTransition[]): readonly AlertTransition[] {
    const { at: now } = this.#seen ?? { at: 0 };
    if (transitions.length === 0) return transitions;
    const away = [...this.#gateways].flatMap(([gateway, { at }]) => {
      return at === undefined || now - at <= behindMs ? [] : [gateway];
    });
    if (away.length === 0) return transitions;
    const names = away.toSorted().slice(0, namedMax).join(", ");
    const more = away.length > namedMax ? ` and ${away.length - namedMax} more` : "";
    const text = `; without ${names}${more}, of which nothing recent came`;
    return transitions.map((transition) => {
      const { state, reason } = transition;
      return state === "firing" ? { ...transition, reason: `${reason}${text}` } : transition;
    });
  }

  /** V4. */
  #number({ n, ...input }: SiteInput): readonly AlertTransition[] {
    const { gateway } = input;
    const known = this.#gateways.get(gateway);
    this.#note(gateway, { next: n + 1 });
    if (known === undefined || n <= known.next) return [];
    const count = n - known.next;
    const what = `${count} of what gateway ${gateway} told its site are gone`;
    const firing = firingOf({
      ...{ rule: "system-state-incomplete", gateway: sitePlace(this.site) },
      ...{ key: [gateway, known.next, n], at: this.#newest, cause: `${gateway}/${n}` },
      reason: `${what}: its series say again what they say when that changes`,
    });
    const { at, cause } = firing;
    const over = resolvedOf(firing, { at, cause, reason: "told once; nothing to wait for" });
    return [firing, over];
  }

  #note(gateway: string, news: Partial<Known>): void {
    const known = this.#gateways.get(gateway) ?? { at: undefined, next: 0 };
    this.#gateways.delete(gateway); // those that were heard last stand at the end
    this.#gateways.set(gateway, { ...known, ...news });
    const [longest] = this.#gateways.keys();
    if (this.#gateways.size > gatewaysMax && longest !== undefined) this.#gateways.delete(longest);
  }

  /** V5. */
  encode(sequence: number): string {
    const { alerting, name } = this.#rules;
    const { detection, alerts } = this.#state;
    const [known, newest] = [[...this.#gateways], this.#newest];
    const gateways = known.map(([gateway, { at, next }]) => [gateway, at ?? null, next]);
    const seen = this.#seen && [this.#seen.n, this.#seen.at];
    const { site } = this;
    const head = JSON.stringify({ v: 1, site, seq: sequence, rules: name, newest, seen, gateways });
    const states = `"detection":${alerting.encodeDetection(detection)},"alerts":${alerting.encodeAlerts(alerts)}`;
    return `${head.slice(0, -1)},${states}}`;
  }

  /** V5. Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
  static decode(text: string, rules: NamedRules): Site {
    const { site: name, newest, seen, gateways, detection, alerts } = parsed(text);
    const site = new Site(name, rules);
    const place = sitePlace(name);
    site.#state = {
      detection: rules.alerting.decodeDetection(JSON.stringify(detection), place),
      alerts: rules.alerting.decodeAlerts(JSON.stringify(alerts), place),
    };
    site.#newest = newest;
    site.#seen = seen && { n: seen[0], at: seen[1] };
    for (const [gateway, at, next] of gateways) {
      site.#gateways.set(gateway, { at: at ?? undefined, next });
    }
    return site;
  }
}

const stateSchema = z.object({
  v: z.literal(1),
  site: z.string().min(1),
  seq: z.int().min(0),
  rules: z.string(),
  newest: z.number(),
  seen: z.tuple([z.number(), z.number()]).optional(),
  gateways: z.array(z.tuple([z.string(), z.number().nullable(), z.int()])),
  detection: z.unknown(),
  alerts: z.unknown(),
});

function parsed(text: string): z.infer<typeof stateSchema> {
  return parseState("site", stateSchema, text);
}

/** Which message a state has seen last, and by which rules it judges. */
export function headOf(text: string): { readonly sequence: number; readonly rules: string } {
  const { seq: sequence, rules } = parsed(text);
  return { sequence, rules };
}

/** Detectors work where the reading came; here it is told what they said. */
function verdictOf([name, isAnomalous]: SaidByRule): RuleVerdict {
  const rule: CompiledRule = { ...unknownRule, name };
  return {
    rule,
    verdict: isAnomalous ? { kind: "anomalous", score: 1, reason: "" } : { kind: "normal" },
  };
}

const unknownRule: CompiledRule = {
  ...{ name: "", version: "", forMs: 0, keepFiringForMs: 0 },
  severity: "info",
  mode: "live",
};
