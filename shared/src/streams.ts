/** The JetStream streams as data; shells create them or check what is there against this. */
import {
  acksStream,
  clockSubject,
  commandStream,
  devicesBucket,
  devicesStream,
  engineStream,
  gatewaysStream,
  leasesBucket,
  leasesStream,
  notifyBucket,
  notifyStream,
  operateStream,
  operateSubject,
  partitionCount,
  readersStream,
  registryBucket,
  registryStream,
  rulesBucket,
  rulesStream,
  sessionsBucket,
  sessionsStream,
  silencesStream,
  subjects,
  telemetryStream,
} from "./subjects.ts";

export interface StreamPlan {
  readonly name: string;
  readonly subjects: readonly string[];
  readonly transform: { readonly src: string; readonly dest: string } | undefined;
  readonly allowAtomicPublish: boolean;
  readonly allowRollup: boolean;
  readonly allowMessageTtl: boolean;
  /** Older messages of a subject go; undefined keeps them all. */
  readonly keptPerSubject?: number;
  readonly maxBytes: number;
  readonly replicas: number;
}

export interface StreamBounds {
  readonly telemetryBytesMax: number;
  readonly engineBytesMax: number;
  readonly replicas: number;
}

/** Some 10,000 readers. */
const readersBytesMax = 16 * 1_024 * 1_024;
/** Some thousand workers. */
const leasesBytesMax = 1_024 * 1_024;

/** Of the rules' text; a message of the server's default max_payload holds it. */
export const rulesTextBytesMax = 900 * 1_024;
export const rulesRevisionsMax = 64;
/** All revisions, each as large as can be. */
const rulesBytesMax = 64 * 1_024 * 1_024;

/** 100,000 alerts that fire, for three receivers. */
const notifyBytesMax = 256 * 1_024 * 1_024;
/** Some 200,000 commands of 1 KB. */
const commandBytesMax = 256 * 1_024 * 1_024;
/** Of a gateway, which has not fetched them yet. */
export const commandsWaitingMax = 10_000;
/** A million devices, of which each takes some 100 bytes. */
const registryBytesMax = 256 * 1_024 * 1_024;
/** What was said of 100,000 devices, each of them some times. */
const devicesBytesMax = 64 * 1_024 * 1_024;
/** 10,000 gateways, each as it stood some times. */
const gatewaysBytesMax = 64 * 1_024 * 1_024;
/** Entries of operators, the oldest of which go first; each takes 1.5 KB at most. */
const operateEntriesMax = 100_000;
const operateBytesMax = 160 * 1_024 * 1_024;
/** Of a device, the newest of which counts. */
const deviceRevisionsMax = 8;
const gatewayRevisionsMax = 8;
/** Some 10,000 silences, or 30,000 acknowledgements. */
const operationsBytesMax = 16 * 1_024 * 1_024;

/** The server's least duplicate window; no message ids are used, so it costs nothing. */
export const duplicateWindowMs = 100;

/**
 * TLM is the wire and the journal: no age limit, no TTL, no roll-up, no atomic batches, so that a
 * gateway's hostile headers are refused by the server. ENGINE holds state, alerts and derived
 * events: no age limit, what has happened carries a TTL of its own. READERS holds what the
 * journal's registered readers have worked off, RULES the text of the rules and what it was before,
 * NOTIFY who was told what, SILENCES and ACKS what people say about alerts, SESSIONS which sessions of
 * pages were ended; `nats kv` shows them.
 * CMD holds commands until they are closed, each with a TTL up to its expiry, and their states.
 * LEASES holds which worker does what. DEVICES holds what people say of devices, GATEWAYS which
 * gateways may connect, REGISTRY which devices there are, OPERATE what operators did.
 * Full means refused (`discard: new`), never silently dropped.
 */
