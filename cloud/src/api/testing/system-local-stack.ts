/** `npm start` on ports that are free, with data of its own. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { connectAsync } from "mqtt";

const checkout = fileURLToPath(new URL("../../../..", import.meta.url));

export interface LocalStack {
  /** Logs in once. */
  readonly page: string;
  readonly mqtt: string;
  /** As a device would; resolves once it is acknowledged. */
  publish(device: string, payload: string): Promise<void>;
  stop(): Promise<void>;
}

/** Throws with what it printed where it ends instead. */
export async function startLocalStack(): Promise<LocalStack> {
  const data = mkdtempSync(join(tmpdir(), "causeway-stack-"));
  const child = spawn(join(checkout, "node_modules/.bin/node"), ["deploy/local/start.ts"], {
    cwd: checkout,
    env: { ...process.env, CAUSEWAY_DATA: data },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exited = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = async () => {
    child.kill("SIGINT");
    await exited;
    rmSync(data, { recursive: true, force: true });
  };
  const addresses = await addressesOf(child, exited);
  const publish = async (device: string, payload: string) => {
    const client = await connectAsync(addresses.mqtt);
    await client.publishAsync(`devices/${device}/telemetry`, payload, { qos: 1 });
    await client.endAsync();
  };
  return { ...addresses, publish, stop };
}

function addressesOf(child: ChildProcess, exited: Promise<void>) {
  let output = "";
  return new Promise<{ page: string; mqtt: string }>((resolve, reject) => {
    const gather = (chunk: Buffer) => {
      output += chunk.toString();
      const page = /page\s+(http:\S+)/.exec(output)?.[1];
      const mqtt = /MQTT\s+(mqtt:\S+)/.exec(output)?.[1];
      if (page !== undefined && mqtt !== undefined) resolve({ page, mqtt });
    };
    child.stdout?.on("data", gather);
    child.stderr?.on("data", gather);
    void exited.then(() => reject(new Error(`npm start ended:\n${output}`)));
  });
}
