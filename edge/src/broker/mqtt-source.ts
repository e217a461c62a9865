/**
 * Reads from a broker that the user already has, as a subscriber with a session that stays: what that
 * broker has to acknowledge to its devices it keeps until it has our PUBACK.
 *
 *   S1  A PUBACK is written once the event is synced, in the order of the messages [MQTT-4.6.0-2].
 *   S2  An append that fails ends the connection: that broker sends again what had no PUBACK.
 *   S3  A connection begins once all that came by the one before is settled; so a repeat is known
 *       for one (repeats.ts).
 *   S4  At the bound of what waits nothing more is read; that broker keeps it.
 *   S5  What is never to be an event is told and acknowledged in its place: too large a message, which
 *       would come for ever, and a retained one, which is old and came when it was new: from it is
 *       learnt at most what a device is.
 */
import type { Socket } from "node:net";
import { connect as connectTcp } from "node:net";
import { connect as connectTls, TLSSocket } from "node:tls";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { CodedError } from "@causeway/shared/errors.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { RetrySchedule } from "@causeway/shared/retry.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { shown } from "@causeway/shared/shown.ts";
import { readSecret } from "@causeway/shared/system-settings.ts";
import type { Records } from "../outbox/companions.ts";
import type { BrokerListener, BrokerNotice } from "./broker.ts";
import type { Entry, Repeats, Sender } from "./repeats.ts";
import { hashOf } from "./repeats.ts";
import type { Frame } from "./source-frames.ts";
import {
  connectBytes,
  disconnectBytes,
  FrameReader,
  pingBytes,
  pubackBytes,
  publishBytes,
  subscribeBytes,
} from "./source-frames.ts";
import type { SourceSettings } from "./source-settings.ts";
import { tlsPair } from "./tls-pair.ts";
import { isText, matches } from "./topic-filter.ts";

export interface SourceParts {
  readonly settings: SourceSettings;
  readonly gateway: string;
  readonly bounds: {
    readonly packetBytesMax: number;
    readonly inflightPerClientMax: number;
    readonly waitingBytesMax: number;
  };
  readonly listener: Pick<BrokerListener, "publish" | "notice" | "replay">;
  readonly repeats: Repeats;
  readonly records: Pick<Records, "write">;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}

export interface SourceStatus {
  readonly name: string;
  readonly isConnected: boolean;
  /** Why it is not, or what is wrong although it is. */
  readonly trouble: string | undefined;
  /** Messages that became events. */
  readonly taken: number;
  readonly folded: number;
  /** Retained ones, and those of filters that are no longer set. */
  readonly passedOver: number;
  readonly tooLarge: number;
  /** Of QoS 0, which the outbox refused. */
  readonly dropped: number;
}

const keepaliveSeconds = 30;
/** Nothing came for so long, not even the answer to a ping. */
const silenceMs = 45_000;
const answerTimeoutMs = 10_000;
const retrySchedule: RetrySchedule = { firstMs: 500, maxMs: 30_000, factor: 2 };
/** So long a connection stands before the next failure counts as the first. */
const steadyMs = 60_000;
const noticeEveryMs = 60_000;
const refusals = ["", "its version", "the client id", "it is unavailable", "user or password"];

interface Connection {
  readonly socket: Socket;
  /** Set once that broker has let us in. */
  readonly sender: Sender | undefined;
}

type Publish = Extract<Frame, { kind: "publish" }>;

export class MqttSource {
  readonly #parts: SourceParts;
  readonly #noticedAt = new Map<string, number>();
  #connection: Connection | undefined;
  #trouble: string | undefined = "not connected yet";
  #counters = { taken: 0, folded: 0, passedOver: 0, tooLarge: 0, dropped: 0 };
  #attempts = 0;
  #hadSession = false;
  #waiting = 0;
  #waitingBytes = 0;
  #retry: Cancel | undefined;
  #isStopped = false;

  constructor(parts: SourceParts) {
    this.#parts = parts;
  }

