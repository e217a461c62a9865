/** How every `run` ends: by signal, or with its parent; and how a failed command tells why. */
import { CodedError, reasonOf } from "./errors.ts";
import type { Logger } from "./log.ts";

/** Exit codes of every command (docs/cli.md). */
export const exitCodes = { good: 0, finding: 1, usage: 2 } as const;

/** A stop that takes longer is cut off, so that nothing hangs at shutdown. */
const stopTimeoutMs = 9_000;

const usageCodes: ReadonlySet<string> = new Set([
  "CLI_USAGE",
  "CONFIG_INVALID",
  "CONFIG_UNREADABLE",
  "INPUT_UNREADABLE",
  "MQTT_REFUSED",
  "NAME_INVALID",
  "OUTPUT_UNWRITABLE",
  "SECURITY_REFUSED",
]);

/** Aborted by SIGTERM, by SIGINT, or when stdin closes; the abort's reason names which. */
export function endOrder(endWithStdin: boolean): AbortSignal {
  const order = new AbortController();
  process.once("SIGTERM", () => order.abort("SIGTERM"));
  process.once("SIGINT", () => order.abort("SIGINT"));
  if (endWithStdin) {
    // A child whose parent was killed must not live on; its end of the pipe tells it.
    process.stdin.once("end", () => order.abort("stdin closed"));
    process.stdin.once("error", () => order.abort("stdin closed"));
    process.stdin.resume();
  }
  return order.signal;
}

/** Waits for the order to end, stops, and resolves with the exit code. */
export async function untilEnded(
  order: AbortSignal,
  stop: () => Promise<void>,
  log: Logger,
): Promise<number> {
  if (!order.aborted) {
    await new Promise((resolve) => order.addEventListener("abort", resolve, { once: true }));
  }
  log.info({ reason: String(order.reason) }, "stopping");
  const cutOff = setTimeout(() => {
    log.error({ stopTimeoutMs }, "the stop took too long and was cut off");
    process.exit(exitCodes.finding);
  }, stopTimeoutMs);
  try {
    await stop();
    log.info({}, "stopped");
    return exitCodes.good;
  } catch (failure) {
    log.error({ reason: reasonOf(failure) }, "the stop failed");
    return exitCodes.finding;
  } finally {
    clearTimeout(cutOff);
  }
}

/** Prints a failure for people and answers with its exit code. */
export function tellFailure(failure: unknown): number {
  const coded = failure instanceof CodedError;
  process.stderr.write(
    `${coded || !(failure instanceof Error) ? reasonOf(failure) : failure.stack}\n`,
  );
  return coded && usageCodes.has(failure.code) ? exitCodes.usage : exitCodes.finding;
}

/** Ends the process; a broken invariant or a forgotten rejection must not go on silently. */
export function stopOnBrokenInvariant(log: Logger): void {
  const end = (failure: unknown) => {
    log.error(
      { reason: failure instanceof Error ? failure.stack : String(failure) },
      "broken invariant",
    );
    process.exit(70);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}
