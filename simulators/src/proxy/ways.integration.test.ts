/**
 * Goal: a gateway reaches a real nats-server by every way that operators have, and where it does not, it
 * says in words at which step and why, and never a secret.
 */
import { writeFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import { connect as connectTcp, createServer } from "node:net";
import { join } from "node:path";
import { createServer as createTlsServer } from "node:tls";
import { authorityFile, pairFiles, pairTexts } from "@causeway/edge/testing/file-certificates.ts";
import type { DialSettings } from "@causeway/edge/uplink/dial-settings.ts";
import type { NatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { dial, host, startFront, words } from "../testing/nats-ways.ts";
import type { TcpProxy } from "./tcp-proxy.ts";

const secret = "s3cret-of-the-test";

interface Ways {
  readonly server: NatsServer;
  readonly port: number;
  readonly webPort: number;
  readonly passwordFile: string;
}

/** One that speaks NATS and WebSocket, both with TLS or both without. */
async function startWays(
  more: { readonly tls?: string; readonly plain?: string } = {},
): Promise<Ways> {
  const webPort = await freePort();
  const { tls, plain = "" } = more;
  const users = `authorization { user: gw, password: "${secret}" }\n`;
  const web = tls === undefined ? "no_tls: true" : `tls { ${tls} }`;
  const settings = `${users}${tls === undefined ? "" : `tls { ${tls} }\n`}${plain}
websocket { listen: "${host}:${webPort}", ${web} }\n`;
  const server = await startNatsServer({ settings });
  const passwordFile = join(server.folder, "password");
  writeFileSync(passwordFile, secret);
  return { server, port: server.port, webPort, passwordFile };
}

function pairOf(name: Parameters<typeof pairFiles>[0]): string {
  const { certFile, keyFile } = pairFiles(name);
  return `cert_file: "${certFile}", key_file: "${keyFile}"`;
}

async function makeStream(url: string, caFile?: string): Promise<void> {
  const tls = caFile === undefined ? {} : { tls: { caFile } };
  const connection = await connect({ servers: url, user: "gw", pass: secret, ...tls });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "TLM", subjects: ["tlm.*.*"] });
  await connection.close();
}

let plain: Ways;
let secure: Ways;
beforeAll(async () => {
  plain = await startWays();
  secure = await startWays({ tls: pairOf("server") });
  await makeStream(`nats://${host}:${plain.port}`);
  await makeStream(`tls://localhost:${secure.port}`, authorityFile);
  return async () => {
    await plain.server.remove();
    await secure.server.remove();
  };
});

const authOf = ({ passwordFile }: Ways) => ({ user: "gw", passwordFile });
const trusting = { caFile: authorityFile };

describe.each([
  ["directly", false],
  ["through an HTTP proxy that wants a login", true],
])("%s", (_how, isProxied) => {
  test.each(["nats", "tls", "ws", "wss"])("batches go by %s://", async (scheme) => {
    const isSecure = scheme === "tls" || scheme === "wss";
    const ways = isSecure ? secure : plain;
    const port = scheme.startsWith("ws") ? ways.webPort : ways.port;
    const proxy = isProxied ? await startFront(`gate:${secret}`) : undefined;
    const { when, publish, link } = dial({
      servers: [`${scheme}://localhost:${port}`],
      auth: authOf(ways),
      ...(isSecure ? { tls: trusting } : {}),
      ...(proxy === undefined
        ? {}
        : {
            proxy: {
              url: `http://${host}:${proxy.port}`,
              ...{ user: "gate", passwordFile: ways.passwordFile },
            },
          }),
    });
    await when(/^up/);
    for (let batch = 0; batch < 5; batch++)
      expect(await publish(500_000)).toEqual({ kind: "stored" });
    expect(link.dialStatus().server).toBe(`${scheme}://localhost:${port}`);
    if (proxy !== undefined) expect(proxy.counters().bytesUp).toBeGreaterThan(2_500_000);
  });
});

