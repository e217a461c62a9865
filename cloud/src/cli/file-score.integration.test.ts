/** Goal: `score` reads and writes real files, packed or not, and says which one it cannot. */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";

const run = promisify(execFile);
const main = join(import.meta.dirname, "../main.ts");
let folder = "";

const rows = Array.from({ length: 300 }, (_, minute) => {
  const time = new Date(minute * 60_000).toISOString();
  return `${time},${minute === 250 ? 90 : 40 + (minute % 5)}`;
});
const csv = ["timestamp,value", ...rows].join("\r\n");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "causeway-score-"));
  await writeFile(join(folder, "in.csv"), csv);
  await writeFile(join(folder, "in.csv.gz"), gzipSync(csv));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

const score = (...given: string[]) => run(process.execPath, [main, "score", ...given]);

test("a file comes back whole with its scores, the oddest row the highest; packed as well", async () => {
  const [plain, packed] = [join(folder, "out.csv"), join(folder, "out.csv.gz")];
  await score("--input", join(folder, "in.csv"), "--output", plain);
  await score("--input", join(folder, "in.csv.gz"), "--output", packed);
  const text = await readFile(plain, "utf8");
  expect(gunzipSync(await readFile(packed)).toString()).toBe(text);
  const [head, ...scored] = text.trim().split("\n");
  expect(head).toBe("timestamp,value,anomaly_score");
  expect(scored.map((row) => row.slice(0, row.lastIndexOf(",")))).toEqual(rows);
  const scores = scored.map((row) => Number(row.slice(row.lastIndexOf(",") + 1)));
  expect(scores.indexOf(Math.max(...scores))).toBe(250);
});

test("without an output the rows go to standard output", async () => {
  const { stdout } = await score("--input", join(folder, "in.csv"), "--detector", "ewma");
  expect(stdout.trim().split("\n")).toHaveLength(rows.length + 1);
});

test("a reader that is slow gets every row all the same", async () => {
  const [long, plot] = [join(folder, "long.csv"), join(folder, "slow.svg")];
  // 72 kB: more than a pipe holds, and little enough that the rest waits in the process.
  const many = Array.from({ length: 2_400 }, (_, minute) => {
    return `${new Date(minute * 60_000).toISOString()},40`;
  });
  await writeFile(long, ["timestamp,value", ...many].join("\n"));
  const limits = "--detector limits --parameter hi=50";
  const command = `"${process.execPath}" "${main}" score ${limits} --input "${long}" --plot "${plot}"`;
  // The plot comes after the last row.
  const reader = `while [ ! -s "${plot}" ]; do sleep 0.05; done; cat`;
  const { stdout } = await run("sh", ["-c", `${command} | (${reader})`]);
  expect(stdout.trim().split("\n")).toHaveLength(many.length + 1);
});

test("a plot is an SVG file, or what this terminal shows in place of the rows", async () => {
  const [svg, out] = [join(folder, "plot.svg"), join(folder, "plotted.csv")];
  await score("--input", join(folder, "in.csv"), "--output", out, "--plot", svg);
  expect(await readFile(svg, "utf8")).toMatch(/^<svg .*anomaly_score.*<\/svg>\n$/s);
  expect((await readFile(out, "utf8")).trim().split("\n")).toHaveLength(rows.length + 1);
  const { stdout } = await score("--input", join(folder, "in.csv"), "--plot", "-");
  expect(stdout).toMatch(/^ *anomalous ·+▲+$/m);
  expect(stdout).not.toContain("timestamp,value");
});

test.each([
  [["--input", "nowhere.csv"], "INPUT_UNREADABLE"],
  [["--input", "IN", "--output", "/nowhere/out.csv"], "OUTPUT_UNWRITABLE"],
  [["--input", "IN", "--plot", "/nowhere/plot.svg"], "OUTPUT_UNWRITABLE"],
  [["--input", "IN", "--value", "pressure"], "CLI_USAGE: no column pressure"],
  [["--input", "IN", "--train", "many"], "CLI_USAGE: --train many"],
  [["--input", "IN", "--detector", "magic"], "CLI_USAGE"],
])("%j ends with exit code 2 and %s", async (given, told) => {
  const flags = given.map((flag) => (flag === "IN" ? join(folder, "in.csv") : flag));
  await expect(score(...flags)).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(told),
  });
});
