/**
 * One connection of a load, on a plain socket, so that the load is never dearer than what it loads.
 *
 *   L1  At most `windowMax` publishes are unacknowledged; all that have room and are due go in one
 *       write.
 *   L2  What a broken connection left unacknowledged goes again first, in order, marked DUP.
 */
import type { Socket } from "node:net";
import { connect } from "node:net";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { Pace } from "./pace.ts";
import type { Credentials } from "./packets.ts";
import {
  AnswerReader,
  connectPacket,
  disconnectPacket,
  pingPacket,
  publishOverheadMax,
  writePublish,
} from "./packets.ts";
import { payloadOf } from "./payload.ts";

export interface LoadPlan {
  readonly host: string;
  readonly port: number;
  readonly credentials: Credentials;
  readonly device: string;
  readonly topic: string;
  readonly qos: 0 | 1;
  readonly windowMax: number;
  /** Publishes of this connection; Infinity for as many as it can. */
  readonly messagesMax: number;
  readonly payloadBytes: number;
  readonly reconnects: boolean;
}

export interface LoadListener {
  online(): void;
  /** Sent at QoS 0, or acknowledged; `latencyMs` counts from when the message was due or sent. */
  done(seq: number, latencyMs: number, again: boolean): void;
  /** The connection is of no use any more. */
  failed(reason: string): void;
  /** Everything was sent and is known to be worked off. */
  finished(): void;
}

const reconnectDelayMs = 200;
/** A write is cut here, so that one connection does not hold up the others. */
const writeMessagesMax = 1_000;
/** §3.2.2.3. */
const refusals = ["", "version", "client id", "not available", "credentials", "not authorised"];

export class LoadConnection {
  readonly #plan: LoadPlan;
  readonly #listener: LoadListener;
  readonly #clock: Clock;
  /** Milliseconds with a fraction, of any origin. */
  readonly #now: () => number;
  readonly #pace: Pace;
  readonly #topic: Buffer;
  readonly #buffer: Buffer;
  /** By message id: what it carries, and when that was due or sent. */
  readonly #seqs: Float64Array;
  readonly #times: Float64Array;
  readonly #again: Uint8Array;
  readonly #free: number[];
  #socket: Socket | undefined;
  #cancelWait: Cancel | undefined;
  #next = 0;
  #isOnline = false;
  #isEnding = false;
  #isFinished = false;
  #isBlocked = false;

  constructor(plan: LoadPlan, pace: Pace, listener: LoadListener, clock: Clock, now: () => number) {
    this.#plan = plan;
    this.#pace = pace;
    this.#listener = listener;
    this.#clock = clock;
    this.#now = now;
    this.#topic = Buffer.from(plan.topic);
    const { windowMax, payloadBytes } = plan;
    const payloadMax = Math.max(payloadBytes, payloadOf(Number.MAX_SAFE_INTEGER, 0).length);
    const room = Math.min(windowMax, writeMessagesMax);
    this.#buffer = Buffer.alloc(room * (this.#topic.length + payloadMax + publishOverheadMax));
    this.#seqs = new Float64Array(windowMax + 1);
    this.#times = new Float64Array(windowMax + 1);
    this.#again = new Uint8Array(windowMax + 1);
    this.#free = Array.from({ length: windowMax }, (_, index) => windowMax - index);
  }

  get inFlight(): number {
    return this.#plan.windowMax - this.#free.length;
  }

  get sent(): number {
    return this.#next;
  }

