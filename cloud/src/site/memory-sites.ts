/**
 * Sites by one set of rules with nothing in between and nothing stored, for examples and backtests:
 * the same steps as the engine's, at the moment at which gateways tell them.
 */

import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import type { SiteInput } from "@causeway/shared/rules/pattern/site-filter.ts";
import type { RulesState, Told } from "../alert/gateway-step.ts";
import type { SeenTick } from "../ticks/tick.ts";
import { Site } from "./site.ts";

export class MemorySites {
  readonly #alerting: Alerting;
  readonly #sites = new Map<string, Site>();

  constructor(alerting: Alerting) {
    this.#alerting = alerting;
  }

  /** What a gateway in `state` told, first; then what followed of it for its site. */
  take({ detection: { site } }: RulesState, told: Told): Told["transitions"] {
    if (site === undefined || told.site.length === 0) return told.transitions;
    const own = this.#site(site.site);
    const more = told.site.flatMap((input: SiteInput) => own.take(input).transitions);
    return [...told.transitions, ...more];
  }

  /** After the tick of all gateways. */
  tick(tick: SeenTick): Told["transitions"] {
    return [...this.#sites.values()].flatMap((site) => site.tick(tick).transitions);
  }

  #site(name: string): Site {
    const known = this.#sites.get(name);
    if (known !== undefined) return known;
    const site = new Site(name, { name: "", alerting: this.#alerting });
    this.#sites.set(name, site);
    return site;
  }
}
