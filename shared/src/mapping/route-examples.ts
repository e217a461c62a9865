/** Examples beside a route: given this message, it is expected to say that. */
import type { Context } from "../decode/adapter.ts";
import { Decoder } from "../decode/decode.ts";
import type { Decoded } from "../decode/decoded.ts";
import { timeOf } from "../decode/time.ts";
import type { Reading } from "../event.ts";
import type { SettingsFault } from "../settings.ts";
import { shown } from "../shown.ts";
import type { ExpectedReading, RouteExample } from "./route-settings.ts";
import type { RoutesDocument } from "./routes.ts";
import { compileRoutes } from "./routes.ts";

/** Relative times count from here. */
const presentMs = Date.UTC(2026, 0, 5);

export function examplesInRoutes({ routes }: RoutesDocument): number {
  return routes.reduce((count, { examples = [] }) => count + examples.length, 0);
}

/** What examples expect and what is not so; paths begin with the number of the route. */
export function faultsOfRouteExamples(document: RoutesDocument): readonly SettingsFault[] {
  const decoder = new Decoder(compileRoutes(document));
  return document.routes.flatMap(({ examples = [] }, index) =>
    examples.flatMap((example, at) => {
      const faults = faultsOf(decoder, example, index);
      return faults.map(({ path, message }) => ({
        path: [index, "examples", at, ...path],
        message,
      }));
    }),
  );
}

function faultsOf(
  decoder: Decoder,
  { given, expect }: RouteExample,
  index: number,
): readonly SettingsFault[] {
  const payload = payloadOf(given);
  if (payload === undefined)
    return [{ path: ["given", "hex"], message: `${shown(given.hex)} are no hexadecimal bytes` }];
  const route = decoder.about(given.topic).route;
  if (route?.index !== index) {
    const other = route === undefined ? "no route has" : `route ${route.name}, before this, has`;
    return [{ path: ["given", "topic"], message: `${other} the topic ${shown(given.topic)}` }];
  }
  const context: Context = { memory: new Map(), presentMs: () => presentMs };
  const decoded = decoder.decode(given.topic, payload, context);
  return compare(expect, decoded);
}

/** Undefined where it is no hexadecimal text. */
export function payloadOf({ payload, base64, hex }: RouteExample["given"]): Uint8Array | undefined {
  if (base64 !== undefined) return Buffer.from(base64, "base64");
  if (hex !== undefined) {
    const digits = hex.replaceAll(/[\s:-]/g, "");
    return /^(?:[0-9a-fA-F]{2})*$/.test(digits) ? Buffer.from(digits, "hex") : undefined;
  }
  return Buffer.from(typeof payload === "object" ? JSON.stringify(payload) : `${payload}`);
}

function compare(expect: RouteExample["expect"], decoded: Decoded): readonly SettingsFault[] {
  if (!Array.isArray(expect)) {
    const isSo = decoded.kind === "quarantined" && decoded.reason === expect.quarantined;
    if (isSo) return [];
    const message = `expected quarantined: ${expect.quarantined}; got ${textOf(decoded)}`;
    return [{ path: ["expect", "quarantined"], message }];
  }
  const left = decoded.kind === "readings" ? [...decoded.readings] : [];
  const observedAt = decoded.kind === "readings" ? decoded.observedAt : null;
  const device = decoded.kind === "readings" ? decoded.device : "";
  const isSo = (line: ExpectedReading, reading: Reading) =>
    (line.device === undefined || line.device === device) &&
    line.metric === reading.metric &&
    isSame(line, reading, reading.observedAt ?? observedAt);
  const unmet = expect.flatMap((line, at) => {
    const met = left.findIndex((reading) => isSo(line, reading));
    if (met < 0) return [{ line, at }];
    left.splice(met, 1);
    return [];
  });
  const shownOf = (reading: Reading) => readingText(device, observedAt, reading);
  const differences = unmet.map(({ line, at }) => {
    const near = left.findIndex(({ metric }) => metric === line.metric);
    const [other] = near < 0 ? [] : left.splice(near, 1);
    const nothing = decoded.kind === "readings" ? "nothing of this name" : textOf(decoded);
    const got = other === undefined ? nothing : shownOf(other);
    return { path: ["expect", at], message: `expected ${expectedText(line)}; got ${got}` };
  });
  const extra = left.map((reading) => {
    return { path: ["expect"], message: `got ${shownOf(reading)}, which no line expects` };
  });
  const isOther = expect.length === 0 && decoded.kind === "quarantined";
  const other = { path: ["expect"], message: `expected no readings; got ${textOf(decoded)}` };
  return [...differences, ...extra, ...(isOther ? [other] : [])];
}

function isSame(line: ExpectedReading, reading: Reading, observedAt: number | null): boolean {
  const { value, unit, quality = value === null ? undefined : "good", time } = line;
  return (
    isSameValue(value, reading.value) &&
    (unit === undefined || unit === (reading.unit ?? "") || unit === reading.unitOriginal) &&
    (quality === undefined || quality === reading.quality) &&
    (time === undefined || timeOf(time) === observedAt)
  );
}

/** People write 21.3 for what comes out as 21.300000000000001. */
function isSameValue(expected: unknown, found: unknown): boolean {
  if (typeof expected !== "number" || typeof found !== "number") return expected === found;
  return Math.abs(expected - found) <= 1e-9 * Math.max(Math.abs(expected), Math.abs(found));
}

function expectedText({ device, metric, value, unit, quality, time }: ExpectedReading): string {
  const parts = [device, metric, valueText(value, unit), quality];
  const text = parts.filter((part) => part !== undefined).join(" ");
  return time === undefined ? text : `${text} at ${time}`;
}

function readingText(device: string, observedAt: number | null, reading: Reading): string {
  const { metric, value, unit, quality } = reading;
  const time = reading.observedAt ?? observedAt;
  const at = time === null ? "" : ` at ${new Date(time).toISOString()}`;
  const how = quality === "good" ? "" : ` ${quality}`;
  return `${device} ${metric} ${valueText(value, unit)}${how}${at}`;
}

function valueText(value: unknown, unit: string | undefined): string {
  return unit === undefined ? shown(value) : `${shown(value)} ${unit}`;
}

function textOf(decoded: Decoded): string {
  if (decoded.kind === "quarantined") return `quarantined: ${decoded.reason}, ${decoded.detail}`;
  if (decoded.kind === "readings") return `${decoded.readings.length} readings`;
  return decoded.kind === "told" ? `nothing (${decoded.name})` : "presence alone";
}
