/** Every NATS subject, built and parsed here and nowhere else. */
import type { JournalLane, Lane } from "./event.ts";
import { lanes, redriveLane } from "./event.ts";
import type { GatewayId, RuleName } from "./names.ts";
import { isGatewayId } from "./names.ts";

/** Answers to a gateway come under it, and to it alone. */
export function inboxPrefix(gateway: GatewayId): string {
  return `_INBOX_${gateway}`;
}

/** Fixed for ever: another count would move gateways to other partitions and break their order. */
export const partitionCount = 64;

export const telemetryStream = "TLM";
export const engineStream = "ENGINE";
/** Commands to devices, and what became of each. */
export const commandStream = "CMD";
export const clockSubject = "clk";
/** A JetStream key-value bucket is a stream of this name, and its keys are subjects under it. */
export const readersBucket = "READERS";
export const readersStream = `KV_${readersBucket}`;
export const rulesBucket = "RULES";
export const rulesStream = `KV_${rulesBucket}`;
/** Who was told what. */
export const notifyBucket = "NOTIFY";
export const notifyStream = `KV_${notifyBucket}`;
/** What people have said about alerts. */
export const silencesBucket = "SILENCES";
export const silencesStream = `KV_${silencesBucket}`;
export const acksBucket = "ACKS";
export const acksStream = `KV_${acksBucket}`;
/** Sessions of pages that were ended, and codes that log in. */
export const sessionsBucket = "SESSIONS";
export const sessionsStream = `KV_${sessionsBucket}`;
/** What operators did. */
export const operateStream = "OPERATE";
export const operateSubject = "operate.log";
/** Which worker does what. */
export const leasesBucket = "LEASES";
export const leasesStream = `KV_${leasesBucket}`;
/** What people have said of devices. */
export const devicesBucket = "DEVICES";
export const devicesStream = `KV_${devicesBucket}`;
/** Which gateways may connect, by which key, and where they belong. */
export const gatewaysBucket = "GATEWAYS";
export const gatewaysStream = `KV_${gatewaysBucket}`;
/** The registry of devices as it was kept last. */
export const registryBucket = "REGISTRY";
export const registryStream = `KV_${registryBucket}`;

/** What stands behind those of the partitions: the checkpoint of the stage that judges sites. */
export const siteCheckpoint = 64;
/** And that of the stage that makes reports. */
export const reportCheckpoint = 65;
/** Ticks for rules by site, in one order with what they are told. */
export const siteClockSubject = "site.clk";
/** All that rules by site are told. */
export const siteSubjects = [siteClockSubject, "site.*.*"];

