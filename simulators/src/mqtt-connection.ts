/**
 * One MQTT 3.1.1 session over mqtt.js, kept over reconnects (clean session false).
 *
 * M1 nothing is handed to mqtt.js before it has re-sent what an earlier connection left
 *    unacknowledged: it would overtake (C1). `connect` is emitted only after that.
 * M2 the stored copy of a publish carries DUP: it is used for re-sending only (MQTT-3.3.1-1).
 * M3 reconnecting is ours, with full jitter, so that a fleet does not come back in one second.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { codeOf } from "@causeway/shared/errors.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { RetrySchedule } from "@causeway/shared/retry.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import mqtt, { ErrorWithReasonCode, Store } from "mqtt";
import type { Connection, ConnectionListener, Publish } from "./connection.ts";

export interface MqttOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  readonly clientId: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  readonly qos: 0 | 1 | 2;
  /** At most so many publishes wait or are unacknowledged. */
  readonly windowMax: number;
}

const closedByBroker = "the broker closed the connection";
const keepaliveSeconds = 30;
const connectTimeoutMs = 10_000;
const retrySchedule: RetrySchedule = { firstMs: 250, maxMs: 5_000, factor: 2 };
/** How long the broker may take to read our DISCONNECT before the socket is destroyed. */
const disconnectTimeoutMs = 1_000;
/** MQTT 3.1.1 §3.2.2.3: version, identifier, password, authority; 3 is "server unavailable". */
const finalReturnCodes = [1, 2, 4, 5];

type Packet = Parameters<Store["put"]>[0];
type PutDone = Parameters<Store["put"]>[1];

class ResendStore extends Store {
  override put(packet: Packet, done: PutDone): this {
    if (packet.cmd === "publish") packet.dup = true; // M2
    return super.put(packet, done);
  }
}

export class MqttConnection implements Connection {
  readonly #options: MqttOptions;
  readonly #listener: ConnectionListener;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #stores = { outgoingStore: new ResendStore(), incomingStore: new Store() };
  readonly #waiting: Publish[] = [];
  #unacknowledged = 0;
  readonly #waiters = new Set<() => void>();
  #client: mqtt.MqttClient | undefined;
  #online = false;
  #stopped = false;
  /** CONNACKs that let us in; each may have sent all that was unacknowledged again. */
  #sessions = 0;
  #attempts = 0;
  #lastError = closedByBroker;
  #cancelRetry: Cancel | undefined;

  constructor(options: MqttOptions, listener: ConnectionListener, clock: Clock, random: Random) {
    this.#options = options;
    this.#listener = listener;
    this.#clock = clock;
    this.#random = random;
  }

  get pending(): number {
    return this.#waiting.length + this.#unacknowledged;
  }

  get hasRoom(): boolean {
    return this.pending < this.#options.windowMax;
  }

  start(): void {
    const { url, clientId, username, password } = this.#options;
    this.#client = mqtt.connect(url, {
      ...this.#stores,
      clientId,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      clean: false,
      keepalive: keepaliveSeconds,
      connectTimeout: connectTimeoutMs,
      reconnectPeriod: 0, // M3
      queueQoSZero: false,
      resubscribe: false,
    });
    this.#client.on("packetreceive", (packet) => {
      // `connect` comes only after the re-sending, whose acknowledgements are to be counted right.
      if (packet.cmd === "connack" && packet.returnCode === 0) this.#sessions += 1;
    });
    this.#client.on("connect", () => this.#connected());
    this.#client.on("close", () => this.#closed());
    this.#client.on("error", (error) => this.#failed(error));
  }

  publish(publish: Publish): void {
    this.#waiting.push(publish);
    this.#pump();
  }

  below(pendingMax: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (this.pending >= pendingMax && !signal.aborted) return;
        this.#waiters.delete(look);
        signal.removeEventListener("abort", look);
        resolve();
      };
      this.#waiters.add(look);
      signal.addEventListener("abort", look);
      look();
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#online = false;
    this.#cancelRetry?.();
    const client = this.#client;
    if (client === undefined) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(disconnectTimeoutMs, () => {
        client.stream.destroy();
        resolve();
      });
      // Unforced, mqtt.js waits for every acknowledgement first, however long that takes.
      client.end(this.pending > 0, () => {
        cancel();
        resolve();
      });
    });
  }

  #connected(): void {
    this.#online = true;
    this.#lastError = closedByBroker;
    this.#listener.online();
    this.#pump();
  }

  #closed(): void {
    if (this.#stopped || this.#cancelRetry !== undefined) return;
    this.#online = false;
    this.#attempts += 1;
    this.#listener.offline(this.#lastError);
    const delayMs = retryDelayMs(retrySchedule, this.#attempts, this.#random);
    this.#cancelRetry = this.#clock.after(delayMs, () => {
      this.#cancelRetry = undefined;
      this.#client?.reconnect(this.#stores);
    });
  }

  #failed(error: Error): void {
    // Several addresses tried give an error with a code and without a message.
    this.#lastError = error.message || (codeOf(error) ?? "unknown error");
    if (!(error instanceof ErrorWithReasonCode) || this.#sessions > 0) return;
    if (finalReturnCodes.includes(error.code)) this.#listener.refused(error.message);
  }

  #pump(): void {
    while (this.#online) {
      const publish = this.#waiting.shift();
      if (publish === undefined) return;
      this.#send(publish);
    }
  }

  #send(publish: Publish): void {
    const { qos } = this.#options;
    const sentOn = this.#sessions;
    this.#unacknowledged += 1;
    this.#listener.sent(publish);
    this.#client?.publish(publish.topic, publish.payload, { qos }, (error) => {
      if (error) return; // only when the client ends: it stays unacknowledged
      this.#unacknowledged -= 1;
      this.#attempts = 0; // not on CONNACK: a broker that takes nothing is to be left alone
      if (qos === 0) this.#listener.written(publish);
      else this.#listener.acknowledged(publish, this.#sessions - sentOn);
      for (const look of this.#waiters) look();
    });
  }
}
