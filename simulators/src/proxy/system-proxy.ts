/** `causeway-sim proxy`: a bad link between any TCP client and its server. */

import { readFileSync } from "node:fs";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { endOrder, exitCodes } from "@causeway/shared/system-process.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { duration, wholeNumber } from "../arguments.ts";
import type { Swallow } from "./conditions.ts";
import { changed, swallows } from "./conditions.ts";
import type { ConnectFront } from "./http-connect.ts";
import { HttpControl } from "./http-control.ts";
import type { Step } from "./steps.ts";
import { stepsOf } from "./steps.ts";
import type { Address } from "./tcp-proxy.ts";
import { TcpProxy } from "./tcp-proxy.ts";

export interface ProxyFlags {
  readonly listen: Address;
  readonly target?: Address;
  readonly connect?: boolean;
  readonly loginFile?: string;
  readonly script?: string;
  readonly cutShare: number;
  readonly control?: Address;
  readonly delay: number;
  readonly jitter: number;
  readonly bytesPerSecond?: number;
  readonly swallow: Swallow;
  readonly refuse?: boolean;
  readonly cutEvery?: number;
  readonly loop?: boolean;
  readonly endWithStdin?: boolean;
}

const delayMsMax = 600_000;
const cutEveryMsMax = 86_400_000;

const proxyHelp = `
Scripted by HTTP where --control is given:
  GET /         conditions and counters
  PUT /         change conditions: {"delayMs":80,"jitterMs":20,"bytesPerSecond":16384,
                "swallow":"nothing|up|down|both","refuse":true,
                "cutAfter":{"direction":"up","bytes":200,"burstBytesMin":600},
                "corruptAfter":{"direction":"down","bytes":9},"cutShare":0.02,
                "connectStatus":403,"retryAfterSeconds":60}; null takes a bound away
  POST /cut     end every connection in order
  POST /reset   end every connection by a reset

"up" is from the client to the server. Swallowed bytes are gone and so are endings: a dead link that
says nothing. A connection that lost bytes is reset when its bytes would pass again. "cutAfter" and
"corruptAfter" happen once, in the first burst that is large enough; of all bursts "cutShare" are cut.

With --connect it is an HTTP proxy: clients say by CONNECT where they want to go. "connectStatus" is
what they are answered instead.

A --script has a line of JSON for each step: conditions as above, "do":"cut" or "reset", and
"afterMs" since the step before; with --loop it begins anew at its end.

Examples:
  causeway-sim proxy --listen 4333 --target 4222 --control 4334 --delay 80ms --jitter 20ms
  causeway-sim proxy --listen 4333 --target 4222 --delay 20ms --cut-share 0.02
  causeway-sim proxy --listen 3128 --connect --login-file proxy-login
  curl -X PUT http://127.0.0.1:4334/ -d '{"swallow":"down"}'; sleep 5; curl -X POST http://127.0.0.1:4334/reset`;

/** `PORT` or `HOST:PORT`; the host is this machine where none is told. */
export function addressOf(text: string): Address {
  const match = /^(?:(.+):)?([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535)
    throw new InvalidArgumentError("Give a port, or a host and a port as 127.0.0.1:4222.");
  return { host: match[1] ?? "127.0.0.1", port };
}

function share(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= 0 && value <= 1))
    throw new InvalidArgumentError("Give a number from 0 to 1.");
  return value;
}

