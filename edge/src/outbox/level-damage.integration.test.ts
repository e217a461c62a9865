/**
 * Goal: whatever happens to the files of the outbox, the gateway starts, loses no more than what is
 * truly gone, tells of it at its place, and never says anything that is not so. CAUSEWAY_LONG=1 tries
 * many more places.
 */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { seededRandom } from "@causeway/shared/random.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Image, Verdict } from "../testing/system-outbox-image.ts";
import { isNoLock, judge, makeImage, openOutbox } from "../testing/system-outbox-image.ts";
import { encodeRecord, identityKey } from "./layout.ts";
import { openLevelStore } from "./level-store.ts";

const isLong = process.env["CAUSEWAY_LONG"] === "1";
const seed = process.env["CAUSEWAY_SEED"] ?? "damage 1";
let image: Image;
beforeAll(async () => {
  image = await makeImage(seed);
});
afterAll(() => rmSync(image.base, { recursive: true, force: true }));

function files(pattern: RegExp): string[] {
  const found = readdirSync(image.folder).filter((name) => pattern.test(name));
  expect(found.length, `${pattern}`).toBeGreaterThan(0);
  return found.sort();
}

const [logFile, tables, manifest] = [/\.log$/, /\.ldb$/, /^MANIFEST/];
const bytesIn = (name: string) => readFileSync(join(image.folder, name));

