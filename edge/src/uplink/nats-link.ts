/** The link on JetStream: publishes batches, reads the gateway's mark by direct get. */

import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import type { Logger } from "@causeway/shared/log.ts";
import { decodeMark, type Mark } from "@causeway/shared/mark.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { connectNats, type NatsSettings } from "@causeway/shared/nats-connection.ts";
import type { Random } from "@causeway/shared/random.ts";
import { retryDelayMs } from "@causeway/shared/retry.ts";
import { engineStream, inboxPrefix, subjects } from "@causeway/shared/subjects.ts";
import type { NatsConnection } from "@nats-io/nats-core";
import { headers as natsHeaders } from "@nats-io/nats-core";
import { discard } from "../outbox/discard.ts";
import { faultOf, faultOfAnswer, Told } from "./fault.ts";
import type { Link, PublishOutcome } from "./link.ts";
import type { UplinkLane } from "./uplink.ts";

/** A cluster without a leader loses requests for 4 to 5 s; to wait longer only adds to that. */
const publishTimeoutMs = 5_000;
const markTimeoutMs = 3_000;
const headersBytesMax = 1_024;

const redial = { firstMs: 500, maxMs: 15_000, factor: 2 };
const redialDenied = { firstMs: 5_000, maxMs: 120_000, factor: 2 };
/** An absent cloud is told so often, or it would fill the log for weeks. */
const tellEveryMs = 10 * 60_000;

export interface NatsLinkParts {
  readonly gateway: GatewayId;
  readonly settings: NatsSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** Told with each mark: when the cloud stored it. */
  readonly cloudTime?: (storedAtMs: number) => void;
  /** The least that the present can be, while the wall clock is not to be believed. */
  readonly floorOfDoubtedClock?: () => number | undefined;
  /** For what else goes over the connection, until that is closed. */
  readonly connected?: (connection: NatsConnection) => void;
}

export class NatsLink implements Link {
  readonly #parts: NatsLinkParts;
  #connection: NatsConnection | undefined;
  #listener: ((state: "up" | "down", reason?: string) => void) | undefined;
  #dialing: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(parts: NatsLinkParts) {
    this.#parts = parts;
  }

  listen(listener: (state: "up" | "down", reason?: string) => void): void {
    this.#listener = listener;
  }

  /** Begins to dial and returns; the cloud may be away for weeks. */
  start(): void {
    this.#dialing = this.#dialForEver();
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

  cut(): void {
    void this.#connection?.close();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#connection?.close();
    await this.#dialing;
  }

  /** Every dial is a new connection: addresses are resolved anew, and the first retry has jitter too. */
  async #dialForEver(): Promise<void> {
    const { clock, random, log, settings, gateway } = this.#parts;
    const purpose = {
      name: `causeway-edge ${gateway}`,
      inboxPrefix: inboxPrefix(gateway),
      reconnect: false,
    };
    const told = new Told(tellEveryMs);
    for (let attempt = 1; !this.#closing.signal.aborted; attempt++) {
      let schedule = redial;
      try {
        const floorMs = this.#parts.floorOfDoubtedClock?.();
        await this.#serve(await connectNats(settings, { ...purpose, floorMs }, random));
        attempt = 0;
      } catch (failure) {
        const { fault, reason } = faultOf(failure);
        if (fault === "denied") schedule = redialDenied;
        const times = told.tell(fault, clock.bootMs());
        if (times !== undefined) log.warn({ reason, attempt, times }, "link down");
        this.#listener?.("down", reason);
      }
      const delayMs = retryDelayMs(schedule, Math.max(1, attempt), random);
      await sleep(clock, delayMs, this.#closing.signal);
    }
  }

  async #serve(connection: NatsConnection): Promise<void> {
    if (this.#closing.signal.aborted) return connection.close();
    this.#connection = connection;
    this.#parts.log.info({ server: connection.getServer() }, "link up");
    this.#listener?.("up");
    this.#parts.connected?.(connection);
    const fault = await connection.closed();
    this.#connection = undefined;
    const reason = fault?.message ?? "closed";
    this.#parts.log.info({ reason }, "link down");
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
