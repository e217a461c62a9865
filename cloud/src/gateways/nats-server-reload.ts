/** Tells nats-server to read its configuration anew, so that it knows of gateways that came and went. */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { NatsSettings } from "@causeway/shared/nats-connection.ts";
import { connectNats } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import type { NatsConnection } from "@nats-io/nats-core";
import { z } from "zod";

export interface ReloadSettings {
  readonly systemSeedFile?: string | undefined;
  readonly pidFile?: string | undefined;
}

/** While a server reads its configuration anew, it cuts off who is about to log in, and JetStream is away. */
const pauses = { firstMs: 300, maxMs: 1_000, factor: 2 };
const attemptsMax = 4;

/** Asks again where a reload, maybe another command's, may be why it failed. */
export async function unlessReloading<Result>(
  ask: () => Promise<Result>,
  { clock, random }: Waiting,
): Promise<Result> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask();
    } catch (failure) {
      if (attempt >= attemptsMax || !isOfReload(failure)) throw failure;
      await sleep(clock, retryDelayMs(pauses, attempt, random));
    }
  }
}

function isOfReload(failure: unknown): boolean {
  if (failure instanceof CodedError && failure.code === "NATS_AUTH_FAILED") return true;
  return /no responders|jetstream is not enabled|connection closed|closed connection/i.test(
    reasonOf(failure),
  );
}

interface Waiting {
  readonly clock: Clock;
  readonly random: Random;
}

/** All servers of a cluster answer within it. */
const askMs = 1_000;
const reloadTimeoutMs = 10_000;

const answerSchema = z.object({
  server: z.object({ id: z.string(), name: z.string() }),
  error: z.object({ description: z.string() }).optional(),
});
type Answer = z.output<typeof answerSchema>;

/** How many were told; undefined where nothing is set by which it could be. Throws NATS_RELOAD_FAILED. */
export async function reloadServers(
  settings: NatsSettings,
  { systemSeedFile, pidFile }: ReloadSettings,
  waiting: Waiting,
): Promise<number | undefined> {
  if (systemSeedFile !== undefined) {
    const reload = () => reloadBySystemAccount(settings, systemSeedFile, waiting.random);
    return unlessReloading(reload, waiting);
  }
  if (pidFile === undefined) return undefined;
  const pid = Number(readSecret(pidFile));
  try {
    if (!Number.isInteger(pid) || pid <= 1) throw new Error(`${pid} is no process`);
    process.kill(pid, "SIGHUP");
  } catch (failure) {
    throw failed(`${pidFile}: ${reasonOf(failure)}`, failure);
  }
  return 1;
}

/** The answer tells what a server finds wrong with the file; a signal would not. */
async function reloadBySystemAccount(
  settings: NatsSettings,
  nkeySeedFile: string,
  random: Random,
): Promise<number> {
  const purpose = { name: "causeway-cloud gateways", reconnect: false };
  const connection = await connectNats({ ...settings, auth: { nkeySeedFile } }, purpose, random);
  try {
    const servers = await serversOf(connection);
    if (servers.length === 0)
      throw failed("no server answers: are these keys the system account's?");
    for (const { id, name } of servers) await reloadOne(connection, id, name);
    return servers.length;
  } finally {
    await connection.close();
  }
}

async function serversOf(connection: NatsConnection): Promise<Answer["server"][]> {
  const found: Answer["server"][] = [];
  const options = { strategy: "stall", maxWait: askMs } as const;
  const answers = await connection.requestMany("$SYS.REQ.SERVER.PING", "{}", options);
  for await (const answer of answers) {
    const parsed = answerSchema.safeParse(JSON.parse(answer.string() || "{}"));
    if (parsed.success) found.push(parsed.data.server);
  }
  return found;
}

async function reloadOne(connection: NatsConnection, id: string, name: string): Promise<void> {
  let answer: Answer;
  try {
    const options = { timeout: reloadTimeoutMs };
    const message = await connection.request(`$SYS.REQ.SERVER.${id}.RELOAD`, "", options);
    answer = answerSchema.parse(message.json());
  } catch (failure) {
    throw failed(`${name}: ${reasonOf(failure)}`, failure);
  }
  if (answer.error !== undefined) throw failed(`${name}: ${answer.error.description}`);
}

function failed(why: string, cause?: unknown): CodedError {
  const cure = "what it knew before stays in force";
  return new CodedError("NATS_RELOAD_FAILED", `${why}; ${cure}`, { cause });
}
