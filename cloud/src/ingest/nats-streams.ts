/** Creates the streams, or checks that those which are there keep the promise. */
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { StreamPlan } from "@causeway/shared/streams.ts";
import { duplicateWindowMs } from "@causeway/shared/streams.ts";
import type { JetStreamManager, StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { DiscardPolicy, JetStreamApiError, RetentionPolicy, StorageType } from "@nats-io/jetstream";

const nanosecondsPerMs = 1_000_000;
/** With less a gateway's window would not fit. */
const streamBytesMin = 64 * 1_024 * 1_024;

/** Throws STREAM_MISMATCH, NATS_JETSTREAM_MISSING, or NATS_UNREACHABLE where there is no answer. */
export async function ensureStreams(
  manager: JetStreamManager,
  plans: readonly StreamPlan[],
  log: Logger,
): Promise<void> {
  for (const plan of plans) {
    const found = await findStream(manager, plan.name);
    if (found === undefined) await create(manager, plan, log);
    else await check(manager, plan, found, log);
  }
}

/** The server's error code. */
const streamNotFound = 10_059;

/** As on a server that lost its disk; it says so only once it knows what it has. */
export function isStreamMissing(failure: unknown): boolean {
  return failure instanceof JetStreamApiError && failure.code === streamNotFound;
}

async function findStream(
  manager: JetStreamManager,
  name: string,
): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (failure) {
    if (isStreamMissing(failure)) return undefined;
    throw missing(failure);
  }
}

/** A server with less room than planned gets a smaller stream, and the log says so. */
async function create(manager: JetStreamManager, plan: StreamPlan, log: Logger): Promise<void> {
  for (let bytes = plan.maxBytes; ; bytes = Math.floor(bytes / 2)) {
    try {
      await manager.streams.add(configOf({ ...plan, maxBytes: bytes }));
      if (bytes < plan.maxBytes) tellSmaller(plan, bytes, log);
      return;
    } catch (failure) {
      if (!lacksRoom(failure) || bytes / 2 < streamBytesMin) throw missing(failure);
    }
  }
}

/** JetStream err_code 10047. */
function lacksRoom(failure: unknown): boolean {
  return /insufficient storage/i.test(reasonOf(failure));
}

function tellSmaller(plan: StreamPlan, bytes: number, log: Logger): void {
  const fields = { stream: plan.name, wanted: plan.maxBytes, bytes };
  log.warn(
    fields,
    "the stream is smaller than wanted: raise max_file_store, or set streams.*BytesMax",
  );
}

function missing(failure: unknown): CodedError {
  if (failure instanceof Error && failure.name === "TimeoutError") {
    const reason = "JetStream does not answer: a cluster needs most of its servers, and a leader";
    return new CodedError("NATS_UNREACHABLE", reason, { cause: failure });
  }
  const cure =
    "run nats-server >= 2.15 with JetStream, and max_file_store above the streams' sizes";
  return new CodedError("NATS_JETSTREAM_MISSING", `${reasonOf(failure)}; ${cure}`, {
    cause: failure,
  });
}

function configOf(plan: StreamPlan): Partial<StreamConfig> & { name: string } {
  return {
    name: plan.name,
    subjects: [...plan.subjects],
    ...(plan.transform === undefined ? {} : { subject_transform: plan.transform }),
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    storage: StorageType.File,
    num_replicas: plan.replicas,
    max_bytes: plan.maxBytes,
    duplicate_window: duplicateWindowMs * nanosecondsPerMs,
    allow_direct: true,
    allow_rollup_hdrs: plan.allowRollup,
    allow_msg_ttl: plan.allowMessageTtl,
    allow_atomic: plan.allowAtomicPublish,
    ...(plan.keptPerSubject === undefined ? {} : { max_msgs_per_subject: plan.keptPerSubject }),
    max_consumers: -1,
  };
}

/** What must agree is refused when it does not; the size is the operator's and is set anew. */
async function check(
  manager: JetStreamManager,
  plan: StreamPlan,
  { config }: StreamInfo,
  log: Logger,
): Promise<void> {
  const faults: string[] = [];
  const expect = (name: string, found: unknown, wanted: unknown) => {
    const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)];
    if (is !== should) faults.push(`${name} is ${is}, not ${should}`);
  };
  expect("subject_transform", config.subject_transform, plan.transform);
  expect("retention", config.retention, RetentionPolicy.Limits);
  expect("discard", config.discard, DiscardPolicy.New);
  expect("max_age", config.max_age, 0);
  expect("allow_direct", config.allow_direct, true);
  expect("allow_rollup_hdrs", config.allow_rollup_hdrs ?? false, plan.allowRollup);
  expect("allow_msg_ttl", config.allow_msg_ttl ?? false, plan.allowMessageTtl);
  expect("allow_atomic", config.allow_atomic ?? false, plan.allowAtomicPublish);
  expect("max_msgs_per_subject", config.max_msgs_per_subject, plan.keptPerSubject ?? -1);
  if (faults.length > 0) {
    const cure = "correct it with the nats tool, or use another server";
    throw new CodedError("STREAM_MISMATCH", `stream ${plan.name}: ${faults.join("; ")}; ${cure}`);
  }
  const subjectsDiffer =
    JSON.stringify([...config.subjects].sort()) !== JSON.stringify([...plan.subjects].sort());
  if (config.max_bytes === plan.maxBytes && !subjectsDiffer) return;
  try {
    await manager.streams.update(plan.name, { ...config, ...configOf(plan) });
  } catch (failure) {
    if (!lacksRoom(failure)) throw missing(failure);
    tellSmaller(plan, config.max_bytes, log);
  }
}
