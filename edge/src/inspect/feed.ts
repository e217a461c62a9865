/**
 * What one reader is shown: lines that wait until it takes them, bounded in bytes and in messages a
 * second. What is beyond is counted and told; whoever publishes waits for no reader.
 */
import { matches } from "../broker/topic-filter.ts";
import type { InspectLine } from "./inspected.ts";

export interface FeedFilter {
  /** An MQTT filter. */
  readonly topic?: string | undefined;
  readonly device?: string | undefined;
  /** Only what was refused. */
  readonly refused: boolean;
}

export interface FeedBounds {
  /** Lines that wait. */
  readonly bytesMax: number;
  readonly perSecondMax: number;
}

export const defaultFeedBounds: FeedBounds = { bytesMax: 1_024 * 1_024, perSecondMax: 500 };

const secondMs = 1_000;

export class Feed {
  readonly filter: FeedFilter;
  readonly #bounds: FeedBounds;
  /** Called where something waits that did not before. */
  readonly #awaken: () => void;
  #lines: string[] = [];
  #bytes = 0;
  #dropped = 0;
  #droppedSum = 0;
  #secondEndsMs = Number.NEGATIVE_INFINITY;
  #inSecond = 0;

  constructor(filter: FeedFilter, awaken: () => void, bounds = defaultFeedBounds) {
    this.filter = filter;
    this.#awaken = awaken;
    this.#bounds = bounds;
  }

  /** Since the reader came. */
  get dropped(): number {
    return this.#droppedSum;
  }

  wantsTopic(topic: string): boolean {
    return this.filter.topic === undefined || matches(this.filter.topic, topic);
  }

  wants(device: string, isRefused: boolean): boolean {
    const { device: wanted, refused } = this.filter;
    if (refused && !isRefused) return false;
    return wanted === undefined || wanted === device;
  }

  /** Whether another message may be shown in this second; to be asked once for each. */
  admits(nowMs: number): boolean {
    if (nowMs >= this.#secondEndsMs) {
      this.#secondEndsMs = nowMs + secondMs;
      this.#inSecond = 0;
    }
    const isAdmitted = this.#inSecond < this.#bounds.perSecondMax && !this.#isFull;
    if (isAdmitted) this.#inSecond++;
    else this.#drop();
    return isAdmitted;
  }

  put(line: InspectLine): void {
    if (this.#isFull) return this.#drop();
    this.#add(line);
  }

  /** All that waits. */
  take(): string {
    const dropped = this.#dropped;
    this.#dropped = 0;
    if (dropped > 0) this.#lines.push(lineOf({ kind: "dropped", count: dropped }));
    const text = this.#lines.join("");
    this.#lines = [];
    this.#bytes = 0;
    return text;
  }

  get hasAny(): boolean {
    return this.#lines.length > 0 || this.#dropped > 0;
  }

  get #isFull(): boolean {
    return this.#bytes >= this.#bounds.bytesMax;
  }

  #add(line: InspectLine): void {
    const text = lineOf(line);
    const isFirst = !this.hasAny;
    this.#lines.push(text);
    this.#bytes += text.length;
    if (isFirst) this.#awaken();
  }

  #drop(): void {
    this.#droppedSum++;
    const isFirst = !this.hasAny;
    this.#dropped++;
    if (isFirst) this.#awaken();
  }
}

function lineOf(line: InspectLine): string {
  return `${JSON.stringify(line)}\n`;
}
