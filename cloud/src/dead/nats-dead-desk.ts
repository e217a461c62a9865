/**
 * Where dead letters are listed, tried anew and discarded, by the API and the command line.
 *
 *   R1  A redrive is one message on the gateway's lane `redrive`, written only behind the last one
 *       there (compare and set), and only once the engine has taken that one: so what is open is read
 *       as it is, and no letter goes into two messages.
 *   R2  Its number is greater than any before, also than those that a put-back store has forgotten:
 *       it is never less than the time in ms.
 *   R3  All is read from the streams' leaders.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import { Decoder } from "@causeway/shared/decode/decode.ts";
import { CodedError } from "@causeway/shared/errors.ts";
import type { Routes } from "@causeway/shared/mapping/routes.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import type { Random } from "@causeway/shared/random.ts";
import {
  engineStream,
  parseDeadPage,
  parseGatewaySubject,
  subjects,
  telemetryStream,
} from "@causeway/shared/subjects.ts";
import type { JetStreamClient, JetStreamManager, StoredMsg } from "@nats-io/jetstream";
import { headers } from "@nats-io/nats-core";
import { appendAfter } from "../nats-append.ts";
import { readStored } from "../nats-stored.ts";
import type { DeadLetter } from "./dead-letter.ts";
import type { LetterGroup, SettledLetters } from "./letter-pages.ts";
import { decodeSettled, decodeSummary, lettersOf } from "./letter-pages.ts";
import { countedPrefix } from "./partition-letters.ts";
import type { RedriveItem } from "./redrive-message.ts";
import {
  encodeRedrive,
  redriveCharactersMax,
  redriveContentType,
  redriveHeader,
  redriveItemsMax,
  redriveNumber,
} from "./redrive-message.ts";
import type { Remapped } from "./remap.ts";
import { remap } from "./remap.ts";

export interface DeadDeskParts {
  readonly jetstream: JetStreamClient;
  readonly manager: JetStreamManager;
  readonly clock: Clock;
  readonly random: Random;
}

export interface GatewayGroup extends LetterGroup {
  readonly gateway: GatewayId;
}

/** Which letters of one gateway: of a group, or named by their ids. */
export interface Chosen {
  readonly gateway: GatewayId;
  readonly group?: string | undefined;
  readonly ids?: ReadonlySet<string> | undefined;
}

export interface RedriveOrder extends Chosen {
  /** Undefined: as the cloud reads such messages by itself. */
  readonly routes: Routes | undefined;
  /** What it is named in the journal. */
  readonly mapping: string;
  readonly by: string;
  /** Letters that are closed at most. */
  readonly limit: number;
  readonly onProgress?: (progress: RedriveOutcome) => void;
}

export interface DiscardOrder extends Chosen {
  readonly reason: string;
  readonly by: string;
  readonly limit: number;
}

export interface RedriveOutcome {
  readonly tried: number;
  /** Letters that are closed: by what was made of them, and because their route drops them. */
  readonly redriven: number;
  readonly readings: number;
  readonly discarded: number;
  /** They stay open, by why. */
  readonly refused: Readonly<Record<string, number>>;
}

/** A letter, and what it becomes. */
export interface Trial {
  readonly letter: DeadLetter;
  readonly becomes: Remapped;
}

const refusedReasonsMax = 32;
const takenWithinMs = 15_000;
const askEveryMs = 50;
const attemptsMax = 5;

interface Place {
  readonly partition: number;
  /** Of the last message on the lane, 0 where there is none. */
  readonly sequence: number;
  readonly number: number;
}

interface PagedLetter extends Trial {
  readonly page: number;
}

export class NatsDeadDesk {
  readonly #parts: DeadDeskParts;

  constructor(parts: DeadDeskParts) {
    this.#parts = parts;
  }

