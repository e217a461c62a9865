/**
 * A device that publishes at QoS 1: what was not acknowledged when its connection closed is sent
 * again, as a new publish. Every call gets a number, so that a checker can tell attempts apart.
 */
import type { Publish, SettlePublish } from "@causeway/edge/broker/broker.ts";
import { gaussian } from "@causeway/shared/random.ts";
import type { Attempt } from "./attempts.ts";
import type { Dice } from "./faults.ts";
import { worldBeginsMs } from "./process-clock.ts";
import type { Timeline } from "./timeline.ts";

/** The broker, as a device sees it; undefined where nobody listens. */
export type PublishTo = ((publish: Publish, settle: SettlePublish) => void) | undefined;

export interface DeviceParts {
  readonly name: string;
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly gateway: () => PublishTo;
  /** Numbers a call and remembers it. */
  readonly attempted: (device: string, seq: number, attempt: number) => Attempt;
  readonly acknowledged: (attempt: Attempt) => void;
  /** Tells its own time with every sample. */
  readonly hasClock: boolean;
}

interface Sample {
  readonly seq: number;
  readonly value: number;
  readonly ts: number | undefined;
  readonly isBroken: boolean;
  readonly isPoison: boolean;
  attempt: number;
}

const waitingMax = 40;
const brokenShare = 0.03;
const poisonShare = 0.02;
/** The cloud cannot read a batch that holds an event with this metric. */
export const poisonMetric = "poison";

export class Device {
  readonly #parts: DeviceParts;
  readonly name: string;
  readonly #intervalMs: number;
  /** Sent or not, and not acknowledged. */
  #waiting: Sample[] = [];
  #connection: object | undefined;
  #seq = 0;
  #hotSamples = 0;
  isOver = false;

  constructor(parts: DeviceParts) {
    this.#parts = parts;
    this.name = parts.name;
    this.#intervalMs = parts.dice.between(500, 6_000);
  }

  get isIdle(): boolean {
    return this.#waiting.length === 0;
  }

  start(): void {
    this.#connect(this.#parts.dice.between(10, 500));
    this.#next();
  }

  /** Its connection breaks, seen from both sides. */
  cut(): void {
    if (this.#connection === undefined) return;
    this.#connection = undefined;
    this.#connect(this.#parts.dice.between(100, 5_000));
  }

  burst(count: number): void {
    for (let index = 0; index < count; index++) this.#sample();
  }

  #next(): void {
    const { dice, timeline } = this.#parts;
    timeline.after(dice.between(this.#intervalMs / 2, this.#intervalMs * 1.5), () => {
      if (this.isOver) return;
      this.#sample();
      this.#next();
    });
  }

  #sample(): void {
    const { dice, timeline, hasClock } = this.#parts;
    if (this.#waiting.length >= waitingMax) return;
    if (this.#hotSamples === 0 && dice.random.next() < 0.1) this.#hotSamples = dice.between(1, 6);
    const level = this.#hotSamples > 0 ? 60 : 20;
    this.#hotSamples = Math.max(0, this.#hotSamples - 1);
    const sample = {
      seq: ++this.#seq,
      value: Math.round((level + 3 * gaussian(dice.random)) * 1_000) / 1_000,
      ts: hasClock ? worldBeginsMs + timeline.nowMs : undefined,
      isBroken: dice.random.next() < brokenShare,
      isPoison: dice.has("event-poison") && dice.random.next() < poisonShare,
      attempt: 0,
    };
    this.#waiting.push(sample);
    if (this.#connection !== undefined) this.#send(sample, this.#connection);
  }

  #connect(delayMs: number): void {
    const { timeline, dice, gateway } = this.#parts;
    timeline.after(delayMs, () => {
      if (this.#connection !== undefined) return;
      if (gateway() === undefined) return this.#connect(dice.between(200, 3_000));
      const connection = {};
      this.#connection = connection;
      for (const sample of [...this.#waiting]) this.#send(sample, connection);
    });
  }

  #send(sample: Sample, connection: object): void {
    const { name, gateway, attempted, acknowledged } = this.#parts;
    const publish = gateway();
    if (publish === undefined) return this.cut();
    const { seq } = sample;
    const attempt = attempted(name, seq, ++sample.attempt);
    const topic = `devices/${name}/telemetry`;
    publish({ client: name, topic, payload: payloadOf(sample), qos: 1 }, (failure) => {
      if (failure === undefined) acknowledged(attempt);
      if (this.#connection !== connection) return;
      if (failure === undefined) this.#waiting = this.#waiting.filter((other) => other !== sample);
      else this.cut();
    });
  }
}

function payloadOf({ seq, attempt, ts, value, isBroken, isPoison }: Sample): Uint8Array {
  const text = JSON.stringify({
    ...(ts === undefined ? {} : { ts }),
    ...{ seq, attempt, value },
    ...(isPoison ? { [poisonMetric]: true } : {}),
  });
  return Buffer.from(isBroken ? text.slice(0, -1) : text);
}