  status(): SourceStatus {
    const isConnected = this.#connection?.sender !== undefined;
    const { name } = this.#parts.settings;
    return { name, isConnected, trouble: this.#trouble, ...this.#counters };
  }

  start(): void {
    this.#dial();
  }

  stop(): void {
    this.#isStopped = true;
    this.#retry?.();
    const socket = this.#connection?.socket;
    socket?.write(disconnectBytes);
    socket?.destroySoon();
  }

  #dial(): void {
    const { clock, settings } = this.#parts;
    if (this.#isStopped) return;
    this.#attempts++;
    try {
      const introduction = connectBytes(introductionOf(this.#parts));
      const socket = openSocket(settings);
      this.#connection = { socket, sender: undefined };
      const opened = socket instanceof TLSSocket ? "secureConnect" : "connect";
      socket.once(opened, () => socket.write(introduction));
      this.#converse(socket);
    } catch (failure) {
      this.#trouble = reasonOf(failure);
      this.#parts.log.warn({ source: settings.name, reason: this.#trouble }, "source not dialled");
      this.#retry = clock.after(this.#delayMs(), () => this.#dial());
    }
  }

  #delayMs(): number {
    return retryDelayMs(retrySchedule, this.#attempts, this.#parts.random);
  }

  #converse(socket: Socket): void {
    const { clock, bounds, settings, log, repeats } = this.#parts;
    const reader = new FrameReader(bounds.packetBytesMax);
    const beganMs = clock.bootMs();
    let heardMs = beganMs;
    let why = "closed";
    const end = (reason: string) => {
      why = reason;
      socket.destroy();
    };
    let timer = clock.after(answerTimeoutMs, () => end("no CONNACK"));
    const keepAlive = () => {
      // What it does not read it cannot hear.
      if (!socket.isPaused() && clock.bootMs() - heardMs > silenceMs) return end("silent");
      socket.write(pingBytes);
      timer = clock.after((keepaliveSeconds * 1_000) / 2, keepAlive);
    };
    socket.setNoDelay(true);
    socket.on("data", (chunk) => {
      heardMs = clock.bootMs();
      const connection = this.#connection;
      if (connection?.sender !== undefined) repeats.heard(connection.sender);
      try {
        for (const frame of reader.read(chunk)) {
          if (socket.destroyed) return;
          if (frame.kind === "connack") {
            timer();
            keepAlive();
          }
          this.#take(socket, frame, end);
        }
      } catch (failure) {
        end(reasonOf(failure));
      }
    });
    socket.once("error", (failure) => {
      why = failure.message;
    });
    socket.once("close", () => {
      timer();
      if (clock.bootMs() - beganMs > steadyMs) this.#attempts = 1;
      this.#trouble = why;
      const sender = this.#connection?.sender;
      if (sender !== undefined) repeats.disconnected(sender);
      this.#connection = undefined;
      if (this.#isStopped) return;
      log.warn({ source: settings.name, reason: why }, "source not connected");
      this.#redial();
    });
  }

  /** S3 */
  #redial(): void {
    if (this.#waiting > 0 || this.#connection !== undefined || this.#isStopped) return;
    this.#retry?.();
    this.#retry = this.#parts.clock.after(this.#delayMs(), () => this.#dial());
  }

  #take(socket: Socket, frame: Frame, end: (why: string) => void): void {
    if (frame.kind === "connack") return this.#connected(socket, frame, end);
    if (frame.kind === "suback") return this.#subscribed(frame.codes);
    if (frame.kind === "pingresp") return;
    const { topic, messageId, isRetained } = frame;
    if (frame.qos === 2) return end("a message of QoS 2, which was not asked for");
    const isWanted = this.#parts.settings.filters.some((filter) => matches(filter, topic));
    if (frame.kind === "too-large") {
      this.#counters.tooLarge++;
      const detail = `${frame.bytes} bytes on ${shown(topic)}, passed over`;
      this.#notice("source-message-too-large", detail);
      return this.#passOver(socket, messageId);
    }
    if (isRetained || !isWanted || !isText(topic)) {
      this.#counters.passedOver++;
      if (isWanted && isText(topic)) this.#parts.listener.replay?.(topic, frame.payload);
      return this.#passOver(socket, messageId);
    }
    this.#append(socket, frame, end);
  }

  #connected(
    socket: Socket,
    { returnCode, isSessionPresent }: Extract<Frame, { kind: "connack" }>,
    end: (why: string) => void,
  ): void {
    const { settings, repeats, log } = this.#parts;
    if (returnCode !== 0) return end(`refused: ${refusals[returnCode] ?? "not allowed"}`);
    if (this.#hadSession && !isSessionPresent) {
      const detail = "that broker has forgotten the session: what came meanwhile is lost there";
      this.#notice("source-session-lost", detail);
    }
    this.#hadSession = true;
    this.#connection = { socket, sender: repeats.connected(senderName(settings.name)) };
    this.#trouble = undefined;
    log.info({ source: settings.name, isSessionPresent }, "source connected");
    socket.write(subscribeBytes(settings.filters));
  }

  #subscribed(codes: readonly number[]): void {
    const { filters } = this.#parts.settings;
    const denied = filters.filter((_filter, at) => codes[at] === 0x80);
    const lowered = filters.filter((_filter, at) => codes[at] === 0);
    if (denied.length > 0) this.#trouble = `may not subscribe to ${denied.join(", ")}`;
    else if (lowered.length > 0) this.#trouble = `only QoS 0 for ${lowered.join(", ")}`;
    if (this.#trouble !== undefined) this.#notice("source-subscription", this.#trouble);
  }

  /** S5: in its place, behind what came before it. */
  #passOver(socket: Socket, messageId: number | undefined): void {
    if (messageId === undefined) return;
    const settle = this.#hold(socket, 0);
    this.#parts.records.write([], (failure) => {
      if (failure === undefined && !socket.destroyed) socket.write(pubackBytes(messageId));
      else socket.destroy();
      settle();
    });
  }

  #append(socket: Socket, frame: Publish, end: (why: string) => void): void {
    const { listener, repeats, records, settings } = this.#parts;
    const { topic, payload, messageId, isRepeat } = frame;
    const sender = this.#connection?.sender;
    if (sender === undefined) return end("a message before the CONNACK");
    const settle = this.#hold(socket, payload.length);
    const acknowledge = (failure: CodedError | undefined) => {
      if (failure === undefined) {
        if (messageId !== undefined && !socket.destroyed) socket.write(pubackBytes(messageId));
        // S2
      } else if (messageId !== undefined) end(failure.message);
      else this.#counters.dropped++;
      settle();
    };
    const hash = messageId === undefined ? 0 : hashOf(topic, payload);
    const folded =
      messageId !== undefined && isRepeat ? repeats.fold(sender, messageId, hash) : undefined;
    if (folded !== undefined) {
      this.#counters.folded++;
      return records.write([], (failure) => {
        folded(failure === undefined);
        acknowledge(failure);
      });
    }
    let entry: Entry | undefined;
    const join = () => {
      if (messageId !== undefined) entry = repeats.note(sender, messageId, hash);
      return [];
    };
    const qos = messageId === undefined ? 0 : 1;
    const tell = (to: string, message: Uint8Array) => {
      if (!socket.destroyed) socket.write(publishBytes(to, message));
    };
    const own = { companion: { join }, tell };
    const publish = { client: settings.name, topic, payload, qos, ...own } as const;
    listener.publish(publish, (failure) => {
      if (entry !== undefined) repeats.settled(sender, entry, failure === undefined);
      if (failure === undefined) this.#counters.taken++;
      acknowledge(failure);
    });
  }

  /** S4; the returned function is called once it is settled. */
  #hold(socket: Socket, payloadBytes: number): () => void {
    const { inflightPerClientMax, waitingBytesMax } = this.#parts.bounds;
    const bytes = payloadBytes + 256;
    this.#waiting++;
    this.#waitingBytes += bytes;
    if (this.#waiting >= inflightPerClientMax || this.#waitingBytes >= waitingBytesMax) {
      socket.pause();
    }
    return () => {
      this.#waiting--;
      this.#waitingBytes -= bytes;
      const isLow =
        this.#waiting <= inflightPerClientMax / 2 && this.#waitingBytes <= waitingBytesMax / 2;
      if (isLow && socket.isPaused()) socket.resume();
      if (this.#waiting === 0) this.#redial();
    };
  }

  #notice(name: BrokerNotice["name"], detail: string): void {
    const { clock, listener, log, settings } = this.#parts;
    const now = clock.bootMs();
    const last = this.#noticedAt.get(name);
    if (last !== undefined && now - last < noticeEveryMs) return;
    this.#noticedAt.set(name, now);
    log.warn({ source: settings.name, detail }, name);
    listener.notice({ name, detail: `source ${settings.name}: ${detail}` });
  }
}

