/** What the gateway knows of a topic by what came on it. */
import { Activity } from "./activity.ts";
import type { DeviceRow } from "./device-row.ts";
import type { Result } from "./inspected.ts";
import type { Row } from "./rows.ts";
import type { Sample } from "./samples.ts";

const secondMs = 1_000;
const samplesPerSecondMax = 10;

export class TopicRow implements Row {
  readonly topic: string;
  readonly activity: Activity;
  isGone = false;
  client = "";
  qos: 0 | 1 | 2 = 0;
  /** The device that it told of last. */
  device: DeviceRow | undefined;
  result: Result = "readings";
  /** Of the last refusal; "" where there was none. */
  reason = "";
  detail = "";
  refusedMs = Number.NEGATIVE_INFINITY;
  /** Of what was understood, and of what was refused. */
  sample: Sample | undefined;
  refusedSample: Sample | undefined;

  #secondEndsMs = Number.NEGATIVE_INFINITY;
  #samplesLeft = 0;

  constructor(topic: string, nowMs: number) {
    this.topic = topic;
    this.activity = new Activity(nowMs);
  }

  /** True for the first message of a second. */
  isSecondOver(nowMs: number): boolean {
    if (nowMs < this.#secondEndsMs) return false;
    this.#secondEndsMs = nowMs + secondMs;
    this.#samplesLeft = samplesPerSecondMax;
    return true;
  }

  /** Whether the payload is to be kept: most topics are slow, and show the newest one. */
  maySample(): boolean {
    return this.#samplesLeft > 0 && this.#samplesLeft-- > 0;
  }

  get lastMs(): number {
    return this.activity.lastMs;
  }
}
