/** What happened in a world, in order. The hash is over every line, kept or not. */
import type { Logger } from "@causeway/shared/log.ts";
import type { Timeline } from "./timeline.ts";

export class Trace {
  readonly #timeline: Timeline;
  readonly #linesMax: number;
  #lines: string[] = [];
  #hash = 0x811c9dc5;
  #count = 0;

  /** Keeps the last `linesMax` lines. */
  constructor(timeline: Timeline, linesMax: number) {
    this.#timeline = timeline;
    this.#linesMax = linesMax;
  }

  /** Equal for equal histories: 8 hexadecimal digits and the number of lines. */
  get hash(): string {
    return `${(this.#hash >>> 0).toString(16).padStart(8, "0")}-${this.#count}`;
  }

  get lines(): readonly string[] {
    return this.#lines.slice(-this.#linesMax);
  }

  note(who: string, what: string): void {
    const line = `${(this.#timeline.nowMs / 1_000).toFixed(3)} ${who}: ${what}`;
    for (let at = 0; at < line.length; at++) {
      this.#hash = Math.imul(this.#hash ^ line.charCodeAt(at), 0x01000193);
    }
    this.#count++;
    this.#lines.push(line);
    if (this.#lines.length > 2 * this.#linesMax) this.#lines = this.#lines.slice(-this.#linesMax);
  }

  /** What a process logs; `onInvariant` is told of what must never happen. */
  logger(who: string, onInvariant: (text: string) => void): Logger {
    const tell = (fields: object, message: string): void => {
      const text = `${message} ${JSON.stringify(fields)}`;
      this.note(who, text);
      if (/INTERNAL_INVARIANT|TypeError|RangeError|is not a function/.test(text)) onInvariant(text);
    };
    return { debug() {}, info: tell, warn: tell, error: tell };
  }
}