  /** The last heard of first. */
  async groups(gateway: GatewayId | "*" = "*"): Promise<readonly GatewayGroup[]> {
    const found: GatewayGroup[] = [];
    const filter = subjects.deadLetters("*", gateway);
    for await (const message of readStored(this.#parts.jetstream, engineStream, filter, "newest")) {
      const place = parseGatewaySubject(message.subject);
      if (place === undefined) continue;
      const { groups } = decodeSummary(message.string());
      found.push(...groups.map((group) => ({ ...group, gateway: place.gateway as GatewayId })));
    }
    return found.sort((a, b) => b.lastAt - a.lastAt);
  }

  /** The newest first. */
  async letters(chosen: Chosen, limit: number): Promise<readonly DeadLetter[]> {
    const found: DeadLetter[] = [];
    for (const page of (await this.#pagesOf(chosen.gateway)).toReversed()) {
      const own = (await this.#lettersOn(chosen.gateway, page)).filter((one) =>
        isChosen(one, chosen),
      );
      found.push(...own.toReversed().slice(0, limit - found.length));
      if (found.length >= limit) break;
    }
    return found;
  }

  /** What became of those that are closed, for 30 days; the newest last. */
  async settled(gateway: GatewayId): Promise<readonly SettledLetters[]> {
    const found: SettledLetters[] = [];
    const filter = subjects.settledLetters("*", gateway);
    for await (const message of readStored(this.#parts.jetstream, engineStream, filter, "all"))
      found.push(decodeSettled(message.string()));
    return found;
  }

  /** What a redrive would make, and changes nothing. */
  async trial(order: Chosen & Pick<RedriveOrder, "routes" | "limit">): Promise<readonly Trial[]> {
    const decoder = new Decoder(order.routes);
    const letters = await this.letters(order, order.limit);
    return letters.map((letter) => ({ letter, becomes: remap(letter, decoder) }));
  }

  /** In the order in which they died. Throws DEAD_LETTERS_BUSY. */
  async redrive(order: RedriveOrder): Promise<RedriveOutcome> {
    const decoder = new Decoder(order.routes);
    const tally = new Tally(order.onProgress);
    await this.#each(order, tally, order.mapping, (letter) => remap(letter, decoder));
    return tally.outcome();
  }

  /** The same of those that are given up; what is only counted of a group goes too. */
  async discard(order: DiscardOrder): Promise<number> {
    const { gateway, group, reason: why } = order;
    const tally = new Tally();
    await this.#each(order, tally, "discard", () => ({ kind: "discard", why }));
    const left = (await this.groups(gateway)).find(({ id }) => id === group);
    if (left === undefined || left.counted === 0 || left.count > 0)
      return tally.outcome().discarded;
    const item = { ...nothingMade, id: `${countedPrefix}${left.id}`, do: "discard" as const, why };
    await this.#publish(gateway, await this.#place(gateway), [item], { by: order.by, with: "" });
    return tally.outcome().discarded + left.counted;
  }

  /** R1: read anew after a conflict; letters that went are no longer there. */
  async #each(
    order: Chosen & { readonly limit: number; readonly by: string },
    tally: Tally,
    mapping: string,
    become: (letter: DeadLetter) => Remapped,
  ): Promise<void> {
    const refused = new Set<string>();
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      if (await this.#allOf(order, tally, mapping, become, refused)) return;
    }
    throw new CodedError("DEAD_LETTERS_BUSY", `others redrive those of ${order.gateway} just now`);
  }

  async #allOf(
    order: Chosen & { readonly limit: number; readonly by: string },
    tally: Tally,
    mapping: string,
    become: (letter: DeadLetter) => Remapped,
    refused: Set<string>,
  ): Promise<boolean> {
    const { gateway, by, limit } = order;
    let place = await this.#place(gateway);
    let gathered: PagedLetter[] = [];
    let characters = 0;
    const send = async () => {
      if (gathered.length === 0) return true;
      const next = await this.#publish(gateway, place, gathered.map(itemOf), { by, with: mapping });
      if (next === undefined) return false;
      place = next;
      tally.add(gathered);
      [gathered, characters] = [[], 0];
      return true;
    };
    for (const page of await this.#pagesOf(gateway)) {
      for (const letter of await this.#lettersOn(gateway, page)) {
        if (tally.closed + gathered.length >= limit) return await send();
        if (!isChosen(letter, order) || refused.has(letter.id)) continue;
        const becomes = become(letter);
        if (becomes.kind === "refused") {
          refused.add(letter.id);
          tally.refuse(becomes.reason);
          continue;
        }
        gathered.push({ letter, becomes, page });
        characters += letter.payload.length + JSON.stringify(becomes).length;
        const isFull = gathered.length >= redriveItemsMax || characters >= redriveCharactersMax;
        if (isFull && !(await send())) return false;
      }
    }
    return await send();
  }

  /** R1: where the next one goes, once the engine has taken the last. */
  async #place(gateway: GatewayId): Promise<Place> {
    const { clock } = this.#parts;
    const last = await this.#last(telemetryStream, subjects.storedRedrive(gateway));
    const sequence = last?.seq ?? 0;
    const number = last === null ? 0 : redriveNumber(last.header.get(redriveHeader) || undefined);
    for (const until = clock.bootMs() + takenWithinMs; ; ) {
      const mark = await this.#last(engineStream, `mark.*.${gateway}`);
      const partition = mark === null ? undefined : parseGatewaySubject(mark.subject)?.partition;
      const redriven = mark === null ? 0 : (decodeMark(mark.string()).redriven ?? 0);
      if (partition !== undefined && redriven >= number) return { partition, sequence, number };
      if (clock.bootMs() >= until) {
        const why = "the engine has not taken the last one: does it run?";
        throw new CodedError("DEAD_LETTERS_BUSY", `a redrive of ${gateway} is under way; ${why}`);
      }
      await sleep(clock, askEveryMs);
    }
  }

  /** Returns once the engine has taken it; undefined where another came before it. */
  async #publish(
    gateway: GatewayId,
    { sequence, number }: Place,
    items: readonly RedriveItem[],
    how: { readonly by: string; readonly with: string },
  ): Promise<Place | undefined> {
    const { jetstream, clock, random } = this.#parts;
    const next = Math.max(clock.wallMs(), number + 1); // R2
    const head = headers();
    head.set("Content-Type", redriveContentType);
    head.set("Content-Encoding", "zstd");
    head.set(redriveHeader, `${next}`);
    head.set("Cw-Nonce", random.hex(16));
    const subject = subjects.redrive(gateway);
    const place = { stream: telemetryStream, subject, expectedLast: sequence };
    const data = encodeRedrive({ gateway, number: next, ...how, items });
    const stored = await appendAfter(jetstream, place, data, { headers: head });
    return stored === undefined ? undefined : this.#place(gateway);
  }

