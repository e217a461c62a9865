/**
 * The world's own reckoning of what has happened. It knows what was stored, lost and committed, and
 * holds every commit to it at once. What a world went through is allowed here and nowhere else:
 *
 *   H1  A journal that lost messages: what was taken of them stays taken. Detectors that need them
 *       are incomplete from then on, and so the alerts of their gateway are not compared any more.
 *   H2  An ENGINE that went back: everything is as it was when the copy was made. Alerts told since
 *       may be told again; gateways may be told of a rollback and send again what was taken since.
 *   H3  A disk that went back: what was acknowledged since may be missing.
 *   H4  A block that rotted: a loss may name its positions.
 */
import type { AlertMessage, AlertTransition } from "@causeway/cloud/alert/alert.ts";
import type { CommitMessage } from "@causeway/cloud/engine/engine-store.ts";
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import type { Event } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { Attempt } from "./attempts.ts";
import { nameIn, nameOf } from "./attempts.ts";
import { Branch } from "./branch.ts";
import type { Violate } from "./faults.ts";
import type { PlainBatch, Taken } from "./plain-reader.ts";
import { batchOf, keyOf, PlainReader } from "./plain-reader.ts";

/** What a gateway may send beyond what its own processes account for. */
export interface Excuse {
  /** Positions that were taken, or stored, and are no longer. */
  again: number;
  /** Rollbacks that it may be told of. */
  rollbacks: number;
}

export interface JournalLoss {
  readonly lost: readonly JournalMessage[];
  readonly kept: readonly JournalMessage[];
  readonly isNeeded: (message: JournalMessage) => boolean;
}

export interface RottenItem {
  readonly from: number;
  readonly to: number;
  readonly event: Event | undefined;
}

interface RottenPlace {
  readonly gateway: string;
  readonly ordinal: number;
  readonly log: string;
  readonly at: number;
}

/** What the cloud tells of itself and of gateways, beside the users' rules. */
const systemRules = "system-";

export class History {
  readonly reader = new PlainReader();
  readonly attempts: Attempt[] = [];
  readonly #violate: Violate;
  #branch = new Branch();
  /** Over all branches. */
  readonly #coveredOnce = new Map<string, number>();
  /** Where each attempt was ever seen. */
  readonly #places = new Map<string, { readonly key: string; readonly position: number }>();
  /** `<gateway> <ordinal> <log> <position>`. */
  readonly #rotten = new Set<string>();
  readonly #rottenPlaces = new Map<string, RottenPlace>();
  readonly #excuses = new Map<string, Excuse>();
  readonly #gone: JournalMessage[] = [];
  /** Lost from the journal and not stored again, by key: covered, they leave detectors incomplete. */
  readonly #lost = new Map<string, { readonly from: number; readonly to: number }>();
  readonly #attemptsByName = new Map<string, Attempt>();
  alerts = 0;

  constructor(violate: Violate) {
    this.#violate = violate;
  }

  get branch(): Branch {
    return this.#branch;
  }

  attempted(attempt: Attempt): void {
    this.attempts.push(attempt);
    this.#attemptsByName.set(nameOf(attempt), attempt);
  }

  excuse(gateway: string): Excuse {
    const known = this.#excuses.get(gateway);
    if (known !== undefined) return known;
    const excuse = { again: 0, rollbacks: 0 };
    this.#excuses.set(gateway, excuse);
    return excuse;
  }

  coveredOnce(key: string): number {
    return this.#coveredOnce.get(key) ?? 0;
  }

  /** What the cloud refuses goes again in parts. */
  stored(message: JournalMessage, isRefused: boolean): void {
    this.reader.take(message);
    const batch = batchOf(message);
    if (batch === undefined) return;
    if (isRefused) this.excuse(batch.gateway).again += batch.to - batch.from + 1;
    this.#found(batch);
    for (const { event, from } of batch.items) {
      const name = event === undefined ? undefined : nameIn(event);
      if (name !== undefined) this.#places.set(name, { key: batch.key, position: from });
    }
  }

