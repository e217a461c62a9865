/** An alert transition for tests. */
import type { AlertTransition } from "../../alert/alert.ts";

export function transition(over: Partial<AlertTransition> = {}): AlertTransition {
  return {
    id: "a1b2c3d4",
    state: "firing",
    fingerprint: "f00d",
    rule: "too-warm",
    ruleVersion: "v1",
    severity: "critical",
    gateway: "gw-1",
    device: "freezer-1",
    metric: "temperature",
    at: 1_767_225_600_000,
    firingAt: 1_767_225_600_000,
    value: -3.5,
    unit: "Cel",
    cause: "gw-1/1-00000001/telemetry/7/0",
    reason: "-3.5 Cel is above -15 Cel",
    late: false,
    ...over,
  };
}
