/** How a gateway of a scenario reaches nats-server where that is not plain TCP. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { authorityFile, pairFiles } from "@causeway/edge/testing/file-certificates.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { freePort } from "@causeway/shared/testing/system-ports.ts";
import type { Address } from "../proxy/tcp-proxy.ts";
import { TcpProxy } from "../proxy/tcp-proxy.ts";

export type Way = "nats" | "tls" | "wss" | "wss-by-proxy";

/** The `uplink` of edge.yaml, and what its bytes go through. */
export interface MadeWay {
  readonly uplink: object;
  readonly proxy: TcpProxy | undefined;
}

const host = "127.0.0.1";
const tls = { caFile: authorityFile };

/** One nats-server that speaks TLS, with WebSockets beside. */
export class SecuredNats {
  readonly #webPort: number;

  private constructor(webPort: number) {
    this.#webPort = webPort;
  }

  static async plan(): Promise<SecuredNats> {
    return new SecuredNats(await freePort());
  }

  get settings(): string {
    const { certFile, keyFile } = pairFiles("server");
    const pair = `tls { cert_file: "${certFile}", key_file: "${keyFile}" }`;
    return `${pair}\nwebsocket { listen: "${host}:${this.#webPort}", ${pair} }\n`;
  }

  /** The `nats` of cloud.yaml. */
  cloud(port: number): object {
    return { servers: [`tls://localhost:${port}`], tls };
  }

  async way(way: Exclude<Way, "nats">, port: number, folder: string): Promise<MadeWay> {
    if (way === "wss-by-proxy") {
      const [user, password] = ["gate", "to-the-world"];
      const proxy = await startProxy({ login: `${user}:${password}` });
      const passwordFile = join(folder, "proxy-password");
      writeFileSync(passwordFile, password);
      const by = { url: `http://${host}:${proxy.port}`, user, passwordFile };
      return { uplink: { servers: [`wss://localhost:${this.#webPort}`], tls, proxy: by }, proxy };
    }
    const proxy = await startProxy({ host, port: way === "tls" ? port : this.#webPort });
    return { uplink: { servers: [`${way}://localhost:${proxy.port}`], tls }, proxy };
  }
}

export async function startProxy(target: Address | { readonly login: string }): Promise<TcpProxy> {
  const listen = { host, port: 0 };
  const proxy = new TcpProxy({ listen, target, clock: systemClock(), random: systemRandom });
  await proxy.start();
  return proxy;
}
