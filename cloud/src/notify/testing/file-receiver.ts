/** A receiver as the configuration would have it, with files for its secrets. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentLogger } from "@causeway/shared/log.ts";
import type { Receiver } from "@causeway/shared/notify/receiver.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { onTestFinished } from "vitest";
import { receiversSchema } from "../receivers.ts";
import { openReceivers } from "../system-receivers.ts";

export function openedReceiver(settings: object): Receiver {
  const parsed = receiversSchema.parse([{ name: "ops", ...settings }]);
  const [receiver] = openReceivers(parsed, systemClock(), systemRandom, silentLogger);
  if (receiver === undefined) throw new Error("no receiver");
  return receiver;
}

/** The path of a file that holds `text` until the test is over. */
export function secretFile(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), "causeway-receiver-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "secret");
  writeFileSync(path, `${text}\n`);
  return path;
}

const certificates = join(import.meta.dirname, "../../../../edge/src/testing/certificates");

/** Signed for localhost by the authority of the tests, or by a stranger. */
export const authorityFile = join(certificates, "authority.pem");
export const strangerFile = join(certificates, "stranger-authority.pem");
export const certificateFile = join(certificates, "server.pem");
export const keyFile = join(certificates, "server-key.pem");

export function certificate(): { readonly cert: string; readonly key: string } {
  return { cert: readFileSync(certificateFile, "utf8"), key: readFileSync(keyFile, "utf8") };
}
