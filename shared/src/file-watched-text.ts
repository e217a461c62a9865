/**
 * A text file that is read anew when its folder changes, when a look each 5 s finds it changed (a
 * folder that cannot be watched, or a link that leads elsewhere), and when told.
 */
import type { FSWatcher } from "node:fs";
import { readFileSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import type { Cancel, Clock } from "./clock.ts";
import { CodedError, codeOf, reasonOf } from "./errors.ts";
import type { Logger } from "./log.ts";

const lookEveryMs = 5_000;
/** Editors write a file in several steps. */
const settleMs = 300;

/** What a place for settings of their own holds. */
export type FoundText<Loaded> =
  | { readonly kind: "good"; readonly loaded: Loaded }
  | {
      readonly kind: "refused";
      readonly source: string;
      readonly reason: string;
      readonly cause: unknown;
    };

/** Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readBoundedText(fileName: string, bytesMax: number, cure: string): string {
  try {
    const { size } = statSync(fileName);
    if (size > bytesMax)
      throw new CodedError("CONFIG_INVALID", `${fileName}: ${size} bytes of ${bytesMax}: ${cure}`);
    return readFileSync(fileName, "utf8");
  } catch (failure) {
    if (failure instanceof CodedError) throw failure;
    const why = codeOf(failure) === "ENOENT" ? "there is no such file" : reasonOf(failure);
    throw new CodedError("CONFIG_UNREADABLE", `${fileName}: ${why}`, { cause: failure });
  }
}

export interface WatchedTextParts<Loaded> {
  readonly fileName: string;
  /** Both may throw: that is a refusal. */
  readonly readText: () => string;
  readonly load: (text: string) => Loaded;
  readonly clock: Clock;
  readonly log: Logger;
}

export class WatchedText<Loaded> {
  readonly #parts: WatchedTextParts<Loaded>;
  #changed: (found: FoundText<Loaded>) => void = () => {};
  #watcher: FSWatcher | undefined;
  #poll: Cancel | undefined;
  #settling: Cancel | undefined;
  #signature = "";
  #text = "";
  /** What the text says: other files of the folder may change all the time. */
  #found: FoundText<Loaded> | undefined;

  constructor(parts: WatchedTextParts<Loaded>) {
    this.#parts = parts;
  }

  /** What the file holds now. */
  read(): FoundText<Loaded> {
    const { fileName: source, readText, load } = this.#parts;
    this.#signature = this.#look();
    let text: string;
    try {
      text = readText();
    } catch (cause) {
      return { kind: "refused", source, reason: reasonOf(cause), cause };
    }
    if (this.#found !== undefined && text === this.#text) return this.#found;
    this.#text = text;
    this.#found = found(source, () => load(text));
    return this.#found;
  }

  start(changed: (found: FoundText<Loaded>) => void): void {
    this.#changed = changed;
    this.#watch();
    this.#schedule();
  }

  stop(): void {
    this.#watcher?.close();
    this.#poll?.();
    this.#settling?.();
  }

  reload(): void {
    this.#changed(this.read());
  }

  #watch(): void {
    const folder = dirname(this.#parts.fileName);
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#settling ??= this.#parts.clock.after(settleMs, () => {
          this.#settling = undefined;
          this.reload();
        });
      });
      watcher.on("error", () => watcher.close());
      this.#watcher = watcher;
    } catch (failure) {
      const fields = { folder, everyMs: lookEveryMs, reason: reasonOf(failure) };
      this.#parts.log.warn(fields, "the folder of a watched file is only looked at");
    }
  }

  #schedule(): void {
    this.#poll = this.#parts.clock.after(lookEveryMs, () => {
      if (this.#look() !== this.#signature) this.reload();
      this.#schedule();
    });
  }

  /** Links are followed, so that another target shows. */
  #look(): string {
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = statSync(this.#parts.fileName);
      return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    } catch (failure) {
      return reasonOf(failure);
    }
  }
}

/** Whatever is thrown is a refusal: a text that no process survives would end them all, again and again. */
function found<Loaded>(source: string, load: () => Loaded): FoundText<Loaded> {
  try {
    return { kind: "good", loaded: load() };
  } catch (cause) {
    return { kind: "refused", source, reason: reasonOf(cause), cause };
  }
}
