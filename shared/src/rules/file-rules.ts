/** The file that `rulesFile` names. */
import type { Clock } from "../clock.ts";
import type { FoundText } from "../file-watched-text.ts";
import { readBoundedText, WatchedText } from "../file-watched-text.ts";
import type { Logger } from "../log.ts";
import { rulesTextBytesMax } from "../streams.ts";
import type { FoundRules, RulesDocument } from "./rules-document.ts";
import { fewerRules, parseRules } from "./rules-document.ts";

/** Throws CONFIG_UNREADABLE or CONFIG_INVALID. */
export function readRulesText(fileName: string): string {
  return readBoundedText(fileName, rulesTextBytesMax, fewerRules);
}

export class WatchedRules<Loaded> {
  readonly #file: WatchedText<Loaded>;

  constructor(
    fileName: string,
    load: (document: RulesDocument, source: string) => Loaded,
    clock: Clock,
    log: Logger,
  ) {
    this.#file = new WatchedText({
      ...{ fileName, clock, log },
      readText: () => readRulesText(fileName),
      load: (text) => load(parseRules(text, fileName), fileName),
    });
  }

  /** What the file holds now. */
  read(): FoundRules<Loaded> {
    return rulesIn(this.#file.read());
  }

  start(changed: (found: FoundRules<Loaded>) => void): void {
    this.#file.start((found) => changed(rulesIn(found)));
  }

  stop(): void {
    this.#file.stop();
  }

  reload(): void {
    this.#file.reload();
  }
}

function rulesIn<Loaded>(found: FoundText<Loaded>): FoundRules<Loaded> {
  return found.kind === "good" ? { kind: "good", rules: found.loaded } : found;
}
