/** Starts a real cluster of nats-servers for a test: free ports, own stores, each killable alone. */
import type { NatsServer } from "./system-nats-server.ts";
import { startNatsServer } from "./system-nats-server.ts";
import { freePort } from "./system-ports.ts";

export interface NatsCluster {
  readonly servers: readonly NatsServer[];
  readonly urls: readonly string[];
  /** Asks until the servers that run agree on who leads the stream. */
  leaderOf(stream: string): Promise<NatsServer>;
}

const settleTimeoutMs = 60_000;
const askTimeoutMs = 1_000;

interface Ports {
  readonly name: string;
  readonly client: number;
  readonly route: number;
  readonly monitor: number;
}

/** Each has its store in `folder`. Resolves once there is a leader for JetStream's own state. */
export async function startNatsCluster(folder: string, size = 3): Promise<NatsCluster> {
  const ports = await chosenPorts(size);
  const routes = ports.map(({ route }) => `nats-route://127.0.0.1:${route}`).join(", ");
  const servers = await Promise.all(
    ports.map(({ name, client, route, monitor }) => {
      const place = `cluster { name: causeway, listen: "127.0.0.1:${route}", routes: [${routes}] }`;
      const settings = `server_name: ${name}\nhttp: "127.0.0.1:${monitor}"\n${place}\n`;
      return startNatsServer({ port: client, settings, folder: `${folder}/${name}` });
    }),
  );
  const named = new Map(ports.map(({ name }, index) => [name, servers[index] as NatsServer]));
  const ask = (what: (found: Monitored) => string | undefined) => leader(ports, named, what);
  await ask(({ meta_cluster }) => meta_cluster?.leader);
  return {
    servers,
    urls: servers.map(({ url }) => url),
    leaderOf: (stream) => ask((found) => streamLeader(found, stream)),
  };
}

async function chosenPorts(size: number): Promise<readonly Ports[]> {
  const chosen = new Set<number>();
  while (chosen.size < 3 * size) chosen.add(await freePort());
  const all = [...chosen];
  return Array.from({ length: size }, (_, index) => {
    const [client = 0, route = 0, monitor = 0] = all.slice(3 * index);
    return { name: `n${index + 1}`, client, route, monitor };
  });
}

/** What `/jsz` tells, as far as it is wanted here. */
interface Monitored {
  readonly meta_cluster?: { readonly leader?: string };
  readonly account_details?: readonly {
    readonly stream_detail?: readonly {
      readonly name: string;
      readonly cluster?: { readonly leader?: string };
    }[];
  }[];
}

function streamLeader({ account_details = [] }: Monitored, name: string): string | undefined {
  const streams = account_details.flatMap(({ stream_detail = [] }) => stream_detail);
  return streams.find((stream) => stream.name === name)?.cluster?.leader;
}

/** There is no event to wait on in other processes. */
async function leader(
  ports: readonly Ports[],
  named: ReadonlyMap<string, NatsServer>,
  what: (found: Monitored) => string | undefined,
): Promise<NatsServer> {
  const deadline = Date.now() + settleTimeoutMs;
  for (;;) {
    const answers = await Promise.all(ports.map(({ monitor }) => monitored(monitor)));
    const told = answers.filter((answer) => answer !== undefined).map(what);
    const [first] = told;
    const server = first === undefined ? undefined : named.get(first);
    const agree = told.length > ports.length / 2 && told.every((name) => name === first);
    if (server !== undefined && agree) return server;
    if (Date.now() > deadline) throw new Error(`the cluster has no leader: ${told.join(", ")}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Undefined where the server is away or says nothing. */
async function monitored(port: number): Promise<Monitored | undefined> {
  try {
    const url = `http://127.0.0.1:${port}/jsz?streams=true`;
    const answer = await fetch(url, { signal: AbortSignal.timeout(askTimeoutMs) });
    return (await answer.json()) as Monitored;
  } catch {
    return undefined;
  }
}
