/**
 * Goal: LevelDB keeps the store's contract, and what hinders it from opening is told with a code.
 * A crash is a child process that is killed; S2 against a power cut is system-call-order's matter.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { levelPlace } from "../testing/level-place.ts";
import { examine, noteOpened } from "./level-salvage.ts";
import { openLevelStore } from "./level-store.ts";
import { storeContract } from "./store.contract.ts";

storeContract("LevelDB", levelPlace);

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "causeway-store-"));
  folders.push(folder);
  return folder;
}

test("missing folders are made, all of them", async () => {
  await (await openLevelStore(join(temporary(), "a", "b", "c"))).close();
});

test.each([
  ["below a regular file", (base: string) => join(base, "file", "x")],
  ["that is a regular file", (base: string) => join(base, "file")],
  ["where the system makes none", () => "/proc/causeway/outbox"],
])("a folder %s is unusable, with its name", async (_what, folderIn) => {
  const base = temporary();
  writeFileSync(join(base, "file"), "");
  const folder = folderIn(base);
  await expect(openLevelStore(folder)).rejects.toMatchObject({
    code: "DATA_DIR_UNUSABLE",
    message: expect.stringContaining(folder),
  });
});

test("a folder whose files are no LevelDB is told, and left as it is", async () => {
  const folder = temporary();
  writeFileSync(join(folder, "CURRENT"), "what is this\n");
  await expect(openLevelStore(folder)).rejects.toMatchObject({ code: "OUTBOX_OPEN_FAILED" });
});

test("a table that rotted is looked for once the process ended three times; power cuts are none", async () => {
  const folder = temporary();
  const store = await openLevelStore(folder);
  // More than is checked at every opening.
  for (let key = 0; key < 40; key++) {
    const change = { kind: "put", key: Buffer.from([key]), value: randomBytes(2 ** 20) } as const;
    await store.write([change], { sync: false });
  }
  await store.close();
  const tables = readdirSync(folder).filter((name) => name.endsWith(".ldb"));
  const table = tables[tables.length >> 1] ?? "";
  const bytes = readFileSync(join(folder, table));
  bytes[1_000] = (bytes[1_000] ?? 0) ^ 1;
  writeFileSync(join(folder, table), bytes);
  const note = join(folder, "UNCLEAN");
  for (const ends of [1, 2, 3]) {
    expect((await examine(folder)).faults, `${ends} openings`).toEqual([]);
    await noteOpened(folder);
  }
  const here = readFileSync(note, "utf8");
  writeFileSync(note, here.replace(/ .*/, " another-boot"));
  expect((await examine(folder)).faults, "the machine has booted since").toEqual([]);
  writeFileSync(note, here);
  expect((await examine(folder)).faults).toEqual([`${table} is damaged`]);
});
