/**
 * The file that `rulesFile` names. It is read anew when its folder changes, when a look each 5 s finds
 * it changed (a folder that cannot be watched, or a link that leads elsewhere), and when told.
 */
import type { FSWatcher } from "node:fs";
import { readFileSync, statSync, watch } from "node:fs";
import { dirname } from "node:path";
import type { Cancel, Clock } from "../clock.ts";
import { CodedError, codeOf, reasonOf } from "../errors.ts";
import type { Logger } from "../log.ts";
import { rulesTextBytesMax } from "../streams.ts";
import type { FoundRules, RulesDocument } from "./rules-document.ts";
import { findRules, parseRules, refusedBy, tooLarge } from "./rules-document.ts";

const lookEveryMs = 5_000;
/** Editors write a file in several steps. */
const settleMs = 300;

/** Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readRulesText(fileName: string): string {
  try {
    const { size } = statSync(fileName);
    if (size > rulesTextBytesMax) throw tooLarge(fileName, size);
    return readFileSync(fileName, "utf8");
  } catch (failure) {
    if (failure instanceof CodedError) throw failure;
    const why = codeOf(failure) === "ENOENT" ? "there is no such file" : reasonOf(failure);
    throw new CodedError("CONFIG_UNREADABLE", `${fileName}: ${why}`, { cause: failure });
  }
}

export class WatchedRules<Loaded> {
  readonly #fileName: string;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #load: (document: RulesDocument, source: string) => Loaded;
  #changed: (found: FoundRules<Loaded>) => void = () => {};
  #watcher: FSWatcher | undefined;
  #poll: Cancel | undefined;
  #settling: Cancel | undefined;
  #signature = "";
  #text = "";
  /** What the text says: other files of the folder may change all the time. */
  #found: FoundRules<Loaded> | undefined;

  constructor(
    fileName: string,
    load: (document: RulesDocument, source: string) => Loaded,
    clock: Clock,
    log: Logger,
  ) {
    this.#fileName = fileName;
    this.#load = load;
    this.#clock = clock;
    this.#log = log;
  }

  /** What the file holds now. */
  read(): FoundRules<Loaded> {
    const source = this.#fileName;
    this.#signature = this.#look();
    let text: string;
    try {
      text = readRulesText(source);
    } catch (failure) {
      return refusedBy(source, failure);
    }
    if (this.#found !== undefined && text === this.#text) return this.#found;
    this.#text = text;
    this.#found = findRules(source, () => this.#load(parseRules(text, source), source));
    return this.#found;
  }

  start(changed: (found: FoundRules<Loaded>) => void): void {
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
    const folder = dirname(this.#fileName);
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        this.#settling ??= this.#clock.after(settleMs, () => {
          this.#settling = undefined;
          this.reload();
        });
      });
      watcher.on("error", () => watcher.close());
      this.#watcher = watcher;
    } catch (failure) {
      const fields = { folder, everyMs: lookEveryMs, reason: reasonOf(failure) };
      this.#log.warn(fields, "the folder of the rules is only looked at");
    }
  }

  #schedule(): void {
    this.#poll = this.#clock.after(lookEveryMs, () => {
      if (this.#look() !== this.#signature) this.reload();
      this.#schedule();
    });
  }

  /** Links are followed, so that another target shows. */
  #look(): string {
    try {
      const { dev, ino, size, mtimeMs, ctimeMs } = statSync(this.#fileName);
      return `${dev} ${ino} ${size} ${mtimeMs} ${ctimeMs}`;
    } catch (failure) {
      return reasonOf(failure);
    }
  }
}
