/**
 * Goal: the system calls of the real gateway prove the order of the promise. The block with the event
 * is written to LevelDB's log, the sync of that log returns, and only then the PUBACK is written.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { wantedTool } from "../../deploy/local/tools.mjs";
import { packetTypes, publishPacket, RawMqtt } from "./testing/mqtt-raw-client.ts";
import { EdgeProcess, edgeLauncher } from "./testing/system-edge-process.ts";
import { testFolder } from "./testing/system-test-edge.ts";

const strace = wantedTool("strace") ?? "";
const calls = "trace=fdatasync,fsync,write,writev,sendto,sendmsg";
const marker = "ordermarker";
/** Type, length and the message id 0x0607. */
const puback = "@\\2\\6\\7";

interface Call {
  readonly name: string;
  /** File, and arguments as strace prints them. */
  readonly text: string;
  readonly result: number;
}

/** Calls in the order in which they returned; one that was interrupted by another thread is joined. */
function returnedCalls(trace: string): Call[] {
  const begun = new Map<string, string>();
  const returned: Call[] = [];
  for (const line of trace.split("\n")) {
    const match = /^(\d+) +[\d:.]+ (.*)$/.exec(line);
    if (match === null) continue;
    const [, thread = "", said = ""] = match;
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(said);
    if (unfinished !== null) {
      begun.set(thread, unfinished[1] ?? "");
      continue;
    }
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(said);
    const text = resumed === null ? said : `${begun.get(thread) ?? ""}${resumed[1]}`;
    const call = /^(\w+)\((.*)\) += (-?\d+)/.exec(text);
    if (call !== null) {
      returned.push({ name: call[1] ?? "", text: call[2] ?? "", result: Number(call[3]) });
    }
  }
  return returned;
}

/** All that a call writes, its pieces joined, as strace prints bytes. */
function bytesOf(text: string): string {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"/g)].map(([, bytes]) => bytes).join("");
}

test.skipIf(strace === "")(
  "the sync of the outbox's log returns before the PUBACK is written",
  async () => {
    const { folder, config } = testFolder();
    const traceFile = join(folder, "trace");
    const options = ["-f", "-y", "-tt", "-s", "4096", "-o", traceFile, "-e", calls];
    const run = [edgeLauncher, "run", "--config", config, "--end-with-stdin"];
    const edge = new EdgeProcess([strace, ...options, ...run]);
    onTestFinished(() => edge.kill());
    const { mqttPort } = await edge.ready();
    const client = await RawMqtt.open(mqttPort);
    client.send(publishPacket({ topic: `devices/d1/telemetry/${marker}`, id: 0x0607 }));
    await client.count(packetTypes.puback, 1);
    edge.child.stdin.end();
    expect((await edge.ended).code).toBe(0);

    const returned = returnedCalls(readFileSync(traceFile, "utf8"));
    const written = returned.findIndex(
      ({ name, text }) => name === "write" && text.includes(".log>") && text.includes(marker),
    );
    const [file] = /^\d+<[^>]*>/.exec(returned[written]?.text ?? "") ?? ["nothing"];
    const synced = returned.findIndex(
      ({ name, text, result }, at) =>
        at > written && /^f(data)?sync$/.test(name) && text.startsWith(file) && result === 0,
    );
    const acknowledged = returned.findIndex(({ text }) => bytesOf(text).includes(puback));
    expect(written, "the block is written to the log").toBeGreaterThanOrEqual(0);
    expect(acknowledged, "the PUBACK is written").toBeGreaterThanOrEqual(0);
    expect(synced, `a sync of ${file} returns behind the write`).toBeGreaterThan(written);
    expect(synced, "and before the PUBACK").toBeLessThan(acknowledged);
  },
);
