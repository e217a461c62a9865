/**
 * A gateway of the registry as it is kept: with the ledger that it was folded by, zstd, base64, in
 * pieces that each fit a message.
 *
 *   piece 0: <number of pieces> <CRC-32C of the whole> <base64>;  the others: <base64>
 *   unpacked: { "v": 1, "mark": as a gateway's mark, "g": [version, firstSeen, storedAt, liveAt,
 *     resumedAt, events, readings, late, devicesBeyond, metricsBeyond], "n": [[name, detail, at, count], …],
 *     "f": [[metric, quality, unit?], …], "d": [one row for each device, see rowOf],
 *     "t": [[device, [[topic, [tag, …]], …]], …] where a route has tags }
 */
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import { crc32c } from "@causeway/shared/checksum.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { qualities } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark, encodeMark } from "@causeway/shared/mark.ts";
import { parseState } from "@causeway/shared/rules/parse-state.ts";
import { z } from "zod";
import type { MetricFact } from "./device-row.ts";
import { DeviceRow } from "./device-row.ts";
import type { RegistryBounds } from "./registry.ts";
import { GatewayRow } from "./registry.ts";

/** Of one gateway; its bounds keep it well below. */
const expandedBytesMax = 64 * 1_024 * 1_024;
/** Well below the server's max_payload. */
const pieceCharactersMax = 512 * 1_024;

export interface KeptGateway {
  readonly row: GatewayRow;
  readonly mark: Mark;
}

export function encodeGateway({ row, mark }: KeptGateway): readonly string[] {
  const places = new Map<MetricFact, number>();
  const placeOf = (fact: MetricFact) => {
    const known = places.get(fact);
    if (known !== undefined) return known;
    places.set(fact, places.size);
    return places.size - 1;
  };
  const d = [...row.devices.values()].map((device) => rowOf(device, placeOf));
  const tagged = [...row.devices.values()].flatMap(({ device, tagsByTopic }) =>
    tagsByTopic.size === 0 ? [] : [[device, [...tagsByTopic]]],
  );
  const { version, firstSeen, storedAt, liveAt, resumedAt, events, readings, late } = row;
  const g = [version, firstSeen, storedAt, liveAt, resumedAt, events, readings, late];
  const text = JSON.stringify({
    v: 1,
    mark: encodeMark(mark),
    g: [...g, row.devicesBeyond, row.metricsBeyond],
    n: row.notices.map(({ name, detail, at, count }) => [name, detail, at, count]),
    f: [...places.keys()].map(({ metric, unit, quality }) => {
      const place = qualities.indexOf(quality);
      return unit === undefined ? [metric, place] : [metric, place, unit];
    }),
    d,
    ...(tagged.length === 0 ? {} : { t: tagged }),
  });
  const packed = zstdCompressSync(Buffer.from(text)).toString("base64");
  const count = Math.max(1, Math.ceil(packed.length / pieceCharactersMax));
  const pieces = Array.from({ length: count }, (_, index) =>
    packed.slice(index * pieceCharactersMax, (index + 1) * pieceCharactersMax),
  );
  const head = `${count} ${crc32c(Buffer.from(packed))} `;
  return pieces.map((piece, index) => (index === 0 ? head + piece : piece));
}

/** How many pieces there are, by the first. */
export function piecesIn(first: string): number {
  return Number(first.slice(0, first.indexOf(" ")));
}

