/**
 * Rules over what was taken once, by the steps of the engine, with nothing sent and nothing stored:
 * the same events and ticks give the same alerts every time.
 */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import type { RulesState } from "../alert/gateway-step.ts";
import { takeEvent, takeTick } from "../alert/gateway-step.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import { MemorySites } from "../site/memory-sites.ts";
import type { SeenTick } from "../ticks/tick.ts";
import { isAfter } from "../ticks/tick.ts";

interface GatewayState extends RulesState {
  seenTick: SeenTick | undefined;
}

export class Backtest {
  readonly #alerting: Alerting;
  readonly #states = new Map<string, GatewayState>();
  readonly #sites: MemorySites;
  readonly #transitions: AlertTransition[] = [];

  constructor(alerting: Alerting) {
    this.#alerting = alerting;
    this.#sites = new MemorySites(alerting);
  }

  /** In the order in which they were decided; those of rules in shadow are none that anyone is told. */
  get transitions(): readonly AlertTransition[] {
    return this.#transitions;
  }

  /** Whether a rule has looked at anything; by site none can be sure that it does not. */
  get hasJudged(): boolean {
    const states = [...this.#states.values()];
    const hasKeys = states.some(({ detection: { series, patterns } }) => {
      return series.size > 0 || patterns.byPattern.some(({ keys }) => keys.size > 0);
    });
    return hasKeys || this.#alerting.judgesSites;
  }

  take(taken: TakenEvent): void {
    // What the engine has committed had its effect there; here it has it again.
    const state = this.#state(taken.gateway);
    const told = takeEvent(this.#alerting, state, { ...taken, effect: true });
    this.#keep(this.#sites.take(state, told));
  }

  /** For every gateway that was met and that `concerns` names. */
  tick(tick: SeenTick, concerns: (gateway: string) => boolean = () => true): void {
    for (const [gateway, state] of this.#states) {
      if (!concerns(gateway) || !isAfter({ ...noRules, ...tick }, state.seenTick)) continue;
      state.seenTick = tick;
      const moment = { id: `clk/${tick.n}`, gateway, at: tick.at };
      this.#keep(this.#sites.take(state, takeTick(this.#alerting, state, moment, true)));
    }
    this.#keep(this.#sites.tick(tick));
  }

  #keep(transitions: readonly AlertTransition[]): void {
    for (const transition of transitions) {
      if (transition.shadow !== true) this.#transitions.push(transition);
    }
  }

  #state(gateway: string): GatewayState {
    const known = this.#states.get(gateway);
    if (known !== undefined) return known;
    const detection = this.#alerting.detection(gateway);
    const state = { detection, alerts: this.#alerting.alerts(), seenTick: undefined };
    this.#states.set(gateway, state);
    return state;
  }
}

/** What a tick names beside its time says nothing here. */
const noRules = { rules: "", revision: 0 };