test("a proxy may be spoken to by TLS, and the server through it, too", async () => {
  const inner = await startFront();
  const front = createTlsServer(pairTexts("server"), (socket) => {
    const next = connectTcp(inner.port, host);
    for (const each of [socket, next]) each.on("error", () => {});
    socket.pipe(next).pipe(socket);
  });
  await new Promise<void>((resolve) => front.listen(0, host, resolve));
  onTestFinished(() => void front.close());
  const url = `https://localhost:${(front.address() as AddressInfo).port}`;
  const { when, publish } = dial({
    servers: [`wss://localhost:${secure.webPort}`],
    ...{ auth: authOf(secure), tls: trusting, proxy: { url, caFile: authorityFile } },
  });
  await when(/^up/);
  expect(await publish(100_000)).toEqual({ kind: "stored" });
});

test("the environment's proxy is taken where that is configured, with its exceptions", async () => {
  const proxy = await startFront();
  vi.stubEnv("HTTPS_PROXY", `http://${host}:${proxy.port}`);
  onTestFinished(() => void vi.unstubAllEnvs());
  const settings = { servers: [`nats://localhost:${plain.port}`], auth: authOf(plain) };
  await dial(settings).when(/^up/);
  expect(proxy.counters().connections).toBe(0);
  await dial({ ...settings, proxy: { fromEnvironment: true } }).when(/^up/);
  expect(proxy.counters().connections).toBe(1);
  vi.stubEnv("NO_PROXY", "localhost");
  await dial({ ...settings, proxy: { fromEnvironment: true } }).when(/^up/);
  expect(proxy.counters().connections).toBe(1);
});

test("a server that wants a certificate of its clients gets it", async () => {
  const ca = `ca_file: "${authorityFile}", verify: true`;
  const strict = await startWays({ tls: `${pairOf("server")}, ${ca}` });
  onTestFinished(() => strict.server.remove());
  const own = { ...trusting, ...pairFiles("device") };
  for (const url of [`tls://localhost:${strict.port}`, `wss://localhost:${strict.webPort}`]) {
    await dial({ servers: [url], auth: authOf(strict), tls: own }).when(/^up/);
    await dial({ servers: [url], auth: authOf(strict), tls: trusting }).when(
      /^down NATS_TLS_FAILED: .*wants a certificate of this client/,
    );
  }
});

test("TLS before the server says hello, and no version below the least", async () => {
  const first = await startWays({ tls: `${pairOf("server")}, handshake_first: true` });
  onTestFinished(() => first.server.remove());
  const settings = { servers: [`tls://localhost:${first.port}`], auth: authOf(first) };
  await dial({ ...settings, tls: { ...trusting, handshakeFirst: true } }).when(/^up/);
  const { cert, key } = pairTexts("server");
  const old = createTlsServer({ cert, key, maxVersion: "TLSv1.2" }, (socket) => void socket.end());
  await new Promise<void>((resolve) => old.listen(0, host, resolve));
  onTestFinished(() => void old.close());
  const servers = [`tls://localhost:${(old.address() as AddressInfo).port}`];
  const tls = { ...trusting, handshakeFirst: true };
  await dial({ servers, tls }).when(/^down NATS_UNREACHABLE: .*before nats-server said hello/);
  await dial({ servers, tls: { ...tls, minVersion: "TLSv1.3" } }).when(
    /^down NATS_TLS_FAILED: .*no version of TLS in common/,
  );
});

