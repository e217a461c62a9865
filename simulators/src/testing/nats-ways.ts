/** Links of a gateway to real servers, and proxies between, for tests. */
import type { DialSettings } from "@causeway/edge/uplink/dial-settings.ts";
import { NatsLink } from "@causeway/edge/uplink/nats-link.ts";
import type { RedialParts } from "@causeway/edge/uplink/nats-redial.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { expect, onTestFinished, vi } from "vitest";
import type { Address } from "../proxy/tcp-proxy.ts";
import { TcpProxy } from "../proxy/tcp-proxy.ts";

export const host = "127.0.0.1";
export const soon = { timeout: 15_000, interval: 10 };

/** All that any of the links has told or logged. */
export const words: string[] = [];
const write = (fields: object, message: string) => words.push(JSON.stringify({ fields, message }));
const log: Logger = { debug: write, info: write, warn: write, error: write };

export function dial(settings: DialSettings, parts: Partial<RedialParts> = {}) {
  const link = new NatsLink({
    gateway: gatewayId("gw"),
    settings: { redialMaxMs: 1_000, ...settings },
    clock: systemClock(),
    random: systemRandom,
    log,
    ...parts,
  });
  const told: string[] = [];
  link.listen((state, reason) => {
    told.push(reason === undefined ? state : `${state} ${reason}`);
    words.push(reason ?? "");
  });
  link.start();
  onTestFinished(() => link.close());
  const when = (pattern: RegExp) => vi.waitFor(() => expect(told.at(-1)).toMatch(pattern), soon);
  const publish = (bytes = 1_000) => link.publish("live", [], new Uint8Array(bytes));
  return { link, told, when, publish };
}

/** A bad link to a server of this machine. */
export function startLink(port: number, listen: Address = { host, port: 0 }): Promise<TcpProxy> {
  return start({ host, port }, listen);
}

/** An HTTP proxy. */
export function startFront(login?: string): Promise<TcpProxy> {
  return start({ login }, { host, port: 0 });
}

async function start(
  target: ConstructorParameters<typeof TcpProxy>[0]["target"],
  listen: Address,
): Promise<TcpProxy> {
  const proxy = new TcpProxy({
    ...{ listen, target, clock: systemClock() },
    random: seededRandom("ways"),
  });
  await proxy.start();
  onTestFinished(() => proxy.stop());
  return proxy;
}
