/**
 * Goal: on LevelDB what was acknowledged outlives SIGKILL at any moment, at its position; the rest of
 * the outbox's promises hold there as they do in memory.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { afterEach, expect, test, vi } from "vitest";
import { openLevelStore } from "./level-store.ts";
import { Outbox } from "./outbox.ts";
import type { Store } from "./store.ts";

const here = dirname(fileURLToPath(import.meta.url));
const node = join(here, "../../../node_modules/.bin/node");
const childFile = fileURLToPath(new URL("../testing/system-append-child.ts", import.meta.url));
const waitEveryMs = { interval: 2, timeout: 10_000 };
const bounds = { bytesMax: 2 ** 32, tailBytesMax: 2 ** 32, pendingBytesMax: 2 ** 24 };

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "causeway-outbox-"));
  folders.push(folder);
  return folder;
}

function openOutbox(folder: string, options: { openStore?: () => Promise<Store> } = {}) {
  return Outbox.open({
    gateway: "gw",
    openStore: () => openLevelStore(folder),
    clock: systemClock(),
    random: systemRandom,
    bounds,
    log: silentLogger,
    ...options,
  });
}

/** Everything readable, by `<epoch> <log> <position>`; fails on a gap. */
async function contents(outbox: Outbox): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const { id, last } of outbox.epochs()) {
    for (const log of logs) {
      for (let next = 1; next <= last[log]; ) {
        const blocks = await outbox.read(id, log, next, 1_000_000);
        expect(blocks[0]?.from).toBe(next);
        for (const { bytes, to } of blocks) {
          for (const { from, event } of decodeBlock(bytes).items) {
            if (event?.kind === "system")
              found.set(`${id} ${log} ${from}`, Number(event.name.slice(1)));
          }
          next = to + 1;
        }
      }
    }
  }
  return found;
}

/** Appends in a child, killed once it has printed so many lines; the whole lines it printed. */
async function killedAfter(folder: string, lines: number, firstTag: number): Promise<string[]> {
  const child = spawn(node, [childFile, folder, `${firstTag}`], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let [out, err] = ["", ""];
  child.stderr.on("data", (chunk) => {
    err += chunk;
  });
  await new Promise<void>((resolve) => {
    child.stdout.on("data", (chunk) => {
      out += chunk;
      if (out.split("\n").length > lines) child.kill("SIGKILL");
    });
    child.once("close", () => resolve());
  });
  expect(child.signalCode, err).toBe("SIGKILL");
  return out.split("\n").slice(0, -1);
}

test("every position that was acknowledged before SIGKILL is readable afterwards", async () => {
  const folder = join(temporary(), "outbox");
  const acked: string[] = [];
  for (const lines of [1, 700, 3_000, 12_000]) {
    acked.push(...(await killedAfter(folder, lines, acked.length * 10 + 1)));
  }
  const outbox = await openOutbox(folder);
  const found = await contents(outbox);
  const places = new Set<string>();
  for (const line of acked) {
    const [epoch, log, position, tag] = line.split(" ");
    const place = `${epoch} ${log} ${position}`;
    expect(places.has(place), `${place} is given twice`).toBe(false);
    places.add(place);
    expect(found.get(place), line).toBe(Number(tag));
  }
  expect(acked.length).toBeGreaterThan(15_000);
  expect(outbox.epochs().map(({ ends }) => ends !== undefined)).toEqual([true, true, true, true]);
  await outbox.close();
});

test("a failed write poisons LevelDB too: what waits fails, and a new epoch goes on", async () => {
  const folder = join(temporary(), "outbox");
  let failure: Error | undefined;
  const clock = new VirtualClock();
  const openStore = async (): Promise<Store> => {
    const store = await openLevelStore(folder);
    return {
      write: async (changes, options) => {
        await store.write(changes, options);
        if (failure !== undefined) throw failure; // the bytes are there, the sync said no
      },
      get: (key) => store.get(key),
      scan: (range) => store.scan(range),
      size: (from, until) => store.size(from, until),
      compact: (from, until) => store.compact(from, until),
      close: () => store.close(),
    };
  };
  const outbox = await Outbox.open({
    gateway: "gw",
    openStore,
    clock,
    random: systemRandom,
    bounds,
    log: silentLogger,
  });
  const append = async (tag: number, log: Log = "telemetry") => {
    const common = { device: null, topic: null, bootMs: 1, observedAt: null };
    const event: Event = { kind: "system", ...common, name: `n${tag}`, detail: "" };
    const settled = new Promise<string | undefined>((resolve) =>
      outbox.append(log, event, (why) => resolve(why?.code)),
    );
    await clock.advance(1);
    return settled;
  };
  expect(await append(1)).toBeUndefined();
  const first = outbox.run;
  failure = new Error("input/output error");
  expect(await append(2)).toBe("OUTBOX_POISONED");
  failure = undefined;
  await vi.waitFor(async () => {
    await clock.advance(1_000);
    expect(await append(3)).toBeUndefined();
  });
  expect(outbox.epochs()[0]).toMatchObject({ id: first, ends: { telemetry: 1, priority: 0 } });
  await outbox.close();
  const again = await openOutbox(folder);
  expect([...(await contents(again)).values()]).toEqual([1, 3]);
  await again.close();
});

test("released blocks are given up and their disk space comes back", async () => {
  const folder = join(temporary(), "outbox");
  const clock = new VirtualClock();
  const outbox = await Outbox.open({
    gateway: "gw",
    openStore: () => openLevelStore(folder),
    clock,
    random: systemRandom,
    bounds: { ...bounds, tailBytesMax: 1_000_000 },
    log: silentLogger,
  });
  let durable = 0;
  const common = { device: null, topic: null, bootMs: 1, observedAt: null };
  for (let tag = 1; tag <= 2_000; tag++) {
    const event: Event = {
      kind: "system",
      ...common,
      name: `n${tag}`,
      detail: systemRandom.hex(8_000),
    };
    outbox.append("telemetry", event, () => durable++);
    outbox.append("telemetry", { ...event, detail: systemRandom.hex(8_000) }, () => durable++);
    if (tag % 20 === 0) {
      await vi.waitFor(async () => {
        await clock.advance(0);
        expect(durable).toBe(tag * 2);
      }, waitEveryMs);
    }
  }
  const before = outbox.usage().bytes;
  expect(before).toBeGreaterThan(31_000_000);
  outbox.release(outbox.run, "telemetry", 4_000);
  await clock.advance(10_000);
  await vi.waitFor(() => expect(outbox.usage().bytes).toBeLessThan(12_000_000), waitEveryMs);
  const [newest] = await outbox.read(outbox.run, "telemetry", 4_000, 1);
  expect(newest?.to).toBe(4_000);
  await outbox.close();
});
