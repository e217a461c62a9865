/**
 * Goal: a gateway whose clock is behind reaches a server with TLS, and no other one; and it learns from
 * marks when the cloud stored them. The certificates begin in 2060, so every machine's clock is behind.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates, setDefaultCACertificates, TLSSocket } from "node:tls";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test, vi } from "vitest";
import { NatsLink } from "./nats-link.ts";

const folder = join(import.meta.dirname, "../../../shared/src/testing/certificates-to-come");
async function tlsServer(name: "server" | "forged" = "server"): Promise<NatsServer> {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}.key`)];
  const users = "authorization { user: gw, password: secret }";
  const settings = `tls { cert_file: "${cert}", key_file: "${key}" }\n${users}\n`;
  const server = await startNatsServer({ settings });
  onTestFinished(() => server.remove());
  return server;
}

const soon = { timeout: 10_000, interval: 10 };

interface Given {
  readonly caName?: string;
  readonly floorMs?: number;
  readonly host?: string;
}

function link(
  { port, folder: own }: Pick<NatsServer, "port" | "folder">,
  { caName, floorMs, host }: Given,
) {
  const passwordFile = join(own, "password");
  writeFileSync(passwordFile, "secret");
  const tls = caName === undefined ? {} : { caFile: join(folder, `${caName}.pem`) };
  const servers = [`tls://${host ?? "localhost"}:${port}`];
  const made = new NatsLink({
    gateway: gatewayId("gw"),
    settings: { servers, auth: { user: "gw", passwordFile }, tls },
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
    floorOfDoubtedClock: () => floorMs,
  });
  const told: string[] = [];
  made.listen((state, reason) => told.push(reason === undefined ? state : `${state} ${reason}`));
  made.start();
  onTestFinished(() => made.close());
  return (pattern: RegExp) => vi.waitFor(() => expect(told.at(-1)).toMatch(pattern), soon);
}

const floorMs = Date.UTC(2026, 0, 1);

test("a certificate that is not valid yet holds nobody off whose clock is behind", async () => {
  const server = await tlsServer();
  await link(server, { caName: "authority", floorMs })(/^up/);
  await link(server, { caName: "authority", floorMs, host: "127.0.0.1" })(/^up/);
});

test("with a clock that is believed the same certificate is refused", async () => {
  const when = link(await tlsServer(), { caName: "authority" });
  await when(/^down NATS_TLS_FAILED: .*not yet valid/i);
});

test("a server that nobody trusted has signed is refused, whatever the clock", async () => {
  const server = await tlsServer();
  await link(server, { caName: "stranger", floorMs })(/^down NATS_TLS_FAILED: .*nobody trusted/);
  await link(await tlsServer("forged"), { caName: "authority", floorMs })(
    /^down NATS_TLS_FAILED: .*nobody trusted/,
  );
});

test("a server that is not trusted hears no credentials", async () => {
  let heard = "";
  const [cert, key] = ["server.pem", "server.key"].map((name) => readFileSync(join(folder, name)));
  const told = { server_id: "S", version: "2.15.0", proto: 1, headers: true };
  const info = { ...told, max_payload: 1e6, tls_required: true };
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(`INFO ${JSON.stringify(info)}\r\n`);
    const secured = new TLSSocket(socket, { isServer: true, cert, key });
    secured.on("error", () => {});
    secured.on("data", (bytes) => {
      heard += bytes;
      secured.write("PONG\r\n");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => new Promise((resolve) => server.close(() => resolve())));
  const { port } = server.address() as AddressInfo;
  const own = mkdtempSync(join(tmpdir(), "causeway-clock-"));
  onTestFinished(async () => rmSync(own, { recursive: true }));
  await link({ port, folder: own }, { caName: "stranger", floorMs })(/^down NATS_TLS_FAILED/);
  expect(heard).toBe("");
  const trusting = link({ port, folder: own }, { caName: "authority", floorMs });
  await vi.waitFor(() => expect(heard, "a trusted one does").toContain("secret"), soon);
  await trusting(/^up/);
});

test("a server of another name is refused, whatever the clock", async () => {
  const server = await tlsServer();
  const when = link(server, { caName: "authority", floorMs, host: "0.0.0.0" });
  await when(/^down NATS_TLS_FAILED: .*, not for 0\.0\.0\.0/);
});

test("a certificate that had ended by the newest time known is refused", async () => {
  const late = { caName: "authority", floorMs: Date.UTC(2121, 0, 1) };
  await link(await tlsServer(), late)(/^down NATS_TLS_FAILED: .*ended/);
});

test("without an authority of one's own the clock is told as the reason, not the link", async () => {
  const usual = getCACertificates("default");
  setDefaultCACertificates([...usual, readFileSync(join(folder, "authority.pem"), "utf8")]);
  onTestFinished(async () => setDefaultCACertificates(usual));
  await link(await tlsServer(), { floorMs })(/^down CLOCK_BEHIND: /);
});

test("a mark says when the cloud stored it", async () => {
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  const connection = await connect({ servers: server.url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "ENGINE", subjects: ["mark.*.*"], allow_direct: true });
  const times: number[] = [];
  const made = new NatsLink({
    gateway: gatewayId("gw"),
    settings: { servers: [server.url] },
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
    cloudTime: (storedAtMs) => times.push(storedAtMs),
  });
  const up = new Promise<void>((resolve) => made.listen((state) => state === "up" && resolve()));
  made.start();
  onTestFinished(() => made.close());
  await up;
  const beforeMs = Date.now();
  const mark = { v: 1, c: 1, g: "gw", run: null, e: [], d: [] };
  await jetstream(connection).publish(
    subjects.markOfGateway(gatewayId("gw")),
    JSON.stringify(mark),
  );
  const afterMs = Date.now();
  expect((await made.readMark())?.commit).toBe(1);
  expect(times).toHaveLength(1);
  expect(times[0]).toBeGreaterThanOrEqual(beforeMs - 1);
  expect(times[0]).toBeLessThanOrEqual(afterMs + 1);
  await connection.close();
});