/** No client of the gateway's own broker can have this id, for U+0000 is refused. */
function senderName(name: string): string {
  return `\0source ${name}`;
}

function introductionOf({ settings, gateway }: SourceParts) {
  const { clientId = `causeway-${gateway}-${settings.name}`, auth } = settings;
  const password = auth === undefined ? undefined : readSecret(auth.passwordFile);
  return { clientId, keepaliveSeconds, user: auth?.user, password };
}

function openSocket({ url, tls = {} }: SourceSettings): Socket {
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  if (protocol === "mqtt:") return connectTcp({ host, port: Number(port || 1883) });
  const { caFile, certFile, keyFile } = tls;
  return connectTls({
    host,
    port: Number(port || 8883),
    servername: /^[\d.]+$|:/.test(host) ? "" : host,
    ...(caFile === undefined ? {} : { ca: readSecret(caFile) }),
    ...(certFile === undefined ? {} : { cert: readSecret(certFile) }),
    ...(keyFile === undefined ? {} : { key: readSecret(keyFile) }),
  });
}

/** Reads what the settings name, so that a mistake is told at start; CONFIG_* where it cannot. */
export function checkSource({ auth, tls }: SourceSettings): void {
  const { caFile, certFile, keyFile } = tls ?? {};
  for (const file of [auth?.passwordFile, caFile]) if (file !== undefined) readSecret(file);
  if (certFile === undefined || keyFile === undefined) return;
  const texts = { cert: readSecret(certFile), key: readSecret(keyFile), ca: undefined };
  tlsPair(texts, { certFile, keyFile });
}
