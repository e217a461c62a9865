/**
 * `causeway-edge check --connect`: dials each server step by step and says where it ends; then whether
 * this gateway may publish on its lanes and read its mark. Nothing is stored by it, and the gateway
 * may run meanwhile.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import type { DialStep } from "@causeway/shared/dial/dial-progress.ts";
import { DialProgress } from "@causeway/shared/dial/dial-progress.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import { engineStream, inboxPrefix, subjects } from "@causeway/shared/subjects.ts";
import { exitCodes } from "@causeway/shared/system-process.ts";
import type { NatsConnection } from "@nats-io/nats-core";
import { headers as natsHeaders } from "@nats-io/nats-core";
import type { EdgeConfig } from "../config.ts";
import { faultOf, faultOfAnswer } from "../uplink/fault.ts";

interface Parts {
  readonly clock: Clock;
  readonly random: Random;
  readonly print: (line: string) => void;
  readonly json: boolean;
}

interface Found {
  readonly step: DialStep | "publish" | "mark";
  readonly isGood: boolean;
  readonly detail: string;
}

const lanes = ["live", "history", "priority"] as const;
const answerTimeoutMs = 5_000;
/** JetStream's refusal of a publish that expects another stream: permitted, arrived, not stored. */
const otherStream = 10_060;

/** The exit code: a finding where any of the servers cannot be used. */
export async function checkConnect(
  { gateway, uplink }: Pick<EdgeConfig, "gateway" | "uplink">,
  parts: Parts,
): Promise<number> {
  let isGood = true;
  for (const server of uplink.servers) {
    if (!parts.json) parts.print(server);
    for await (const found of stepsTo(server, gatewayId(gateway), uplink, parts)) {
      isGood &&= found.isGood;
      parts.print(found.line);
    }
  }
  return isGood ? exitCodes.good : exitCodes.finding;
}

async function* stepsTo(
  server: string,
  gateway: GatewayId,
  uplink: EdgeConfig["uplink"],
  { clock, random, json }: Parts,
): AsyncGenerator<{ line: string; isGood: boolean }> {
  let sinceMs = clock.bootMs();
  const told = ({ step, isGood, detail }: Found) => {
    const tookMs = Math.round(clock.bootMs() - sinceMs);
    sinceMs = clock.bootMs();
    const verdict = isGood ? "ok" : "FAILED";
    const line = json
      ? JSON.stringify({ server, step, ok: isGood, tookMs, detail })
      : `  ${verdict.padEnd(6)}  ${step.padEnd(9)}  ${`${tookMs} ms`.padStart(8)}  ${detail}`;
    return { line, isGood };
  };
  const passed: ReturnType<typeof told>[] = [];
  const progress = new DialProgress((step, detail) =>
    passed.push(told({ step, isGood: true, detail })),
  );
  let connection: NatsConnection;
  try {
    connection = await connectNats(
      { ...uplink, servers: [server] },
      {
        name: `causeway-edge check ${gateway}`,
        inboxPrefix: inboxPrefix(gateway),
        ...{ reconnect: false, progress },
      },
      random,
    );
  } catch (failure) {
    yield* passed;
    yield told({ step: progress.step, isGood: false, detail: faultOf(failure).reason });
    return;
  }
  yield* passed;
  const { client_ip: address = "" } = connection.info as { client_ip?: string };
  yield told({
    step: "login",
    isGood: true,
    detail: `the server sees ${address || "this gateway"}`,
  });
  for (const lane of lanes) yield told(await publishing(connection, gateway, lane));
  yield told(await marked(connection, gateway));
  await connection.close();
}

async function publishing(
  connection: NatsConnection,
  gateway: GatewayId,
  lane: (typeof lanes)[number],
): Promise<Found> {
  const subject = subjects.telemetry(gateway, lane);
  const step = "publish";
  const head = natsHeaders();
  head.set("Nats-Expected-Stream", "none");
  try {
    const answer = await connection.request(subject, "", {
      ...{ timeout: answerTimeoutMs, headers: head },
    });
    const { error } = JSON.parse(answer.string()) as {
      error?: { err_code?: number; code?: number; description?: string };
    };
    const { err_code, code, description = "it was stored" } = error ?? {};
    if (err_code === otherStream) return { step, isGood: true, detail: subject };
    const { reason } = faultOfAnswer(err_code, code, description);
    return { step, isGood: false, detail: `${subject}: ${reason}` };
  } catch (failure) {
    return { step, isGood: false, detail: `${subject}: ${faultOf(failure).reason}` };
  }
}

async function marked(connection: NatsConnection, gateway: GatewayId): Promise<Found> {
  const step = "mark";
  const subject = `$JS.API.DIRECT.GET.${engineStream}.${subjects.markOfGateway(gateway)}`;
  try {
    const answer = await connection.request(subject, undefined, { timeout: answerTimeoutMs });
    const status = answer.headers?.code ?? 0;
    if (status === 404) return { step, isGood: true, detail: "may be read; there is none yet" };
    if (status < 400) return { step, isGood: true, detail: "read" };
    return { step, isGood: false, detail: `${status} ${answer.headers?.description}` };
  } catch (failure) {
    return { step, isGood: false, detail: faultOf(failure).reason };
  }
}
