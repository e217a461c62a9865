// Goal: what is kept of payloads stays within its budget, and is as it came.
import { expect, test } from "vitest";
import { Samples } from "./samples.ts";

test("a place is used again, and grows for a larger payload", () => {
  const samples = new Samples({ bytesMax: 256, allBytesMax: 1_024 });
  const first = samples.keep(undefined, Buffer.from("one"), 1);
  expect([first?.payload.toString(), first?.bytes, samples.bytes]).toEqual(["one", 3, 64]);
  const again = samples.keep(first, Buffer.from("three"), 2);
  expect([again === first, again?.payload.toString(), again?.atMs]).toEqual([true, "three", 2]);
  const larger = samples.keep(again, Buffer.alloc(100, "x"), 3);
  expect([larger?.payload.toString(), samples.bytes]).toEqual(["x".repeat(100), 128]);
});

test("of a payload that is too long the beginning is kept, with its whole length", () => {
  const samples = new Samples({ bytesMax: 64, allBytesMax: 1_024 });
  const sample = samples.keep(undefined, Buffer.alloc(1_000, "y"), 1);
  expect([sample?.payload.length, sample?.bytes]).toEqual([64, 1_000]);
});

test("beyond the budget nothing is kept, and what is given up makes room", () => {
  const samples = new Samples({ bytesMax: 256, allBytesMax: 192 });
  const kept = samples.keep(undefined, Buffer.alloc(128), 1);
  expect(samples.keep(undefined, Buffer.alloc(128), 1)).toBeUndefined();
  const small = samples.keep(undefined, Buffer.alloc(10), 1);
  expect(samples.keep(small, Buffer.alloc(100), 2), "a stale one is no newest one").toBeUndefined();
  expect(samples.bytes).toBe(128);
  if (kept !== undefined) samples.free(kept);
  expect(samples.bytes).toBe(0);
});

test("a payload that is changed afterwards is as it came", () => {
  const samples = new Samples({ bytesMax: 64, allBytesMax: 1_024 });
  const payload = Buffer.from("abc");
  const sample = samples.keep(undefined, payload, 1);
  payload.fill(0);
  expect(sample?.payload.toString()).toBe("abc");
});
