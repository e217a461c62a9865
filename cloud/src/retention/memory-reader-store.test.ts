// The bucket READERS in memory, and values of other versions.
import { expect, test } from "vitest";
import { MemoryReaderStore } from "./memory-reader-store.ts";
import { readerStoreContract } from "./reader-store.contract.ts";
import { decodeReader, encodeReader } from "./reader-store.ts";

readerStoreContract("memory", async () => new MemoryReaderStore());

const golden =
  '{"v":1,"sequence":9,"subject":"clk","nonce":null,"at":5,"kind":"route","generation":3,' +
  '"writer":"ab","anchors":[[4,"tlm.3.g1.live","1.c0"]]}';

test("a reader is written as it always was, and unknown keys are skipped", () => {
  const state = decodeReader(golden.replace("{", '{"later":1,'));
  if (state === undefined) expect.unreachable();
  expect(encodeReader(state)).toBe(golden);
});

test.each([
  ["another version", '"v":1', '"v":2'],
  ["no sequence", '"sequence":9', '"sequence":"9"'],
  ["no subject", '"subject":"clk"', '"subject":7'],
  ["no writer", '"writer":"ab"', '"writer":null'],
  ["no JSON", "{", ""],
])("a value with %s is not read, and never taken for a place", (_name, found, put) => {
  expect(golden).toContain(found);
  expect(decodeReader(golden.replace(found, put))).toBeUndefined();
});
