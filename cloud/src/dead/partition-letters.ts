/**
 * The open dead letters of a partition's gateways, and the bounds that they share. Whose letters take
 * most gives up first; nobody's ever hold up what is taken.
 */
import type { CommitMessage } from "../engine/engine-store.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { Redriven } from "./fold-redrive.ts";
import type { LetterBounds } from "./open-letters.ts";
import { defaultLetterBounds, OpenLetters } from "./open-letters.ts";

/** How much of their room letters take, of 1, and how many they are. */
export interface LetterFill {
  readonly share: number;
  readonly count: number;
}

/** Discarding an item of this id forgets the letters of a group that are only counted. */
export const countedPrefix = "counted/";

export class PartitionLetters {
  readonly #partition: number;
  readonly #bounds: LetterBounds;
  readonly #byGateway = new Map<string, OpenLetters>();

  constructor(partition: number, bounds: LetterBounds = defaultLetterBounds) {
    this.#partition = partition;
    this.#bounds = bounds;
  }

  /** Of all its gateways. */
  get count(): number {
    let sum = 0;
    for (const { count } of this.#byGateway.values()) sum += count;
    return sum;
  }

  restoreSummary(gateway: string, text: string): void {
    this.#of(gateway).restoreSummary(text);
  }

  restorePage(gateway: string, page: number, text: string): void {
    this.#of(gateway).restorePage(page, text);
  }

  /** Characters that it adds to the next commit, at most. */
  add(gateway: string, letter: DeadLetter): number {
    this.#of(gateway).add(letter);
    return letter.payload.length + letter.detail.length;
  }

  settle(gateway: string, { message }: Redriven, at: number): void {
    const own = this.#of(gateway);
    const { by, items } = message;
    for (const { id, do: what } of items) {
      if (what === "discard" && id.startsWith(countedPrefix))
        own.forgetCounted(id.slice(countedPrefix.length));
    }
    own.settle(items, { by, with: message.with, at });
  }

  /** Keeps the bounds, and names the gateways whose letters became fewer by that. */
  bound(): readonly string[] {
    const { gatewayCharactersMax, partitionCharactersMax } = this.#bounds;
    const gave = new Set<string>();
    for (const [gateway, letters] of this.#byGateway) {
      if (letters.isChanged) letters.pack();
      while (letters.characters > gatewayCharactersMax && letters.giveUp()) gave.add(gateway);
    }
    while (this.#characters() > partitionCharactersMax) {
      const largest = this.#largest();
      if (largest === undefined || !this.#of(largest).giveUp()) break;
      gave.add(largest);
    }
    return [...gave];
  }

  /** Undefined where it has none. */
  fill(gateway: string): LetterFill | undefined {
    const own = this.#byGateway.get(gateway);
    if (own === undefined) return undefined;
    const { gatewayCharactersMax, partitionCharactersMax } = this.#bounds;
    const ofGateway = own.characters / gatewayCharactersMax;
    const isLargest = this.#largest() === gateway;
    const ofAll = isLargest ? this.#characters() / partitionCharactersMax : 0;
    return { share: Math.max(ofGateway, ofAll), count: own.count };
  }

  messages(gateway: string): readonly CommitMessage[] {
    return this.#byGateway.get(gateway)?.messages() ?? [];
  }

  committed(gateway: string): void {
    this.#byGateway.get(gateway)?.committed();
  }

  #characters(): number {
    let sum = 0;
    for (const { characters } of this.#byGateway.values()) sum += characters;
    return sum;
  }

  #largest(): string | undefined {
    let most = 0;
    let found: string | undefined;
    for (const [gateway, { characters }] of this.#byGateway) {
      if (characters <= most) continue;
      most = characters;
      found = gateway;
    }
    return found;
  }

  #of(gateway: string): OpenLetters {
    const known = this.#byGateway.get(gateway);
    if (known !== undefined) return known;
    const own = new OpenLetters(this.#partition, gateway);
    this.#byGateway.set(gateway, own);
    return own;
  }
}
