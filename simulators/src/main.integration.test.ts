// The programs as a user runs them, against a real broker that crashes under them: every publish
// is acknowledged in the end, the order of each device is kept, and the acked file is complete.
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import { AedesBroker } from "./testing/aedes-broker.ts";

const main = join(import.meta.dirname, "main.ts");
const sample = join(import.meta.dirname, "../samples/machine_temperature_system_failure.csv.gz");
const sampleRows = 22_695;
const folder = mkdtempSync(join(tmpdir(), "causeway-sim-"));
const ackedFile = join(folder, "acked.jsonl");
const tailFile = join(folder, "tail.jsonl");

interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface AckedLine {
  readonly device: string;
  readonly seq: number;
  readonly hash: string;
}

let broker: AedesBroker;
const children: ChildProcess[] = [];

beforeEach(async () => {
  broker = new AedesBroker();
  await broker.back();
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await broker.away();
});

afterAll(() => rmSync(folder, { recursive: true }));

function start(...words: readonly string[]): Started {
  const child = spawn(process.execPath, [main, ...words], { stdio: ["pipe", "pipe", "pipe"] });
  children.push(child);
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (text) => {
    stdout += text;
  });
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  const ended = new Promise<Ended>((resolve) => {
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
  return { child, ended };
}

function acked(): readonly AckedLine[] {
  const lines = readFileSync(ackedFile, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as AckedLine);
}

function seqsByDevice(lines: readonly AckedLine[]): ReadonlyMap<string, readonly number[]> {
  const seqs = new Map<string, number[]>();
  for (const { device, seq } of lines) {
    const known = seqs.get(device) ?? [];
    known.push(seq);
    seqs.set(device, known);
  }
  return seqs;
}

function countUp(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

/** What the engine would tell of all that arrived: an event each, in order of arrival. */
function writeTail(): void {
  const lines = broker.received.map(({ topic, payload }, index) => {
    const id = `site/1-00000000/telemetry/${index + 1}/0`;
    const { seq } = JSON.parse(payload) as { seq: number };
    const device = topic.split("/")[1];
    const receivedAt = Date.now();
    return JSON.stringify({ id, device, metric: "seq", value: seq, lane: "live", receivedAt });
  });
  writeFileSync(tailFile, `${lines.join("\n")}\n`);
}

async function verdict(): Promise<Ended> {
  return start("verdict", "--acked", ackedFile, "--tail", tailFile, "--json").ended;
}

/** Cut off with publishes on their way, and back after a while. */
async function crash(): Promise<void> {
  broker.silence();
  await broker.untilReceived(broker.received.length + 5);
  await broker.away();
  await new Promise((resolve) => setTimeout(resolve, 300));
  await broker.back();
}

describe("a replay", () => {
  test("over crashes of the broker is acknowledged to its last row, in file order", async () => {
    const flags = ["--value-column", "value=temperature", "--device", "machine", "--json"];
    const { ended } = start("replay", sample, "--url", broker.url, ...flags, "--acked", ackedFile);
    await broker.untilReceived(3_000);
    await crash();
    await broker.untilReceived(9_000);
    await crash();
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    const summary = JSON.parse(stdout) as { resent: number };
    expect(summary).toMatchObject({ sent: sampleRows, acked: sampleRows, failed: 0 });
    expect(summary.resent).toBeGreaterThan(0);
    expect(seqsByDevice(acked())).toEqual(new Map([["machine", countUp(sampleRows)]]));
    const again = broker.received.filter(({ dup }) => dup).length;
    expect(broker.received.length - sampleRows).toBeLessThanOrEqual(again);
    writeTail();
    const judged = await verdict();
    expect(JSON.parse(judged.stdout)).toMatchObject({
      ...{ good: true, acked: sampleRows, taken: sampleRows, lost: 0, repeated: 0, misordered: 0 },
      resent: broker.received.length - sampleRows,
    });
    expect(judged.code).toBe(0);
  });

  test("that misses a row is found out by the verdict", async () => {
    const csv = join(folder, "three.csv");
    writeFileSync(csv, "timestamp,value\n1,1\n2,2\n3,3\n");
    const { code } = await start("replay", csv, "--url", broker.url, "--acked", ackedFile).ended;
    expect(code).toBe(0);
    expect(acked().map(({ device }) => device)).toEqual(["three", "three", "three"]);
    broker.received.splice(1, 1);
    writeTail();
    const judged = await verdict();
    expect(JSON.parse(judged.stdout)).toMatchObject({ good: false, lost: 1 });
    expect(judged.code).toBe(1);
  });

  test("shifted ends now and keeps the differences", async () => {
    const csv = join(folder, "shifted.csv");
    writeFileSync(csv, "timestamp,value\n2014-01-01 00:00:00,1\n2014-01-01 00:01:00,2\n");
    const before = Date.now();
    await start("replay", csv, "--url", broker.url, "--time", "shift").ended;
    const [first = 0, second = 0] = broker.received.map(
      ({ payload }) => (JSON.parse(payload) as { ts: number }).ts,
    );
    expect(second - first).toBe(60_000);
    expect(second).toBeGreaterThanOrEqual(before);
  });

  test("of a row that cannot be read ends with its file and line, and exit code 2", async () => {
    const csv = join(folder, "bad.csv");
    writeFileSync(csv, "timestamp,value\n1,1\n2,warm\n3,3\n");
    const strict = await start("replay", csv, "--url", broker.url).ended;
    expect(strict.code).toBe(2);
    expect(strict.stderr).toContain(`INPUT_UNREADABLE: ${csv}:3 value: "warm" is no number`);
    const lenient = start("replay", csv, "--url", broker.url, "--skip-bad-rows", "--json");
    const { code, stdout } = await lenient.ended;
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ sent: 2, acked: 2, badRows: 1 });
  });
});