/** What a copy of the image is worth after `damage`; a failure names the damage. */
async function after(what: string, damage: (folder: string) => void): Promise<Verdict> {
  const base = mkdtempSync(join(image.base, "copy-"));
  const folder = join(base, "outbox");
  try {
    cpSync(image.folder, folder, { recursive: true, filter: isNoLock });
    damage(folder);
    return await judge(folder, image);
  } catch (failure) {
    throw new Error(`seed "${seed}", ${what}: ${String(failure)}`, { cause: failure });
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
}

function flip(folder: string, name: string, bit: number): void {
  const bytes = readFileSync(join(folder, name));
  bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  writeFileSync(join(folder, name), bytes);
}

/** Bits to try in a file: all places get their turn over the seeds. */
function someBits(name: string, count: number): number[] {
  const random = seededRandom(`${seed} ${name}`);
  const bits = bytesIn(name).length * 8;
  return Array.from({ length: isLong ? count * 20 : count }, () =>
    Math.floor(random.next() * bits),
  );
}

const newestEpoch = () => [...image.ends.keys()].at(-1) ?? "";

test("an image without damage has everything, and nothing is told", async () => {
  expect(await after("nothing", () => {})).toEqual({ lost: 0, silent: [], told: [] });
  expect(files(tables).length).toBeGreaterThan(1);
});

test("a log cut at any byte of its last write loses that write and no other", async () => {
  const [name = ""] = files(logFile);
  const { length } = bytesIn(name);
  const [most, step] = isLong ? [5_000, 1] : [400, 8];
  for (let cut = 1; cut < most; cut += step) {
    const { lost } = await after(`${name} cut by ${cut}`, (folder) =>
      truncateSync(join(folder, name), length - cut),
    );
    expect(lost, `cut by ${cut}`).toBeLessThanOrEqual(image.groupMax * (1 + Math.floor(cut / 100)));
  }
});

test("a bit that flips in the log costs one write at most", async () => {
  for (const name of files(logFile)) {
    for (const bit of someBits(name, 50)) {
      const { lost } = await after(`${name} bit ${bit}`, (folder) => flip(folder, name, bit));
      expect(lost, `bit ${bit}`).toBeLessThanOrEqual(image.groupMax);
    }
  }
});

test("a bit that flips in a table costs what cannot be read there, and all of it is told", async () => {
  for (const name of files(tables)) {
    for (const bit of someBits(name, 25)) {
      const { silent } = await after(`${name} bit ${bit}`, (folder) => flip(folder, name, bit));
      expect(silent, `${name} bit ${bit}`).toEqual([]);
    }
  }
});

test("a bit that flips in CURRENT or the manifest costs nothing", async () => {
  for (const name of ["CURRENT", ...files(manifest)]) {
    for (const bit of someBits(name, name === "CURRENT" ? 10 : 30)) {
      const { lost } = await after(`${name} bit ${bit}`, (folder) => flip(folder, name, bit));
      expect(lost, `${name} bit ${bit}`).toBe(0);
    }
  }
});

test("CURRENT or a manifest that is cut anywhere or empty costs nothing", async () => {
  for (const name of ["CURRENT", ...files(manifest)]) {
    const { length } = bytesIn(name);
    for (let cut = 0; cut < length; cut += isLong ? 1 : 9) {
      const { lost } = await after(`${name} cut to ${cut}`, (folder) =>
        truncateSync(join(folder, name), cut),
      );
      expect(lost, `${name} cut to ${cut}`).toBe(0);
    }
  }
});

test("any file may be missing: nothing is lost beyond what was in it", async () => {
  for (const name of readdirSync(image.folder)) {
    const { lost, silent, told } = await after(`${name} missing`, (folder) =>
      rmSync(join(folder, name)),
    );
    const holdsEvents = logFile.test(name) || tables.test(name);
    if (!holdsEvents) expect(lost, name).toBe(0);
    else expect(told.length, name).toBeGreaterThan(0);
    if (logFile.test(name))
      expect(silent.every((place) => place.startsWith(newestEpoch()))).toBe(true);
    else expect(silent, name).toEqual([]);
  }
});

test("several damages at once, anywhere", async () => {
  const random = seededRandom(`${seed} several`);
  const names = readdirSync(image.folder);
  for (let round = 0; round < (isLong ? 2_000 : 40); round++) {
    const acts = Array.from({ length: 2 + Math.floor(random.next() * 6) }, () => {
      const name = names[Math.floor(random.next() * names.length)] ?? "";
      return { name, roll: random.next(), at: random.next() };
    });
    await after(`round ${round}`, (folder) => {
      for (const { name, roll, at } of acts) {
        const path = join(folder, name);
        if (!existsSync(path)) continue;
        const { length } = readFileSync(path);
        if (roll < 0.1) rmSync(path);
        else if (roll < 0.3) truncateSync(path, Math.floor(at * length));
        else if (length > 0) flip(folder, name, Math.floor(at * length * 8));
      }
    });
  }
});

test("what is damaged is kept beside with a report that names what is missing", async () => {
  const [name = ""] = files(tables);
  const base = mkdtempSync(join(image.base, "copy-"));
  const folder = join(base, "outbox");
  cpSync(image.folder, folder, { recursive: true, filter: isNoLock });
  rmSync(join(folder, name));
  const { lost } = await judge(folder, image);
  const report = JSON.parse(readFileSync(join(`${folder}.damaged`, "1", "report.json"), "utf8"));
  expect(report.faults).toEqual([expect.stringContaining("is missing")]);
  const ranges: { from: number; to: number }[] = report.missing;
  expect(ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0)).toBe(lost);
  expect(lost).toBeGreaterThan(0);
  expect(readdirSync(join(`${folder}.damaged`, "1")).filter((file) => tables.test(file))).toEqual(
    [],
  );
});

test("a store that another holds open is left alone, damaged or not", async () => {
  const folder = join(mkdtempSync(join(image.base, "copy-")), "outbox");
  cpSync(image.folder, folder, { recursive: true, filter: isNoLock });
  const holder = await openLevelStore(folder);
  const current = readFileSync(join(folder, "CURRENT"));
  for (const bytes of [current, Buffer.alloc(0)]) {
    writeFileSync(join(folder, "CURRENT"), bytes);
    await expect(openOutbox(folder)).rejects.toMatchObject({ code: "OUTBOX_LOCKED" });
  }
  expect(existsSync(`${folder}.damaged`)).toBe(false);
  await holder.close();
});

test("a store of a newer layout is refused, and its files stay as they are", async () => {
  const folder = join(mkdtempSync(join(image.base, "copy-")), "outbox");
  const store = await openLevelStore(folder);
  const identity = encodeRecord({ v: 99, gateway: "gw" });
  await store.write([{ kind: "put", key: identityKey, value: identity }], { sync: true });
  await store.close();
  await expect(openOutbox(folder)).rejects.toMatchObject({ code: "OUTBOX_VERSION_UNKNOWN" });
});
