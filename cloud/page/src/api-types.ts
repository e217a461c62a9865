/** What the page reads of the API (docs/api.md), as it is made there, or the part that the page shows. */
import type { DeviceView } from "../../src/devices/device-view.ts";
import type { AccessState } from "../../src/gateways/gateway-access.ts";
import type { QuotaShown } from "../../src/quota/quota-shown.ts";
import type { DeadGroup as DeadDetails } from "../../src/views/dead-table.ts";
import type { GatewayShown } from "../../src/views/gateway-shown.ts";
import type { Loss } from "../../src/views/gateway-table.ts";
import type { Value } from "./format.ts";

export type { AccessState, DeadDetails, Loss, QuotaShown };
export type Gateway = GatewayShown;

export type Scope = "read" | "operate" | "admin";

export interface Session {
  readonly name: string;
  readonly scope: Scope;
  readonly how: "cookie" | "token" | "loopback" | "anonymous";
  readonly expiresAt: number | null;
  readonly csrf: string | null;
}

export interface Facts {
  readonly now: number;
  readonly version: string;
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

export interface Counters {
  readonly events: number;
  readonly readings: number;
  readonly quarantined: number;
  readonly dead: number;
  readonly lost: number;
  readonly late: number;
  readonly gateways: number;
  readonly series: number;
  readonly alertsOpen: number;
}

export type Severity = "critical" | "warning" | "info";

export interface Trouble {
  readonly kind: string;
  readonly severity: Severity;
  readonly text: string;
  readonly gateway: string | null;
  readonly device: string | null;
  readonly alert: string | null;
  readonly since: number | null;
}

export interface Overview extends Omit<Facts, "now"> {
  readonly verdict: string;
  readonly isWell: boolean;
  readonly problems: readonly Trouble[];
  readonly gateways: {
    readonly total: number;
    readonly online: number;
    readonly silent: number;
    readonly retired: number;
  };
  readonly backlogEvents: number;
  readonly devices: {
    readonly total: number;
    readonly states: Readonly<Record<DeviceState, number>>;
  } | null;
  readonly alerts: {
    readonly firing: number;
    readonly acknowledged: number;
    readonly silenced: number;
    readonly bySeverity: Readonly<Record<Severity, number>>;
  };
  readonly counters: Counters;
}

export interface LedgerRow {
  readonly epoch: string;
  readonly log: "telemetry" | "priority";
  readonly through: number;
  readonly end: number | null;
  readonly stretches: readonly {
    readonly from: number;
    readonly to: number;
    readonly state: "lost" | "thinned" | "dead";
    readonly reason: string;
  }[];
}

export interface Notice {
  readonly name: string;
  readonly detail: string;
  readonly at: number;
  readonly count: number;
}

export interface GatewayDetails extends Gateway {
  readonly recent: readonly (readonly [at: number, untakenEvents: number])[];
  readonly ledger: readonly LedgerRow[];
  readonly notices: readonly Notice[];
  readonly said: DeviceDetails["said"];
  readonly quota: QuotaShown | null;
  readonly access: { readonly state: AccessState; readonly said: DeviceDetails["said"] } | null;
  readonly alerts: readonly Alert[];
}

export type DeviceState = "online" | "offline" | "quiet" | "unknown" | "retired";

export type Device = Omit<DeviceView, "metrics">;

export interface DeviceList {
  readonly total: number;
  readonly states: Readonly<Record<DeviceState, number>>;
  readonly devices: readonly DeviceView[];
  readonly next: string | null;
}

export interface DeviceDetails extends Device {
  readonly metrics: readonly {
    readonly metric: string;
    readonly unit: string | null;
    readonly quality: string;
  }[];
  readonly notices: readonly Notice[];
  readonly said: {
    readonly act: string;
    readonly by: string;
    readonly note: string;
    readonly at: number;
  } | null;
  readonly latest?: readonly SeriesUpdate[];
  readonly alerts?: readonly Alert[];
}

export type Quality = "good" | "uncertain" | "bad";

export interface SeriesUpdate {
  readonly version: number;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly value: Value;
  readonly unit?: string;
  readonly quality: Quality;
  readonly qualityReason?: string;
  readonly observedAt: number | null;
  readonly receivedAt: number;
  readonly timeQuality: string;
  readonly late: boolean;
  /** Only of a series that the page does not know yet. */
  readonly recent?: readonly number[];
}

export interface ShownReading {
  readonly at: number;
  readonly value: Value;
  readonly device?: string;
  readonly metric?: string;
  readonly unit?: string;
}

export interface Evidence {
  readonly readings: readonly ShownReading[];
  readonly expected?: { readonly low?: number; readonly high?: number };
  readonly score?: number;
  readonly durationMs?: number;
  readonly worst?: ShownReading;
}

export interface Acknowledgement {
  readonly by: string;
  readonly note: string;
  readonly at: number;
}

/** As a list has it; a transition of the stream has `at`, and no `resolvedAt`. */
export interface Alert {
  readonly id: string;
  readonly state: "firing" | "resolved";
  readonly fingerprint: string;
  readonly rule: string;
  readonly severity: Severity;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly at?: number;
  readonly firingAt: number;
  readonly resolvedAt?: number | null;
  readonly value: Value;
  readonly unit?: string | null;
  readonly reason: string;
  readonly late: boolean;
  readonly knownAt?: number;
  readonly flapping?: true;
  readonly raisedBy?: "edge";
  readonly evidence?: Evidence | null;
  readonly acknowledged?: Acknowledgement;
  readonly silencedBy?: string;
  readonly inhibitedBy?: string;
}

export interface AlertDetails extends Alert {
  readonly timeline: readonly {
    readonly at: number;
    readonly what: string;
    readonly by?: string;
    readonly note?: string;
    readonly text: string;
  }[];
  readonly before: readonly Alert[];
}

export interface Silence {
  readonly id: string;
  readonly matchers: Readonly<Record<string, readonly string[]>>;
  readonly startsAt: number;
  readonly endsAt: number | null;
  readonly recurring?: {
    readonly cron: string;
    readonly durationMs: number;
    readonly zone: string;
  };
  readonly author: string;
  readonly comment: string;
  readonly state: string;
}

export interface Spoken {
  readonly silences: readonly Silence[];
  readonly acknowledgements: Readonly<Record<string, Acknowledgement>>;
}

export interface Rules {
  readonly source: string;
  readonly revision: number;
  readonly isOwn: boolean;
  readonly text: string;
  readonly inForce: boolean;
  readonly refused: readonly { readonly source: string; readonly reason: string }[];
  readonly rules: readonly {
    readonly name: string;
    readonly mode: "live" | "shadow" | "off";
    readonly version: string | null;
    readonly severity: Severity;
    readonly by: string;
    readonly inForce: boolean;
  }[];
}

export interface RuleFault {
  readonly line: number | null;
  readonly column: number | null;
  readonly path: string;
  readonly message: string;
}

export interface RulesCheck {
  readonly good: boolean;
  readonly rules: number;
  readonly examples: number;
  readonly faults: readonly RuleFault[];
  readonly failures: readonly RuleFault[];
  readonly changes: readonly {
    readonly name: string;
    readonly what: string;
    readonly path: string;
    readonly before: unknown;
    readonly after: unknown;
  }[];
}

export interface BacktestAlert extends Partial<Alert> {
  readonly in: "new" | "old" | "both";
  readonly rule: string;
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly severity: Severity;
  readonly firingAt: number;
  readonly resolvedAt?: number | null;
  readonly reason: string;
}

export interface RulesBacktest {
  readonly from: number;
  readonly to: number;
  readonly summary: { readonly new: number; readonly old: number; readonly both: number };
  readonly alerts: readonly BacktestAlert[];
  readonly omitted: number;
  readonly hasJudged: boolean;
}

export interface RulesRevision {
  readonly revision: number;
  readonly at: number;
  readonly what: string;
  readonly note: string;
  readonly rules?: number | null;
}

export type DeadGroup = Omit<DeadDetails, "samples">;

/** What a mapping makes of one letter. */
export interface RedriveTrial {
  readonly id: string;
  readonly becomes: "redrive" | "judge" | "discard" | "refused";
  readonly why: string;
  readonly readings: readonly {
    readonly device: string;
    readonly metric: string;
    readonly value: number | string | boolean | null;
    readonly unit: string | null;
  }[];
}

export interface RedriveOutcome {
  readonly redriven: number;
  readonly readings: number;
  readonly discarded: number;
  readonly refused: Readonly<Record<string, number>>;
}

/** Of /api/readings: what the columns of `points` are hangs on what was asked for. */
export interface ReadingsAnswer {
  readonly kind: "readings" | "extremes";
  readonly widthMs?: number;
  readonly columns: readonly string[];
  readonly series: readonly {
    readonly gateway: string;
    readonly device: string;
    readonly metric: string;
    readonly unit: string;
    readonly points: readonly (readonly unknown[])[];
  }[];
  readonly truncated: boolean;
}

/** Events of /api/stream by name. */
export interface StreamEvents {
  hello: Facts & { readonly resumed: boolean };
  counters: Facts & { readonly counters: Counters };
  gateways: readonly Gateway[];
  alerts: { readonly open: readonly Alert[]; readonly recent: readonly Alert[] };
  alert: Alert;
  silences: Spoken;
  latest: readonly SeriesUpdate[];
}
