/**
 * A gateway's way to the server. Messages of one connection arrive in order; what was under way when
 * it broke arrives up to some moment, perhaps much later, or not at all.
 */
import type { Link, PublishOutcome } from "@causeway/edge/uplink/link.ts";
import type { UplinkLane } from "@causeway/edge/uplink/uplink.ts";
import { decodeMark, type Mark } from "@causeway/shared/mark.ts";
import type { Dice } from "./faults.ts";
import type { ProcessClock } from "./process-clock.ts";
import type { Timeline } from "./timeline.ts";

const answerTimeoutMs = 10_000;
const timeout = "timeout";
const delayMaxMs = 60_000;
const repeatMaxMs = 40_000;
const afterCutMaxMs = 20_000;
const staleMaxMs = 4_000;
const slowBytesPerSecond = { min: 2_500, max: 6_000 };
/** A link that is back is dialled within seconds, and then sends first what is young. */
const promptAfterMs = 10_000;
const jumpApartMs = 60_000;

export type Refusal = Extract<PublishOutcome, { kind: "failed" }>;

/** What the server does with a gateway's requests. */
export interface Server {
  readonly payloadBytesMax: number;
  readonly isUp: () => boolean;
  /** Whether it arrives or not. */
  sent(lane: UplinkLane, head: ReadonlyMap<string, string>, body: Uint8Array): void;
  /** Undefined once it is stored. */
  store(lane: UplinkLane, head: ReadonlyMap<string, string>, body: Uint8Array): Refusal | undefined;
  /** The mark's text as a replica has it that is `behindMs` behind. */
  mark(behindMs: number): string | undefined;
}

/** The state of a gateway's network; outlives the gateway's processes. */
export class Wire {
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly server: Server;
  silence: "none" | "answers" | "all" = "none";
  readonly #bytesPerSecond: number;
  #downUntilMs = 0;
  #promptFromMs = Number.POSITIVE_INFINITY;
  #jumps = 0;
  #jumpedMs = Number.NEGATIVE_INFINITY;
  #links = new Set<LossyLink>();

  constructor(timeline: Timeline, dice: Dice, server: Server) {
    const { min, max } = slowBytesPerSecond;
    this.#bytesPerSecond = dice.has("link-slow")
      ? dice.between(min, max)
      : Number.POSITIVE_INFINITY;
    this.timeline = timeline;
    this.dice = dice;
    this.server = server;
  }

  get isUp(): boolean {
    return this.timeline.nowMs >= this.#downUntilMs && this.server.isUp();
  }

  /** From then on what is fresh has been let through: C14. */
  get promptFromMs(): number {
    return this.#promptFromMs;
  }