export const subjects = {
  /** Where a gateway publishes; the stream stores it under {@link storedTelemetry}. */
  telemetry: (gateway: GatewayId, lane: Lane) => `tlm.${gateway}.${lane}`,
  /** Gateways are not allowed to publish there. */
  redrive: (gateway: GatewayId) => `tlm.${gateway}.${redriveLane}`,
  storedRedrive: (gateway: GatewayId) => `tlm.*.${gateway}.${redriveLane}`,
  /** All that the journal has of a partition. */
  partition: (partition: number) => `tlm.${partition}.>`,
  checkpoint: (partition: number) => `ckpt.${partition}`,
  mark: (partition: number, gateway: string) => `mark.${partition}.${gateway}`,
  /** What the mark no longer names; kept beside it, and read by whoever needs the whole ledger. */
  epochPage: (partition: number, gateway: string, page: number) =>
    `epochs.${partition}.${gateway}.${page}`,
  /** A gateway reads its mark without knowing its partition. */
  markOfGateway: (gateway: GatewayId) => `mark.*.${gateway}`,
  alert: (partition: number, gateway: string, rule: RuleName) =>
    `alert.${partition}.${gateway}.${rule}`,
  /** What rules in shadow would have told; nobody is told of it. */
  shadow: (partition: number, gateway: string, rule: RuleName) =>
    `shadow.${partition}.${gateway}.${rule}`,
  /** What rules emit; `name` is that of the event. */
  derived: (partition: number, gateway: string, name: RuleName) =>
    `derived.${partition}.${gateway}.${name}`,
  /** What the gateways of a site tell rules by site; `token` is that of the site. */
  site: (partition: number, token: string) => `site.${partition}.${token}`,
  /** What they know of it, in pieces. */
  siteState: (partition: number, token: string, piece: number) =>
    `site.state.${partition}.${token}.${piece}`,
  siteStates: "site.state.*.*.*",
  openAlerts: (partition: number, gateway: string) => `open.${partition}.${gateway}`,
  /** All shards of a partition's snapshot of one generation are under {@link snapshotFilter}. */
  snapshot: (partition: number, gateway: string, generation: string, shard: number) =>
    `snap.${partition}.${gateway}.${generation}.${shard}`,
  snapshotFilter: (partition: number, generation: string) => `snap.${partition}.*.${generation}.*`,
  /** What reports are made of, in pieces. */
  reportState: (piece: number) => `report.state.${piece}`,
  reportStates: "report.state.*",
  /** A report that was made, for the notifier and for whoever asks for it later. */
  report: (name: string) => `report.told.${name}`,
  reports: "report.told.*",
  ruleSet: (name: string) => `rules.${name}`,
  /** Which dead letters of a gateway are open, in groups; {@link deadPage} has them. */
  deadLetters: (partition: number | "*", gateway: string) => `dlq.${partition}.${gateway}`,
  deadPage: (partition: number | "*", gateway: string, page: number | "*") =>
    `dlq.${partition}.${gateway}.${page}`,
  /** What became of those that are not open any more. */
  settledLetters: (partition: number | "*", gateway: string) =>
    `dlq.${partition}.${gateway}.settled`,
  /** What a receiver of alerts did not take. */
  deadNotification: (receiver: string) => `dlq.notify.${receiver}`,
  deadNotifications: "dlq.notify.*",
  /** Where it waits for its gateway, until it is closed or expired. */
  command: (gateway: string, id: string) => `cmd.${gateway}.${id}`,
  commands: (gateway: string) => `cmd.${gateway}.*`,
  /** The command and its state, for those who ask; kept longer. */
  commandState: (gateway: string, id: string) => `cmdstate.${gateway}.${id}`,
  commandStates: "cmdstate.*.*",
  /** A gateway's consumer on CMD is named after it. */
  nextCommands: (gateway: GatewayId) => `$JS.API.CONSUMER.MSG.NEXT.${commandStream}.${gateway}`,
  reader: (name: string) => `$KV.${readersBucket}.${name}`,
  /** Written anew with every beat of the worker. */
  worker: (worker: string) => `$KV.${leasesBucket}.worker.${worker}`,
  leaseTable: `$KV.${leasesBucket}.table`,
  /** The text of the rules, where it is not the configuration's. */
  rulesText: `$KV.${rulesBucket}.rules`,
  /** A record of what a receiver was told; `record` may hold dots. */
  ledger: (receiver: string, record: string) => `$KV.${notifyBucket}.${receiver}.${record}`,
  silence: (id: string) => `$KV.${silencesBucket}.${id}`,
  acknowledgement: (alert: string) => `$KV.${acksBucket}.${alert}`,
  session: (kind: "ended" | "code", name: string) => `$KV.${sessionsBucket}.${kind}.${name}`,
  /** `key` is that of device-facts.ts, with a dot in it. */
  deviceFacts: (key: string) => `$KV.${devicesBucket}.${key}`,
  gatewayEntry: (gateway: string) => `$KV.${gatewaysBucket}.${gateway}`,
  registry: (gateway: string, piece: number) => `$KV.${registryBucket}.${gateway}.${piece}`,
} as const;