describe("what cannot be is told", () => {
  const refused: readonly [string, () => Promise<DialSettings> | DialSettings, RegExp][] = [
    [
      "a name that DNS does not know",
      () => ({ servers: ["nats://no-such-host.invalid"] }),
      /^down NATS_NAME_UNKNOWN: nats:\/\/no-such-host\.invalid:4222: DNS /,
    ],
    [
      "a port where nobody listens",
      async () => ({ servers: [`nats://${host}:${await freePort()}`] }),
      /^down NATS_UNREACHABLE: .*nobody listens there/,
    ],
    [
      "wrong credentials",
      () => ({ servers: [`nats://${host}:${plain.port}`] }),
      /^down NATS_AUTH_FAILED: .*Authorization Violation/,
    ],
    [
      "a certificate that nobody trusted has signed",
      () => ({ servers: [`tls://localhost:${secure.port}`], auth: authOf(secure) }),
      /^down NATS_TLS_FAILED: .*nobody trusted has signed/,
    ],
    [
      "the same by WebSocket",
      () => ({ servers: [`wss://localhost:${secure.webPort}`], auth: authOf(secure) }),
      /^down NATS_TLS_FAILED: .*nobody trusted has signed/,
    ],
    [
      "a certificate for another name",
      () => ({
        servers: [`tls://localhost:${secure.port}`],
        ...{ auth: authOf(secure), tls: { ...trusting, serverName: "nats.example" } },
      }),
      /^down NATS_TLS_FAILED: .*for another name/,
    ],
    [
      "TLS where the server has none",
      () => ({ servers: [`tls://localhost:${plain.port}`], auth: authOf(plain) }),
      /^down NATS_TLS_FAILED: .*offers no TLS/,
    ],
    [
      "a WebSocket with TLS where there is none",
      () => ({ servers: [`wss://localhost:${plain.webPort}`], auth: authOf(plain) }),
      /^down NATS_TLS_FAILED: .*speaks no TLS/,
    ],
    [
      "a web server that has no WebSocket",
      async () => {
        const web = createHttpServer((_request, response) => response.writeHead(404).end());
        await new Promise<void>((resolve) => web.listen(0, host, resolve));
        onTestFinished(() => void web.close());
        return { servers: [`ws://${host}:${(web.address() as AddressInfo).port}/nats`] };
      },
      /^down NATS_WEBSOCKET_REFUSED: .*answered 404/,
    ],
    [
      "a server of something else",
      async () => {
        const other = createServer((socket) => void socket.end("220 mail.example ESMTP\r\n"));
        await new Promise<void>((resolve) => other.listen(0, host, resolve));
        onTestFinished(() => void other.close());
        return { servers: [`nats://${host}:${(other.address() as AddressInfo).port}`] };
      },
      /^down NATS_UNREACHABLE: .*is no nats-server/,
    ],
    [
      "a proxy that wants a login",
      async () => proxied(await startFront(`gate:${secret}`)),
      /^down PROXY_AUTH_FAILED: .*set proxy\.user/,
    ],
    [
      "a proxy that refuses the login",
      async () => {
        const settings = proxied(await startFront("gate:another"));
        const login = { user: "gate", passwordFile: plain.passwordFile };
        return { ...settings, proxy: { ...settings.proxy, ...login } };
      },
      /^down PROXY_AUTH_FAILED: .*correct proxy\.user and the password/,
    ],
    [
      "a proxy that denies the way",
      async () => {
        const proxy = await startFront();
        proxy.set({ connectStatus: 403 });
        return proxied(proxy);
      },
      /^down PROXY_REFUSED: .*denies the way to localhost:[0-9]+ with 403/,
    ],
    [
      "a proxy that cannot reach the server",
      async () => ({ ...proxied(await startFront()), servers: [`nats://${host}:1`] }),
      /^down NATS_UNREACHABLE: .*cannot reach 127\.0\.0\.1:1 now, it answered 502/,
    ],
    [
      "a proxy that is not there",
      async () => ({
        servers: [`nats://localhost:${plain.port}`],
        proxy: { url: `http://${host}:${await freePort()}` },
      }),
      /^down PROXY_UNREACHABLE: .*nobody listens there/,
    ],
    [
      "a proxy that DNS does not know",
      () => ({ servers: ["nats://a"], proxy: { url: "http://no-such-proxy.invalid:3128" } }),
      /^down PROXY_UNREACHABLE: .*no-such-proxy\.invalid/,
    ],
  ];

  function proxied(proxy: TcpProxy) {
    const url = `http://${host}:${proxy.port}`;
    return {
      servers: [`nats://localhost:${plain.port}`],
      ...{ auth: authOf(plain), proxy: { url } },
    };
  }

  test.each(refused)("%s", async (_what, settings, told) => {
    await dial(await settings()).when(told);
  });

  test("no secret was told or logged", () => {
    expect(words.length).toBeGreaterThan(refused.length);
    expect(words.filter((text) => text.includes(secret))).toEqual([]);
    expect(words.filter((text) => text.includes(btoa(`gate:${secret}`)))).toEqual([]);
  });
});
