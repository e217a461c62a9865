// A recording is read strictly: what cannot be read is told with file and line.
import { expect, test } from "vitest";
import type { RecordingChoice } from "./recording.ts";
import { rowsOf } from "./recording.ts";

const choice: RecordingChoice = {
  timeColumn: "timestamp",
  valueColumns: ["value"],
  delimiter: ",",
  skipBadRows: false,
};

async function* batches(...texts: readonly string[]) {
  for (const text of texts) yield text.split("\n");
}

async function read(text: string, changes: Partial<RecordingChoice> = {}) {
  const skipped: string[] = [];
  const rows = [];
  const told = (where: string, why: string) => void skipped.push(`${where} ${why}`);
  for await (const batch of rowsOf("a.csv", batches(text), { ...choice, ...changes }, told)) {
    rows.push(...batch);
  }
  return { rows, skipped };
}

test("a row is its time and its chosen columns, renamed where wanted", async () => {
  const { rows } = await read("when;a;b\n1970-01-01 00:00:01;1.50;-2e3\n", {
    timeColumn: "when",
    valueColumns: ["b=motor.power", "a"],
    delimiter: ";",
  });
  expect(rows).toEqual([{ timeMs: 1_000, metrics: { "motor.power": -2_000, a: 1.5 } }]);
});

test("a cell without a value is null, and true and false are themselves", async () => {
  const { rows } = await read("timestamp,value\n1,\n2,NaN\n3,true\n4,FALSE");
  expect(rows.map(({ metrics }) => metrics["value"])).toEqual([null, null, true, false]);
});

test("empty lines and a file of several batches make no difference", async () => {
  const rows = [];
  const lines = batches("timestamp,value\n1,1", "\n2,2", "3,3\n");
  for await (const batch of rowsOf("a.csv", lines, choice, () => {})) rows.push(...batch);
  expect(rows.map(({ timeMs }) => timeMs)).toEqual([1_000, 2_000, 3_000]);
});

test.each([
  ["timestamp,value\n1,1\nyesterday,2", 'a.csv:3 "yesterday" is no time'],
  ["timestamp,value\n1,warm", 'a.csv:2 value: "warm" is no number'],
  ["timestamp,value\n1,2,3", "a.csv:2 3 cells where the header has 2"],
  ['timestamp,value\n1,"2', "a.csv:2 no CSV"],
  ['"timestamp', "a.csv:1 no CSV"],
  ["", "a.csv: the file is empty"],
])("%j is refused with its place", async (text, told) => {
  await expect(read(text)).rejects.toThrow(`INPUT_UNREADABLE: ${told}`);
});

test("rows that cannot be read are left out and counted when that is wanted", async () => {
  const text = "timestamp,value\n1,1\n2,warm\n3,3";
  const { rows, skipped } = await read(text, { skipBadRows: true });
  expect(rows.map(({ timeMs }) => timeMs)).toEqual([1_000, 3_000]);
  expect(skipped).toEqual(['a.csv:3 value: "warm" is no number']);
});

test.each([
  [{ valueColumns: ["temp"] }, 'no column "temp"; the file has "timestamp", "value"'],
  [{ timeColumn: "time" }, 'no column "time"'],
  [{ valueColumns: ["value=ts"] }, 'the metric "ts"'],
  [{ valueColumns: ["value=seq"] }, 'the metric "seq"'],
  [{ valueColumns: ["value="] }, 'the metric ""'],
  [{ valueColumns: ["value", "value"] }, "named twice"],
])("columns %j are refused", async (changes, told) => {
  await expect(read("timestamp,value\n1,1", changes)).rejects.toThrow("CLI_USAGE");
  await expect(read("timestamp,value\n1,1", changes)).rejects.toThrow(told);
});
