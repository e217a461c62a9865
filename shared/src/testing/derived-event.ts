/** A derived event, for tests. */
import type { DerivedEvent } from "../rules/derived-event.ts";

export function derivedEvent(over: Partial<DerivedEvent> = {}): DerivedEvent {
  return {
    ...{ id: "a1b2", kind: "derived", name: "door-ajar", rule: "door-open", ruleVersion: "v1" },
    ...{ gateway: "g1", device: "freezer-1", metric: "", at: 1_000, receivedAt: 2_000 },
    ...{ value: -10, unit: "Cel", reason: "door open for 2 min", causes: ["g1/1/t/1/0"] },
    ...{ late: false, shadow: false },
    ...over,
  };
}
