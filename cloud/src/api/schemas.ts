/** What the API answers, as schemas: the source of /api/openapi.json; a test holds answers to them. */
import { qualities } from "@causeway/shared/event.ts";
import { severities } from "@causeway/shared/rules/severity.ts";
import { z } from "zod";
import { deviceStates } from "../devices/device-state.ts";
import { accessStates } from "../gateways/gateway-access.ts";
import { operatorResults } from "../operate/operators-entry.ts";
import { timelineKinds } from "../views/alert-shown.ts";
import { deadKinds } from "../views/dead-table.ts";
import { scopes } from "./tokens.ts";

export const apiSchemas = z.registry<{ id: string }>();

function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  apiSchemas.add(schema, { id });
  return schema;
}

/** In ms since 1970. */
const time = z.number();
const timeOrNone = z.number().nullable();
const count = z.number();
const value = z.union([z.number(), z.string(), z.boolean(), z.null()]);
const severity = z.enum(severities);
const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly();
/** To be handed in as `after`; null at the end. */
export const next = z.string().nullable();

const faults = list(z.object({ path: z.string(), message: z.string() }));
export const problemSchema = named(
  "Problem",
  z.object({
    ...{ type: z.string(), title: z.string(), status: z.number(), detail: z.string().optional() },
    ...{ code: z.string().optional(), errors: faults.optional() },
  }),
);

export const sessionSchema = named(
  "Session",
  z.object({
    name: z.string(),
    scope: z.enum(scopes),
    sites: z.array(z.string()).nullable(),
    how: z.enum(["cookie", "token", "loopback", "anonymous"]),
    expiresAt: timeOrNone,
    csrf: z.string().nullable(),
  }),
);

export const countersSchema = named(
  "Counters",
  z.object({
    ...{ events: count, readings: count, quarantined: count, dead: count, repeats: count },
    ...{ doubts: count, lost: count, late: count, gateways: count, series: count },
    ...{ seriesEvicted: count, alertsOpen: count },
  }),
);

const readiness = { ready: z.boolean(), reasons: list(z.string()) };
const facts = { now: time, version: z.string(), ...readiness };
export const readySchema = z.object(readiness);
export const statusSchema = z.object({
  ...facts,
  counters: countersSchema,
  engine: list(z.looseObject({ name: z.string(), value: z.number() })),
});

const bySeverity = z.object({ critical: count, warning: count, info: count });
const stateCounts = z.record(z.enum(deviceStates), count);
export const problemKinds = [
  ...["not-ready", "gateway-silent", "backlog", "loss", "clock", "identity", "alert"],
  ...["rules-refused", "dead-letters", "receiver", "series-full"],
] as const;
export const overviewSchema = named(
  "Overview",
  z.object({
    version: z.string(),
    ...readiness,
    /** One sentence. */
    verdict: z.string(),
    isWell: z.boolean(),
    problems: list(
      z.object({
        ...{ kind: z.enum(problemKinds), severity, text: z.string() },
        gateway: z.string().nullable(),
        device: z.string().nullable(),
        alert: z.string().nullable(),
        since: timeOrNone,
      }),
    ),
    gateways: z.object({ total: count, online: count, silent: count, retired: count }),
    backlogEvents: count,
    devices: z.object({ total: count, states: stateCounts }).nullable(),
    alerts: z.object({ firing: count, acknowledged: count, silenced: count, bySeverity }),
    counters: countersSchema,
  }),
);

