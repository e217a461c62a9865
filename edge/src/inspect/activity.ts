/** How much came under one name, how large it was, and when: moved on in constant time and room. */

const minuteMs = 60_000;
const hourMs = 3_600_000;

/** How many came within the last span, told from the counts of two: those of the older fade out. */
export class Recent {
  readonly #spanMs: number;
  #endsMs = Number.NEGATIVE_INFINITY;
  #now = 0;
  #before = 0;

  constructor(spanMs: number) {
    this.#spanMs = spanMs;
  }

  count(nowMs: number): void {
    if (nowMs >= this.#endsMs) this.#turn(nowMs);
    this.#now++;
  }

  within(nowMs: number): number {
    if (nowMs >= this.#endsMs) this.#turn(nowMs);
    const left = (this.#endsMs - nowMs) / this.#spanMs;
    return Math.round(this.#now + this.#before * left);
  }

  #turn(nowMs: number): void {
    this.#before = nowMs < this.#endsMs + this.#spanMs ? this.#now : 0;
    this.#now = 0;
    this.#endsMs = (Math.floor(nowMs / this.#spanMs) + 1) * this.#spanMs;
  }
}

export class Activity {
  messages = 0;
  /** Of these, quarantined as a whole or in part. */
  refused = 0;
  bytesLast = 0;
  bytesMax = 0;
  bytesSum = 0;
  /** By the boot's clock, as all times here. */
  readonly firstMs: number;
  lastMs: number;
  readonly #minute = new Recent(minuteMs);
  readonly #hour = new Recent(hourMs);

  constructor(nowMs: number) {
    this.firstMs = nowMs;
    this.lastMs = nowMs;
  }

  count(bytes: number, nowMs: number): void {
    this.messages++;
    this.bytesLast = bytes;
    if (bytes > this.bytesMax) this.bytesMax = bytes;
    this.bytesSum += bytes;
    this.lastMs = nowMs;
    this.#minute.count(nowMs);
    this.#hour.count(nowMs);
  }

  view(nowMs: number): ActivityView {
    const { messages, refused, bytesLast, bytesMax, bytesSum } = this;
    return {
      messages,
      refused,
      lastMinute: this.#minute.within(nowMs),
      lastHour: this.#hour.within(nowMs),
      bytes: {
        last: bytesLast,
        mean: messages === 0 ? 0 : Math.round(bytesSum / messages),
        max: bytesMax,
      },
    };
  }
}

export interface ActivityView {
  /** Since the row was made. */
  readonly messages: number;
  readonly refused: number;
  readonly lastMinute: number;
  readonly lastHour: number;
  /** Of payloads. */
  readonly bytes: { readonly last: number; readonly mean: number; readonly max: number };
}
