/**
 * CSV (RFC 4180), by our own topics: any with a level `csv` or a last level that ends in `.csv`; and any
 * payload of two lines or more whose first names columns.
 *
 * The delimiter is the comma, semicolon, tab or bar that the first line has most of. The first line names
 * the columns where none of its fields is a number or empty; else they are `column1`, `column2`, …
 * A column named `time`, `timestamp`, `ts`, `date` or `datetime` is when, a `date` and a `time` together;
 * `01.05.2024` is in May. A name may end in its unit: `temp [°C]`, `temp (°C)`. Fields in quotes are text;
 * an empty field says nothing. Where the comma is not the delimiter `1,5` is a number. Lines that begin
 * with `#` before the first are notes, but where one names the columns.
 */
import type { DeviceId } from "../names.ts";
import type { Adapter } from "./adapter.ts";
import { Collector, cleared, textIn } from "./collect.ts";
import type { Decoded } from "./decoded.ts";
import { refused } from "./decoded.ts";
import { deviceTimeOf } from "./time.ts";
import { withUnit } from "./units.ts";

const timeColumn = /^(?:time|timestamp|ts|date|datetime|date_time)$/i;
const numeric = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const unitAtEnd = /^(.*\S)\s*(?:\[([^[\]]{1,32})\]|\(([^()]{1,32})\))$/;
const decimalComma = /^[+-]?(?:0|[1-9]\d*),\d+$/;
const clockOnly = /^\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?$/;
const dayOnly = /^\d{4}-\d{2}-\d{2}$/;
const columnsMax = 1_024;
const notesMax = 64;

export const csv: Adapter = {
  family: "csv",
  signature(levels) {
    const leaf = levels.at(-1) ?? "";
    const isCsv = levels.includes("csv") || leaf.toLowerCase().endsWith(".csv");
    const device = levels.filter((level) => level !== "csv").join("/");
    return isCsv ? { device: device === "" ? "csv" : device } : undefined;
  },
  decode({ topic, device }, payload) {
    if (payload.length === 0) return cleared(device, topic);
    const text = textIn(device, payload);
    return typeof text === "string" ? decodeCsv(device, text) : text;
  },
};