const heartbeat = z.object({
  ...{ receivedAt: time, untakenEvents: count, outboxBytes: count, appended: count },
  ...{ quarantined: count, takenAgoMs: z.number().nullable() },
  drainMs: z.number().nullable().optional(),
  budget: z.object({ bytes: count, bytesMax: count }).optional(),
});
export const trends = ["draining", "growing", "steady", "unknown"] as const;
export const clockStates = ["set", "behind", "ahead", "restored", "undated", "unknown"] as const;
export const gatewayStates = ["online", "silent", "retired"] as const;
const gateway = {
  ...{ gateway: z.string(), name: z.string(), site: z.string() },
  labels: z.record(z.string(), z.string()),
  state: z.enum(gatewayStates),
  ...{ version: z.string(), epoch: z.string(), receivedAt: time, storedAt: time },
  ...{ firstSeen: timeOrNone, events: count, readings: count, late: count, quarantined: count },
  ...{ dead: count, devices: count.nullable(), heartbeat: heartbeat.nullable() },
  backlog: z
    .object({
      ...{ events: count, bytes: count, at: time },
      etaMs: z.number().nullable(),
      trend: z.enum(trends),
    })
    .nullable(),
  clock: z.object({ state: z.enum(clockStates), text: z.string() }),
  losses: list(z.object({ reason: z.string(), events: count, lastAt: time })),
  alertsFiring: count,
};
export const gatewaySchema = named("Gateway", z.object(gateway));

const notices = list(
  z.object({ name: z.string(), detail: z.string(), at: time, count: z.number() }),
);
const said = z.object({ act: z.string(), by: z.string(), note: z.string(), at: time }).nullable();

const alert = {
  ...{ id: z.string(), state: z.enum(["firing", "resolved"]), fingerprint: z.string() },
  ...{ rule: z.string(), ruleVersion: z.string(), severity },
  ...{ gateway: z.string(), device: z.string(), metric: z.string(), site: z.string() },
  ...{ firingAt: time, resolvedAt: timeOrNone, value, unit: z.string().nullable() },
  ...{ reason: z.string(), late: z.boolean(), knownAt: z.number().optional() },
  flapping: z.literal(true).optional(),
  raisedBy: z.literal("edge").optional(),
  acknowledged: z.object({ by: z.string(), note: z.string(), at: time }).optional(),
  silencedBy: z.string().optional(),
  inhibitedBy: z.string().optional(),
};
export const alertSchema = named("Alert", z.object(alert));
export const alertsSchema = z.object({
  total: count,
  counts: z.object({ firing: count, resolved: count, bySeverity }),
  alerts: list(alertSchema),
  next,
});
const shown = z.object({
  ...{ at: time, value, device: z.string().optional(), metric: z.string().optional() },
  unit: z.string().optional(),
});
const evidence = z.object({
  readings: list(shown),
  expected: z.object({ low: z.number().optional(), high: z.number().optional() }).optional(),
  ...{ score: z.number().optional(), durationMs: z.number().optional() },
  worst: shown.optional(),
});
export const alertDetailsSchema = named(
  "AlertDetails",
  z.object({
    ...alert,
    evidence: evidence.nullable(),
    timeline: list(
      z.object({
        ...{ at: time, what: z.enum(timelineKinds), text: z.string() },
        ...{ by: z.string().optional(), note: z.string().optional() },
        receiver: z.string().optional(),
      }),
    ),
    before: list(alertSchema),
  }),
);

export const ledgerSchema = list(
  z.object({
    ...{ epoch: z.string(), log: z.enum(["telemetry", "priority"]), through: count },
    end: count.nullable(),
    state: z.enum(["open", "complete", "incomplete", "unexplained", "abandoned"]),
    stretches: list(z.object({ from: count, to: count, state: z.string(), reason: z.string() })),
  }),
);
const quota = z.object({
  ...{ eventsPerSecond: z.number().nullable(), bytesPerDay: z.number().nullable() },
  ...{ capBytesPerSecond: count.nullable(), isOver: z.boolean() },
  used: z.object({ bytes: count, events: count, perSecond: z.number() }).nullable(),
  zone: z.string(),
});
const access = z.object({
  ...{ state: z.enum(accessStates), key: z.string().nullable() },
  said: z.object({ act: z.string(), by: z.string(), note: z.string(), at: time }).nullable(),
});
export const gatewayDetailsSchema = named(
  "GatewayDetails",
  z.object({
    ...gateway,
    recent: list(z.tuple([time, count]).readonly()),
    ...{ quota: quota.nullable(), access: access.nullable() },
    ...{ ledger: ledgerSchema, notices, said, alerts: list(alertSchema) },
  }),
);
export const gatewaysSchema = z.object({
  total: count,
  states: z.record(z.enum(gatewayStates), count),
  gateways: list(gatewaySchema),
  next,
});

