/** The link on JetStream: publishes batches, reads the gateway's mark by direct get. */

import { decodeMark, type Mark } from "@causeway/shared/mark.ts";
import { engineStream, subjects } from "@causeway/shared/subjects.ts";
import type { NatsConnection } from "@nats-io/nats-core";
import { headers as natsHeaders } from "@nats-io/nats-core";
import { discard } from "../outbox/discard.ts";
import { faultOf, faultOfAnswer } from "./fault.ts";
import type { Link, PublishOutcome } from "./link.ts";
import type { DialStatus, RedialParts } from "./nats-redial.ts";
import { Redial } from "./nats-redial.ts";
import type { UplinkLane } from "./uplink.ts";
import { connectionWireBytes } from "./wire-bytes.ts";

/** A cluster without a leader loses requests for 4 to 5 s; to wait longer only adds to that. */
const publishTimeoutMs = 5_000;
const markTimeoutMs = 3_000;
const headersBytesMax = 1_024;

export interface NatsLinkParts extends RedialParts {
  /** Told with each mark: when the cloud stored it. */
  readonly cloudTime?: (storedAtMs: number) => void;
  /** For what else goes over the connection, until that is closed. */
  readonly connected?: (connection: NatsConnection) => void;
}

export class NatsLink implements Link {
  readonly #parts: NatsLinkParts;
  readonly #redial: Redial;
  #connection: NatsConnection | undefined;
  #listener: ((state: "up" | "down", reason?: string) => void) | undefined;
  #dialing: Promise<void> | undefined;
  /** Over connections that are closed. */
  #carriedBytes = 0;
  #upAtMs = 0;
  readonly #closing = new AbortController();

  constructor(parts: NatsLinkParts) {
    this.#parts = parts;
    this.#redial = new Redial(parts, {
      up: (connection) => this.#up(connection),
      down: (reason) => this.#down(reason),
    });
  }

  listen(listener: (state: "up" | "down", reason?: string) => void): void {
    this.#listener = listener;
  }

  /** Begins to dial and returns; the cloud may be away for weeks. */
  start(): void {
    this.#dialing = this.#redial.run(this.#closing.signal);
  }

  async publish(
    lane: UplinkLane,
    headers: readonly [string, string][],
    body: Uint8Array,
  ): Promise<PublishOutcome> {
    const connection = this.#connection;
    if (connection === undefined)
      return { kind: "failed", fault: "retry", reason: "not connected" };
    const maxPayload = connection.info?.max_payload ?? Number.POSITIVE_INFINITY;
    if (body.length + headersBytesMax > maxPayload) {
      return { kind: "failed", fault: "split", reason: `${body.length} of ${maxPayload} bytes` };
    }
    const head = natsHeaders();
    for (const [name, value] of headers) head.set(name, value);
    try {
      const subject = subjects.telemetry(this.#parts.gateway, lane);
      const answer = await connection.request(subject, body, {
        timeout: publishTimeoutMs,
        headers: head,
      });
      // Answered, so it has left; the client sends a copy anyhow.
      discard(body);
      return outcomeOf(answer.string());
    } catch (failure) {
      return { kind: "failed", ...faultOf(failure) };
    }
  }

  async readMark(): Promise<Mark | undefined> {
    const connection = this.#connection;
    if (connection === undefined) throw new Error("not connected");
    const subject = `$JS.API.DIRECT.GET.${engineStream}.${subjects.markOfGateway(this.#parts.gateway)}`;
    const answer = await connection.request(subject, undefined, { timeout: markTimeoutMs });
    const status = answer.headers?.code ?? 0;
    if (status === 404) return undefined;
    if (status >= 400)
      throw new Error(`direct get of the mark: ${status} ${answer.headers?.description}`);
    const storedAtMs = Date.parse(answer.headers?.get("Nats-Time-Stamp") ?? "");
    if (Number.isFinite(storedAtMs)) this.#parts.cloudTime?.(storedAtMs);
    return decodeMark(answer.string());
  }

  carriedBytes(): number {
    const connection = this.#connection;
    if (connection === undefined) return this.#carriedBytes;
    const { clock, settings } = this.#parts;
    const forMs = clock.bootMs() - this.#upAtMs;
    const pings = Math.floor(forMs / (settings.pingMs ?? Number.POSITIVE_INFINITY));
    return this.#carriedBytes + connectionWireBytes(connection.stats(), pings);
  }

  cut(): void {
    void this.#connection?.close();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connection?.close();
    await this.#dialing;
  }

  dialStatus(): DialStatus {
    return this.#redial.status();
  }

  /** Something waits that is worth a connection outside of its hours. */
  openForAlarm(): void {
    this.#redial.openForAlarm();
  }

  #up(connection: NatsConnection): void {
    this.#connection = connection;
    this.#upAtMs = this.#parts.clock.bootMs();
    this.#listener?.("up");
    this.#parts.connected?.(connection);
  }

  #down(reason: string): void {
    this.#carriedBytes = this.carriedBytes();
    this.#connection = undefined;
    this.#listener?.("down", reason);
  }
}

/** A PubAck, or JetStream's error. */
function outcomeOf(answer: string): PublishOutcome {
  const { error, seq } = JSON.parse(answer) as {
    error?: { err_code?: number; code?: number; description?: string };
    seq?: number;
  };
  if (error === undefined && typeof seq === "number") return { kind: "stored" };
  const { err_code, code, description = "" } = error ?? {};
  return { kind: "failed", ...faultOfAnswer(err_code, code, description) };
}
