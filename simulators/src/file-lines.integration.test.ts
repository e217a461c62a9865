import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, expect, test } from "vitest";
import { linesOf } from "./file-lines.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function read(name: string, bytes: Uint8Array): Promise<readonly string[]> {
  const fileName = join(folder, name);
  writeFileSync(fileName, bytes);
  const lines: string[] = [];
  for await (const batch of linesOf(fileName)) lines.push(...batch);
  return lines;
}

const text = "\uFEFFtimestamp,value\r\n1,ä\r\n\r\n2,€";

test("lines lose their ends and the byte order mark, the last one too", async () => {
  const lines = ["timestamp,value", "1,ä", "", "2,€"];
  expect(await read("a.csv", Buffer.from(text))).toEqual(lines);
  expect(await read("a.csv.gz", gzipSync(text))).toEqual(lines);
});

test("characters and lines stay whole over the pieces in which a file is read", async () => {
  const expected = Array.from({ length: 40_000 }, (_, index) => `${index},äöü€`);
  expect(await read("b.csv", Buffer.from(`${expected.join("\n")}\n`))).toEqual(expected);
});

test("a line that never ends is refused before it fills the memory", async () => {
  const endless = read("c.csv", Buffer.alloc(3_000_000, 0x61));
  await expect(endless).rejects.toThrow("INPUT_UNREADABLE");
});

test("a file that is no gzip, or is not there, is told by its name", async () => {
  await expect(read("d.csv.gz", Buffer.from(text))).rejects.toThrow("d.csv.gz: ");
  const missing = linesOf(join(folder, "e.csv")).next();
  await expect(missing).rejects.toThrow("e.csv: there is no such file");
});
