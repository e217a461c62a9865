/**
 * The history for other processes of this machine: HTTP on a socket in a folder that only this user
 * may enter. A request names a method of the historian and its argument as JSON; the answer has a line
 * for each piece, then `end`, or the error. A line more or less than that is no answer.
 */
import { rmSync } from "node:fs";
import { mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { ErrorCode } from "@causeway/shared/errors.ts";
import { CodedError, codeOf, errorCodes, reasonOf } from "@causeway/shared/errors.ts";
import type {
  Bucket,
  BucketSelect,
  Historian,
  HistorianFigures,
  LossSelect,
  LostStretch,
  PointSelect,
  Series,
  SeriesSelect,
  StoredPoint,
} from "./historian.ts";
import type { HistoryDesk } from "./history-desk.ts";

/** In the historian's folder: where the socket is. */
const placeFile = "peer.json";
const socketFolders = join(tmpdir(), "causeway-history-");
const bodyBytesMax = 1_024 * 1_024;
const type = "application/x-ndjson";

/** What can be asked; nothing of it changes anything. */
const methods: Readonly<
  Record<
    string,
    (historian: Historian, given: never, signal: AbortSignal) => AsyncGenerator<unknown>
  >
> = {
  series: (historian, given, signal) => once(historian.series(given, signal)),
  points: (historian, given, signal) => each(historian.points(given, signal)),
  latest: (historian, given, signal) => each(historian.latest(given, signal)),
  buckets: (historian, given, signal) => each(historian.buckets(given, signal)),
  losses: (historian, given, signal) => once(historian.losses(given, signal)),
  figures: (historian) => once(historian.figures()),
};

async function* each(pieces: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  yield* pieces;
}

async function* once(answer: Promise<unknown>): AsyncGenerator<unknown> {
  yield await answer;
}

export class PeerServer {
  readonly #desk: HistoryDesk;
  readonly #server: Server;
  #socket: string | undefined;

  constructor(desk: HistoryDesk) {
    this.#desk = desk;
    this.#server = createServer((asked, answer) => void this.#answer(asked, answer));
  }

  /** `folder` is the historian's; a path in it may be too long for a socket. */
  async start(folder: string): Promise<void> {
    const before = await peerSocket(folder);
    // Who has the history open now is alone: the one before was killed.
    if (before?.startsWith(socketFolders))
      await rm(dirname(before), { recursive: true, force: true });
    const socket = join(await mkdtemp(socketFolders), "peer");
    this.#socket = socket;
    process.once("exit", this.#remove);
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(socket, resolve);
    });
    const file = join(folder, placeFile);
    await writeFile(`${file}.new`, JSON.stringify({ socket }));
    await rename(`${file}.new`, file);
  }

  async stop(): Promise<void> {
    if (this.#socket === undefined) return;
    process.removeListener("exit", this.#remove);
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
    await rm(dirname(this.#socket), { recursive: true, force: true });
  }

  readonly #remove = () => {
    if (this.#socket !== undefined) rmSync(dirname(this.#socket), { recursive: true, force: true });
  };

  async #answer(asked: IncomingMessage, answer: ServerResponse): Promise<void> {
    const ended = new AbortController();
    answer.once("close", () => ended.abort());
    const { signal } = ended;
    try {
      const { method, given } = JSON.parse(await bodyOf(asked)) as Record<string, unknown>;
      const ask = Object.hasOwn(methods, String(method)) ? methods[String(method)] : undefined;
      if (ask === undefined) throw new Error(`there is no ${String(method)}`);
      answer.writeHead(200, { "content-type": type });
      const pieces = this.#desk.ask(signal, (historian, own) =>
        ask(historian, given as never, own),
      );
      for await (const piece of pieces) await write(answer, { piece });
      answer.end(`${JSON.stringify({ end: true })}\n`);
    } catch (failure) {
      const error = { code: codeOf(failure), reason: reasonOf(failure) };
      answer.end(`${JSON.stringify({ error })}\n`);
    }
  }
}

async function bodyOf(asked: IncomingMessage): Promise<string> {
  let body = "";
  for await (const some of asked) {
    body += String(some);
    if (body.length > bodyBytesMax) throw new Error("the request is too long");
  }
  return body;
}

/** Resolves when there is room for more, or nobody is there any more. */
async function write(answer: ServerResponse, line: object): Promise<void> {
  if (answer.destroyed || answer.write(`${JSON.stringify(line)}\n`)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      answer.removeListener("drain", done);
      answer.removeListener("close", done);
      resolve();
    };
    answer.once("drain", done);
    answer.once("close", done);
  });
}

