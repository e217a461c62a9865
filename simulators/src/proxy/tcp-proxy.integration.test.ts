// The proxy on real sockets: what passes, what vanishes, and how a connection ends on either side.
import type { AddressInfo, Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import { seededRandom } from "@causeway/shared/random.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { describe, expect, onTestFinished, test } from "vitest";
import { HttpControl } from "./http-control.ts";
import { TcpProxy } from "./tcp-proxy.ts";

const host = "127.0.0.1";

/** One side's view of a connection. */
interface Side {
  readonly socket: Socket;
  text(): string;
  /** How it ended: in order, or by what error. */
  readonly ended: Promise<string>;
}

function side(socket: Socket): Side {
  let text = "";
  let how = "end";
  socket.on("data", (chunk) => {
    text += chunk.toString();
  });
  socket.on("error", (failure: NodeJS.ErrnoException) => {
    how = failure.code ?? "error";
  });
  const ended = new Promise<string>((resolve) => {
    socket.on("end", () => resolve(how));
    socket.on("close", () => resolve(how));
  });
  onTestFinished(() => void socket.destroy());
  return { socket, text: () => text, ended };
}

interface Pair {
  readonly proxy: TcpProxy;
  readonly client: Side;
  readonly server: Side;
}

async function startProxy(): Promise<{ proxy: TcpProxy; listener: Server }> {
  const listener = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => listener.listen(0, host, resolve));
  onTestFinished(() => void listener.close());
  const address = listener.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const proxy = new TcpProxy({
    listen: { host, port: 0 },
    target: { host, port },
    clock: systemClock(),
    random: seededRandom("proxy"),
  });
  await proxy.start();
  onTestFinished(() => proxy.stop());
  return { proxy, listener };
}

async function connected(): Promise<Pair> {
  const { proxy, listener } = await startProxy();
  const accepted = new Promise<Socket>((resolve) => listener.once("connection", resolve));
  const client = side(connect({ host, port: proxy.port, allowHalfOpen: true }));
  return { proxy, client, server: side(await accepted) };
}

const soon = { timeout: 5_000, interval: 5 };
const arrives = (to: Side, text: string) => expect.poll(() => to.text(), soon).toBe(text);

test("bytes pass both ways, and so does an ending, each way for itself", async () => {
  const { client, server } = await connected();
  client.socket.end("question");
  await arrives(server, "question");
  expect(await server.ended).toBe("end");
  server.socket.end("answer");
  await arrives(client, "answer");
  expect(await client.ended).toBe("end");
});

test("delay and a narrow line hold bytes back and keep their order", async () => {
  const { proxy, client, server } = await connected();
  proxy.set({ delayMs: 100, jitterMs: 50, bytesPerSecond: 1_000 });
  const beganMs = performance.now();
  const text = "abcdefghij".repeat(20);
  for (const letter of text) client.socket.write(letter);
  await arrives(server, text);
  expect(performance.now() - beganMs).toBeGreaterThan(250);
});

test("what is swallowed is gone: the connection is reset when its bytes would flow again", async () => {
  const { proxy, client, server } = await connected();
  proxy.set({ swallow: "down" });
  server.socket.write("acknowledged");
  client.socket.write("question");
  await arrives(server, "question");
  await expect.poll(() => proxy.counters().bytesSwallowed, soon).toBe(12);
  proxy.set({ swallow: "nothing" });
  expect(await client.ended).toBe("ECONNRESET");
  expect(await server.ended).toBe("ECONNRESET");
  expect(client.text()).toBe("");
});

test("a dead link says nothing: not even that a side has gone", async () => {
  const { proxy, client, server } = await connected();
  client.socket.write("before");
  await arrives(server, "before");
  proxy.set({ swallow: "both" });
  client.socket.resetAndDestroy();
  await client.ended;
  server.socket.write("is anybody there");
  await expect.poll(() => proxy.counters().bytesSwallowed, soon).toBe(16);
  expect(server.socket.readyState).toBe("open");
  proxy.set({ swallow: "nothing" });
  expect(await server.ended).toBe("ECONNRESET");
  await expect.poll(() => proxy.counters().open, soon).toBe(0);
});

test("a burst is cut in its middle, once; smaller ones pass whole", async () => {
  const { proxy, client, server } = await connected();
  proxy.set({ cutAfter: { direction: "up", bytes: 7, burstBytesMin: 10 } });
  client.socket.write("ping");
  await arrives(server, "ping");
  client.socket.write("a batch of many bytes");
  await server.ended;
  await client.ended;
  expect(server.text()).toBe("pinga batch");
  expect(proxy.conditions.cutAfter).toBeUndefined();
});

test("a sender is held back while the other side does not read", async () => {
  const { proxy, client, server } = await connected();
  server.socket.pause();
  const bytes = 64 * 1_024 * 1_024;
  client.socket.write(Buffer.alloc(bytes));
  let passed = -1;
  const stands = () => {
    const before = passed;
    passed = proxy.counters().bytesUp;
    return passed > 0 && passed === before;
  };
  await expect.poll(stands, { timeout: 5_000, interval: 200 }).toBe(true);
  expect(passed).toBeLessThan(bytes / 2);
  let got = 0;
  server.socket.removeAllListeners("data");
  server.socket.on("data", (chunk) => {
    got += chunk.length;
  });
  server.socket.resume();
  await expect.poll(() => got, { timeout: 20_000, interval: 10 }).toBe(bytes);
});

