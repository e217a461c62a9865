/** The view's checkpoint as a file: replaced as a whole, so that any crash leaves one or the other. */
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { promisify } from "node:util";
import { zstdCompress, zstdDecompress } from "node:zlib";
import type { Clock } from "@causeway/shared/clock.ts";
import type { ViewCheckpoint } from "./view-checkpoint.ts";
import { CheckpointReader, checkpointLines } from "./view-checkpoint.ts";

/** Characters that are worked off at once, before other work has its turn. */
const sliceCharacters = 256 * 1_024;
/** Some 10,000 gateways and 20,000 series are a tenth of it. */
const bytesMax = 256 * 1_024 * 1_024;

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

export class FileViewCheckpoint {
  readonly #path: string;
  readonly #clock: Pick<Clock, "soon">;

  constructor(path: string, clock: Pick<Clock, "soon">) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Undefined where there is none. Throws where it cannot be read in full. */
  async load(): Promise<ViewCheckpoint | undefined> {
    const packed = await readFile(this.#path).catch((failure: unknown) => {
      if (isMissing(failure)) return undefined;
      throw failure;
    });
    if (packed === undefined) return undefined;
    const plain = await decompress(packed, { maxOutputLength: bytesMax });
    const reader = new CheckpointReader();
    let worked = 0;
    for (let from = 0; from < plain.length; ) {
      const found = plain.indexOf("\n", from);
      const to = found < 0 ? plain.length : found;
      reader.take(plain.toString("utf8", from, to));
      worked += to - from;
      from = to + 1;
      if (worked < sliceCharacters) continue;
      worked = 0;
      await this.#pause();
    }
    return reader.whole();
  }

  async save(checkpoint: ViewCheckpoint): Promise<void> {
    const slices: Buffer[] = [];
    let slice = "";
    for (const line of checkpointLines(checkpoint)) {
      slice += line;
      if (slice.length < sliceCharacters) continue;
      slices.push(Buffer.from(slice));
      slice = "";
      await this.#pause();
    }
    slices.push(Buffer.from(slice));
    const packed = await compress(Buffer.concat(slices));
    const draft = `${this.#path}.new`;
    await mkdir(dirname(this.#path), { recursive: true });
    const file = await open(draft, "w", 0o600);
    try {
      await file.writeFile(packed);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, this.#path);
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => this.#clock.soon(resolve));
  }
}

function isMissing(failure: unknown): boolean {
  return failure instanceof Error && "code" in failure && failure.code === "ENOENT";
}