/** The socket of the process that has the history of this folder open, as it said last. */
export async function peerSocket(folder: string): Promise<string | undefined> {
  try {
    const found: unknown = JSON.parse(await readFile(join(folder, placeFile), "utf8"));
    const isPlace = typeof found === "object" && found !== null && "socket" in found;
    return isPlace && typeof found.socket === "string" ? found.socket : undefined;
  } catch {
    return undefined; // nobody said so yet
  }
}

/** Reads what another process has open. */
export class PeerHistorian implements Historian {
  readonly isDue = false;
  readonly #socket: string;

  constructor(socket: string) {
    this.#socket = socket;
  }

  series(select: SeriesSelect, signal: AbortSignal): Promise<readonly Series[]> {
    return this.#one("series", select, signal) as Promise<readonly Series[]>;
  }

  points(select: PointSelect, signal: AbortSignal): AsyncIterable<readonly StoredPoint[]> {
    return this.#ask("points", select, signal) as AsyncIterable<readonly StoredPoint[]>;
  }

  latest(series: readonly number[], signal: AbortSignal): AsyncIterable<readonly StoredPoint[]> {
    return this.#ask("latest", series, signal) as AsyncIterable<readonly StoredPoint[]>;
  }

  buckets(select: BucketSelect, signal: AbortSignal): AsyncIterable<readonly Bucket[]> {
    return this.#ask("buckets", select, signal) as AsyncIterable<readonly Bucket[]>;
  }

  losses(select: LossSelect, signal: AbortSignal): Promise<readonly LostStretch[]> {
    return this.#one("losses", select, signal) as Promise<readonly LostStretch[]>;
  }

  figures(): Promise<HistorianFigures> {
    const { signal } = new AbortController();
    return this.#one("figures", null, signal) as Promise<HistorianFigures>;
  }

  begin(): Promise<never> {
    return Promise.reject(readsOnly());
  }

  write(): Promise<never> {
    return Promise.reject(readsOnly());
  }

  describe(): Promise<never> {
    return Promise.reject(readsOnly());
  }

  maintain(): Promise<never> {
    return Promise.reject(readsOnly());
  }

  async close(): Promise<void> {}

  async #one(method: string, given: unknown, signal: AbortSignal): Promise<unknown> {
    let answer: unknown;
    for await (const piece of this.#ask(method, given, signal)) answer = piece;
    return answer;
  }

  async *#ask(method: string, given: unknown, signal: AbortSignal): AsyncGenerator<unknown> {
    const answer = await this.#send(JSON.stringify({ method, given }), signal);
    try {
      for await (const text of createInterface({ input: answer })) {
        const line = JSON.parse(text) as Line;
        if (line.end === true) return;
        if (line.error !== undefined) throw failureOf(line.error);
        yield line.piece;
      }
    } finally {
      answer.destroy();
    }
    signal.throwIfAborted();
    throw new CodedError("HISTORY_UNAVAILABLE", "the process that has the history broke off");
  }

  #send(body: string, signal: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const options = { socketPath: this.#socket, method: "POST", path: "/", signal };
      const asked = request(options, resolve);
      asked.once("error", (failure) => {
        const what = `the process that has the history does not answer: ${reasonOf(failure)}`;
        reject(new CodedError("HISTORY_UNAVAILABLE", what, { cause: failure }));
      });
      asked.end(body);
    });
  }
}

interface Line {
  readonly piece?: unknown;
  readonly end?: boolean;
  readonly error?: { readonly code?: string; readonly reason: string };
}

function failureOf({ code, reason }: NonNullable<Line["error"]>): Error {
  if (code === undefined || !Object.hasOwn(errorCodes, code)) return new Error(reason);
  return new CodedError(code as ErrorCode, reason.replace(`${code}: `, ""));
}

function readsOnly(): CodedError {
  return new CodedError("HISTORY_UNAVAILABLE", "another process writes the history");
}
