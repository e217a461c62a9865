/** Connections to nats-server: one place for credentials, time-outs and how errors are told. */
import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";
import {
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import { z } from "zod";
import { CodedError, codeOf, reasonOf } from "./errors.ts";
import type { FlooredTls } from "./nats-transport.ts";
import { connectByTransport } from "./nats-transport.ts";
import type { Random } from "./random.ts";
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

/** Between two dials of the client's own reconnecting, with full jitter. */
const redialMs = 2_000;
const connectTimeoutMs = 5_000;
const pingIntervalMs = 10_000;

/** Reads what the credentials name, so that a mistake is told at start; CONFIG_* where it cannot. */
export function checkCredentials(settings: NatsSettings): void {
  authOptions(settings);
  for (const file of Object.values(settings.tls ?? {})) if (file !== undefined) readSecret(file);
}

export interface ConnectPurpose {
  /** Shown in the server's connection list. */
  readonly name: string;
  readonly inboxPrefix?: string;
  /** Whether the client dials again by itself; without it the connection closes when it breaks. */
  readonly reconnect: boolean;
  /** The least that the present can be, where the wall clock is not to be believed. */
  readonly floorMs?: number | undefined;
}

/** Throws NATS_UNREACHABLE, NATS_AUTH_FAILED or NATS_TLS_FAILED. */
export async function connectNats(
  settings: NatsSettings,
  purpose: ConnectPurpose,
  random: Random,
): Promise<NatsConnection> {
  const options: ConnectionOptions = {
    servers: [...settings.servers],
    name: purpose.name,
    timeout: connectTimeoutMs,
    pingInterval: pingIntervalMs,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    reconnect: purpose.reconnect,
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => Math.floor(random.next() * redialMs),
    ...(purpose.inboxPrefix === undefined ? {} : { inboxPrefix: purpose.inboxPrefix }),
    ...authOptions(settings),
    ...tlsOptions(settings, purpose.floorMs),
  };
  try {
    return await connectByTransport(options);
  } catch (failure) {
    throw connectFailure(settings, purpose.floorMs, failure);
  }
}

function authOptions({ auth }: NatsSettings): Partial<ConnectionOptions> {
  if (auth === undefined) return {};
  if (auth.nkeySeedFile !== undefined) {
    const seed = new TextEncoder().encode(readSecret(auth.nkeySeedFile));
    return { authenticator: nkeyAuthenticator(seed) };
  }
  if (auth.tokenFile !== undefined)
    return { authenticator: tokenAuthenticator(readSecret(auth.tokenFile)) };
  if (auth.user === undefined || auth.passwordFile === undefined) {
    const cure = "set nkeySeedFile, tokenFile, or user and passwordFile";
    throw new CodedError("CONFIG_INVALID", `auth names no complete credentials: ${cure}`);
  }
  return { authenticator: usernamePasswordAuthenticator(auth.user, readSecret(auth.passwordFile)) };
}

function tlsOptions(
  { tls }: NatsSettings,
  floorMs: number | undefined,
): Partial<ConnectionOptions> {
  if (tls === undefined) return {};
  const { caFile, certFile, keyFile } = tls;
  const floored: FlooredTls = floorMs === undefined ? {} : { floorMs };
  return {
    tls: {
      ...(caFile === undefined ? {} : { caFile }),
      ...(certFile === undefined ? {} : { certFile }),
      ...(keyFile === undefined ? {} : { keyFile }),
      ...floored,
    },
  };
}

function connectFailure(
  settings: NatsSettings,
  floorMs: number | undefined,
  failure: unknown,
): CodedError {
  const servers = settings.servers.join(", ");
  if (failure instanceof CodedError) return failure;
  if (/authorization|authentication|permission/i.test(reasonOf(failure))) {
    return new CodedError("NATS_AUTH_FAILED", `${servers}: ${reasonOf(failure)}`, {
      cause: failure,
    });
  }
  if (floorMs !== undefined && /not yet valid|NOT_YET_VALID/i.test(tellsOf(failure))) {
    const why = "this machine's clock is behind, so no certificate is valid yet";
    const cure = "it waits for the clock to be set; with tls.caFile it need not";
    return new CodedError("CLOCK_BEHIND", `${servers}: ${why}; ${cure}`, { cause: failure });
  }
  if (isTlsFailure(failure)) {
    const cure = "compare tls.caFile with the server's certificate, and its name with the address";
    return new CodedError("NATS_TLS_FAILED", `${servers}: ${reasonOf(failure)}; ${cure}`, {
      cause: failure,
    });
  }
  const cure = "start nats-server there, or set the right servers";
  return new CodedError("NATS_UNREACHABLE", `${servers}: ${reasonOf(failure)}; ${cure}`, {
    cause: failure,
  });
}

/** OpenSSL's and Node's codes, and what the client says itself. */
function isTlsFailure(failure: unknown): boolean {
  return /CERT|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO_(?:VERIFY|GET_ISSUER)|\btls\b/i.test(
    tellsOf(failure),
  );
}

function tellsOf(failure: unknown): string {
  return `${codeOf(failure) ?? ""} ${reasonOf(failure)}`;
}
