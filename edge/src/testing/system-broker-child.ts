/**
 * A broker on the folder given that kills itself as a power cut of the process would: before or
 * after the synced write that puts or deletes a key with the prefix given. Prints its port.
 *
 *   node system-broker-child.ts FOLDER [before|after] [put|delete] PREFIX-IN-HEX
 */
import { writeSync } from "node:fs";
import type { Change } from "../outbox/store.ts";
import { Gate, MqttEdge } from "./mqtt-edge.ts";

const [folder = "", when, kind, prefix = ""] = process.argv.slice(2);
const gate = new Gate();
const strike = (changes: readonly Change[]) => {
  const isIt = (change: Change) =>
    change.kind === kind && Buffer.from(change.key).toString("hex").startsWith(prefix);
  if (changes.some(isIt)) process.kill(process.pid, "SIGKILL");
};
if (when === "before") gate.before = strike;
if (when === "after") gate.after = strike;
const edge = await MqttEdge.start({ folder }, gate);
writeSync(1, `${edge.port}\n`);
