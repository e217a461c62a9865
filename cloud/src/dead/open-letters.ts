/**
 * The open dead letters of one gateway as its engine has them: in pages, each compressed, and in
 * groups of one cause.
 *
 *   O1  A letter is open until it is redriven or discarded; it does not expire.
 *   O2  Bounded in characters as they are stored. Beyond the bound the oldest letters of the largest
 *       group are only counted, half a page at a time: what was told last of each cause stays.
 *   O3  What changed is written with the mark of its gateway, so a letter is there if and only if
 *       its event was taken.
 *   O4  A letter that cannot be read back is told as none: it never stops the engine.
 */
import { partitionCount, subjects } from "@causeway/shared/subjects.ts";
import type { CommitMessage } from "../engine/engine-store.ts";
import type { DeadLetter } from "./dead-letter.ts";
import { shapeOf } from "./dead-letter.ts";
import type { LetterGroup, SettledLetters } from "./letter-pages.ts";
import {
  countsOf,
  decodeSummary,
  encodePage,
  encodeSettled,
  encodeSummary,
  lettersOf,
  pageCharactersMax,
} from "./letter-pages.ts";
import type { RedriveItem } from "./redrive-message.ts";

/** Beyond it those of one kind share one. */
export const groupsMax = 100;
/** A settled letter's trace, and an emptied page's, stay so long. */
const settledTtlSeconds = 30 * 24 * 3_600;
const emptiedTtlSeconds = 3_600;
const groupTextMax = 256;
const settledPieceMax = 1_000;

interface Page {
  /** As it is stored; undefined where it changed since. */
  text: string | undefined;
  letters: DeadLetter[] | undefined;
  counts: ReadonlyMap<string, number>;
  /** As it is stored, or about so many. */
  characters: number;
}

export interface LetterBounds {
  /** Characters that a gateway's letters may take. */
  readonly gatewayCharactersMax: number;
  /** The same of all gateways of a partition. */
  readonly partitionCharactersMax: number;
}

const mebibyte = 1_024 * 1_024;
export const defaultLetterBounds: LetterBounds = {
  gatewayCharactersMax: 2 * mebibyte,
  partitionCharactersMax: 2 * mebibyte,
};

/** Each partition has an equal share of what all may take. */
export function boundsOf(settings: {
  readonly gatewayBytesMax: number;
  readonly bytesMax: number;
}): LetterBounds {
  const { gatewayBytesMax: gatewayCharactersMax, bytesMax } = settings;
  return { gatewayCharactersMax, partitionCharactersMax: Math.floor(bytesMax / partitionCount) };
}

export class OpenLetters {
  readonly #partition: number;
  readonly #gateway: string;
  readonly #pages = new Map<number, Page>();
  readonly #groups = new Map<string, LetterGroup>();
  #nextPage = 0;
  /** Of the page that letters are added to, before they are compressed. */
  #openCharacters = 0;
  #characters = 0;
  readonly #changed = new Set<number>();
  #isChanged = false;
  #settled: SettledLetters[] = [];

  constructor(partition: number, gateway: string) {
    this.#partition = partition;
    this.#gateway = gateway;
  }

  restoreSummary(text: string): void {
    const { nextPage, groups } = decodeSummary(text);
    this.#nextPage = Math.max(this.#nextPage, nextPage);
    for (const group of groups) this.#groups.set(group.id, group);
  }

  restorePage(number: number, text: string): void {
    const counts = countsOf(text);
    if (counts.size === 0) return;
    this.#nextPage = Math.max(this.#nextPage, number + 1);
    this.#pages.set(number, { text, letters: undefined, counts, characters: text.length });
    this.#characters += text.length;
    this.#openCharacters = pageCharactersMax; // the next letter begins a page of its own
  }

  get isChanged(): boolean {
    return this.#isChanged;
  }

  /** As they are stored, or about so many. */
  get characters(): number {
    return this.#characters;
  }

