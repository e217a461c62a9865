/** Time for one try to tell a receiver. */
import type { Clock } from "../clock.ts";

/** Rejects when `timeoutMs` are over or `signal` is aborted, whatever `act` still does. */
export async function within<Result>(
  timeoutMs: number,
  clock: Clock,
  signal: AbortSignal,
  act: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const ended = new AbortController();
  const { promise: cutOff, reject } = Promise.withResolvers<never>();
  const end = (why: string) => {
    const failure = new Error(why);
    ended.abort(failure);
    reject(failure);
  };
  const stop = () => end("stopped");
  if (signal.aborted) throw new Error("stopped");
  signal.addEventListener("abort", stop, { once: true });
  const cancel = clock.after(timeoutMs, () => end(`no answer within ${timeoutMs} ms`));
  const acting = act(ended.signal);
  acting.catch(() => {}); // told by the race, or of no account after it
  try {
    return await Promise.race([acting, cutOff]);
  } finally {
    cancel();
    signal.removeEventListener("abort", stop);
  }
}