  /** H1. `isNeeded` says what a take-over would have to read again. */
  lostFromJournal({ lost, kept, isNeeded }: JournalLoss): void {
    for (const message of lost) {
      const batch = batchOf(message);
      if (batch === undefined) continue;
      const { key, gateway, from, to } = batch;
      this.excuse(gateway).again += to - from + 1;
      this.#gone.push(message);
      const range = this.#lost.get(key) ?? { from, to };
      this.#lost.set(key, { from: Math.min(range.from, from), to: Math.max(range.to, to) });
    }
    this.#noteIncomplete(isNeeded);
    this.reader.readAgain(kept, this.#branch.covered);
  }

  #noteIncomplete(isNeeded: JournalLoss["isNeeded"]): void {
    for (const message of this.#gone) {
      const batch = batchOf(message);
      if (batch === undefined || !isNeeded(message)) continue;
      const isTaken = batch.from <= (this.#branch.covered.get(batch.key) ?? 0);
      if (isTaken) this.#branch.incomplete.add(batch.gateway);
    }
  }

  #found({ key, from, to, items }: PlainBatch): void {
    const lost = this.#lost.get(key);
    if (lost === undefined || items.length === 0 || from > lost.from || to < lost.from) return;
    if (to >= lost.to) this.#lost.delete(key);
    else this.#lost.set(key, { from: to + 1, to: lost.to });
  }

  /** The journal never lost anything of the gateway. */
  isWhole(gateway: string): boolean {
    return this.#gone.every((message) => batchOf(message)?.gateway !== gateway);
  }

  remember(): Branch {
    return new Branch(this.#branch);
  }

  /** H2. */
  wentBack(to: Branch, { kept, isNeeded }: Pick<JournalLoss, "kept" | "isNeeded">): void {
    const from = this.#branch;
    this.#branch = new Branch(to);
    const gateways = new Set<string>();
    for (const [key, covered] of from.covered) {
      const again = covered - (to.covered.get(key) ?? 0);
      const gateway = key.split(" ")[0] ?? "";
      if (again <= 0) continue;
      gateways.add(gateway);
      this.excuse(gateway).again += again;
    }
    this.#noteIncomplete(isNeeded);
    for (const gateway of gateways) this.excuse(gateway).rollbacks++;
    this.reader.readAgain(kept, this.#branch.covered);
  }

  /** H3. */
  diskWentBack(machine: string, toWrite: number): void {
    for (const attempt of this.attempts) {
      if (attempt.machine === machine && attempt.diskWrite > toWrite) attempt.isDiskLost = true;
    }
  }

  /** H4. */
  rotted(gateway: string, ordinal: number, log: string, items: readonly RottenItem[]): void {
    for (const { from, to, event } of items) {
      for (let position = from; position <= to; position++) {
        this.#rotten.add(`${gateway} ${ordinal} ${log} ${position}`);
      }
      const name = event === undefined ? undefined : nameIn(event);
      if (name !== undefined) this.#rottenPlaces.set(name, { gateway, ordinal, log, at: from });
    }
  }

  committed(messages: readonly CommitMessage[]): void {
    const before = new Map<string, number>();
    const expected = messages
      .filter(({ subject }) => subject.startsWith("mark."))
      .flatMap(({ data }) => this.#follow(data, before));
    const told = messages
      .filter(({ subject }) => subject.startsWith("alert."))
      .flatMap(({ data }) => (JSON.parse(data) as AlertMessage).transitions)
      .filter(({ rule }) => !rule.startsWith(systemRules));
    this.alerts += told.length;
    for (const transition of told) this.#checkTold(transition, before);
    this.#compare(expected, told);
  }

  /** Whether a loss that was taken says why an acknowledged attempt is missing. */
  isExplained(attempt: Attempt): boolean {
    if (attempt.isDiskLost) return true;
    const name = nameOf(attempt);
    const [place, rotten] = [this.#places.get(name), this.#rottenPlaces.get(name)];
    return this.#branch.losses.some(({ gateway, epoch, log, from, to }) => {
      const covers = (position: number) => from <= position && position <= to;
      if (place?.key === keyOf(gateway, epoch, log) && covers(place.position)) return true;
      if (rotten?.gateway !== gateway || rotten.log !== log || !covers(rotten.at)) return false;
      return rotten.ordinal === Number.parseInt(epoch, 10);
    });
  }

  /** C2. What follows from the positions that a mark newly covers; notes those before in `before`. */
  #follow(text: string, before: Map<string, number>): readonly AlertTransition[] {
    const { gateway, epochs } = decodeMark(text);
    const taken = new Set<Taken>();
    for (const { epoch, logs: ledgers } of epochs) {
      for (const log of logs) {
        const key = keyOf(gateway, epoch, log);
        const covered = this.#branch.covered.get(key) ?? 0;
        const { through } = ledgers[log];
        before.set(key, covered);
        if (through === covered) continue;
        if (through < covered) this.#violate("C2", `the mark of ${key} fell to ${through}`);
        this.#cover(gateway, key, covered, through, taken);
      }
    }
    return [...taken]
      .sort((left, right) => left.order - right.order)
      .flatMap((each) => this.#effect(each));
  }

  #cover(gateway: string, key: string, from: number, through: number, taken: Set<Taken>): void {
    for (let position = from + 1; position <= through; position++) {
      const found = this.reader.at(key, position);
      if (found !== undefined) taken.add(found);
      else this.#violate("C2", `the mark covers ${key} ${position}, which was never stored`);
    }
    this.#branch.covered.set(key, through);
    this.#coveredOnce.set(key, Math.max(through, this.coveredOnce(key)));
    this.reader.raise(key, through);
    const lost = this.#lost.get(key);
    if (lost !== undefined && through >= lost.from && from <= lost.to) {
      this.#branch.incomplete.add(gateway);
    }
  }

  /** C10, C12. */
  #effect(taken: Taken): readonly AlertTransition[] {
    const where = `${taken.gateway}/${taken.epoch}/${taken.log}/${taken.from}`;
    const entered = this.#branch.enter(taken);
    if (entered !== undefined) {
      const { name, before } = entered;
      const attempt = this.#attemptsByName.get(name);
      if (attempt === undefined) this.#violate("C10", `${where} holds ${name}, which nobody sent`);
      if (before !== undefined) this.#violate("C10", `${name} is taken as ${before} and ${where}`);
      this.#checkOrder(name, attempt, taken, where);
    }
    if (taken.event?.kind === "loss") this.#checkLoss(taken, taken.event.reason, where);
    return this.#branch.observe(taken);
  }