interface Field {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** Of a topic that does not say so: two lines at least, all of as many fields, and names first. */
export function isCsv(text: string): boolean {
  const end = text.indexOf("\n");
  if (end < 1 || end === text.length - 1 || /^\s*[[{]/.test(text)) return false;
  const delimiter = delimiterOf(text.slice(0, end));
  const names = rowsOf(text.slice(0, end), delimiter)[0] ?? [];
  if (names.length < 2 || !areNames(names)) return false;
  const rows = rowsOf(text.slice(end + 1), delimiter);
  return rows.length > 0 && rows.every((row) => row.length === names.length);
}

export function decodeCsv(device: DeviceId, whole: string): Decoded {
  const text = withoutNotes(whole);
  const delimiter = delimiterOf(text.split("\n", 1)[0] ?? "");
  const rows = rowsOf(text, delimiter);
  const [first = []] = rows;
  const isNamed = rows.length > 1 && areNames(first);
  const names = isNamed ? namesIn(first) : first.map((_, at) => `column${at + 1}`);
  if (names.length > columnsMax) {
    return refused(device, "too-many-readings", `${names.length} columns`);
  }
  const collector = new Collector();
  const hasComma = delimiter !== ",";
  for (const row of isNamed ? rows.slice(1) : rows) {
    if (row.length > names.length) {
      return refused(device, "not-understood", `${row.length} fields in ${names.length} columns`);
    }
    const before = collector.readings.length;
    const time = addRow(collector, names, row, hasComma);
    if (collector.fault !== undefined) break;
    if (typeof time !== "number") continue;
    for (const reading of collector.readings.slice(before)) reading.observedAt = time;
  }
  return collector.done(device, null);
}

/** `# ts;temp` before rows of as many fields names them. */
function withoutNotes(text: string): string {
  let rest = text;
  for (let notes = 0; rest.startsWith("#") && notes < notesMax; notes++) {
    const end = rest.indexOf("\n");
    if (end < 0) return rest;
    const [note, next] = [rest.slice(1, end).trim(), rest.slice(end + 1)];
    const delimiter = delimiterOf(note);
    const following = next.split("\n", 1)[0] ?? "";
    const isHead =
      note.includes(delimiter) &&
      note.split(delimiter).length === following.split(delimiter).length;
    if (isHead) return `${note}\n${next}`;
    rest = next;
  }
  return rest;
}

/** The second column of a name has its number behind it: else they were one series. */
function namesIn(fields: readonly Field[]): readonly string[] {
  const seen = new Map<string, number>();
  return fields.map(({ text }) => {
    const count = (seen.get(text) ?? 0) + 1;
    seen.set(text, count);
    return count === 1 ? text : `${text}.${count}`;
  });
}

/** When it was, where a column tells. */
function addRow(
  collector: Collector,
  names: readonly string[],
  row: readonly Field[],
  hasComma: boolean,
): number | null | undefined {
  let day: string | undefined;
  let clock: string | undefined;
  let observedAt: number | null | undefined;
  for (const [at, { text, isQuoted }] of row.entries()) {
    const name = names[at] as string;
    if (text === "") continue;
    if (timeColumn.test(name) || (name === "column1" && !numeric.test(text))) {
      const time = isoOf(text);
      if (clockOnly.test(text) && name !== "column1") clock ??= text;
      else if (deviceTimeOf(time) !== undefined) {
        if (dayOnly.test(time)) day ??= time;
        observedAt ??= deviceTimeOf(time);
      } else addField(collector, name, text, isQuoted, hasComma);
    } else addField(collector, name, text, isQuoted, hasComma);
  }
  if (day !== undefined && clock !== undefined)
    return deviceTimeOf(`${day}T${clock}`) ?? observedAt;
  if (clock !== undefined) collector.put("time", clock);
  return observedAt;
}

function addField(
  collector: Collector,
  name: string,
  text: string,
  isQuoted: boolean,
  hasComma: boolean,
): void {
  const [, plain = name, inBrackets, inParentheses] = unitAtEnd.exec(name) ?? [];
  const value = hasComma && decimalComma.test(text) ? text.replace(",", ".") : text;
  const reading = isQuoted ? collector.put(plain, text) : collector.plain(plain, value);
  const unit = inBrackets ?? inParentheses;
  if (reading !== undefined && unit !== undefined) withUnit(reading, unit);
}

/** Dots stand in dates of which the day is first. */
function isoOf(text: string): string {
  const [, day, month, year, time] = /^(\d{2})\.(\d{2})\.(\d{4})(?:[ T](.+))?$/.exec(text) ?? [];
  if (year === undefined) return text;
  return time === undefined ? `${year}-${month}-${day}` : `${year}-${month}-${day}T${time}`;
}

function areNames(fields: readonly Field[]): boolean {
  return fields.every(
    ({ text }) =>
      text !== "" &&
      text.length <= 256 &&
      !numeric.test(text) &&
      !decimalComma.test(text) &&
      deviceTimeOf(isoOf(text)) === undefined,
  );
}

function delimiterOf(line: string): string {
  const count = (of: string) => line.split(of).length;
  return [",", ";", "\t", "|"].reduce((best, each) => (count(each) > count(best) ? each : best));
}

function rowsOf(text: string, delimiter: string): Field[][] {
  const rows: Field[][] = [];
  let row: Field[] = [];
  let at = 0;
  while (at < text.length) {
    const field = fieldAt(text, at, delimiter);
    row.push({ text: field.text, isQuoted: field.isQuoted });
    at = field.end + 1;
    const isLast = text[field.end] !== delimiter;
    // A delimiter at the very end has an empty field behind it.
    if (!isLast && at >= text.length) row.push({ text: "", isQuoted: false });
    if (!isLast && at < text.length) continue;
    const [only] = row;
    if (row.length > 1 || only?.text !== "" || only.isQuoted) rows.push(row);
    row = [];
  }
  return rows;
}

function fieldAt(text: string, from: number, delimiter: string): Field & { readonly end: number } {
  if (text[from] === '"') {
    let end = from + 1;
    for (;;) {
      end = text.indexOf('"', end);
      if (end < 0) end = text.length;
      if (text[end + 1] !== '"') break;
      end += 2;
    }
    const quoted = text.slice(from + 1, end).replaceAll('""', '"');
    return { text: quoted, isQuoted: true, end: fieldEnd(text, end + 1, delimiter) };
  }
  const end = fieldEnd(text, from, delimiter);
  return { text: text.slice(from, end).trim(), isQuoted: false, end };
}

function fieldEnd(text: string, from: number, delimiter: string): number {
  let end = from;
  while (end < text.length && text[end] !== delimiter && text[end] !== "\n") end++;
  return end;
}
