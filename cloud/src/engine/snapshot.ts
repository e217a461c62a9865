/**
 * A snapshot is a partition's state of one instant: per gateway the ledger of that instant and the
 * detectors' state, cut into shards. It counts only once a commit names it with count and hash, so a
 * torn one is never loaded.
 *
 *   gateway state = { "v": 1, "mark": the ledger as a mark, "detection": the detectors' state }
 */
import { createHash } from "node:crypto";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { parseSnapshotSubject, subjects } from "@causeway/shared/subjects.ts";
import type { Shard } from "./engine-store.ts";

/** Well below the server's max_payload. */
const shardBytesMax = 256 * 1_024;

export interface GatewaySnapshot {
  readonly gateway: string;
  readonly mark: Mark;
  /** As the alerting encodes it. */
  readonly detection: string;
}

export function encodeSnapshot(
  partition: number,
  generation: string,
  gateways: readonly GatewaySnapshot[],
): Shard[] {
  return gateways.flatMap(({ gateway, mark, detection }) => {
    const text = `{"v":1,"mark":${encodeMark(mark)},"detection":${detection}}`;
    const bytes = Buffer.from(text);
    const shards: Shard[] = [];
    for (let from = 0; from < bytes.length; from += shardBytesMax) {
      const subject = subjects.snapshot(partition, gateway, generation, shards.length);
      shards.push({ subject, data: bytes.subarray(from, from + shardBytesMax) });
    }
    return shards;
  });
}

/** `<fence>-<random>`: a later engine has a higher fence. */
export function isOlderGeneration(generation: string, than: string): boolean {
  return generation !== than && Number.parseInt(generation, 10) <= Number.parseInt(than, 10);
}

/** Over subjects and bytes, in the order of the subjects. */
export function snapshotHash(shards: readonly Shard[]): string {
  const hash = createHash("sha256");
  for (const { subject, data } of [...shards].sort(bySubject)) {
    hash.update(`${subject} ${data.length}\n`).update(data);
  }
  return hash.digest("hex").slice(0, 32);
}

function bySubject(left: Shard, right: Shard): number {
  return left.subject < right.subject ? -1 : 1;
}

/** Throws BATCH_MALFORMED or BATCH_VERSION_UNKNOWN. */
export function decodeSnapshot(shards: readonly Shard[]): readonly GatewaySnapshot[] {
  const byGateway = new Map<string, Uint8Array[]>();
  for (const { subject, data } of shards) {
    const place = parseSnapshotSubject(subject);
    if (place === undefined) throw new CodedError("BATCH_MALFORMED", `a shard at ${subject}`);
    const parts = byGateway.get(place.gateway) ?? [];
    parts[place.shard] = data;
    byGateway.set(place.gateway, parts);
  }
  return [...byGateway].map(([gateway, parts]) => decodeGateway(gateway, parts));
}

function decodeGateway(gateway: string, parts: readonly Uint8Array[]): GatewaySnapshot {
  const { v, mark, detection } = JSON.parse(Buffer.concat(parts).toString("utf8")) as Record<
    string,
    unknown
  >;
  if (v !== 1) throw new CodedError("BATCH_VERSION_UNKNOWN", `a snapshot of version ${v}`);
  return { gateway, mark: decodeMark(JSON.stringify(mark)), detection: JSON.stringify(detection) };
}
