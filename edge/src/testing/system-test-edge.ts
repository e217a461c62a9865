/** Gateways and their clients, which end with the test that starts them. */
import { onTestFinished } from "vitest";
import type { EdgeOptions } from "./mqtt-edge.ts";
import { MqttEdge } from "./mqtt-edge.ts";
import { RawMqtt } from "./mqtt-raw-client.ts";
import { EdgeProcess, edgeFolder, edgeLauncher } from "./system-edge-process.ts";

export async function startEdge(options: EdgeOptions = {}): Promise<MqttEdge> {
  const edge = await MqttEdge.start(options);
  onTestFinished(() => edge.remove());
  return edge;
}

/** Another process on the same folder, which goes with the first. */
export async function restartEdge(edge: MqttEdge, options: EdgeOptions = {}): Promise<MqttEdge> {
  const next = await edge.restart(options);
  onTestFinished(() => next.stop());
  return next;
}

/** It has not sent its CONNECT yet. */
export function rawClient({ port }: { readonly port: number }): RawMqtt {
  const client = new RawMqtt(port);
  onTestFinished(() => client.close());
  return client;
}

/** A folder with an `edge.yaml`. */
export function testFolder(settings: Readonly<Record<string, unknown>> = {}) {
  const { remove, ...made } = edgeFolder(settings);
  onTestFinished(remove);
  return made;
}

/** `causeway-edge run`. */
export function runEdge(
  config: string,
  options: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): EdgeProcess {
  const edge = new EdgeProcess([edgeLauncher, "run", "--config", config, ...options], env);
  onTestFinished(() => edge.kill());
  return edge;
}