  async #pagesOf(gateway: GatewayId): Promise<readonly number[]> {
    const filter = subjects.deadPage("*", gateway, "*");
    const { state } = await this.#parts.manager.streams.info(engineStream, {
      subjects_filter: filter,
    });
    const names = Object.keys(state.subjects ?? {});
    return names.flatMap((name) => parseDeadPage(name)?.page ?? []).sort((a, b) => a - b);
  }

  async #lettersOn(gateway: GatewayId, page: number): Promise<readonly DeadLetter[]> {
    const found = await this.#last(engineStream, subjects.deadPage("*", gateway, page));
    return found === null ? [] : lettersOf(found.string());
  }

  /** R3. */
  #last(stream: string, subject: string): Promise<StoredMsg | null> {
    return this.#parts.manager.streams.getMessage(stream, { last_by_subj: subject });
  }
}

function isChosen({ id, group }: DeadLetter, { group: wanted, ids }: Chosen): boolean {
  return (wanted === undefined || group === wanted) && (ids === undefined || ids.has(id));
}

const nothingMade = {
  ...{ page: 0, tries: 0, epoch: "", log: "telemetry", position: 0 },
  ...{ events: [], at: [0, 0] },
} satisfies Omit<RedriveItem, "id" | "do" | "why">;

function itemOf({ letter, becomes, page }: PagedLetter): RedriveItem {
  const { id, tries, epoch, log, from, receivedAt, timeQuality } = letter;
  const isMade = becomes.kind === "redrive" || becomes.kind === "judge";
  return {
    ...{ id, page, tries, do: isMade ? becomes.kind : "discard" },
    why: becomes.kind === "discard" ? becomes.why.slice(0, 1_024) : "",
    ...{ epoch: epoch ?? "", log: log ?? "telemetry", position: from ?? 0 },
    events: isMade ? [...becomes.events] : [],
    at: [receivedAt, timeQuality === "synchronised" ? 1 : 0],
  };
}

class Tally {
  readonly #onProgress: RedriveOrder["onProgress"];
  readonly #refused = new Map<string, number>();
  #counts = { tried: 0, redriven: 0, readings: 0, discarded: 0 };

  constructor(onProgress?: RedriveOrder["onProgress"]) {
    this.#onProgress = onProgress;
  }

  get closed(): number {
    return this.#counts.redriven + this.#counts.discarded;
  }

  add(trials: readonly Trial[]): void {
    const counts = this.#counts;
    for (const { becomes } of trials) {
      counts.tried++;
      if (becomes.kind === "discard") counts.discarded++;
      if (becomes.kind !== "redrive" && becomes.kind !== "judge") continue;
      counts.redriven++;
      for (const event of becomes.events)
        counts.readings += event.kind === "reading" ? event.readings.length : 0;
    }
    this.#onProgress?.(this.outcome());
  }

  refuse(reason: string): void {
    this.#counts.tried++;
    const isRoom = this.#refused.has(reason) || this.#refused.size < refusedReasonsMax;
    const own = isRoom ? reason : "other";
    this.#refused.set(own, (this.#refused.get(own) ?? 0) + 1);
  }

  outcome(): RedriveOutcome {
    return { ...this.#counts, refused: Object.fromEntries(this.#refused) };
  }
}
