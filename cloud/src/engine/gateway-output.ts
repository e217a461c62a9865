/**
 * What a gateway's, or a site's, next commit tells: transitions, derived events and what
 * its site has to know, packed by subject. Rules in shadow write under `shadow.>` and nowhere
 * else.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import { assert } from "@causeway/shared/assert.ts";
import type { RuleName } from "@causeway/shared/names.ts";
import { isRuleName } from "@causeway/shared/names.ts";
import type { DerivedEvent } from "@causeway/shared/rules/derived-event.ts";
import type { SiteInput } from "@causeway/shared/rules/pattern/site-filter.ts";
import { subjects } from "@causeway/shared/subjects.ts";
import type { SiteMoment } from "../site/site-message.ts";
import { placeOfSite } from "../site/site-message.ts";
import type { CommitMessage } from "./engine-store.ts";

/** Closed alerts, derived events and what sites are told stay for 30 days. */
const historyTtlSeconds = 30 * 24 * 3_600;
/** A packed message is cut here, well below the server's max_payload. */
const messageCharactersMax = 256 * 1_024;
/**
 * Characters of derived events that one journal message, or tick, may bring about; more are counted
 * and not told. A commit must hold all of them at once.
 */
export const derivedCharactersMax = 2 * 1_024 * 1_024;
/** The same of what a site is told. */
const inputCharactersMax = 1_024 * 1_024;

type ListName = "transitions" | "events" | "derived" | "inputs";

/** Items of one list of the messages on one subject, as JSON. */
interface Packed {
  readonly subject: string;
  readonly list: ListName;
  /** Other fields of the messages, as JSON, each with a comma behind it. */
  readonly head: string;
  readonly items: string[];
}

/** Characters that wait in all gateways of a partition. */
export interface Waiting {
  characters: number;
}

export class GatewayOutput {
  readonly #partition: number;
  readonly #gateway: string;
  readonly #waiting: Waiting;
  readonly #packed = new Map<string, Packed>();
  #characters = 0;
  #derivedLeft = derivedCharactersMax;
  #inputsLeft = inputCharactersMax;

  constructor(partition: number, gateway: string, waiting: Waiting) {
    this.#partition = partition;
    this.#gateway = gateway;
    this.#waiting = waiting;
  }

  /** Of all that waits. */
  get characters(): number {
    return this.#characters;
  }

  /** To be called before each journal message that is worked off. */
  begin(): void {
    this.#derivedLeft = derivedCharactersMax;
    this.#inputsLeft = inputCharactersMax;
  }

  addTransition(transition: AlertTransition): void {
    const rule = nameIn(transition.rule);
    const subject = transition.shadow
      ? subjects.shadow(this.#partition, this.#gateway, rule)
      : subjects.alert(this.#partition, this.#gateway, rule);
    this.#add(subject, "transitions", JSON.stringify(transition));
  }

  /** False where there is no room. */
  addDerived(event: DerivedEvent): boolean {
    const text = JSON.stringify(event);
    if (text.length > this.#derivedLeft) return false;
    this.#derivedLeft -= text.length;
    if (event.shadow) {
      const subject = subjects.shadow(this.#partition, this.#gateway, nameIn(event.rule));
      this.#add(subject, "derived", text);
    } else {
      const subject = subjects.derived(this.#partition, this.#gateway, nameIn(event.name));
      this.#add(subject, "events", text);
    }
    return true;
  }

  /** Of what goes with it in other messages. */
  weigh(characters: number): void {
    this.#characters += characters;
    this.#waiting.characters += characters;
  }

  /** How many there is no room for: their numbers are missing, so the site is told that they do. */
  addInputs(site: string, inputs: readonly SiteInput[], { tick, rules }: SiteMoment): number {
    const { partition, token } = placeOfSite(site);
    const named = JSON.stringify({ site, tick: [tick.n, tick.at], rules });
    const head = `${named.slice(1, -1)},`;
    let refused = 0;
    for (const input of inputs) {
      const text = JSON.stringify(input);
      if (text.length > this.#inputsLeft) refused += 1;
      else this.#add(subjects.site(partition, token), "inputs", text, head);
      this.#inputsLeft -= Math.min(text.length, this.#inputsLeft);
    }
    return refused;
  }

  messages(): CommitMessage[] {
    return [...this.#packed.values()].flatMap(({ subject, list, head, items }) =>
      cut(items).map((part) => ({
        subject,
        data: `{"v":1,${head}"${list}":[${part.join()}]}`,
        rollup: false,
        ttlSeconds: historyTtlSeconds,
      })),
    );
  }

  clear(): void {
    this.#packed.clear();
    this.#waiting.characters -= this.#characters;
    this.#characters = 0;
  }

  #add(subject: string, list: ListName, text: string, head = ""): void {
    const key = `${list} ${subject} ${head}`;
    const packed = this.#packed.get(key) ?? { subject, list, head, items: [] };
    packed.items.push(text);
    this.#packed.set(key, packed);
    this.weigh(text.length);
  }
}

function nameIn(name: string): RuleName {
  assert(isRuleName(name), `an alert or a derived event names ${name}`);
  return name;
}

/** Pieces of at most `messageCharactersMax`, in order, none empty. */
function cut(items: readonly string[]): string[][] {
  const pieces: string[][] = [];
  let size = 0;
  for (const item of items) {
    const piece = pieces.at(-1);
    if (piece === undefined || size + item.length > messageCharactersMax) {
      pieces.push([item]);
      size = item.length;
    } else {
      piece.push(item);
      size += item.length;
    }
  }
  return pieces;
}
