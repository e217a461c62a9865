/** Examples of a rule, played through what the engine does with an event and with a tick. */

import type { Alerting } from "@causeway/shared/alert/alerting.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { ReadingEvent } from "@causeway/shared/event.ts";
import { deviceId, gatewayId } from "@causeway/shared/names.ts";
import { noteGatewayTime } from "@causeway/shared/rules/detection.ts";
import type {
  ExampleFault,
  ExampleReplay,
  ExampleStep,
  ExampleTransition,
} from "@causeway/shared/rules/examples.ts";
import { runExamples } from "@causeway/shared/rules/examples.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import { emptyFleet } from "@causeway/shared/rules/fleet.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import type { TakenEvent } from "../ingest/fold.ts";
import { MemorySites } from "../site/memory-sites.ts";
import type { RulesState } from "./gateway-step.ts";
import { takeEvent, takeTick } from "./gateway-step.ts";

const epoch = "1-00000001";

/** What the examples of rules expect and what is not so; paths begin with the number of the rule. */
export function faultsOfExamples(
  rules: readonly Rule[],
  fleet = emptyFleet,
): readonly ExampleFault[] {
  return rules.flatMap(({ name, examples = [] }, index) => {
    if (examples.length === 0) return [];
    const faults = runExamples(examples, replayOf(rules, name, fleet));
    return faults.map(({ path, message }) => ({ path: [index, ...path], message }));
  });
}

/** Of the rule of that name, among the others. One that is off is in shadow here: there it sees all. */
function replayOf(rules: readonly Rule[], name: string, fleet: FleetDocument): ExampleReplay {
  const played = rules.map((rule): Rule => {
    return rule.name === name && rule.mode === "off" ? { ...rule, mode: "shadow" } : rule;
  });
  const alerting = createAlerting(compileRules(played, fleet));
  return (steps) => {
    const player = new Player(alerting, name);
    for (const step of steps) player.play(step);
    return player.found;
  };
}

class Player {
  readonly #alerting: Alerting;
  readonly #rule: string;
  readonly #states = new Map<string, RulesState>();
  readonly #sites: MemorySites;
  #steps = 0;
  readonly found: ExampleTransition[] = [];

  constructor(alerting: Alerting, rule: string) {
    this.#alerting = alerting;
    this.#rule = rule;
    this.#sites = new MemorySites(alerting);
  }

  play(step: ExampleStep): void {
    this.#steps += 1;
    if (step.kind === "reading") {
      const state = this.#state(step.gateway);
      const taken = takenOf(step, this.#steps);
      const told = takeEvent(this.#alerting, state, taken);
      this.#note(this.#sites.take(state, told), step.receivedAt);
      return;
    }
    for (const [gateway, state] of this.#states) {
      noteGatewayTime(state.detection, epoch, step.at);
      const moment = { id: `clk/${this.#steps}`, gateway, at: step.at };
      const told = takeTick(this.#alerting, state, moment, true);
      this.#note(this.#sites.take(state, told), step.at);
    }
    this.#note(this.#sites.tick({ n: this.#steps, at: step.at }), step.at);
  }

  #note(transitions: ReturnType<typeof takeEvent>["transitions"], at: number): void {
    for (const { rule, state, gateway, device, metric } of transitions) {
      if (rule === this.#rule) this.found.push({ state, at, gateway, device, metric });
    }
  }

  #state(gateway: string): RulesState {
    const known = this.#states.get(gateway);
    if (known !== undefined) return known;
    const state = { detection: this.#alerting.detection(gateway), alerts: this.#alerting.alerts() };
    this.#states.set(gateway, state);
    return state;
  }
}

function takenOf(step: Extract<ExampleStep, { kind: "reading" }>, position: number): TakenEvent {
  const { device, metric, value, unit, quality, observedAt, receivedAt } = step;
  const gateway = gatewayId(step.gateway);
  const reading = { metric, value, quality, ...(unit === undefined ? {} : { unit }) };
  const place = { device: deviceId(device), topic: null, bootMs: 0, observedAt };
  const event: ReadingEvent = { kind: "reading", ...place, readings: [reading] };
  return {
    id: `${gateway}/${epoch}/telemetry/${position}`,
    ...{ gateway, epoch, position, event, receivedAt },
    ...{ lane: "live", log: "telemetry", timeQuality: "synchronised", late: false, effect: true },
  };
}