  #checkOrder(name: string, attempt: Attempt | undefined, { epoch }: Taken, where: string): void {
    const key = `${attempt?.device} ${epoch}`;
    const call = attempt?.call ?? 0;
    const last = this.#branch.lastCalls.get(key) ?? 0;
    if (call < last) this.#violate("C10", `${name} was taken out of order as ${where}`);
    this.#branch.lastCalls.set(key, call);
  }

  /** C12. */
  #checkLoss({ gateway, epoch, log, from, to }: Taken, reason: string, where: string): void {
    const key = keyOf(gateway, epoch, log);
    const ordinal = Number.parseInt(epoch, 10);
    for (let position = from; position <= to; position++) {
      const isTrue =
        reason === "not-kept"
          ? position <= this.coveredOnce(key)
          : this.#rotten.has(`${gateway} ${ordinal} ${log} ${position}`);
      if (isTrue) continue;
      this.#violate("C12", `${where} says ${reason} of ${position}, and nothing befell it`);
      return;
    }
  }

  /** C3. */
  #checkTold({ id, state, cause }: AlertTransition, before: ReadonlyMap<string, number>): void {
    const [gateway = "", epoch = "", log = "", positionText] = cause.split("/");
    const key = keyOf(gateway, epoch, log);
    const position = Number(positionText);
    const { covered, told } = this.#branch;
    if (position > (covered.get(key) ?? 0)) {
      this.#violate("C3", `${state} ${id} was told for ${cause}, which no mark covers`);
    }
    if (position <= (before.get(key) ?? 0)) {
      this.#violate("C3", `${state} ${id} was told for ${cause}, which had its effect before`);
    }
    if (told.has(`${id} ${state}`)) this.#violate("C3", `${state} ${id} was told twice`);
    told.add(`${id} ${state}`);
  }

  /** C4. */
  #compare(expected: readonly AlertTransition[], told: readonly AlertTransition[]): void {
    const [should, are] = [byRule(expected), byRule(told)];
    for (const key of new Set([...should.keys(), ...are.keys()])) {
      if (this.#branch.incomplete.has(key.split(" ")[0] ?? "")) continue;
      const [wanted, found] = [should.get(key) ?? [], are.get(key) ?? []];
      const longer = wanted.length > found.length ? wanted : found;
      const at = longer.findIndex((_line, index) => wanted[index] !== found[index]);
      if (at >= 0) this.#violate("C4", `${key} told ${found[at]}, expected ${wanted[at]}`);
    }
  }
}

function byRule(transitions: readonly AlertTransition[]): ReadonlyMap<string, string[]> {
  const lines = new Map<string, string[]>();
  for (const transition of transitions) {
    const key = `${transition.gateway} ${transition.rule}`;
    lines.set(key, [...(lines.get(key) ?? []), lineOf(transition)]);
  }
  return lines;
}

function lineOf({ id, state, cause, at, firingAt, late }: AlertTransition): string {
  return `${state} ${id} at ${at} since ${firingAt} for ${cause}${late ? ", late" : ""}`;
}
