/** nats-server with the shipped configuration, and the keys and certificates that its script makes. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { NatsSettings } from "../nats-connection.ts";
import type { NatsServer } from "./system-nats-server.ts";
import { startNatsServer } from "./system-nats-server.ts";

const shipped = join(dirname(fileURLToPath(import.meta.url)), "../../../deploy/nats");

export interface ShippedNats {
  readonly server: NatsServer;
  /** As make-access.sh leaves it. */
  readonly folder: string;
  readonly url: string;
  readonly caFile: string;
  readonly usersFile: string;
  readonly systemSeedFile: string;
  /** Of the cloud. */
  readonly settings: NatsSettings;
  /** The certificate of a client, made by the same script. */
  client(name: string): { readonly certFile: string; readonly keyFile: string };
}

/** `edit` is what an operator changes in nats.conf. */
export async function startShippedNats(edit = (text: string) => text): Promise<ShippedNats> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-shipped-"));
  const make = (...args: string[]) =>
    execFileSync(join(shipped, "make-access.sh"), [folder, ...args]);
  make("localhost", "127.0.0.1");
  const configFile = join(folder, "shipped.conf");
  const text = edit(readFileSync(join(shipped, "nats.conf"), "utf8"));
  writeFileSync(configFile, text.replaceAll("/etc/nats/", `${folder}/`));
  const server = await startNatsServer({ configFile, folder, environment: keysIn(folder) });
  const url = `tls://localhost:${server.port}`;
  const caFile = join(folder, "ca.pem");
  return {
    ...{ server, folder, url, caFile },
    usersFile: join(folder, "users/gateways.conf"),
    systemSeedFile: join(folder, "cloud/system.nk"),
    settings: {
      servers: [url],
      auth: { nkeySeedFile: join(folder, "cloud/cloud.nk") },
      tls: { caFile },
    },
    client(name) {
      make("--client", name);
      const file = join(folder, "clients", name);
      return { certFile: `${file}.pem`, keyFile: `${file}.key` };
    },
  };
}

function keysIn(folder: string): Readonly<Record<string, string>> {
  const lines = readFileSync(join(folder, "nats.env"), "utf8").trim().split("\n");
  return Object.fromEntries(lines.map((line) => line.split("=") as [string, string]));
}
