/**
 * Measures what gateways without devices carry: whole gateways, a real nats-server with plain TCP, TLS
 * and WebSocket with TLS, a real cloud; each link through a proxy of its own, so that the kernel counts
 * its bytes and segments apart.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sleep } from "@causeway/shared/clock.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { startNatsServer } from "@causeway/shared/testing/system-nats-server.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import { authorityFile, pairFiles } from "../edge/src/testing/file-certificates.ts";
import { TcpProxy } from "../simulators/src/proxy/tcp-proxy.ts";
import type { Program } from "../simulators/src/scenario/system-program.ts";
import { ready, startProgram } from "../simulators/src/scenario/system-program.ts";
import type { Counted, Measured, Way } from "./idle.ts";
import { costsOf, countedOf, idleTable, rareS, since, ways, wireBytes } from "./idle.ts";

export interface IdleOptions {
  readonly seconds: number;
  readonly print: (line: string) => void;
  readonly tell: (line: string) => void;
  readonly asJson: boolean;
}

const host = "127.0.0.1";
const rarelyMs = rareS * 1_000;
/** What a start makes is over by then. */
const settleMs = 40_000;
const kinds = {
  quiet: { pingMs: rarelyMs, heartbeatMs: rarelyMs },
  pinging: { pingMs: 1_000, heartbeatMs: rarelyMs },
  beating: { pingMs: rarelyMs, heartbeatMs: 5_000 },
};
type Kind = keyof typeof kinds;

interface Idle {
  readonly way: Way;
  readonly kind: Kind;
  readonly proxy: TcpProxy;
}

export async function benchIdle({ seconds, print, tell, asJson }: IdleOptions): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "causeway-idle-"));
  const clock = systemClock();
  const programs: Program[] = [];
  const proxies: TcpProxy[] = [];
  const [webPort, cloudPort] = [await freePort(), await freePort()];
  const { certFile, keyFile } = pairFiles("server");
  const tls = `tls { cert_file: "${certFile}", key_file: "${keyFile}" }`;
  const plainServer = await startNatsServer({ folder: join(folder, "plain") });
  const tlsServer = await startNatsServer({
    folder: join(folder, "tls"),
    settings: `${tls}\nwebsocket { listen: "${host}:${webPort}", ${tls} }\n`,
  });
  const start = async (name: "causeway-edge" | "causeway-cloud", id: string, config: object) => {
    const file = join(folder, `${id}.yaml`);
    writeFileSync(file, JSON.stringify(config));
    const program = startProgram(name, ["run", "--config", file], join(folder, `${id}.log`));
    programs.push(program);
    const { port } = (config as { http: { port: number } }).http;
    await ready(`http://${host}:${port}/readyz`, program);
  };
  try {
    const trusted = { caFile: authorityFile };
    await start("causeway-cloud", "cloud", {
      nats: { servers: [plainServer.url] },
      ...{ dataDir: join(folder, "cloud"), http: { host, port: cloudPort } },
    });
    await start("causeway-cloud", "cloud-tls", {
      nats: { servers: [`tls://localhost:${tlsServer.port}`], tls: trusted },
      ...{ dataDir: join(folder, "cloud-tls"), http: { host, port: await freePort() } },
    });
    const ports: Readonly<Record<Way, number>> = {
      ...{ nats: plainServer.port, tls: tlsServer.port, wss: webPort },
    };
    const idles: Idle[] = [];
    for (const way of ways) {
      for (const kind of Object.keys(kinds) as Kind[]) {
        const target = { host, port: ports[way] };
        const listen = { host, port: 0 };
        const proxy = new TcpProxy({ listen, target, clock, random: seededRandom("idle") });
        await proxy.start();
        proxies.push(proxy);
        const { pingMs, heartbeatMs } = kinds[kind];
        const servers = [`${way}://localhost:${proxy.port}`];
        await start("causeway-edge", `${way}-${kind}`, {
          ...{ gateway: `${way}-${kind}`, dataDir: join(folder, `${way}-${kind}`), heartbeatMs },
          mqtt: { listeners: [{ host, port: 0 }], auth: { anonymous: true } },
          uplink: { servers, pingMs, ...(way === "nats" ? {} : { tls: trusted }) },
          http: { host, port: await freePort() },
        });
        idles.push({ way, kind, proxy });
      }
    }
    tell(`${idles.length} gateways are up; measuring ${seconds} s`);
    await sleep(clock, settleMs);
    const before = idles.map(({ proxy }) => countedAt(proxy.port));
    const beganMs = clock.bootMs();
    await sleep(clock, seconds * 1_000);
    const after = idles.map(({ proxy }) => countedAt(proxy.port));
    const tookS = (clock.bootMs() - beganMs) / 1_000;
    const measured = (way: Way, kind: Kind): Measured => {
      const at = idles.findIndex((idle) => idle.way === way && idle.kind === kind);
      const [one, other] = [before[at], after[at]];
      if (one === undefined || other === undefined)
        throw new Error(`${way} ${kind}: not connected`);
      const bytes = wireBytes(since(one, other));
      tell(`${way} ${kind}: ${JSON.stringify({ bytes, ...since(one, other) })}`);
      return { seconds: tookS, bytes };
    };
    const costs = ways.map((way) =>
      costsOf(
        ...([way, measured(way, "quiet")] as const),
        { ...measured(way, "pinging"), everyS: kinds.pinging.pingMs / 1_000 },
        { ...measured(way, "beating"), everyS: kinds.beating.heartbeatMs / 1_000 },
      ),
    );
    print(asJson ? costs.map((one) => JSON.stringify(one)).join("\n") : idleTable(costs));
  } finally {
    for (const program of programs) program.kill("SIGKILL");
    await Promise.all(programs.map(({ exited }) => exited));
    await Promise.all(proxies.map((proxy) => proxy.stop()));
    await plainServer.remove();
    await tlsServer.remove();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The proxy's socket to the gateway: its port is that of nobody else. */
function countedAt(port: number): Counted | undefined {
  const args = ["-tinHO", "state", "established", `sport = :${port}`];
  return countedOf(execFileSync("ss", args, { encoding: "utf8" }));
}