/** All that nats-server permits a gateway; lanes one by one, for the cloud has others. */
export function gatewayPermissions(gateway: GatewayId) {
  return {
    publish: [
      ...lanes.map((lane) => subjects.telemetry(gateway, lane)),
      `$JS.API.DIRECT.GET.${engineStream}.${subjects.markOfGateway(gateway)}`,
      subjects.nextCommands(gateway),
      `$JS.ACK.${commandStream}.${gateway}.>`,
    ],
    subscribe: [`${inboxPrefix(gateway)}.>`],
  };
}

export interface StoredTelemetry {
  readonly partition: number;
  readonly gateway: GatewayId;
  readonly lane: JournalLane;
}

const journalLanes: readonly JournalLane[] = [...lanes, redriveLane];

/** `tlm.<partition>.<gateway>.<lane>`, or undefined where the subject is another one. */
export function parseStoredTelemetry(subject: string): StoredTelemetry | undefined {
  const [head, partitionText = "", gateway = "", laneText, ...rest] = subject.split(".");
  const partition = Number(partitionText);
  const lane = journalLanes.find((known) => known === laneText);
  if (head !== "tlm" || rest.length > 0 || lane === undefined || !isGatewayId(gateway))
    return undefined;
  if (!/^[0-9]{1,2}$/.test(partitionText) || partition >= partitionCount) return undefined;
  return { partition, gateway, lane };
}

const gatewayHeads: ReadonlySet<string> = new Set([
  "mark",
  "epochs",
  "open",
  "alert",
  "dlq",
  "snap",
  "shadow",
  "derived",
]);

export interface GatewaySubject {
  readonly partition: number;
  readonly gateway: string;
}

/** The partition and gateway of the subjects that name one, `mark.` and `alert.` for example. */
export function parseGatewaySubject(subject: string): GatewaySubject | undefined {
  const [head = "", partitionText = "", gateway = ""] = subject.split(".");
  const partition = Number(partitionText);
  if (!gatewayHeads.has(head) || !isGatewayId(gateway)) return undefined;
  if (!/^[0-9]{1,2}$/.test(partitionText) || partition >= partitionCount) return undefined;
  return { partition, gateway };
}

/** A page of a gateway's dead letters, or undefined where the subject is another one. */
export function parseDeadPage(
  subject: string,
): (GatewaySubject & { readonly page: number }) | undefined {
  const place = parseGatewaySubject(subject);
  const [head, , , page = "", ...rest] = subject.split(".");
  if (head !== "dlq" || place === undefined || rest.length > 0) return undefined;
  return /^[0-9]{1,15}$/.test(page) ? { ...place, page: Number(page) } : undefined;
}

export interface SnapshotSubject extends GatewaySubject {
  readonly generation: string;
  readonly shard: number;
}

/** The parts of a `snap.` subject, or undefined where the subject is another one. */
export function parseSnapshotSubject(subject: string): SnapshotSubject | undefined {
  const place = parseGatewaySubject(subject);
  const [head, , , generation = "", shardText = "", ...rest] = subject.split(".");
  if (head !== "snap" || place === undefined || generation === "" || rest.length > 0)
    return undefined;
  if (!/^[0-9]{1,6}$/.test(shardText)) return undefined;
  return { ...place, generation, shard: Number(shardText) };
}

/** A gateway's piece of the registry, or undefined where the subject is another one. */
export function parseRegistrySubject(
  subject: string,
): { readonly gateway: string; readonly piece: number } | undefined {
  const [head, bucket, gateway = "", piece = "", ...rest] = subject.split(".");
  const isOne = head === "$KV" && bucket === registryBucket && rest.length === 0;
  return isOne && isGatewayId(gateway) && /^[0-9]{1,3}$/.test(piece)
    ? { gateway, piece: Number(piece) }
    : undefined;
}

/** A registered reader's name; as safe as a rule's. */
export function isReaderName(text: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(text);
}

/** The name of a registered reader, or undefined where the subject is another one. */
export function parseReaderSubject(subject: string): string | undefined {
  const [head, bucket, name = "", ...rest] = subject.split(".");
  const isOne = head === "$KV" && bucket === readersBucket && rest.length === 0;
  return isOne && isReaderName(name) ? name : undefined;
}