export const seriesSchema = named(
  "Series",
  z.object({
    ...{ version: count, gateway: z.string(), device: z.string(), metric: z.string(), value },
    ...{ unit: z.string().optional(), quality: z.enum(qualities) },
    ...{ qualityReason: z.string().optional(), observedAt: timeOrNone, receivedAt: time },
    timeQuality: z.enum(["synchronised", "unsynchronised"]),
    ...{ late: z.boolean(), event: z.string(), recent: list(z.number()) },
    ...{ site: z.string().optional(), tags: list(z.string()).optional() },
  }),
);
export const latestSchema = z.object({
  ...{ total: count, evicted: count, series: list(seriesSchema), next },
});

const device = {
  ...{ gateway: z.string(), device: z.string(), name: z.string(), series: z.string() },
  ...{ replacedBy: z.string(), site: z.string(), state: z.enum(deviceStates) },
  ...{ reason: z.string(), since: timeOrNone, family: z.string(), firmware: z.string() },
  ...{ firstSeen: time, lastSeen: time, events: count, readings: count, late: count },
  ...{ eventsPerMinute: z.number(), intervalMs: z.number().nullable(), sizeMean: z.number() },
  ...{ topics: list(z.string()), tags: list(z.string()) },
};
export const deviceSchema = named("Device", z.object({ ...device, metrics: count }));
export const devicesSchema = z.object({
  ...{ total: count, states: stateCounts, devices: list(deviceSchema), next },
});
export const deviceDetailsSchema = named(
  "DeviceDetails",
  z.object({
    ...device,
    metrics: list(
      z.object({ metric: z.string(), unit: z.string().nullable(), quality: z.string() }),
    ),
    ...{ beyond: count, notices, said, latest: list(seriesSchema), alerts: list(alertSchema) },
  }),
);
export const factsSchema = named(
  "Said",
  z.looseObject({
    ...{ gateway: z.string(), device: z.string(), name: z.string().optional() },
    ...{ act: z.string(), by: z.string(), note: z.string(), at: time },
  }),
);
export const registryGatewaysSchema = z.object({
  gateways: list(
    z.object({
      ...{ gateway: z.string(), name: z.string(), state: z.enum(gatewayStates) },
      ...{ version: z.string(), firstSeen: time, storedAt: time, devices: count },
      ...{ events: count, readings: count, late: count, beyond: count, notices },
    }),
  ),
});

export const derivedListSchema = z.object({
  derived: list(z.looseObject({ id: z.string(), name: z.string(), gateway: z.string() })),
});

export const silenceSchema = named(
  "Silence",
  z.object({
    ...{ id: z.string(), matchers: z.record(z.string(), list(z.string())) },
    ...{ startsAt: time, endsAt: timeOrNone, author: z.string(), comment: z.string() },
    createdAt: time,
    recurring: z.object({ cron: z.string(), durationMs: z.number(), zone: z.string() }).optional(),
    state: z.enum(["pending", "active", "waiting", "ended"]).optional(),
  }),
);
export const silencesSchema = z.object({ silences: list(silenceSchema) });
export const acknowledgedSchema = z.object({
  ...{ id: z.string(), by: z.string(), note: z.string(), at: time },
});

export const commandSchema = named(
  "Command",
  z.looseObject({
    ...{ id: z.string(), gateway: z.string(), device: z.string(), name: z.string() },
    ...{ state: z.string(), detail: z.string() },
  }),
);
export const commandsSchema = z.object({ commands: list(commandSchema) });

