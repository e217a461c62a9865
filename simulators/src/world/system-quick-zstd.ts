/**
 * A world compresses by copying: a third of its time went into zstd, which has tests of its own.
 * What was not compressed here is expanded for real, so bytes that rot on the way are still refused.
 */
import { syncBuiltinESMExports } from "node:module";
import zlib from "node:zlib";

const { zstdDecompressSync } = zlib;
const bodies = new WeakMap<object, Buffer<ArrayBuffer>>();

export function quickenZstd(): void {
  zlib.zstdCompressSync = (body) => {
    const copy = Buffer.from(body as Uint8Array);
    bodies.set(copy, Buffer.from(copy));
    return copy;
  };
  zlib.zstdDecompressSync = (data, options) => {
    return bodies.get(data as object) ?? zstdDecompressSync(data, options);
  };
  syncBuiltinESMExports();
}
