/** Connections to nats-server: one place for credentials, time-outs and how errors are told. */
import type { ConnectionOptions, NatsConnection } from "@nats-io/transport-node";
import {
  nkeyAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from "@nats-io/transport-node";
import { z } from "zod";
import { DialProgress } from "./dial/dial-progress.ts";
import { dialFailure } from "./dial/dial-words.ts";
import { proxyFor, proxySchema } from "./dial/proxy-choice.ts";
import { serverAddress } from "./dial/server-address.ts";
import type { Lookup } from "./dial/system-tcp-socket.ts";
import { lookup } from "./dial/system-tcp-socket.ts";
import { CodedError } from "./errors.ts";
import { connectByTransport } from "./nats-transport.ts";
import type { Random } from "./random.ts";
import { nkeySeed } from "./system-nkey.ts";
import { readSecret } from "./system-settings.ts";

const server = z.string().superRefine((text, context) => {
  const address = serverAddress(text);
  if (typeof address === "string") context.addIssue({ code: "custom", message: address });
});

/** The `servers`, `auth`, `tls` and `proxy` that edge and cloud share in their configurations. */
export const natsSettings = {
  servers: z.array(server).min(1),
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
      /** That the server's certificate is for, where it is not dialled by it. */
      serverName: z.string().min(1).optional(),
      minVersion: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.2"),
      /** As `handshake_first` of nats-server. */
      handshakeFirst: z.boolean().default(false),
    })
    .optional(),
  proxy: proxySchema.optional(),
};

const natsSchema = z.object(natsSettings);
/** As written: what has a default may be missing. */
export type NatsSettings = z.input<typeof natsSchema>;

/** Between two dials of the client's own reconnecting, with full jitter. */
const redialMs = 2_000;
/** On a slow link a dial is a dozen round trips, behind a proxy more. */
const connectTimeoutMs = 10_000;
const pingMs = 10_000;

/** Reads what the credentials name, so that a mistake is told at start; CONFIG_* where it cannot. */
export function checkCredentials(settings: NatsSettings): void {
  authOptions(settings);
  const { tls = {}, proxy = {} } = settings;
  const files = [tls.caFile, tls.certFile, tls.keyFile, proxy.caFile, proxy.passwordFile];
  for (const file of files) if (file !== undefined) readSecret(file);
}

export interface ConnectPurpose {
  /** Shown in the server's connection list. */
  readonly name: string;
  readonly inboxPrefix?: string;
  /** Whether the client dials again by itself; without it the connection closes when it breaks. */
  readonly reconnect: boolean;
  /** The least that the present can be, where the wall clock is not to be believed. */
  readonly floorMs?: number | undefined;
  readonly pingMs?: number;
  readonly timeoutMs?: number;
  /** Hears of the steps of the dial. */
  readonly progress?: DialProgress;
  readonly lookup?: Lookup;
  /** Gives the dial up. */
  readonly signal?: AbortSignal;
}

/** Throws NATS_*, PROXY_* or CLOCK_BEHIND, whose words say where the dial ended. */
export async function connectNats(
  settings: NatsSettings,
  purpose: ConnectPurpose,
  random: Random,
): Promise<NatsConnection> {
  const { name, reconnect, inboxPrefix, floorMs, progress = new DialProgress() } = purpose;
  const timeoutMs = purpose.timeoutMs ?? connectTimeoutMs;
  const { tls, proxy: proxySettings } = settings;
  const dialling = new AbortController();
  const options = {
    servers: [...settings.servers],
    name,
    timeout: timeoutMs,
    pingInterval: purpose.pingMs ?? pingMs,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    reconnect,
    ignoreAuthErrorAbort: true,
    reconnectDelayHandler: () => Math.floor(random.next() * redialMs),
    ...(inboxPrefix === undefined ? {} : { inboxPrefix }),
    ...authOptions(settings),
    dial: {
      lookup: purpose.lookup ?? lookup,
      proxy: (to: { readonly host: string; readonly port: number }) =>
        proxyFor(to, proxySettings, process.env, readSecret),
      tls: tls === undefined ? undefined : { ...tls, floorMs },
      progress,
      signal: dialling.signal,
    },
  };
  const giveUp = () => dialling.abort(new Error("given up"));
  purpose.signal?.addEventListener("abort", giveUp, { once: true });
  try {
    return await connectByTransport(options);
  } catch (failure) {
    throw dialFailure(failure, { progress, floorMs, timeoutMs });
  } finally {
    purpose.signal?.removeEventListener("abort", giveUp);
  }
}

function authOptions({ auth }: NatsSettings): Partial<ConnectionOptions> {
  if (auth === undefined) return {};
  if (auth.nkeySeedFile !== undefined) {
    return { authenticator: nkeyAuthenticator(nkeySeed(auth.nkeySeedFile)) };
  }
  if (auth.tokenFile !== undefined)
    return { authenticator: tokenAuthenticator(readSecret(auth.tokenFile)) };
  if (auth.user === undefined || auth.passwordFile === undefined) {
    const cure = "set nkeySeedFile, tokenFile, or user and passwordFile";
    throw new CodedError("CONFIG_INVALID", `auth names no complete credentials: ${cure}`);
  }
  return { authenticator: usernamePasswordAuthenticator(auth.user, readSecret(auth.passwordFile)) };
}