  /** All that are open, those that are only counted too. */
  get count(): number {
    return this.groups().reduce((sum, { count, counted }) => sum + count + counted, 0);
  }

  groups(): readonly LetterGroup[] {
    return [...this.#groups.values()];
  }

  add(letter: DeadLetter): void {
    const known = this.#groups.get(letter.group);
    const isBeyond = known === undefined && this.#groups.size >= groupsMax;
    const own = isBeyond ? this.#othersOf(letter) : letter;
    const page = this.#openPage();
    page.letters?.push(own);
    const size = JSON.stringify(own).length;
    this.#openCharacters += size;
    page.characters += Math.ceil(size / 3);
    this.#characters += Math.ceil(size / 3);
    this.#note(own, 1);
  }

  /** Those that are open no more; what is not there was settled before. */
  settle(
    items: readonly Pick<RedriveItem, "id" | "page" | "do" | "why">[],
    how: Pick<SettledLetters, "by" | "with" | "at">,
  ): number {
    const letters: SettledLetters["letters"] = [];
    for (const [number, wanted] of Map.groupBy(items, ({ page }) => page)) {
      const byId = new Map(wanted.map((item) => [item.id, item]));
      const gone = this.#remove(number, ({ id }) => byId.has(id));
      for (const { id, group } of gone) {
        const item = byId.get(id);
        if (item !== undefined) letters.push([id, group, item.do, item.why]);
      }
    }
    for (let from = 0; from < letters.length; from += settledPieceMax) {
      const piece = letters.slice(from, from + settledPieceMax);
      this.#settled.push({ g: this.#gateway, ...how, letters: piece });
    }
    return letters.length;
  }

  /** Forgets those of a group that are only counted. */
  forgetCounted(group: string): void {
    const known = this.#groups.get(group);
    if (known === undefined || known.counted === 0) return;
    this.#isChanged = true;
    if (known.count === 0) this.#groups.delete(group);
    else this.#groups.set(group, { ...known, counted: 0 });
  }

  /** O2: whether there was something to count. */
  giveUp(): boolean {
    const largest = this.groups().reduce<LetterGroup | undefined>(
      (most, group) => (group.count > (most?.count ?? 0) ? group : most),
      undefined,
    );
    if (largest === undefined) return false;
    for (const [number, { counts }] of [...this.#pages].sort(([a], [b]) => a - b)) {
      if (!counts.has(largest.id)) continue;
      let left = Math.ceil((counts.get(largest.id) ?? 0) / 2);
      const gone = this.#remove(number, ({ group }) => group === largest.id && left-- > 0);
      const known = this.#groups.get(largest.id) ?? { ...largest, count: 0 };
      const counted = known.counted + gone.length;
      this.#groups.set(largest.id, { ...known, counted });
      return gone.length > 0;
    }
    return false;
  }

  /** Characters of the changed pages are as they will be stored from here on. */
  pack(): void {
    for (const number of this.#changed) {
      const page = this.#pages.get(number);
      if (page?.letters === undefined || page.text !== undefined) continue;
      page.text = encodePage(this.#gateway, page.letters);
      this.#characters += page.text.length - page.characters;
      page.characters = page.text.length;
    }
  }

  /** O3: what is to be written; `commit` says that it is on its way. */
  messages(): CommitMessage[] {
    if (!this.#isChanged && this.#settled.length === 0) return [];
    this.pack();
    const messages: CommitMessage[] = [];
    for (const number of this.#changed) {
      const subject = subjects.deadPage(this.#partition, this.#gateway, number);
      const text = this.#pages.get(number)?.text;
      if (text !== undefined) messages.push({ subject, data: text, rollup: true });
      else {
        const data = encodePage(this.#gateway, []);
        messages.push({ subject, data, rollup: true, ttlSeconds: emptiedTtlSeconds });
      }
    }
    for (const settled of this.#settled) {
      const subject = subjects.settledLetters(this.#partition, this.#gateway);
      const data = encodeSettled(settled);
      messages.push({ subject, data, rollup: false, ttlSeconds: settledTtlSeconds });
    }
    const groups = this.groups();
    const summary = { gateway: this.#gateway, nextPage: this.#nextPage, groups };
    const subject = subjects.deadLetters(this.#partition, this.#gateway);
    messages.push({ subject, data: encodeSummary(summary), rollup: true });
    return messages;
  }

  /** What was handed out is committed, or the tenure ends. */
  committed(): void {
    const last = this.#nextPage - 1;
    for (const number of this.#changed) {
      const page = this.#pages.get(number);
      // Its text says it all; the one that is added to stays open.
      if (page !== undefined && number !== last) page.letters = undefined;
    }
    this.#changed.clear();
    this.#settled = [];
    this.#isChanged = false;
  }

  #openPage(): Page {
    const number = this.#nextPage - 1;
    const open = this.#pages.get(number);
    if (open?.letters !== undefined && this.#openCharacters < pageCharactersMax) {
      open.text = undefined;
      this.#touch(number);
      return open;
    }
    const page: Page = { text: undefined, letters: [], counts: new Map(), characters: 0 };
    this.#openCharacters = 0;
    this.#pages.set(this.#nextPage, page);
    this.#touch(this.#nextPage++);
    return page;
  }

  #touch(number: number): void {
    this.#changed.add(number);
    this.#isChanged = true;
  }

  #remove(number: number, isGone: (letter: DeadLetter) => boolean): readonly DeadLetter[] {
    const page = this.#pages.get(number);
    const letters = page === undefined ? [] : lettersIn(page);
    const gone = letters.filter(isGone);
    if (page === undefined || gone.length === 0) return [];
    const isLeft = new Set(gone);
    const left = letters.filter((letter) => !isLeft.has(letter));
    for (const letter of gone) this.#note(letter, -1);
    this.#touch(number);
    if (left.length === 0) {
      this.#characters -= page.characters;
      this.#pages.delete(number);
      return gone;
    }
    const counts = new Map<string, number>();
    for (const { group } of left) counts.set(group, (counts.get(group) ?? 0) + 1);
    Object.assign(page, { letters: left, text: undefined, counts });
    this.pack();
    return gone;
  }

  #note(letter: DeadLetter, change: 1 | -1): void {
    const { group: id, kind, reason, detail, topic, storedAt: at } = letter;
    this.#isChanged = true;
    const known = this.#groups.get(id);
    if (change === -1) {
      if (known === undefined) return;
      const count = known.count - 1;
      if (count + known.counted === 0) this.#groups.delete(id);
      else this.#groups.set(id, { ...known, count });
      return;
    }
    const page = this.#pages.get(this.#nextPage - 1);
    if (page !== undefined) {
      page.counts = new Map(page.counts).set(id, (page.counts.get(id) ?? 0) + 1);
    }
    this.#groups.set(id, {
      ...{ id, kind, reason: reason.slice(0, groupTextMax), detail: detail.slice(0, groupTextMax) },
      topic: topic === null ? null : shapeOf(topic),
      ...{ count: (known?.count ?? 0) + 1, counted: known?.counted ?? 0 },
      firstAt: Math.min(known?.firstAt ?? at, at),
      lastAt: Math.max(known?.lastAt ?? at, at),
    });
  }

  /** The newest group of its kind, or the newest of all. */
  #othersOf(letter: DeadLetter): DeadLetter {
    const all = this.groups();
    const other = all.findLast(({ kind }) => kind === letter.kind) ?? all.at(-1);
    return { ...letter, group: other?.id ?? letter.group };
  }
}

/** O4. */
function lettersIn(page: Page): readonly DeadLetter[] {
  if (page.letters !== undefined) return page.letters;
  try {
    return lettersOf(page.text ?? "");
  } catch {
    return [];
  }
}