/** Throws BATCH_VERSION_UNKNOWN or BATCH_MALFORMED. */
export function decodeGateway(
  gateway: string,
  pieces: readonly string[],
  bounds: RegistryBounds,
): KeptGateway {
  const [first = "", ...others] = pieces;
  const [, count, crc = "", head = ""] = /^(\d+) (\d+) (.*)$/.exec(first) ?? [];
  const packed = [head, ...others].join("");
  if (Number(count) !== pieces.length || Number(crc) !== crc32c(Buffer.from(packed)))
    throw new CodedError("BATCH_MALFORMED", `registry of ${gateway}: its pieces do not fit`);
  const options = { maxOutputLength: expandedBytesMax };
  const text = zstdDecompressSync(Buffer.from(packed, "base64"), options).toString("utf8");
  const { mark, g, n, f, d, t = [] } = parseState("registry", schema, text);
  const row = new GatewayRow(gateway, bounds);
  [row.version, row.firstSeen, row.storedAt, row.liveAt, row.resumedAt, row.events] = g;
  [, , , , , , row.readings, row.late, row.devicesBeyond, row.metricsBeyond] = g;
  row.notices = n.map(([name, detail, at, times]) => ({ name, detail, at, count: times }));
  const facts = f.map(([metric, quality, unit]) =>
    row.share(metric, unit ?? undefined, qualities[quality] ?? "bad"),
  );
  for (const each of d) {
    const device = deviceOf(each, facts);
    row.devices.set(device.device, device);
    row.characters += device.device.length;
    for (const topic of device.topics) row.characters += topic.length;
  }
  for (const [device, told] of t) {
    const shared = told.flatMap(([topic, tags]) => {
      const own = row.shareTags(tags);
      return own === undefined ? [] : [[topic, own] as const];
    });
    row.devices.get(device)?.tellTags(new Map(shared));
  }
  return { row, mark: decodeMark(mark) };
}

function rowOf(row: DeviceRow, placeOf: (fact: MetricFact) => number): readonly unknown[] {
  const { device, family, firmware, firstSeen, lastSeen, events, readings, late, beyond } = row;
  const { isOnline, presenceReason, presenceAt, burstAt, intervalMs, deviationMs } = row;
  const stored = row.storedAt - firstSeen;
  const seen = [firstSeen, lastSeen - firstSeen, stored, events, readings, late, beyond];
  const presence = isOnline === undefined ? 0 : [isOnline, presenceReason, presenceAt - firstSeen];
  const pace = [Number.isNaN(burstAt) ? null : burstAt - firstSeen, intervalMs, deviationMs];
  const weight = [row.intervals, row.weight, row.weightAt - firstSeen, row.size];
  const metrics = row.metrics.map(placeOf);
  return [device, family, firmware, seen, row.topics, metrics, presence, [...pace, ...weight]];
}

const number = z.number();
const text = z.string();
const rowSchema = z.tuple([
  text,
  text,
  text,
  z.tuple([number, number, number, number, number, number, number]),
  z.array(text),
  z.array(number),
  z.union([z.literal(0), z.tuple([z.boolean(), text, number])]),
  z.tuple([number.nullable(), number, number, number, number, number, number]),
]);
const schema = z.object({
  v: z.literal(1),
  mark: text,
  g: z.tuple([text, number, number, number, number, number, number, number, number, number]),
  n: z.array(z.tuple([text, text, number, number])),
  f: z.array(z.tuple([text, number, text.optional()])),
  d: z.array(rowSchema),
  t: z.array(z.tuple([text, z.array(z.tuple([text, z.array(text)]))])).optional(),
});

function deviceOf(
  [device, family, firmware, seen, topics, metrics, presence, pace]: z.infer<typeof rowSchema>,
  facts: readonly (MetricFact | undefined)[],
): DeviceRow {
  const [firstSeen, seenFor, storedFor, events, readings, late, beyond] = seen;
  const row = new DeviceRow(device, firstSeen);
  Object.assign(row, { family, firmware, events, readings, late, beyond, topics });
  row.lastSeen = firstSeen + seenFor;
  row.storedAt = firstSeen + storedFor;
  row.metrics.push(...metrics.flatMap((place) => facts[place] ?? []));
  if (presence !== 0) {
    [row.isOnline, row.presenceReason] = presence;
    row.presenceAt = firstSeen + presence[2];
  }
  const [burst, intervalMs, deviationMs, intervals, weight, weightFor, size] = pace;
  row.burstAt = burst === null ? Number.NaN : firstSeen + burst;
  Object.assign(row, { intervalMs, deviationMs, intervals, weight, size });
  row.weightAt = firstSeen + weightFor;
  return row;
}
