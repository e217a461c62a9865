/** Creates the streams, or checks that those which are there keep the promise. */
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { StreamPlan } from "@causeway/shared/streams.ts";
import { duplicateWindowMs } from "@causeway/shared/streams.ts";
import type { JetStreamManager, StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { DiscardPolicy, RetentionPolicy, StorageType } from "@nats-io/jetstream";

const nanosecondsPerMs = 1_000_000;

/** Throws STREAM_MISMATCH or NATS_JETSTREAM_MISSING. */
export async function ensureStreams(manager: JetStreamManager, plans: readonly StreamPlan[]): Promise<void> {
  for (const plan of plans) {
    const found = await findStream(manager, plan.name);
    if (found === undefined) await create(manager, plan);
    else await check(manager, plan, found);
  }
}

async function findStream(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  try {
    return await manager.streams.info(name);
  } catch (failure) {
    if (/not found/i.test(reasonOf(failure))) return undefined;
    throw missing(failure);
  }
}

async function create(manager: JetStreamManager, plan: StreamPlan): Promise<void> {
  try {
    await manager.streams.add(configOf(plan));
  } catch (failure) {
    throw missing(failure);
  }
}

function missing(failure: unknown): CodedError {
  const cure = "run nats-server >= 2.15 with JetStream and enough max_file_store";
  return new CodedError("NATS_JETSTREAM_MISSING", `${reasonOf(failure)}; ${cure}`, { cause: failure });
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
    max_consumers: -1,
  };
}

/** What must agree is refused when it does not; the size is the operator's and is set anew. */
async function check(manager: JetStreamManager, plan: StreamPlan, { config }: StreamInfo): Promise<void> {
  const faults: string[] = [];
  const expect = (name: string, found: unknown, wanted: unknown) => {
    if (JSON.stringify(found) !== JSON.stringify(wanted)) faults.push(`${name} is ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);
  };
  expect("subject_transform", config.subject_transform, plan.transform);
  expect("retention", config.retention, RetentionPolicy.Limits);
  expect("discard", config.discard, DiscardPolicy.New);
  expect("max_age", config.max_age, 0);
  expect("allow_direct", config.allow_direct, true);
  expect("allow_rollup_hdrs", config.allow_rollup_hdrs ?? false, plan.allowRollup);
  expect("allow_msg_ttl", config.allow_msg_ttl ?? false, plan.allowMessageTtl);
  expect("allow_atomic", config.allow_atomic ?? false, plan.allowAtomicPublish);
  if (faults.length > 0) {
    const cure = "correct it with the nats tool, or use another server";
    throw new CodedError("STREAM_MISMATCH", `stream ${plan.name}: ${faults.join("; ")}; ${cure}`);
  }
  const subjectsDiffer = JSON.stringify([...config.subjects].sort()) !== JSON.stringify([...plan.subjects].sort());
  if (config.max_bytes === plan.maxBytes && !subjectsDiffer) return;
  await manager.streams.update(plan.name, { ...config, ...configOf(plan) });
}
