// Goal: what a frame states of its content is read without expanding it.
import { createZstdCompress, zstdCompressSync } from "node:zlib";
import { expect, test } from "vitest";
import { frameContentBytes } from "./zstd-frame.ts";

test.each([1, 255, 256, 257, 65_791, 65_792, 1_000_000])(
  "a content of %i bytes is stated",
  (bytes) => {
    expect(frameContentBytes(zstdCompressSync(Buffer.alloc(bytes, "x")))).toBe(bytes);
  },
);

test("a frame that was written as a stream states nothing", async () => {
  const stream = createZstdCompress();
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const ended = new Promise((resolve) => stream.once("end", resolve));
  stream.write("a");
  stream.end("b");
  await ended;
  expect(frameContentBytes(Buffer.concat(chunks))).toBeUndefined();
});

test("eight bytes of size are read as a number", () => {
  const head = Buffer.from("28b52ffde0ffffffffff000000", "hex");
  expect(frameContentBytes(head)).toBe(2 ** 40 - 1);
});

test.each(["", "28b52ffd", "28b52ffda0a086", "504b0304000000000000"])(
  "%j states nothing",
  (hex) => {
    expect(frameContentBytes(Buffer.from(hex, "hex"))).toBeUndefined();
  },
);
