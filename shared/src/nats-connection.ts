/** Connections to nats-server: one place for credentials, time-outs and how errors are told. */
import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";
import { connect, nkeyAuthenticator, tokenAuthenticator, usernamePasswordAuthenticator } from "@nats-io/transport-node";
import { z } from "zod";
import { CodedError, reasonOf } from "./errors.ts";
import type { Random } from "./random.ts";
import { retryDelayMs } from "./retry.ts";
import { readSecret } from "./system-settings.ts";

/** The `servers`, `auth` and `tls` that edge and cloud share in their configurations. */
export const natsSettings = {
  servers: z.array(z.string().min(1)).min(1),
  auth: z
    .strictObject({
      user: z.string().optional(),
      passwordFile: z.string().optional(),
      tokenFile: z.string().optional(),
      nkeySeedFile: z.string().optional(),
    })
    .optional(),
  tls: z
    .strictObject({
      caFile: z.string().optional(),
      certFile: z.string().optional(),
      keyFile: z.string().optional(),
    })
    .optional(),
};

const natsSchema = z.object(natsSettings);
export type NatsSettings = z.infer<typeof natsSchema>;

const reconnect = { firstMs: 250, maxMs: 15_000, factor: 2 };
const connectTimeoutMs = 5_000;
const pingIntervalMs = 10_000;

export interface ConnectPurpose {
  /** Shown in the server's connection list. */
  readonly name: string;
  readonly inboxPrefix?: string;
  /** Waits for a server that is not there yet, instead of failing. */
  readonly patient: boolean;
}

/** Reconnects for ever with full jitter; NATS_UNREACHABLE or NATS_AUTH_FAILED where it is not patient. */
export async function connectNats(
  settings: NatsSettings,
  purpose: ConnectPurpose,
  random: Random,
): Promise<NatsConnection> {
  let attempt = 0;
  const options: ConnectionOptions = {
    servers: [...settings.servers],
    name: purpose.name,
    timeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    reconnect: true,
    waitOnFirstConnect: purpose.patient,
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => retryDelayMs(reconnect, ++attempt, random),
    ...(purpose.inboxPrefix === undefined ? {} : { inboxPrefix: purpose.inboxPrefix }),
    ...authOptions(settings),
    ...tlsOptions(settings),
  };
  try {
    const connection = await connect(options);
    void resetOnReconnect(connection, () => {
      attempt = 0;
    });
    return connection;
  } catch (failure) {
    throw connectFailure(settings, failure);
  }
}

async function resetOnReconnect(connection: NatsConnection, reset: () => void): Promise<void> {
  for await (const status of connection.status()) if (status.type === "reconnect") reset();
}

function authOptions({ auth }: NatsSettings): Partial<ConnectionOptions> {
  if (auth === undefined) return {};
  if (auth.nkeySeedFile !== undefined) {
    const seed = new TextEncoder().encode(readSecret(auth.nkeySeedFile));
    return { authenticator: nkeyAuthenticator(seed) };
  }
  if (auth.tokenFile !== undefined) return { authenticator: tokenAuthenticator(readSecret(auth.tokenFile)) };
  if (auth.user === undefined || auth.passwordFile === undefined) {
    const cure = "set nkeySeedFile, tokenFile, or user and passwordFile";
    throw new CodedError("CONFIG_INVALID", `auth names no complete credentials: ${cure}`);
  }
  return { authenticator: usernamePasswordAuthenticator(auth.user, readSecret(auth.passwordFile)) };
}

function tlsOptions({ tls }: NatsSettings): Partial<ConnectionOptions> {
  if (tls === undefined) return {};
  const { caFile, certFile, keyFile } = tls;
  return {
    tls: {
      ...(caFile === undefined ? {} : { caFile }),
      ...(certFile === undefined ? {} : { certFile }),
      ...(keyFile === undefined ? {} : { keyFile }),
    },
  };
}

function connectFailure(settings: NatsSettings, failure: unknown): CodedError {
  const servers = settings.servers.join(", ");
  if (failure instanceof CodedError) return failure;
  if (/authorization|authentication|permission/i.test(reasonOf(failure))) {
    return new CodedError("NATS_AUTH_FAILED", `${servers}: ${reasonOf(failure)}`, { cause: failure });
  }
  const cure = "start nats-server there, or set the right servers";
  return new CodedError("NATS_UNREACHABLE", `${servers}: ${reasonOf(failure)}; ${cure}`, { cause: failure });
}
