/** Waits for something to come on a socket, which is destroyed where it does not. */
import type { Duplex } from "node:stream";

export interface Settle<Value> {
  readonly done: (value: Value) => void;
  readonly fail: (failure: unknown) => void;
}

/** Rejects also when the socket fails or closes, or with the signal's reason; leaves no listener. */
export function awaited<Value>(
  socket: Duplex,
  signal: AbortSignal,
  wait: (settle: Settle<Value>) => Readonly<Record<string, (chunk: Buffer) => void>>,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      for (const [name, act] of Object.entries(listeners)) socket.removeListener(name, act);
      signal.removeEventListener("abort", aborted);
    };
    const fail = (failure: unknown) => {
      stop();
      // It may still tell why it ends.
      socket.on("error", () => {});
      socket.destroy();
      reject(failure);
    };
    const done = (value: Value) => {
      stop();
      resolve(value);
    };
    const aborted = () => fail(signal.reason);
    const listeners: Record<string, (chunk: Buffer) => void> = {
      error: fail as (failure: unknown) => void,
      close: () => fail(new Error("the connection was closed")),
      ...wait({ done, fail }),
    };
    for (const [name, act] of Object.entries(listeners)) socket.on(name, act);
    signal.addEventListener("abort", aborted, { once: true });
    if (signal.aborted) aborted();
    // Whoever read before may have paused it, and a listener alone does not end that.
    if ("data" in listeners) socket.resume();
  });
}
