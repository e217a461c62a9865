/**
 * The newest readings of a series, for those who ask what was around an alert. A ring of times and
 * values; in JSON [time, value, later by, value, …], oldest first.
 */

export interface RecentReading {
  /** In ms. */
  readonly at: number;
  readonly value: number;
}

export const recentMax = 8;
const numbersMax = 2 * recentMax;

export class RecentReadings {
  readonly #numbers: number[] = [];
  /** Where the next one goes: of a full ring, the oldest. */
  #next = 0;

  push(timeMs: number, value: number): void {
    const numbers = this.#numbers;
    numbers[this.#next] = timeMs;
    numbers[this.#next + 1] = value + 0; // JSON knows no -0
    this.#next = this.#next + 2 === numbersMax ? 0 : this.#next + 2;
  }

  /** Oldest first. */
  list(): readonly RecentReading[] {
    const numbers = this.#inOrder();
    return Array.from({ length: numbers.length / 2 }, (_, index) => ({
      at: numbers[2 * index] ?? 0,
      value: numbers[2 * index + 1] ?? 0,
    }));
  }

  encode(): readonly number[] {
    const numbers = this.#inOrder();
    for (let at = numbers.length - 2; at > 0; at -= 2) {
      numbers[at] = (numbers[at] ?? 0) - (numbers[at - 2] ?? 0);
    }
    return numbers;
  }

  /** Empty where `json` is none. */
  static decode(json: unknown): RecentReadings {
    const recent = new RecentReadings();
    if (!Array.isArray(json) || json.length > numbersMax || json.length % 2 !== 0) return recent;
    if (!json.every(Number.isFinite)) return recent;
    let timeMs = 0;
    for (let at = 0; at < json.length; at += 2) {
      timeMs += json[at];
      recent.push(timeMs, json[at + 1]);
    }
    return recent;
  }

  #inOrder(): number[] {
    const numbers = this.#numbers;
    if (numbers.length < numbersMax) return [...numbers];
    return [...numbers.slice(this.#next), ...numbers.slice(0, this.#next)];
  }
}
