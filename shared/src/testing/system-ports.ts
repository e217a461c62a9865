/** Ports of this machine, for tests that start other programs. */
import type { ChildProcess } from "node:child_process";
import { createConnection, createServer } from "node:net";

const startTimeoutMs = 60_000;
/** Nothing may listen there yet, and a second asker must not get it. */
const givenPorts = new Set<number>();
const portRange = { least: 10_000, count: 22_000 };

/**
 * A port that was free a moment ago, below those that outgoing connections take theirs from: while
 * its server is down no client gets it, nor connects to itself on it.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = portRange.least + Math.floor(Math.random() * portRange.count);
    if (givenPorts.has(port) || !(await isFree(port))) continue;
    givenPorts.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}

/** Asks until something accepts connections; there is no event to wait on in another process. */
export async function listening(port: number, child?: ChildProcess): Promise<void> {
  const deadline = Date.now() + startTimeoutMs;
  while (!(await accepts(port))) {
    const code = child?.exitCode ?? undefined;
    if (code !== undefined) throw new Error(`${child?.spawnfile} ended with ${code}`);
    if (Date.now() > deadline) throw new Error(`nobody listens on ${port}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: "127.0.0.1", port });
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}
