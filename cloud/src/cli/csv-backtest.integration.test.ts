// Goal: rules run over a recording as they would over a gateway, and say so by file and exit code.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";

const run = promisify(execFile);
const main = join(import.meta.dirname, "../main.ts");
let folder = "";

/** A reading a minute; hot from 100 to 109, silent from 150 to 199. */
const rows = Array.from({ length: 250 }, (_, minute) => {
  const value = minute >= 100 && minute < 110 ? 60 : 20 + (minute % 3);
  return `${new Date(minute * 60_000).toISOString()};${value};${minute}`;
}).filter((_, minute) => minute < 150 || minute >= 200);

const rules = [
  {
    name: "hot",
    detector: "limits",
    hi: 50,
    metrics: ["celsius"],
    for: "3m",
    devices: ["freezer-*"],
  },
  { name: "silent", detector: "absence", after: "10m", metrics: ["celsius"] },
  { name: "still", detector: "flat", after: "1h" },
];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-backtest-"));
  await writeFile(join(folder, "in.csv.gz"), gzipSync(["at;celsius;count", ...rows].join("\n")));
  // YAML reads JSON; the other settings of a cloud.yaml may stand beside.
  await writeFile(join(folder, "rules.yaml"), JSON.stringify({ dataDir: "/x", rules }));
  await writeFile(join(folder, "none.yaml"), JSON.stringify({ rules: [] }));
  await writeFile(join(folder, "bad.yaml"), "rules:\n  - name: x\n    detector: magic\n");
});

afterAll(() => rm(folder, { recursive: true, force: true }));

async function backtest(file: string, ...given: readonly string[]) {
  const columns = ["--delimiter", ";", "--time", "at", "--value", "celsius,count"];
  const input = ["--input", join(folder, "in.csv.gz"), "--device", "freezer-1", ...columns];
  const flags = ["--rules", join(folder, file), ...input, ...given];
  return run(process.execPath, [main, "backtest", ...flags]).then(
    ({ stdout }) => ({ code: 0, stdout, stderr: "" }),
    (ended: { code: number; stdout: string; stderr: string }) => ended,
  );
}

const iso = (minute: number) => new Date(minute * 60_000).toISOString();

test("alerts come as of a gateway: after `for`, and by silence while time goes on", async () => {
  const { code, stdout } = await backtest("rules.yaml");
  const [hot = "", silent = "", ...rest] = stdout.split("\n");
  expect(hot).toMatch(
    new RegExp(`^resolved .*${iso(103)} until ${iso(110)}  hot  input freezer-1`),
  );
  expect(silent).toMatch(new RegExp(`^resolved .*${iso(160)} until ${iso(200)}  silent  input`));
  expect([code, rest]).toEqual([1, ["2 alerts", ""]]);
});

test("each run prints and plots the same bytes", async () => {
  const plots = ["one.svg", "two.svg"].map((name) => join(folder, name));
  const found = await Promise.all(
    plots.map((plot) => backtest("rules.yaml", "--json", "--plot", plot)),
  );
  expect(found[1]?.stdout).toBe(found[0]?.stdout);
  expect(found[0]?.stdout.trim().split("\n")).toHaveLength(2);
  const [one, two] = await Promise.all(plots.map((plot) => readFile(plot, "utf8")));
  expect(two).toBe(one);
  // A rule that found nothing has its row, too.
  expect(one).toContain(">still</text>");
});

test("a rule on trial is shown as though it were live where that is asked for", async () => {
  await writeFile(
    join(folder, "trial.yaml"),
    JSON.stringify({ rules: [{ ...rules[0], mode: "shadow" }] }),
  );
  expect(await backtest("trial.yaml")).toMatchObject({
    code: 0,
    stdout: "0 alerts; 1 rule is in shadow and told nobody: see --shadow\n",
  });
  const { code, stdout } = await backtest("trial.yaml", "--shadow");
  expect([code, stdout.split("\n").slice(1)]).toEqual([1, ["1 alerts", ""]]);
});

test("without an alert the exit code is 0, and it is told where no rule looked at anything", async () => {
  const stdout = "0 alerts; no rule looks at it: see --device\n";
  expect(await backtest("none.yaml")).toMatchObject({ code: 0, stdout });
  await writeFile(
    join(folder, "pump.yaml"),
    JSON.stringify({ rules: [{ name: "pump", devices: ["pump-*"], when: "value > 1" }] }),
  );
  expect(await backtest("pump.yaml")).toMatchObject({ code: 0, stdout });
  expect(await backtest("pump.yaml", "--device", "pump-1")).toMatchObject({ code: 1 });
});

test.each([
  ["bad.yaml", [], "CONFIG_INVALID"],
  ["nowhere.yaml", [], "CONFIG_UNREADABLE"],
  ["rules.yaml", ["--value", "pressure"], "CLI_USAGE: no column pressure"],
  ["rules.yaml", ["--input", "nowhere.csv"], "INPUT_UNREADABLE"],
  ["rules.yaml", ["--device", "a/+"], "NAME_INVALID"],
  ["rules.yaml", ["--plot", "/nowhere/plot.svg"], "OUTPUT_UNWRITABLE"],
])("%s with %j ends with exit code 2 and %s", async (file, given, told) => {
  const { code, stderr } = await backtest(file, ...given);
  expect([code, stderr.includes(told)]).toEqual([2, true]);
});
