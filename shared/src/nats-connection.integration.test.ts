/** Goal: a program that reconnects by itself, as the cloud does, goes from one of its servers to another. */
import { expect, onTestFinished, test, vi } from "vitest";
import { connectNats } from "./nats-connection.ts";
import { systemRandom } from "./system-random.ts";
import { startNatsServer } from "./testing/system-nats-server.ts";
import { freePort } from "./testing/system-ports.ts";

async function startServer(settings = "") {
  const server = await startNatsServer({ settings });
  onTestFinished(() => server.remove());
  return server;
}

test("it goes to another server when its own dies, be that by another way", async () => {
  const webPort = await freePort();
  const first = await startServer();
  const second = await startServer(`websocket { listen: "127.0.0.1:${webPort}", no_tls: true }\n`);
  const servers = [first.url, `ws://127.0.0.1:${webPort}`];
  const connection = await connectNats(
    { servers },
    { name: "test", reconnect: true },
    systemRandom,
  );
  onTestFinished(() => connection.close());
  const at = () => connection.info?.port;
  const [here, there] = at() === first.port ? [first, second] : [second, first];
  const beforeId = connection.info?.server_id;
  await here.kill();
  await vi.waitFor(() => expect(connection.info?.server_id).not.toBe(beforeId), {
    timeout: 20_000,
  });
  await vi.waitFor(() => connection.flush(), { timeout: 20_000 });
  const answers = connection.subscribe("question", {
    callback: (_failure, message) => void message.respond("answer"),
  });
  const answer = await connection.request("question", "", { timeout: 5_000 });
  expect(answer.string()).toBe("answer");
  answers.unsubscribe();
  await there.stop();
});

test("none that answers is told with how far the last one got", async () => {
  const servers = [1, 2].map((port) => `nats://127.0.0.1:${port}`);
  await expect(
    connectNats({ servers }, { name: "test", reconnect: true }, systemRandom),
  ).rejects.toThrow(/^NATS_UNREACHABLE: nats:\/\/127\.0\.0\.1:[12]: nobody listens there/);
});