  start(): void {
    const { host, port, credentials } = this.#plan;
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    let reason = "the broker closed the connection";
    const reader = new AnswerReader({
      connack: (code) => {
        if (code === 0) return this.#connected();
        reason = `the broker refused the connection: ${refusals[code] ?? code}`;
        socket.destroy();
      },
      puback: (id) => this.#acknowledged(id),
      pong: () => this.#finish(),
    });
    socket.on("connect", () => socket.write(connectPacket(credentials)));
    socket.on("data", (chunk: Buffer) => {
      if (!reader.read(chunk)) {
        reason = "the answers are no MQTT";
        socket.destroy();
      } else this.pump();
    });
    socket.on("drain", () => {
      this.#isBlocked = false;
      this.pump();
    });
    socket.on("error", (failure) => {
      reason = failure.message || reason;
    });
    socket.on("close", () => this.#closed(reason));
  }

  /** Sends what is due and has room (L1). */
  pump(): void {
    const { qos, windowMax } = this.#plan;
    while (this.#isOnline && !this.#isBlocked) {
      const nowMs = this.#now();
      const room = qos === 1 ? this.#free.length : windowMax;
      const count = this.#dueCount(Math.min(room, writeMessagesMax), nowMs);
      if (count === 0) break;
      let at = 0;
      for (let index = 0; index < count; index++) at = this.#put(at, nowMs);
      this.#write(Buffer.from(this.#buffer.subarray(0, at)));
    }
    if (!this.#isOver || this.#isEnding) return;
    this.#isEnding = true;
    if (qos === 0) this.#socket?.write(pingPacket);
    else if (this.inFlight === 0) this.#finish();
  }

  /** Nothing more is begun; `finished` follows once the rest is acknowledged. */
  end(): void {
    this.#isStopping = true;
    this.#isEnding = false;
    this.pump();
  }

  close(): void {
    this.#isFinished = true;
    this.#cancelWait?.();
    this.#socket?.end(disconnectPacket);
    this.#socket?.destroySoon();
  }

  #isStopping = false;

  get #isOver(): boolean {
    return this.#isStopping || this.#next >= this.#plan.messagesMax;
  }

  #dueCount(most: number, nowMs: number): number {
    if (this.#isOver) return 0;
    const left = Math.min(most, this.#plan.messagesMax - this.#next);
    let count = 0;
    while (count < left && this.#pace.dueMs(this.#next + count) <= nowMs) count++;
    return count;
  }

  #put(at: number, nowMs: number): number {
    const index = this.#next++;
    const seq = index + 1;
    const sinceMs = this.#pace.isOpen ? this.#pace.dueMs(index) : nowMs;
    const payload = payloadOf(seq, this.#plan.payloadBytes);
    const topic = this.#topic;
    if (this.#plan.qos === 0) {
      const end = writePublish(this.#buffer, at, { topic, payload, messageId: 0, isAgain: false });
      this.#listener.done(seq, nowMs - sinceMs, false);
      return end;
    }
    const messageId = this.#free.pop() as number;
    this.#seqs[messageId] = seq;
    this.#times[messageId] = sinceMs;
    this.#again[messageId] = 0;
    return writePublish(this.#buffer, at, { topic, payload, messageId, isAgain: false });
  }

  #write(bytes: Buffer): void {
    if (this.#socket?.write(bytes) === false) this.#isBlocked = true;
  }

  #connected(): void {
    this.#isOnline = true;
    this.#isBlocked = false;
    this.#listener.online();
    for (const messageId of this.#unacknowledged()) {
      const payload = payloadOf(this.#seqs[messageId] as number, this.#plan.payloadBytes);
      this.#again[messageId] = 1;
      const outgoing = { topic: this.#topic, payload, messageId, isAgain: true };
      const end = writePublish(this.#buffer, 0, outgoing);
      this.#write(Buffer.from(this.#buffer.subarray(0, end)));
    }
    this.#isEnding = false;
  }

  /** L2. Message ids, those that were sent first first. */
  #unacknowledged(): number[] {
    const free = new Set(this.#free);
    const ids = Array.from({ length: this.#plan.windowMax }, (_, index) => index + 1);
    const seqOf = (id: number) => this.#seqs[id] as number;
    return ids.filter((id) => !free.has(id)).sort((left, right) => seqOf(left) - seqOf(right));
  }

  #acknowledged(messageId: number): void {
    const seq = this.#seqs[messageId] ?? 0;
    if (seq === 0) return;
    this.#seqs[messageId] = 0;
    this.#free.push(messageId);
    const latencyMs = this.#now() - (this.#times[messageId] as number);
    this.#listener.done(seq, latencyMs, this.#again[messageId] === 1);
    if (this.#isOver && this.inFlight === 0) this.#finish();
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#listener.finished();
  }

  #closed(reason: string): void {
    this.#isOnline = false;
    if (this.#isFinished) return;
    if (!this.#plan.reconnects) return this.#listener.failed(reason);
    this.#cancelWait = this.#clock.after(reconnectDelayMs, () => this.start());
  }
}