export function streamPlans(bounds: StreamBounds): readonly StreamPlan[] {
  return [
    {
      name: telemetryStream,
      subjects: ["tlm.*.*", clockSubject],
      transform: {
        src: "tlm.*.*",
        dest: `tlm.{{partition(${partitionCount},1)}}.{{wildcard(1)}}.{{wildcard(2)}}`,
      },
      allowAtomicPublish: false,
      allowRollup: false,
      allowMessageTtl: false,
      maxBytes: bounds.telemetryBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: engineStream,
      subjects: [
        "ckpt.*",
        "snap.>",
        "mark.*.*",
        "epochs.*.*.*",
        "open.*.*",
        "alert.>",
        "dlq.>",
        "rules.*",
        "site.>",
        "derived.>",
        "shadow.>",
        "report.>",
      ],
      transform: undefined,
      allowAtomicPublish: true,
      allowRollup: true,
      allowMessageTtl: true,
      maxBytes: bounds.engineBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: readersStream,
      subjects: [subjects.reader(">")],
      transform: undefined,
      allowAtomicPublish: false,
      allowRollup: true,
      allowMessageTtl: false,
      keptPerSubject: 1,
      maxBytes: readersBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: leasesStream,
      subjects: [`$KV.${leasesBucket}.>`],
      transform: undefined,
      allowAtomicPublish: false,
      allowRollup: true,
      allowMessageTtl: false,
      keptPerSubject: 1,
      maxBytes: leasesBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: rulesStream,
      subjects: [`$KV.${rulesBucket}.>`],
      transform: undefined,
      allowAtomicPublish: false,
      allowRollup: true,
      allowMessageTtl: false,
      keptPerSubject: rulesRevisionsMax,
      maxBytes: rulesBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: notifyStream,
      subjects: [`$KV.${notifyBucket}.>`],
      transform: undefined,
      allowAtomicPublish: true,
      allowRollup: true,
      allowMessageTtl: false,
      keptPerSubject: 1,
      maxBytes: notifyBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: commandStream,
      subjects: [subjects.command("*", "*"), subjects.commandStates],
      transform: undefined,
      allowAtomicPublish: true,
      allowRollup: true,
      allowMessageTtl: true,
      keptPerSubject: 1,
      maxBytes: commandBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: devicesStream,
      subjects: [`$KV.${devicesBucket}.>`],
      transform: undefined,
      allowAtomicPublish: false,
      allowRollup: true,
      allowMessageTtl: false,
      keptPerSubject: deviceRevisionsMax,
      maxBytes: devicesBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: gatewaysStream,
      subjects: [subjects.gatewayEntry("*")],
      transform: undefined,
      allowAtomicPublish: false,
      allowRollup: true,
      allowMessageTtl: false,
      keptPerSubject: gatewayRevisionsMax,
      maxBytes: gatewaysBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: registryStream,
      subjects: [`$KV.${registryBucket}.>`],
      transform: undefined,
      allowAtomicPublish: true,
      allowRollup: true,
      allowMessageTtl: false,
      keptPerSubject: 1,
      maxBytes: registryBytesMax,
      replicas: bounds.replicas,
    },
    {
      name: operateStream,
      subjects: [operateSubject],
      transform: undefined,
      allowAtomicPublish: false,
      allowRollup: false,
      allowMessageTtl: true,
      keptPerSubject: operateEntriesMax,
      maxBytes: operateBytesMax,
      replicas: bounds.replicas,
    },
    ...[
      { name: silencesStream, subjects: [subjects.silence(">")] },
      { name: acksStream, subjects: [subjects.acknowledgement(">")] },
      { name: sessionsStream, subjects: [`$KV.${sessionsBucket}.>`] },
    ].map((bucket) => ({
      ...bucket,
      transform: undefined,
      allowAtomicPublish: false,
      allowRollup: true,
      allowMessageTtl: true,
      keptPerSubject: 1,
      maxBytes: operationsBytesMax,
      replicas: bounds.replicas,
    })),
  ];
}
