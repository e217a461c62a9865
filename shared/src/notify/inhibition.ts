/**
 * Alerts that say why others come. While a gateway is silent its devices' alerts tell nothing new;
 * while a site is down, neither do its gateways' silence and their devices' alerts.
 */

import type { AlertTransition } from "../alert/alert.ts";
import type { ReservedRule } from "../alert/reserved-alert.ts";
import { siteIn } from "../names.ts";

const gatewaySilent: ReservedRule = "system-gateway-silent";

export class Inhibition {
  /** Alert ids by gateway. */
  readonly silent: Map<string, string>;
  /** Alert ids by site. */
  readonly down: Map<string, string>;
  readonly #max: number;

  constructor(max: number, silent = new Map<string, string>(), down = new Map<string, string>()) {
    this.#max = max;
    this.silent = silent;
    this.down = down;
  }

  /** Whether anything has changed. What was so in history says nothing of now. */
  note(transition: AlertTransition, siteDown: readonly string[]): boolean {
    const { rule, gateway, id, state, late } = transition;
    if (late && state === "firing") return false;
    const site = siteIn(gateway);
    const own = rule === gatewaySilent ? this.silent : this.down;
    const place = rule === gatewaySilent ? gateway : siteDown.includes(rule) ? site : undefined;
    if (place === undefined) return false;
    if (state === "resolved") return own.get(place) === id && own.delete(place);
    if (own.size >= this.#max) return false;
    own.set(place, id);
    return true;
  }

  clear(): void {
    this.silent.clear();
    this.down.clear();
  }

  /** The alert that keeps this one quiet; `site` is that of its gateway, "" for none. */
  inhibits({ rule, gateway, device, id }: AlertTransition, site: string): string | undefined {
    const isSilence = rule === gatewaySilent;
    if (device === "" && !isSilence) return undefined;
    const down = this.down.get(site);
    if (down !== undefined) return down;
    const silent = isSilence ? undefined : this.silent.get(gateway);
    return silent === id ? undefined : silent;
  }
}
