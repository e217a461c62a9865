// The goal: every subject that is built is parsed back to what it was built from, and no other is.
import { describe, expect, test } from "vitest";
import { lanes } from "./event.ts";
import { gatewayId, isRuleName } from "./names.ts";
import { streamPlans } from "./streams.ts";
import { parseGatewaySubject, parseStoredTelemetry, partitionCount, subjects } from "./subjects.ts";

const gateway = gatewayId("plant-3");
const rule = "too-warm";
if (!isRuleName(rule)) throw new Error(rule);

test("the subjects are these, for they are contract", () => {
  expect([
    subjects.telemetry(gateway, "live"),
    subjects.checkpoint(7),
    subjects.mark(7, gateway),
    subjects.markOfGateway(gateway),
    subjects.alert(7, gateway, rule),
    subjects.shadow(7, gateway, rule),
    subjects.derived(7, gateway, rule),
    subjects.openAlerts(7, gateway),
    subjects.deadLetters(7, gateway),
  ]).toEqual([
    "tlm.plant-3.live",
    "ckpt.7",
    "mark.7.plant-3",
    "mark.*.plant-3",
    "alert.7.plant-3.too-warm",
    "shadow.7.plant-3.too-warm",
    "derived.7.plant-3.too-warm",
    "open.7.plant-3",
    "dlq.7.plant-3",
  ]);
  expect(partitionCount).toBe(64);
});

describe("a stored telemetry subject", () => {
  test("gives partition, gateway and lane", () => {
    for (const lane of lanes) {
      for (const partition of [0, 7, 63]) {
        const parsed = parseStoredTelemetry(`tlm.${partition}.plant-3.${lane}`);
        expect(parsed).toEqual({ partition, gateway, lane });
      }
    }
  });

  const others = [
    "",
    "clk",
    "tlm.plant-3.live",
    "tlm.64.plant-3.live",
    "tlm.-1.plant-3.live",
    "tlm..plant-3.live",
    "tlm.1e1.plant-3.live",
    "tlm.7..live",
    "tlm.7.plant 3.live",
    "tlm.7.plant-3.later",
    "tlm.7.plant-3.live.more",
    "mark.7.plant-3.live",
  ];
  test.each(others)("is not %j", (subject) => {
    expect(parseStoredTelemetry(subject)).toBeUndefined();
  });
});

describe("a subject of a gateway's state", () => {
  test("gives partition and gateway", () => {
    const built = [
      subjects.mark(7, gateway),
      subjects.shadow(7, gateway, rule),
      subjects.derived(7, gateway, rule),
      subjects.openAlerts(7, gateway),
      subjects.alert(7, gateway, rule),
      subjects.deadLetters(7, gateway),
    ];
    for (const subject of built) {
      expect(parseGatewaySubject(subject), subject).toEqual({ partition: 7, gateway });
    }
  });

  const others = [
    "",
    "mark",
    "mark.7",
    "mark.7.",
    "mark.x.plant-3",
    "mark.64.plant-3",
    "ckpt.7",
    "site.7.x",
    "mark.7.a b",
  ];
  test.each(others)("is not %j", (subject) => {
    expect(parseGatewaySubject(subject)).toBeUndefined();
  });
});

/** Whether a NATS pattern covers a subject. */
function covers(pattern: string, subject: string): boolean {
  const [wanted, given] = [pattern.split("."), subject.split(".")];
  if (wanted.at(-1) === ">")
    return (
      given.length >= wanted.length &&
      covers(wanted.slice(0, -1).join("."), given.slice(0, wanted.length - 1).join("."))
    );
  return (
    wanted.length === given.length &&
    wanted.every((token, at) => token === "*" || token === given[at])
  );
}

describe("the streams", () => {
  const plans = streamPlans({ telemetryBytesMax: 8, engineBytesMax: 2, replicas: 3 });
  const holders = (subject: string) =>
    plans
      .filter((plan) => plan.subjects.some((pattern) => covers(pattern, subject)))
      .map((plan) => plan.name);

  test("hold every subject that is built, each in one", () => {
    const held = [
      subjects.telemetry(gateway, "live"),
      "clk",
      subjects.checkpoint(7),
      subjects.mark(7, gateway),
      subjects.alert(7, gateway, rule),
      subjects.shadow(7, gateway, rule),
      subjects.derived(7, gateway, rule),
      subjects.openAlerts(7, gateway),
      subjects.deadLetters(7, gateway),
      subjects.reader("historian"),
      subjects.rulesText,
    ].map(holders);
    expect(held).toEqual([
      ["TLM"],
      ["TLM"],
      ["ENGINE"],
      ["ENGINE"],
      ["ENGINE"],
      ["ENGINE"],
      ["ENGINE"],
      ["ENGINE"],
      ["ENGINE"],
      ["KV_READERS"],
      ["KV_RULES"],
    ]);
  });

  test("are the journal, closed to hostile headers, and the engine's, open to atomic batches", () => {
    expect(plans).toMatchObject([
      {
        name: "TLM",
        transform: {
          src: "tlm.*.*",
          dest: "tlm.{{partition(64,1)}}.{{wildcard(1)}}.{{wildcard(2)}}",
        },
        allowAtomicPublish: false,
        allowRollup: false,
        allowMessageTtl: false,
        maxBytes: 8,
        replicas: 3,
      },
      {
        name: "ENGINE",
        transform: undefined,
        allowAtomicPublish: true,
        allowRollup: true,
        allowMessageTtl: true,
        maxBytes: 2,
        replicas: 3,
      },
      { name: "KV_READERS", allowRollup: true, keptPerSubject: 1, replicas: 3 },
      { name: "KV_LEASES", allowRollup: true, keptPerSubject: 1, replicas: 3 },
      { name: "KV_RULES", allowRollup: true, keptPerSubject: 64, replicas: 3 },
      { name: "KV_NOTIFY", allowAtomicPublish: true, keptPerSubject: 1, replicas: 3 },
      {
        name: "CMD",
        allowAtomicPublish: true,
        allowMessageTtl: true,
        keptPerSubject: 1,
        replicas: 3,
      },
      { name: "KV_DEVICES", allowRollup: true, keptPerSubject: 8, replicas: 3 },
      { name: "KV_GATEWAYS", allowRollup: true, keptPerSubject: 8, replicas: 3 },
      { name: "KV_REGISTRY", allowAtomicPublish: true, keptPerSubject: 1, replicas: 3 },
      {
        name: "OPERATE",
        subjects: ["operate.log"],
        transform: undefined,
        allowAtomicPublish: false,
        allowRollup: false,
        allowMessageTtl: true,
        keptPerSubject: 100_000,
        replicas: 3,
      },
      { name: "KV_SILENCES", allowMessageTtl: true, keptPerSubject: 1, replicas: 3 },
      { name: "KV_ACKS", allowMessageTtl: true, keptPerSubject: 1, replicas: 3 },
      { name: "KV_SESSIONS", allowMessageTtl: true, keptPerSubject: 1, replicas: 3 },
    ]);
  });
});
