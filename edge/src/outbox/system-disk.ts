/** The disk below the outbox, as the operating system counts it. */
import { readFileSync } from "node:fs";
import { statfs } from "node:fs/promises";

export interface DiskSize {
  readonly freeBytes: number;
  readonly bytes: number;
}

/** What this process may still write, and what the file system of the folder holds in all. */
export async function diskSize(folder: string): Promise<DiskSize> {
  const { bavail, blocks, bsize } = await statfs(folder);
  return { freeBytes: bavail * bsize, bytes: blocks * bsize };
}

/** Bytes that this process made the kernel write since it began; undefined where nobody counts. */
export function writtenToDisk(): number | undefined {
  try {
    const match = /^write_bytes: ([0-9]+)$/m.exec(readFileSync("/proc/self/io", "utf8"));
    return match === null ? undefined : Number(match[1]);
  } catch {
    return undefined;
  }
}
