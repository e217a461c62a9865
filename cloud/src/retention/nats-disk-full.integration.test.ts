// A disk without room: nats-server falls silent to writes, the cloud says why, and nothing is lost.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeMark } from "@causeway/shared/mark.ts";
import { engineStream } from "@causeway/shared/subjects.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { afterEach, expect, test, vi } from "vitest";
import { hotRules } from "../engine/testing/engine-world.ts";
import { startEngine, storedTransitions } from "../engine/testing/nats-engine.ts";
import {
  connectTest,
  fill,
  prepareStreams,
  publishReading,
} from "../testing/nats-journal-writer.ts";

const patience = { timeout: 25_000, interval: 100 };
const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

/** A small disk of our own, in memory; undefined where this user may not mount one. */
function smallDisk(): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), "causeway-disk-"));
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=12m", "tmpfs", folder], { stdio: "ignore" });
  } catch {
    rmSync(folder, { recursive: true });
    return undefined;
  }
  ends.push(() => {
    execFileSync("umount", [folder]);
    rmSync(folder, { recursive: true });
  });
  return folder;
}

const disk = process.getuid?.() === 0 ? smallDisk() : undefined;

test.skipIf(disk === undefined)(
  "a full disk is named; with room and a restart everything is taken once",
  async () => {
    vi.stubEnv("TMPDIR", disk);
    const server = await startNatsServer();
    vi.unstubAllEnvs();
    ends.push(() => server.remove());
    const connection = await connectTest(server.url);
    ends.push(() => connection.close());
    const manager = await jetstreamManager(connection);
    await prepareStreams(manager);
    const { engine, stop } = await startEngine(server.url, hotRules);
    ends.push(stop);
    const through = async () => {
      const found = await manager.streams.getMessage(engineStream, { last_by_subj: "mark.*.g1" });
      return found === null ? 0 : decodeMark(found.string()).epochs[0]?.logs.telemetry.through;
    };
    await publishReading(connection, 1, 20);
    await vi.waitFor(async () => expect(await through()).toBe(1), patience);
    const filling = fill(connection, "derived.filling", 200_000, 1_000);
    await expect(filling).rejects.toThrow(/timeout/);
    await publishReading(connection, 2, 60).catch(() => {}); // the journal may have no room either
    await vi.waitFor(() => expect(engine.status().lastFault).toMatch(/room on its disk/), patience);
    expect(await through()).toBe(1);

    execFileSync("mount", ["-o", "remount,size=64m", disk ?? ""]);
    await server.stop();
    await server.start();
    await vi.waitFor(() => publishReading(connection, 2, 60), patience);
    await vi.waitFor(async () => expect(await through()).toBe(2), patience);
    expect(await storedTransitions(connection)).toHaveLength(1);
  },
);
