/** Goal: what a gateway counts for its budget is what a real connection carries, and what packets add. */

import { NatsLink } from "@causeway/edge/uplink/nats-link.ts";
import { batchWireBytes } from "@causeway/edge/uplink/wire-bytes.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { expect, onTestFinished, test } from "vitest";
import { TcpProxy } from "./tcp-proxy.ts";

const headers: readonly [string, string][] = [
  ["Content-Type", "application/vnd.causeway.batch+json"],
  ["Content-Encoding", "zstd"],
  ["Cw-Version", "1"],
  ["Cw-Run", "7-9f3a2b1c"],
  ["Cw-Epoch", "7-9f3a2b1c"],
  ["Cw-Log", "telemetry"],
  ["Cw-From", "123456"],
  ["Cw-To", "123499"],
  ["Cw-Nonce", "3.c0ffee42"],
  ["Cw-Watermark", "1767225600000"],
];
/** Of a message there and back: TCP/IP with acknowledgements, a record of TLS. */
const packetBytes = 78 + 22;
const dialBytes = 6_000;

test.each([
  [200, 300],
  [50, 20_000],
  [5, 500_000],
])("%i batches of %i bytes are counted as the wire carries them", async (batches, bytes) => {
  const server = await startNatsServer();
  onTestFinished(() => server.remove());
  const admin = await connect({ servers: server.url });
  const manager = await jetstreamManager(admin);
  await manager.streams.add({ name: "TLM", subjects: ["tlm.*.*"] });
  await admin.close();
  const { hostname: host, port } = new URL(server.url);
  const [listen, target] = [
    { host: "127.0.0.1", port: 0 },
    { host, port: Number(port) },
  ];
  const proxy = new TcpProxy({ listen, target, clock: systemClock(), random: systemRandom });
  await proxy.start();
  onTestFinished(() => proxy.stop());
  const link = new NatsLink({
    gateway: gatewayId("gw"),
    settings: { servers: [`nats://127.0.0.1:${proxy.port}`] },
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
  });
  const up = new Promise<void>((resolve) => link.listen((state) => state === "up" && resolve()));
  link.start();
  onTestFinished(() => link.close());
  await up;
  const dialled = carriedBy(proxy);
  let counted = 0;
  for (let batch = 0; batch < batches; batch++) {
    expect(await link.publish("live", headers, new Uint8Array(bytes))).toEqual({ kind: "stored" });
    counted += batchWireBytes(headers, bytes);
  }
  const carried = carriedBy(proxy) - dialled;
  const packets = Math.ceil(carried / 1_400) + 2 * batches;
  const figures = JSON.stringify({ carried, counted, link: link.carriedBytes() });
  expect(counted, figures).toBeGreaterThan(carried);
  expect(counted, figures).toBeLessThan(carried * 1.02 + packets * packetBytes);
  const all = link.carriedBytes() - dialBytes;
  expect(Math.abs(all - counted) / counted, figures).toBeLessThan(0.05);
  expect(dialled).toBeLessThan(dialBytes);
});

function carriedBy(proxy: TcpProxy): number {
  const { bytesUp, bytesDown } = proxy.counters();
  return bytesUp + bytesDown;
}