  /** The gateway says how often it let what is fresh go ahead, which it does once a minute at most. */
  noteJumps(jumps: number): void {
    if (jumps > this.#jumps) this.#jumpedMs = this.timeline.nowMs;
    this.#jumps = jumps;
  }

  /** So long is it on its way. */
  carriesMs(bytes: number): number {
    return Math.ceil((bytes * 1_000) / this.#bytesPerSecond);
  }

  attach(link: LossyLink): void {
    this.#links.add(link);
    this.#promptFromMs = 0;
    this.#waitForPrompt();
  }

  detach(link: LossyLink): void {
    this.#promptFromMs = Number.POSITIVE_INFINITY;
    this.#links.delete(link);
    link.cut();
  }

  /** Breaks connections; new ones succeed again after `forMs`. */
  cut(forMs: number): void {
    this.#downUntilMs = Math.max(this.#downUntilMs, this.timeline.nowMs + forMs);
    this.#waitForPrompt();
    this.silence = "none";
    for (const link of this.#links) link.cut();
  }

  #waitForPrompt(): void {
    const { nowMs } = this.timeline;
    const mayJumpMs = this.#jumpedMs + jumpApartMs;
    const fromMs = Math.max(this.#downUntilMs, nowMs, mayJumpMs) + promptAfterMs;
    this.#promptFromMs = Math.max(this.#promptFromMs, fromMs);
  }

  heal(): void {
    this.#downUntilMs = 0;
    if (this.silence !== "none") this.cut(0);
  }
}

interface Connection {
  isOpen: boolean;
  /** When the last message arrives at the server. */
  arrivalMs: number;
  /** Of what was under way when it broke: arrives so much later, or never. */
  readonly lateByMs: number | undefined;
  readonly waiting: Set<() => void>;
}

/** What a request came to; undefined is no answer. */
type Serve<Answer> = () => { readonly answer: Answer } | undefined;

export class LossyLink implements Link {
  readonly #wire: Wire;
  readonly #clock: ProcessClock;
  #listener: (state: "up" | "down") => void = () => {};
  #connection: Connection | undefined;
  #isClosed = false;
  #hasReadMark = false;
  /** Positions sent, repeats included. */
  sentPositions = 0;

  constructor(wire: Wire, clock: ProcessClock) {
    this.#wire = wire;
    this.#clock = clock;
  }

  listen(listener: (state: "up" | "down") => void): void {
    this.#listener = listener;
  }

  start(): void {
    this.#wire.attach(this);
    this.#dial(this.#wire.dice.between(5, 50));
  }

  async publish(
    lane: UplinkLane,
    headers: readonly [string, string][],
    body: Uint8Array,
  ): Promise<PublishOutcome> {
    const { dice, server, timeline } = this.#wire;
    const connection = this.#connection;
    if (connection === undefined) return failed("not connected");
    const head = new Map(headers);
    // The client knows what the server takes, and sends nothing that is larger.
    if (body.length > server.payloadBytesMax) {
      return failed("maximum payload exceeded", "split");
    }
    server.sent(lane, head, body);
    this.sentPositions += Number(head.get("Cw-To")) - Number(head.get("Cw-From")) + 1;
    const serve: Serve<PublishOutcome> = () => {
      if (dice.hit("publish-refused")) return { answer: failed("503 no response from stream") };
      const refusal = dice.hit("ack-without-store") ? undefined : server.store(lane, head, body);
      if (refusal !== undefined) return { answer: refusal };
      if (dice.hit("request-repeated")) {
        timeline.after(dice.between(1, repeatMaxMs), () => server.store(lane, head, body));
      }
      return dice.hit("answer-lost") ? undefined : { answer: { kind: "stored" } };
    };
    const isLost = dice.hit("request-lost");
    const answer = await this.#request(connection, serve, isLost, body.length);
    return typeof answer === "string"
      ? failed(answer, answer === timeout ? "no-answer" : "retry")
      : answer.answer;
  }

  async readMark(): Promise<Mark | undefined> {
    const { dice, server } = this.#wire;
    const connection = this.#connection;
    if (connection === undefined) throw new Error("not connected");
    const serve: Serve<string | undefined> = () => {
      const mayBeStale = this.#hasReadMark || dice.has("stale-mark-at-start");
      const behindMs = mayBeStale && dice.hit("mark-stale") ? dice.between(1, staleMaxMs) : 0;
      return { answer: server.mark(behindMs) };
    };
    const answer = await this.#request(connection, serve, dice.hit("mark-lost"));
    if (typeof answer === "string") throw new Error(answer);
    this.#hasReadMark = true;
    return answer.answer === undefined ? undefined : decodeMark(answer.answer);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wire.detach(this);
  }

  cut(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    connection.isOpen = false;
    this.#clock.soon(() => {
      for (const fail of connection.waiting) fail();
      this.#listener("down");
    });
    this.#dial(this.#wire.dice.between(100, 2_000));
  }

  #dial(delayMs: number): void {
    this.#clock.after(delayMs, () => {
      if (this.#isClosed || this.#connection !== undefined) return;
      if (!this.#wire.isUp) return this.#dial(this.#wire.dice.between(200, 5_000));
      const { dice, timeline } = this.#wire;
      const lateByMs = dice.between(0, 1) === 1 ? dice.between(0, afterCutMaxMs) : undefined;
      const arrivalMs = timeline.nowMs;
      this.#connection = { isOpen: true, arrivalMs, lateByMs, waiting: new Set() };
      this.#listener("up");
    });
  }

  /** The answer, or why there is none. */
  #request<Answer>(
    connection: Connection,
    serve: Serve<Answer>,
    isLost: boolean,
    bytes = 0,
  ): Promise<{ readonly answer: Answer } | string> {
    return new Promise((resolve) => {
      const settle = (answer: { readonly answer: Answer } | string) => {
        connection.waiting.delete(fail);
        cancel();
        resolve(answer);
      };
      const fail = () => settle("the connection was closed");
      const cancel = this.#clock.after(answerTimeoutMs, () => settle(timeout));
      connection.waiting.add(fail);
      if (isLost || this.#wire.silence === "all") return;
      this.#arrive(connection, bytes, () => {
        const served = serve();
        if (served === undefined || this.#wire.silence !== "none") return;
        this.#clock.after(this.#wire.dice.between(1, 60), () => {
          if (connection.isOpen) settle(served);
        });
      });
    });
  }

  #arrive(connection: Connection, bytes: number, act: () => void): void {
    const { timeline, dice, server } = this.#wire;
    const delayMs = dice.hit("request-delayed") ? dice.between(1_000, delayMaxMs) : 0;
    if (delayMs === 0) {
      const soonestMs =
        Math.max(connection.arrivalMs, timeline.nowMs) + this.#wire.carriesMs(bytes);
      connection.arrivalMs = Math.max(soonestMs, timeline.nowMs + dice.between(1, 60));
    }
    const serve = () => {
      if (server.isUp()) act();
    };
    timeline.after(connection.arrivalMs + delayMs - timeline.nowMs, () => {
      if (connection.isOpen || delayMs > 0) serve();
      else if (connection.lateByMs !== undefined) timeline.after(connection.lateByMs, serve);
    });
  }
}

function failed(reason: string, fault: Refusal["fault"] = "retry"): Refusal {
  return { kind: "failed", fault, reason };
}