const rule = z.object({
  ...{ name: z.string(), mode: z.string(), version: z.string().nullable(), severity: z.string() },
  ...{ by: z.string(), source: z.string(), inForce: z.boolean() },
});
export const rulesSchema = named(
  "Rules",
  z.object({
    ...{ source: z.string(), revision: count, isOwn: z.boolean(), text: z.string() },
    inForce: z.boolean(),
    refused: list(z.object({ source: z.string(), reason: z.string() })),
    rules: list(rule),
  }),
);
const placedFaults = list(
  z.object({
    ...{ line: count.nullable(), column: count.nullable(), path: z.string() },
    message: z.string(),
  }),
);
export const rulesCheckSchema = named(
  "RulesCheck",
  z.object({
    ...{ good: z.boolean(), rules: count, examples: count },
    ...{ faults: placedFaults, failures: placedFaults },
    changes: list(
      z.object({
        ...{ name: z.string(), what: z.string(), path: z.string() },
        ...{ before: z.unknown(), after: z.unknown() },
      }),
    ),
  }),
);
export const backtestSchema = named(
  "RulesBacktest",
  z.object({
    ...{ from: time, to: time, hasJudged: z.boolean(), omitted: count },
    summary: z.object({ new: count, old: count, both: count }),
    alerts: list(
      z.looseObject({
        ...{ in: z.enum(["new", "old", "both"]), id: z.string(), rule: z.string() },
        ...{ firingAt: time, resolvedAt: timeOrNone },
      }),
    ),
  }),
);
export const revisionSchema = z.object({ revision: count });
export const rulesHistorySchema = z.object({
  revisions: list(
    z.object({
      ...{ revision: count, at: time, what: z.enum(["put", "removed"]), bytes: count },
      ...{ rules: count.nullable(), note: z.string() },
    }),
  ),
});
export const rulesRevisionSchema = z.object({
  ...{ revision: count, at: time, what: z.enum(["put", "removed"]), note: z.string() },
  text: z.string(),
});

export type { deadKinds };

const deadGroup = {
  ...{ id: z.string(), kind: z.enum(deadKinds), gateway: z.string().nullable() },
  ...{ receiver: z.string().nullable(), reason: z.string(), detail: z.string() },
  /** Of their topics; where levels have digits, a + stands for all of them. */
  topic: z.string().nullable(),
  /** Those that are kept, and those that are only counted besides. */
  ...{ count: z.number(), counted: z.number(), firstAt: time, lastAt: time },
};
export const deadGroupsSchema = z.object({
  groups: list(named("DeadGroup", z.object(deadGroup))),
});
export const deadGroupSchema = named(
  "DeadGroupDetails",
  z.object({
    ...deadGroup,
    samples: list(
      z.object({
        ...{ id: z.string(), at: time, device: z.string().nullable() },
        ...{ topic: z.string().nullable(), detail: z.string(), bytes: count },
        /** Base64. */
        payload: z.string(),
      }),
    ),
  }),
);

const redriveOutcome = {
  ...{ tried: count, redriven: count, readings: count, discarded: count },
  /** They stay open, by why. */
  refused: z.record(z.string(), count),
};
/** What a mapping makes of the newest letters of a group; nothing is changed by it. */
export const redriveTrialSchema = z.object({
  trials: list(
    z.object({
      ...{ id: z.string(), becomes: z.enum(["redrive", "judge", "discard", "refused"]) },
      /** Why it is dropped, or stays open. */
      why: z.string(),
      readings: list(
        z.object({
          ...{ device: z.string(), metric: z.string(), unit: z.string().nullable() },
          value: z.union([z.number(), z.string(), z.boolean(), z.null()]),
        }),
      ),
    }),
  ),
});
export const redrivenSchema = z.object(redriveOutcome);
export const discardedSchema = z.object({ discarded: count });

export const operatorsSchema = z.object({
  entries: list(
    named(
      "OperatorsEntry",
      z.object({
        ...{ id: z.string(), at: time, who: z.string(), scope: z.string(), how: z.string() },
        ...{ from: z.string(), act: z.string(), on: z.string() },
        ...{ result: z.enum(operatorResults), detail: z.string() },
      }),
    ),
  ),
  next,
});
