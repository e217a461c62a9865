/**
 * A batch is consecutive events of one (epoch, log) in one JetStream message.
 *
 *   headers  Content-Type application/vnd.causeway.batch+json, Content-Encoding zstd, and
 *            Cw-Version   1
 *            Cw-Run       the epoch now open at the gateway
 *            Cw-Epoch     the epoch of these events        Cw-Log  telemetry | priority
 *            Cw-From, Cw-To   first and last position
 *            Cw-End       last position of the epoch's log, once the epoch is closed
 *            Cw-Before    the predecessor and its ends: `<epoch>;telemetry=<n>;priority=<n>`
 *            Cw-Nonce     `<go-back generation>.<random>`
 *            Cw-Watermark time in ms below which the gateway holds nothing unsent
 *            traceparent  W3C Trace Context
 *   body     zstd of { "v": 1, "g": gateway, "e": epoch, "l": log, "p": from, "n": to,
 *                      "boots": { boot id: offset in ms | null }, "blocks": [block JSON, …] }
 *
 * Wall time = boot offset + boot time; a null offset means that the boot was never synchronised.
 * A batch may be empty of blocks (p = n + 1): then it only states ends. Readers skip unknown
 * headers and keys.
 */
import { constants, zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { Block } from "./block-codec.ts";
import { blockOf, frameBytes } from "./block-codec.ts";
import { CodedError, codeOf } from "./errors.ts";
import type { Log } from "./event.ts";
import { logs, timeMsMax } from "./event.ts";
import { shown } from "./shown.ts";
import { frameContentBytes } from "./zstd-frame.ts";

export const batchVersion = 1;
export const batchContentType = "application/vnd.causeway.batch+json";
export const batchEncoding = "zstd";
/** What a batch may expand to; a larger one is refused before it is expanded. */
export const batchExpandedBytesMax = 8 * 1_024 * 1_024;
/** Rows of all its blocks: ten times what fits a gateway's largest batch. */
export const batchRowsMax = 500_000;
/** Brackets within brackets; deeper ones would cost the parser a hundred times their bytes. */
export const batchNestingMax = 64;

/** An epoch's id: its ordinal and some random digits, `12-9f3a2b1c`. */
export type EpochId = string;
const epochPattern = /^([1-9][0-9]{0,9})-([0-9a-f]{8})$/;

export function epochId(ordinal: number, random: string): EpochId {
  return `${ordinal}-${random}`;
}

/** The ordinal in an epoch's id, or undefined where it is none. */
export function epochOrdinal(epoch: string): number | undefined {
  const match = epochPattern.exec(epoch);
  return match === null ? undefined : Number(match[1]);
}

/** Last positions of a closed epoch, 0 where a log stayed empty. */
export type Ends = Readonly<Record<Log, number>>;

export interface BatchHead {
  readonly run: EpochId;
  readonly epoch: EpochId;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly end: number | undefined;
  readonly before: { readonly epoch: EpochId; readonly ends: Ends } | undefined;
  readonly nonce: string;
  readonly watermark: number | undefined;
}

/** Offset of each boot to real time in ms; null while it is not known. */
export type BootOffsets = Readonly<Record<string, number | null>>;

export interface BatchBody {
  readonly gateway: string;
  readonly epoch: EpochId;
  readonly log: Log;
  readonly from: number;
  readonly to: number;
  readonly boots: BootOffsets;
  readonly blocks: readonly Block[];
}

export function encodeHead(head: BatchHead): [name: string, value: string][] {
  const headers: [string, string][] = [
    ["Content-Type", batchContentType],
    ["Content-Encoding", batchEncoding],
    ["Cw-Version", `${batchVersion}`],
    ["Cw-Run", head.run],
    ["Cw-Epoch", head.epoch],
    ["Cw-Log", head.log],
    ["Cw-From", `${head.from}`],
    ["Cw-To", `${head.to}`],
    ["Cw-Nonce", head.nonce],
  ];
  if (head.end !== undefined) headers.push(["Cw-End", `${head.end}`]);
  if (head.before !== undefined) {
    const { epoch, ends } = head.before;
    headers.push(["Cw-Before", `${epoch};telemetry=${ends.telemetry};priority=${ends.priority}`]);
  }
  if (head.watermark !== undefined) headers.push(["Cw-Watermark", `${head.watermark}`]);
  return headers;
}

/**
 * Which batch it is, whatever its version: these headers mean the same in all. Throws BATCH_MALFORMED.
 */
export function batchPlace(header: (name: string) => string | undefined) {
  return {
    epoch: epochOf(header("Cw-Epoch"), "Cw-Epoch"),
    log: logOf(header("Cw-Log")),
    from: wholeNumber(header("Cw-From"), "Cw-From"),
    nonce: header("Cw-Nonce") ?? "",
  };
}

/** Reads the headers of a batch; throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeHead(header: (name: string) => string | undefined): BatchHead {
  const version = header("Cw-Version");
  if (version !== `${batchVersion}`) unknownVersion(version);
  const end = header("Cw-End");
  const watermark = header("Cw-Watermark");
  const before = header("Cw-Before");
  const head: BatchHead = {
    ...batchPlace(header),
    run: epochOf(header("Cw-Run"), "Cw-Run"),
    to: wholeNumber(header("Cw-To"), "Cw-To"),
    end: end === undefined ? undefined : wholeNumber(end, "Cw-End"),
    before: before === undefined ? undefined : beforeOf(before),
    watermark: watermark === undefined ? undefined : wholeNumber(watermark, "Cw-Watermark"),
  };
  if (head.from < 1 || head.to < head.from - 1) {
    malformed(`Cw-From ${head.from} and Cw-To ${head.to}`);
  }
  return head;
}

function unknownVersion(version: unknown): never {
  const known = `this cloud reads ${batchVersion}: upgrade the cloud`;
  throw new CodedError("BATCH_VERSION_UNKNOWN", `a batch of version ${shown(version)}; ${known}`);
}

function malformed(what: string): never {
  throw new CodedError("BATCH_MALFORMED", what);
}

function wholeNumber(text: string | undefined, name: string): number {
  const value = text !== undefined && /^[0-9]{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : malformed(`${name} is ${shown(text)}, not a number`);
}

function epochOf(text: string | undefined, name: string): EpochId {
  if (text !== undefined && epochOrdinal(text) !== undefined) return text;
  return malformed(`${name} is ${shown(text)}, not an epoch`);
}

function logOf(text: unknown): Log {
  return logs.find((log) => log === text) ?? malformed(`Cw-Log is ${shown(text)}`);
}

function beforeOf(text: string): { epoch: EpochId; ends: Ends } {
  const match = /^([^;]+);telemetry=([0-9]+);priority=([0-9]+)$/.exec(text);
  if (match === null) return malformed(`Cw-Before is ${shown(text)}`);
  return {
    epoch: epochOf(match[1], "Cw-Before"),
    ends: {
      telemetry: wholeNumber(match[2], "Cw-Before telemetry"),
      priority: wholeNumber(match[3], "Cw-Before priority"),
    },
  };
}

const [quote, backslash, openSquare, closeSquare] = [0x22, 0x5c, 0x5b, 0x5d];
const [openCurly, closeCurly] = [0x7b, 0x7d];

const open = Buffer.from("[");
const comma = Buffer.from(",");
const close = Buffer.from("]}");

/** The body before compression: the blocks' own bytes joined, never parsed again. */
export function joinBody(
  gateway: string,
  head: Pick<BatchHead, "epoch" | "log" | "from" | "to">,
  boots: BootOffsets,
  framedBlocks: readonly Uint8Array[],
): Buffer {
  const start = JSON.stringify({
    v: batchVersion,
    g: gateway,
    e: head.epoch,
    l: head.log,
    p: head.from,
    n: head.to,
    boots,
  });
  const parts: Uint8Array[] = [Buffer.from(`${start.slice(0, -1)},"blocks":`), open];
  for (const [index, block] of framedBlocks.entries()) {
    if (index > 0) parts.push(comma);
    parts.push(block.subarray(frameBytes));
  }
  parts.push(close);
  return Buffer.concat(parts);
}

export function compressBody(body: Uint8Array): Buffer {
  return zstdCompressSync(body, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
}

/**
 * Expands within `batchExpandedBytesMax`, else BATCH_TOO_LARGE: at once where the frame states more,
 * at the bound where it states nothing. BATCH_MALFORMED where it is no zstd.
 */
export function expandBody(data: Uint8Array): Buffer {
  const stated = frameContentBytes(data);
  if (stated !== undefined && stated > batchExpandedBytesMax) {
    const bound = `the bound is ${batchExpandedBytesMax}`;
    throw new CodedError("BATCH_TOO_LARGE", `a batch states ${stated} bytes, ${bound}`);
  }
  try {
    return zstdDecompressSync(data, { maxOutputLength: batchExpandedBytesMax });
  } catch (failure) {
    if (codeOf(failure) === "ERR_BUFFER_TOO_LARGE") {
      throw new CodedError(
        "BATCH_TOO_LARGE",
        `a batch expands beyond ${batchExpandedBytesMax} bytes`,
      );
    }
    throw new CodedError("BATCH_MALFORMED", "a batch is not zstd", { cause: failure });
  }
}

/** Decodes an expanded body; throws BATCH_MALFORMED or BATCH_VERSION_UNKNOWN. */
export function decodeBody(expanded: Uint8Array): BatchBody {
  checkNesting(expanded);
  let parsed: unknown;
  try {
    parsed = JSON.parse(
      Buffer.from(expanded.buffer, expanded.byteOffset, expanded.length).toString("utf8"),
    );
  } catch (failure) {
    throw new CodedError("BATCH_MALFORMED", "a batch is not JSON", { cause: failure });
  }
  if (typeof parsed !== "object" || parsed === null) return malformed("a batch is not an object");
  const { v, g, e, l, p, n, boots, blocks } = parsed as Record<string, unknown>;
  if (v !== batchVersion) unknownVersion(v);
  if (typeof g !== "string" || typeof e !== "string")
    return malformed("a batch without gateway or epoch");
  if (!Number.isSafeInteger(p) || !Number.isSafeInteger(n) || (p as number) < 1)
    return malformed("a batch without positions");
  if (!Array.isArray(blocks)) return malformed("a batch without blocks");
  checkRows(blocks);
  const decoded = blocks.map(blockOf);
  checkJoined(decoded, p as number, n as number);
  return {
    gateway: g,
    epoch: epochOf(e, "the epoch"),
    log: logOf(l),
    from: p as number,
    to: n as number,
    boots: bootsOf(boots),
    blocks: decoded,
  };
}

/** Before the parser sees it. Brackets in texts are none. */
function checkNesting(expanded: Uint8Array): void {
  let depth = 0;
  for (let at = 0; at < expanded.length; at++) {
    const byte = expanded[at];
    if (byte === openSquare || byte === openCurly) {
      if (++depth > batchNestingMax) malformed(`a batch is nested deeper than ${batchNestingMax}`);
    } else if (byte === closeSquare || byte === closeCurly) depth--;
    else if (byte === quote) {
      do at = expanded.indexOf(quote, at + 1);
      while (at >= 0 && isEscaped(expanded, at));
      if (at < 0) return; // no end of the text: the parser says so
    }
  }
}

function isEscaped(bytes: Uint8Array, at: number): boolean {
  let before = at - 1;
  while (bytes[before] === backslash) before--;
  return (at - before) % 2 === 0;
}

/** Before an object is made of each. */
function checkRows(blocks: readonly unknown[]): void {
  let rows = blocks.length;
  for (const block of blocks) {
    const events = (block as { e?: unknown } | null)?.e;
    if (Array.isArray(events)) rows += events.length;
  }
  if (rows > batchRowsMax) malformed(`a batch of ${rows} rows, the bound is ${batchRowsMax}`);
}

function checkJoined(blocks: readonly Block[], from: number, to: number): void {
  let next = from;
  for (const block of blocks) {
    if (block.from !== next) malformed(`a block begins at ${block.from}, not at ${next}`);
    next = block.to + 1;
  }
  if (next !== to + 1) malformed(`a batch states ${from} to ${to} and ends at ${next - 1}`);
}

function bootsOf(boots: unknown): BootOffsets {
  if (typeof boots !== "object" || boots === null || Array.isArray(boots))
    return malformed("a batch without boots");
  // Without a prototype: a block of boot "constructor" must not find an offset.
  const offsets: Record<string, number | null> = Object.create(null);
  for (const [boot, offset] of Object.entries(boots)) {
    if (offset !== null && !isOffset(offset))
      malformed(`boot ${shown(boot)} has offset ${shown(offset)}`);
    offsets[boot] = offset;
  }
  return offsets;
}

function isOffset(value: unknown): value is number {
  return typeof value === "number" && Math.abs(value) <= timeMsMax;
}
