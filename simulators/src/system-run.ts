/** Runs a fleet or a replay from its connections to its exit code. */
import { hash } from "node:crypto";
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import { ackedLine } from "./acked.ts";
import type { Connect } from "./connection.ts";
import type { JsonLines } from "./file-json-lines.ts";
import { openJsonLines } from "./file-json-lines.ts";
import { MqttConnection } from "./mqtt-connection.ts";
import { isGood, liveText, Rate, summaryJson, summaryText } from "./report.ts";
import { Session } from "./session.ts";
import { openTerminal } from "./system-terminal.ts";

/** The flags that every publishing command has. */
export interface RunOptions {
  readonly url: string;
  readonly qos: 0 | 1 | 2;
  readonly window: number;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly acked?: string;
  readonly drainTimeout: number;
  readonly json?: boolean;
  readonly endWithStdin?: boolean;
}

export interface Run {
  readonly command: string;
  readonly clock: Clock;
  readonly clientIds: readonly string[];
  /** Resolves when all is handed over or `session.ending` is aborted; whether it got to its end. */
  produce(session: Session): Promise<boolean>;
}

/** The exit code; throws what ended the run before its end. */
export async function runToEnd(run: Run, options: RunOptions): Promise<number> {
  const { clock } = run;
  const acked = openAcked(options, clock, (failure) => session.fail(failure));
  const session = new Session(run.clientIds, {
    clock,
    connect: connector(options, clock),
    acknowledged: (publish, resends, ackedAt) =>
      acked?.write(ackedLine(publish, sha256(publish.payload), resends, ackedAt)),
    say: (text) => terminal.say(text),
  });
  const terminal = openTerminal(clock, options.json ? undefined : liveLine(run, session));
  const signal = untilSignal(options.endWithStdin ?? false);
  signal.addEventListener("abort", () => session.end(), { once: true });
  const startMs = clock.bootMs();
  session.start();
  const produced = await settled(run.produce(session));
  const { failed } = await session.drain(options.drainTimeout, signal);
  terminal.stop();
  acked?.close();
  process.stdin.destroy(); // an open stdin would keep the process alive
  const failure = produced.failure ?? session.failure;
  const { tally: counts, everOnline } = session;
  const elapsedMs = clock.bootMs() - startMs;
  const { command } = run;
  const summary = { command, counts, failed, complete: produced.complete, everOnline, elapsedMs };
  if (failure === undefined || counts.sent > 0) {
    const text = options.json ? summaryJson(summary) : summaryText(summary);
    process.stdout.write(`${text}\n`);
  }
  if (failure !== undefined) throw failure;
  return isGood(summary) ? exitCodes.good : exitCodes.finding;
}

interface Produced {
  readonly complete: boolean;
  readonly failure: unknown;
}

async function settled(producing: Promise<boolean>): Promise<Produced> {
  try {
    return { complete: await producing, failure: undefined };
  } catch (failure) {
    return { complete: false, failure };
  }
}

function openAcked(
  { acked, qos }: RunOptions,
  clock: Clock,
  failed: (failure: CodedError) => void,
): JsonLines | undefined {
  if (acked === undefined) return undefined;
  if (qos === 0) throw new CodedError("CLI_USAGE", "--acked: QoS 0 has no acknowledgements");
  return openJsonLines(acked, clock, failed);
}

function connector(options: RunOptions, clock: Clock): Connect {
  const { url, qos, username, window: windowMax } = options;
  const password =
    options.passwordFile === undefined ? undefined : readSecret(options.passwordFile);
  if (password !== undefined && username === undefined) {
    throw new CodedError("CLI_USAGE", "--password-file needs --username");
  }
  return (clientId, listener) =>
    new MqttConnection(
      { url, clientId, username, password, qos, windowMax },
      listener,
      clock,
      systemRandom,
    );
}

function liveLine({ command, clock }: Run, session: Session): (columns: number) => string {
  const rate = new Rate();
  return (columns) => {
    const { tally: counts, online, offlineReason } = session;
    const connections = session.connections.length;
    const perSecond = rate.perSecond(counts.acknowledged, clock.bootMs());
    return liveText({ command, counts, connections, online, offlineReason }, perSecond, columns);
  };
}

/** Aborted by the first SIGTERM or SIGINT, or when stdin closes; a second signal ends at once. */
function untilSignal(endWithStdin: boolean): AbortSignal {
  const ending = new AbortController();
  const end = () => ending.abort();
  const signalled = () => {
    if (ending.signal.aborted) process.exit(exitCodes.finding);
    end();
  };
  process.on("SIGTERM", signalled);
  process.on("SIGINT", signalled);
  if (endWithStdin) process.stdin.once("end", end).once("error", end).resume();
  return ending.signal;
}

function sha256(text: string): string {
  return hash("sha256", text);
}
