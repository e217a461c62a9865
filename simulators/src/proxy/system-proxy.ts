/** `causeway-sim proxy`: a bad link between any TCP client and its server. */
import { CodedError } from "@causeway/shared/errors.ts";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { endOrder, exitCodes } from "@causeway/shared/system-process.ts";
import { systemRandom } from "@causeway/shared/system-random.ts";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { duration, wholeNumber } from "../arguments.ts";
import type { Swallow } from "./conditions.ts";
import { swallows } from "./conditions.ts";
import { HttpControl } from "./http-control.ts";
import type { Address } from "./tcp-proxy.ts";
import { TcpProxy } from "./tcp-proxy.ts";

export interface ProxyFlags {
  readonly listen: Address;
  readonly target: Address;
  readonly control?: Address;
  readonly delay: number;
  readonly jitter: number;
  readonly bytesPerSecond?: number;
  readonly swallow: Swallow;
  readonly refuse?: boolean;
  readonly cutEvery?: number;
  readonly endWithStdin?: boolean;
}

const delayMsMax = 600_000;
const cutEveryMsMax = 86_400_000;

const proxyHelp = `
Scripted by HTTP where --control is given:
  GET /         conditions and counters
  PUT /         change conditions: {"delayMs":80,"jitterMs":20,"bytesPerSecond":16384,
                "swallow":"nothing|up|down|both","refuse":true,
                "cutAfter":{"direction":"up","bytes":200,"burstBytesMin":600}}; null takes a bound away
  POST /cut     end every connection in order
  POST /reset   end every connection by a reset

"up" is from the client to the server. Swallowed bytes are gone and so are endings: a dead link that
says nothing. A connection that lost bytes is reset when its bytes would pass again.

Examples:
  causeway-sim proxy --listen 4333 --target 4222 --control 4334 --delay 80ms --jitter 20ms
  curl -X PUT http://127.0.0.1:4334/ -d '{"swallow":"down"}'; sleep 5; curl -X POST http://127.0.0.1:4334/reset`;

/** `PORT` or `HOST:PORT`; the host is this machine where none is told. */
export function addressOf(text: string): Address {
  const match = /^(?:(.+):)?([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[2]);
  if (match === null || port > 65_535)
    throw new InvalidArgumentError("Give a port, or a host and a port as 127.0.0.1:4222.");
  return { host: match[1] ?? "127.0.0.1", port };
}

export function declareProxy(command: Command): Command {
  const time = (flags: string, about: string) =>
    new Option(flags, about).default(0, "0").argParser(duration("ms", 0, delayMsMax));
  return command
    .requiredOption("--listen <address>", "where clients connect: PORT or HOST:PORT", addressOf)
    .requiredOption("--target <address>", "the server: PORT or HOST:PORT", addressOf)
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
      new Option("--cut-every <time>", "end all connections so often").argParser(
        duration("s", 1, cutEveryMsMax),
      ),
    )
    .option("--end-with-stdin", "stop when stdin closes")
    .addHelpText("after", proxyHelp);
}

export async function actProxy(flags: ProxyFlags): Promise<number> {
  const { listen, target, control: controlAddress, cutEvery } = flags;
  if (listen.port !== 0 && listen.port === target.port && listen.host === target.host)
    throw new CodedError("CLI_USAGE", "--listen and --target are the same address");
  const order = endOrder(flags.endWithStdin ?? false);
  const clock = systemClock();
  const proxy = new TcpProxy({ listen, target, clock, random: systemRandom });
  const { delay: delayMs, jitter: jitterMs, bytesPerSecond, swallow, refuse = false } = flags;
  proxy.set({ delayMs, jitterMs, bytesPerSecond, swallow, refuse });
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
  if (!order.aborted) await new Promise((ended) => order.addEventListener("abort", ended));
  if (controlAddress !== undefined) await control.stop();
  await proxy.stop();
  process.stdout.write(`${JSON.stringify(proxy.counters())}\n`);
  process.stdin.destroy();
  return exitCodes.good;
}
