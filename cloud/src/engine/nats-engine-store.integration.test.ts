// Commits on a real nats-server: all or nothing, and never by an engine whose view is stale.

import { engineStream, telemetryStream } from "@causeway/shared/subjects.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import type { NatsConnection } from "@nats-io/nats-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectTest, mebibyte, prepareStreams } from "../testing/nats-journal-writer.ts";
import { encodeCheckpoint, noCheckpoint } from "./checkpoint.ts";
import type { CommitMessage } from "./engine-store.ts";
import { NatsEngineStore } from "./nats-engine-store.ts";

let server: NatsServer;
let connection: NatsConnection;
let store: NatsEngineStore;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connectTest(server.url);
  const manager = await jetstreamManager(connection);
  await prepareStreams(manager);
  store = new NatsEngineStore(connection, jetstream(connection), manager, systemRandom);
});
afterAll(async () => {
  await connection.close();
  await server.remove();
});

function checkpoint(partition: number, commit: number, expectedLast: number): CommitMessage {
  const data = encodeCheckpoint({ ...noCheckpoint, fence: 1, commit, nonce: "n" });
  return { subject: `ckpt.${partition}`, data, rollup: true, expectedLast };
}

async function messages(): Promise<number> {
  const manager = await jetstreamManager(connection);
  return (await manager.streams.info(engineStream)).state.messages;
}

describe("a commit", () => {
  test("of many partitions is stored whole, its sequences consecutive", async () => {
    const outcome = await store.commit([checkpoint(0, 1, 0), checkpoint(1, 1, 0)]);
    expect(outcome).toEqual({ kind: "committed", last: 2 });
    const found = await store.loadCheckpoints([0, 1, 2]);
    expect(found.get(0)).toMatchObject({ lastSequence: 1, checkpoint: { commit: 1 } });
    expect(found.get(1)).toMatchObject({ lastSequence: 2 });
    expect(found.get(2)).toMatchObject({ lastSequence: 0, checkpoint: { fence: 0 } });
  });

  test.each([0, 1])(
    "with a stale expectation at place %i is refused, and nothing of it is stored",
    async (stale) => {
      const found = await store.loadCheckpoints([0, 1]);
      const expected = [0, 1].map((partition) => found.get(partition)?.lastSequence ?? 0);
      expected[stale] = 99_999;
      const before = await messages();
      const outcome = await store.commit([
        { subject: "mark.0.g1", data: "{}", rollup: true },
        checkpoint(0, 2, expected[0] ?? 0),
        checkpoint(1, 2, expected[1] ?? 0),
      ]);
      expect(outcome).toMatchObject({ kind: "refused", reason: expect.stringContaining("10071") });
      expect(await messages()).toBe(before);
    },
  );

  test("replaces what it rolls up and keeps what it does not", async () => {
    for (const data of ["one", "two"]) {
      await store.commit([
        { subject: "alert.5.g1.rule", data, rollup: false, ttlSeconds: 3_600 },
        { subject: "mark.5.g1", data, rollup: true },
      ]);
    }
    const manager = await jetstreamManager(connection);
    const info = await manager.streams.info(engineStream, { subjects_filter: "*.5.>" });
    expect(info.state.subjects).toEqual({ "alert.5.g1.rule": 2, "mark.5.g1": 1 });
    expect(await store.loadLast("mark.*.*")).toContainEqual({ subject: "mark.5.g1", text: "two" });
  });

  test("of checkpoints is seen by all that is loaded after it, and does not stand among it", async () => {
    await store.commit([checkpoint(7, 1, 0)]);
    const marks = await store.loadLast("mark.*.*");
    expect(marks.length).toBeGreaterThan(0);
    expect(marks.every(({ subject }) => subject.startsWith("mark."))).toBe(true);
    expect(await store.loadLast("open.*.*")).toEqual([]);
  });
});

test("loading from a filter that matches nothing answers at once", async () => {
  expect(await store.loadLast("open.*.*")).toEqual([]);
});

test("a stream whose settings break the promise is refused with the setting's name", async () => {
  const manager = await jetstreamManager(connection);
  await manager.streams.delete(telemetryStream);
  await manager.streams.add({
    name: telemetryStream,
    subjects: ["tlm.*.*", "clk"],
    max_age: 1_000_000_000_000,
  });
  await expect(prepareStreams(manager)).rejects.toThrow(/STREAM_MISMATCH.*max_age/);
});

test("a server that does not answer is told as such, not as one without JetStream", async () => {
  const manager = await jetstreamManager(connection, { timeout: 200 });
  server.pause();
  const asked = prepareStreams(manager);
  await expect(asked).rejects.toMatchObject({ code: "NATS_UNREACHABLE" });
  server.resume();
});

test("a server with less room than wanted gets smaller streams", async () => {
  const manager = await jetstreamManager(connection);
  await manager.streams.delete(telemetryStream);
  const wanted = { telemetryBytesMax: 1_000_000 * mebibyte };
  await prepareStreams(manager, wanted);
  const { config } = await manager.streams.info(telemetryStream);
  expect(config.max_bytes).toBeGreaterThanOrEqual(64 * mebibyte);
  expect(config.max_bytes).toBeLessThan(wanted.telemetryBytesMax);
});