test("over HTTP conditions are changed, connections ended, and faults told", async () => {
  const { proxy, client, server } = await connected();
  const control = new HttpControl(proxy);
  await control.start({ host, port: 0 });
  onTestFinished(() => control.stop());
  const ask = async (method: string, path: string, body?: string) => {
    const answer = await fetch(`http://${host}:${control.port}${path}`, {
      method,
      ...(body === undefined ? {} : { body }),
    });
    return { code: answer.status, value: (await answer.json()) as Record<string, unknown> };
  };
  expect(await ask("PUT", "/", '{"delayMs":5}')).toMatchObject({
    code: 200,
    value: { conditions: { delayMs: 5 }, counters: { connections: 1, open: 1 } },
  });
  expect(await ask("PUT", "/", '{"delayMs":-5}')).toMatchObject({ code: 400 });
  expect(await ask("PUT", "/", "{")).toMatchObject({ code: 400 });
  expect(await ask("GET", "/elsewhere")).toMatchObject({ code: 404 });
  expect(proxy.conditions.delayMs).toBe(5);
  await ask("POST", "/reset");
  expect(await client.ended).toBe("ECONNRESET");
  expect(await server.ended).toBe("ECONNRESET");
  await ask("PUT", "/", '{"refuse":true}');
  expect(await side(connect(proxy.port, host)).ended).toBe("ECONNRESET");
});

test("a byte is changed once, at its place, and the connection goes on", async () => {
  const { proxy, client, server } = await connected();
  proxy.set({ corruptAfter: { direction: "down", bytes: 3, burstBytesMin: 5 } });
  server.socket.write("ping");
  await arrives(client, "ping");
  server.socket.write("a batch");
  await expect.poll(() => client.text().length, soon).toBe(11);
  const [, changed] = client.text().split("ping");
  expect(changed).not.toBe("a batch");
  expect(changed?.slice(0, 3)).toBe("a b");
  expect(proxy.counters()).toMatchObject({ corrupted: 1, cuts: 0 });
  server.socket.write("whole");
  await expect.poll(() => client.text().endsWith("whole"), soon).toBe(true);
});

test("of many bursts some are cut, at the share that was told", async () => {
  const { proxy, listener } = await startProxy();
  listener.on("connection", (socket) => {
    socket.on("error", () => {});
    socket.resume();
  });
  proxy.set({ cutShare: 0.2 });
  const bursts = 200;
  let socket: Socket | undefined;
  for (let sent = 0; sent < bursts; sent++) {
    if (socket === undefined || socket.destroyed) {
      socket = connect(proxy.port, host);
      socket.on("error", () => {});
      await new Promise<void>((resolve) => socket?.once("connect", resolve));
    }
    const before = proxy.counters();
    socket.write("burst");
    await expect.poll(() => proxy.counters().bytesUp, soon).toBeGreaterThan(before.bytesUp);
    if (proxy.counters().cuts > before.cuts) socket.destroy();
    else if (proxy.counters().bytesUp < before.bytesUp + 5) socket.destroy();
  }
  socket?.destroy();
  expect(proxy.counters().cuts / bursts).toBeGreaterThan(0.1);
  expect(proxy.counters().cuts / bursts).toBeLessThan(0.3);
});

describe("by CONNECT", () => {
  async function front(login?: string) {
    const listener = createServer((socket) => {
      socket.on("error", () => {});
      socket.end("hello");
    });
    await new Promise<void>((resolve) => listener.listen(0, host, resolve));
    onTestFinished(() => void listener.close());
    const proxy = new TcpProxy({
      listen: { host, port: 0 },
      target: { login },
      clock: systemClock(),
      random: seededRandom("proxy"),
    });
    await proxy.start();
    onTestFinished(() => proxy.stop());
    const ask = async (to: string, more = "") => {
      const client = side(connect({ host, port: proxy.port }));
      client.socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n${more}\r\n`);
      await client.ended;
      return client.text();
    };
    const { port } = listener.address() as AddressInfo;
    return { proxy, ask, port };
  }

  test("a client says where it wants to go, and what the server says first is not lost", async () => {
    const { ask, port } = await front();
    expect(await ask(`${host}:${port}`)).toBe("HTTP/1.1 200 Connection established\r\n\r\nhello");
  });

  test("without the login that is wanted nobody passes", async () => {
    const { ask, port, proxy } = await front("gw:secret");
    const login = (text: string) => `Proxy-Authorization: Basic ${btoa(text)}\r\n`;
    expect(await ask(`${host}:${port}`)).toMatch(/^HTTP\/1.1 407 [\s\S]*Proxy-Authenticate: Basic/);
    expect(await ask(`${host}:${port}`, login("gw:wrong"))).toMatch(/^HTTP\/1.1 407/);
    expect(await ask(`${host}:${port}`, login("gw:secret"))).toMatch(/hello$/);
    expect(proxy.counters().denied).toBe(2);
  });

  test("a no can be told, a server that is not there is, and so is nonsense", async () => {
    const { ask, port, proxy } = await front();
    proxy.set({ connectStatus: 403, retryAfterSeconds: 60 });
    expect(await ask(`${host}:${port}`)).toMatch(/^HTTP\/1.1 403 [\s\S]*Retry-After: 60/);
    proxy.set({ connectStatus: undefined });
    expect(await ask(`${host}:1`)).toMatch(/^HTTP\/1.1 502/);
    expect(await ask("nowhere")).toMatch(/^HTTP\/1.1 400/);
  });
});