describe("a fleet", () => {
  const flags = ["--devices", "7", "--interval", "20ms", "--profile", "mixed", "--json"];

  test("over a crash of the broker is acknowledged to its last publish, in order", async () => {
    const few = ["--duration", "1200ms", "--connections-max", "3", "--acked", ackedFile];
    const { ended } = start("fleet", "--url", broker.url, ...flags, ...few);
    await broker.untilReceived(100);
    await crash();
    const { code, stdout } = await ended;
    expect(code).toBe(0);
    const summary = JSON.parse(stdout) as { sent: number; acked: number; skipped: number };
    expect(summary.acked).toBe(summary.sent);
    const seqs = seqsByDevice(acked());
    expect(seqs.size).toBe(7);
    for (const [device, found] of seqs) expect(found, device).toEqual(countUp(found.length));
    expect(acked().length).toBe(summary.sent);
    writeTail();
    expect(JSON.parse((await verdict()).stdout)).toMatchObject({ good: true, lost: 0 });
  });

  test("ends in order on SIGTERM, and with its stdin where that is wanted", async () => {
    const signalled = start("fleet", "--url", broker.url, ...flags);
    await broker.untilReceived(20); // before, a signal would find nobody who listens to it
    const childOf = start(
      "fleet",
      "--url",
      broker.url,
      ...flags,
      "--prefix",
      "b",
      "--end-with-stdin",
    );
    await broker.untilReceived(100);
    signalled.child.kill("SIGTERM");
    childOf.child.stdin?.end();
    for (const { code, stdout } of await Promise.all([signalled.ended, childOf.ended])) {
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ good: true, complete: true, inFlight: 0 });
    }
  });

  test("whose broker stays away says so, and ends with exit code 1", async () => {
    const url = broker.url;
    await broker.away();
    const few = ["--count", "3", "--drain-timeout", "300ms"];
    const { code, stdout, stderr } = await start("fleet", "--url", url, ...flags, ...few).ended;
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({ good: false, sent: 0, failed: 3 });
    expect(stderr).toContain("no connection to the broker, trying again: connect ECONNREFUSED");
  });

  test("with a wrong password ends at once, and says what to give", async () => {
    const guarded = new AedesBroker("right");
    await guarded.back();
    const passwordFile = join(folder, "password");
    writeFileSync(passwordFile, "wrong\n");
    const login = ["--username", "sim", "--password-file", passwordFile];
    const { code, stderr } = await start("fleet", "--url", guarded.url, ...flags, ...login).ended;
    expect(code).toBe(2);
    expect(stderr).toContain("MQTT_REFUSED: Connection refused");
    writeFileSync(passwordFile, "right\n");
    const good = start("fleet", "--url", guarded.url, ...flags, ...login, "--count", "7");
    expect((await good.ended).code).toBe(0);
    await guarded.away();
  });

  test("writes a label when its fault begins", async () => {
    const labels = join(folder, "labels.jsonl");
    const fault = ["--fault", "kind=spike,device=2,at=100ms,for=1s", "--labels", labels];
    await start("fleet", "--url", broker.url, ...flags, ...fault, "--duration", "300ms").ended;
    const lines = readFileSync(labels, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { device: "sim-002", metric: "vibration", kind: "spike", size: 4 },
    ]);
  });
});
