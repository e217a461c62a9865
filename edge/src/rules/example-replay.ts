/** Examples of a rule, played through what the gateway does with an event and with a tick. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { ReadingEvent } from "@causeway/shared/event.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import type {
  ExampleFault,
  ExampleReplay,
  ExampleStep,
  ExampleTransition,
} from "@causeway/shared/rules/examples.ts";
import { runExamples } from "@causeway/shared/rules/examples.ts";
import type { FleetDocument } from "@causeway/shared/rules/fleet.ts";
import type { Rule } from "@causeway/shared/rules/rule.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { Judge } from "../alarms/judge.ts";

/** What the examples of rules expect and what is not so; paths begin with the number of the rule. */
export function faultsOfExamples(
  rules: readonly Rule[],
  fleet: FleetDocument,
): readonly ExampleFault[] {
  return rules.flatMap(({ name, examples = [] }, index) => {
    const faults = runExamples(examples, replayOf(rules, name, fleet));
    return faults.map(({ path, message }) => ({ path: [index, ...path], message }));
  });
}

/** Of the rule of that name, among the others. One that is off is in shadow here: there it sees all. */
function replayOf(rules: readonly Rule[], name: string, fleet: FleetDocument): ExampleReplay {
  const played = rules.map((rule): Rule => {
    return rule.name === name && rule.mode === "off" ? { ...rule, mode: "shadow" } : rule;
  });
  return (steps) => {
    const alerting = createAlerting(compileRules(played, fleet));
    const judges = new Map<string, Judge>();
    const found: ExampleTransition[] = [];
    let count = 0;
    const note = (transitions: readonly AlertTransition[], at: number) => {
      for (const { rule, state, gateway, device, metric } of transitions)
        if (rule === name) found.push({ state, at, gateway, device, metric });
    };
    for (const step of steps) {
      count += 1;
      if (step.kind === "reading") {
        const judge = judges.get(step.gateway) ?? new Judge(gatewayId(step.gateway), alerting);
        judges.set(step.gateway, judge);
        note(
          judge.observe(`example/${count}`, eventOf(step), step.receivedAt, true),
          step.receivedAt,
        );
      } else {
        for (const judge of judges.values())
          note(judge.tick(count, step.at, "example", true), step.at);
      }
    }
    return found;
  };
}

function eventOf(step: Extract<ExampleStep, { kind: "reading" }>): ReadingEvent {
  const { device, metric, value, unit, quality, observedAt } = step;
  const reading = { metric, value, quality, ...(unit === undefined ? {} : { unit }) };
  return { kind: "reading", device, topic: null, bootMs: 0, observedAt, readings: [reading] };
}