export function declareProxy(command: Command): Command {
  const time = (flags: string, about: string) =>
    new Option(flags, about).default(0, "0").argParser(duration("ms", 0, delayMsMax));
  return command
    .requiredOption("--listen <address>", "where clients connect: PORT or HOST:PORT", addressOf)
    .option("--target <address>", "the server: PORT or HOST:PORT", addressOf)
    .option("--connect", "be an HTTP proxy: clients say by CONNECT where they want to go")
    .option("--login-file <file>", "with --connect: user:password that it asks for")
    .option("--control <address>", "serve the HTTP that scripts it", addressOf)
    .addOption(time("--delay <ms>", "every byte comes so much later"))
    .addOption(time("--jitter <ms>", "and up to so much more"))
    .addOption(
      new Option("--bytes-per-second <n>", "in each direction of each connection").argParser(
        wholeNumber(1, Number.MAX_SAFE_INTEGER),
      ),
    )
    .addOption(
      new Option("--swallow <direction>", "what vanishes: up is from the client to the server")
        .choices([...swallows])
        .default("nothing"),
    )
    .option("--refuse", "reset new connections")
    .addOption(
      new Option(
        "--cut-share <n>",
        "of all bursts, 0 to 1, so many are cut in half, and the connection",
      )
        .default(0)
        .argParser(share),
    )
    .option("--script <file>", "conditions over time, a line of JSON for each step")
    .option("--loop", "begin the script anew at its end")
    .addOption(
      new Option("--cut-every <time>", "end all connections so often").argParser(
        duration("s", 1, cutEveryMsMax),
      ),
    )
    .option("--end-with-stdin", "stop when stdin closes")
    .addHelpText("after", proxyHelp);
}

function targetOf({ listen, target, connect, loginFile }: ProxyFlags): Address | ConnectFront {
  if (connect === true) {
    if (target !== undefined) throw new CodedError("CLI_USAGE", "--target or --connect, not both");
    return { login: loginFile === undefined ? undefined : readSecret(loginFile) };
  }
  if (target === undefined) throw new CodedError("CLI_USAGE", "give --target, or --connect");
  if (listen.port !== 0 && listen.port === target.port && listen.host === target.host)
    throw new CodedError("CLI_USAGE", "--listen and --target are the same address");
  return target;
}

function scriptText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (failure) {
    throw new CodedError("INPUT_UNREADABLE", `${file}: ${reasonOf(failure)}`, { cause: failure });
  }
}

async function play(
  proxy: TcpProxy,
  steps: readonly Step[],
  isLooped: boolean,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  // A loop without any time in it would leave none for the connections.
  const leastMs = steps.some(({ afterMs }) => afterMs > 0) ? 0 : 1_000;
  do {
    for (const { afterMs, change, act } of steps) {
      await sleep(clock, Math.max(leastMs, afterMs), signal);
      if (signal.aborted) return;
      proxy.set(changed(proxy.conditions, change));
      if (act !== undefined) proxy[act]();
    }
  } while (isLooped && steps.length > 0);
}

export async function actProxy(flags: ProxyFlags): Promise<number> {
  const { listen, control: controlAddress, cutEvery, cutShare } = flags;
  const target = targetOf(flags);
  const steps = flags.script === undefined ? [] : stepsOf(scriptText(flags.script));
  const order = endOrder(flags.endWithStdin ?? false);
  const clock = systemClock();
  const proxy = new TcpProxy({ listen, target, clock, random: systemRandom });
  const { delay: delayMs, jitter: jitterMs, bytesPerSecond, swallow, refuse = false } = flags;
  proxy.set({ delayMs, jitterMs, bytesPerSecond, swallow, refuse, cutShare });
  await proxy.start();
  const control = new HttpControl(proxy);
  if (controlAddress !== undefined) await control.start(controlAddress);
  const addresses = {
    proxy: `${listen.host}:${proxy.port}`,
    control: controlAddress && `http://${controlAddress.host}:${control.port}/`,
  };
  process.stdout.write(`${JSON.stringify({ msg: "ready", addresses })}\n`);
  const cutAgain = (everyMs: number) =>
    clock.after(everyMs, () => {
      proxy.cut();
      cutAgain(everyMs);
    });
  if (cutEvery !== undefined) cutAgain(cutEvery);
  void play(proxy, steps, flags.loop ?? false, clock, order);
  if (!order.aborted) await new Promise((ended) => order.addEventListener("abort", ended));
  if (controlAddress !== undefined) await control.stop();
  await proxy.stop();
  process.stdout.write(`${JSON.stringify(proxy.counters())}\n`);
  process.stdin.destroy();
  return exitCodes.good;
}
