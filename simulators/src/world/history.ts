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
 *   H5  A journal that was full: what it refused is sent again.
 */

import { decodeCheckpoint } from "@causeway/cloud/engine/checkpoint.ts";
import type { CommitMessage } from "@causeway/cloud/engine/engine-store.ts";
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import type { AlertMessage, AlertTransition } from "@causeway/shared/alert/alert.ts";
import { decodeBody, expandBody } from "@causeway/shared/batch-codec.ts";
import type { EpochPage } from "@causeway/shared/epoch-page.ts";
import { decodeEpochPage } from "@causeway/shared/epoch-page.ts";
import type { Event } from "@causeway/shared/event.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { Attempt } from "./attempts.ts";
import { nameIn, nameOf } from "./attempts.ts";
import type { RuleChange } from "./branch.ts";
import { Branch } from "./branch.ts";
import type { Violate } from "./faults.ts";
import type { Effect } from "./historian.ts";
import type { MemoryJournal } from "./memory-journal.ts";
import { isBehindPlaces } from "./needs.ts";
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
  /** What a take-over would have to read again. */
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
  readonly #journal: MemoryJournal;
  #branch = new Branch();
  /** Over all branches. */
  readonly #coveredOnce = new Map<string, number>();
  /** Where each attempt was ever seen. */
  readonly #places = new Map<string, { readonly key: string; readonly position: number }>();
  /** `<gateway> <ordinal> <log> <position>`. */
  readonly #rotten = new Set<string>();
  /** Gateways; what had failed to be written may appear behind what was taken back. */
  readonly #wentBackDisks = new Set<string>();
  readonly #rottenPlaces = new Map<string, RottenPlace>();
  readonly #excuses = new Map<string, Excuse>();
  #hasLost = false;
  #hasGoneBack = false;
  /** What the journal and ENGINE know of rules may differ from then on. */
  #hasLostChange = false;
  /** Somebody deletes snapshots that are still needed. */
  snapshotsMayBeLost = false;
  /** Bodies, by key. */
  readonly #sent = new Map<string, Uint8Array[]>();
  readonly #gone: JournalMessage[] = [];
  readonly #purged: JournalMessage[] = [];
  /** How far the registered reader is, by key. */
  readonly read = new Map<string, number>();
  /** Lost from the journal and not stored again, by key: covered, they leave detectors incomplete. */
  readonly #lost = new Map<string, { readonly from: number; readonly to: number }>();
  readonly #attemptsByName = new Map<string, Attempt>();
  alerts = 0;

  constructor(violate: Violate, journal: MemoryJournal) {
    this.#violate = violate;
    this.#journal = journal;
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

  sent(gateway: string, headers: ReadonlyMap<string, string>, body: Uint8Array): void {
    const [epoch = "", log = ""] = ["Epoch", "Log"].map((part) => headers.get(`Cw-${part}`));
    const key = keyOf(gateway, epoch, log);
    const before = this.#sent.get(key);
    if (before === undefined) this.#sent.set(key, [body]);
    else before.push(body);
  }

  /** Whether the position was ever on its way as an event. */
  #wasSent(key: string, position: number): boolean {
    return (this.#sent.get(key) ?? []).some((body) =>
      decodeBody(expandBody(body)).blocks.some(({ items }) =>
        items.some(({ from, to, event }) => {
          return from <= position && position <= to && event?.kind !== "loss";
        }),
      ),
    );
  }

  /** H5. */
  refused(gateway: string, headers: ReadonlyMap<string, string>): void {
    const [from, to] = ["From", "To"].map((part) => Number(headers.get(`Cw-${part}`)));
    this.excuse(gateway).again += (to ?? 0) - (from ?? 0) + 1;
  }

  /** H1. */
  lostFromJournal({ lost, isNeeded }: JournalLoss): void {
    if (lost.length > 0) this.#hasLost = true;
    for (const message of lost) {
      if (this.reader.forgetChange(message)) this.#hasLostChange = true;
      const batch = batchOf(message);
      if (batch === undefined) continue;
      const { key, gateway, from, to } = batch;
      this.excuse(gateway).again += to - from + 1;
      this.#gone.push(message);
      const range = this.#lost.get(key) ?? { from, to };
      this.#lost.set(key, { from: Math.min(range.from, from), to: Math.max(range.to, to) });
    }
    if (this.#hasLostChange) this.#branch.isWhole = false;
    this.#noteIncomplete(isNeeded);
    this.#readAgain();
  }

  #readAgain(): void {
    this.reader.readAgain(this.#journal.messages, this.#branch, (message) => {
      const place = this.#branch.places.get(Number(message.subject.split(".")[1]));
      return place !== undefined && isBehindPlaces(message, this.#journal, [place]);
    });
  }

  /** What nobody needs any more was deleted. */
  purged(lost: readonly JournalMessage[]): void {
    this.#purged.push(...lost);
  }

  /** C5. What a registered reader read had its effect. */
  readBy(effects: readonly Effect[]): void {
    for (const { gateway, epoch, log, position, to } of effects) {
      const key = keyOf(gateway, epoch, log);
      const before = this.read.get(key) ?? 0;
      if (position <= before)
        this.#violate("C5", `a reader has the effect of ${key} ${position} twice`);
      if (position > before + 1) this.#violate("C5", `a reader leaves out ${key} ${before + 1}`);
      this.read.set(key, Math.max(before, to));
    }
  }

  #noteIncomplete(isNeeded: JournalLoss["isNeeded"]): void {
    for (const message of [...this.#gone, ...this.#purged]) {
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

  /** The journal never lost anything. */
  get isJournalWhole(): boolean {
    return !this.#hasLost;
  }

  /** The journal never lost anything of the gateway. */
  isWhole(gateway: string): boolean {
    return [...this.#gone, ...this.#purged].every(
      (message) => batchOf(message)?.gateway !== gateway,
    );
  }

  /** It was deleted from the journal once; what comes of it again lies before a reader's beginning. */
  wasPurged(key: string, position: number): boolean {
    return this.#purged.some((message) => {
      const batch = batchOf(message);
      return batch?.key === key && batch.from <= position && position <= batch.to;
    });
  }

  /** Neither stream ever went back, so what was read first was taken first. */
  isInOrder(gateway: string): boolean {
    return this.isJournalWhole && !this.#hasGoneBack && this.isWhole(gateway);
  }

  remember(): Branch {
    return new Branch(this.#branch);
  }

  /** H2. */
  wentBack(to: Branch, isNeeded: JournalLoss["isNeeded"]): void {
    const from = this.#branch;
    this.#branch = new Branch(to);
    this.#hasGoneBack = true;
    // A change of rules that was purged is in no journal that an older ENGINE reads.
    const isAtHand = this.reader.hasAllChanges(this.#journal.messages);
    if (this.#hasLostChange || !isAtHand) this.#branch.isWhole = false;
    const epochs = new Set<string>();
    for (const [key, covered] of from.covered) {
      const again = covered - (to.covered.get(key) ?? 0);
      const [gateway = "", epoch] = key.split(" ");
      if (again <= 0) continue;
      epochs.add(`${gateway} ${epoch}`);
      this.excuse(gateway).again += again;
    }
    this.#noteIncomplete(isNeeded);
    // A mark names a few epochs only: of each it may be told apart that it went back.
    for (const epoch of epochs) this.excuse(epoch.split(" ")[0] ?? "").rollbacks++;
    this.#readAgain();
  }

  /** H3. */
  diskWentBack(machine: string, gateway: string, toWrite: number): void {
    this.#wentBackDisks.add(gateway);
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
    const all = messages
      .filter(({ subject }) => subject.startsWith("alert."))
      .flatMap(({ data }) => (JSON.parse(data) as AlertMessage).transitions);
    this.#noteTold(all.filter(({ rule }) => rule.startsWith(systemRules)));
    const told = all.filter(({ rule }) => !rule.startsWith(systemRules));
    const of = (head: string) => messages.filter(({ subject }) => subject.startsWith(head));
    const pages = of("epochs.").map(({ data }) => decodeEpochPage(data));
    const expected = of("mark.")
      .map(({ data }) => decodeMark(data))
      .flatMap((mark) => this.#follow(mark, pages, before, told));
    this.alerts += told.length;
    for (const transition of told) this.#checkTold(transition, before);
    this.#compare(expected, told);
    for (const { subject, data } of messages) {
      const [head, partition] = subject.split(".");
      const [place] = head === "ckpt" ? decodeCheckpoint(data).places : [];
      if (place !== undefined) this.#branch.places.set(Number(partition), place);
    }
  }

  #mayBeIncomplete(): boolean {
    // The newest snapshot that is left may stand before what was purged.
    const isBehindPurge = (this.#hasGoneBack || this.snapshotsMayBeLost) && this.#purged.length > 0;
    return isBehindPurge || !this.isJournalWhole;
  }

  /** What an engine says that it could not read again: behind the place at which it knew the journal. */
  #noteTold(told: readonly AlertTransition[]): void {
    for (const { rule, gateway, id, state } of told) {
      if (rule !== "system-state-incomplete") {
        const { told: before } = this.#branch;
        if (before.has(`${id} ${state}`)) this.#violate("C3", `${state} ${id} was told twice`);
        before.add(`${id} ${state}`);
        continue;
      }
      // The same events may be missing once more, after the journal lost more.
      if (!this.#mayBeIncomplete()) {
        this.#violate("C4", `${gateway} is told incomplete, and nothing was lost`);
      }
      this.#branch.incomplete.add(gateway);
    }
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

  /**
   * C2. What follows from the positions that a mark and its pages newly cover; notes those before in
   * `before`. A page keeps rows that later ones replace.
   */
  #follow(
    { gateway, epochs }: Mark,
    pages: readonly EpochPage[],
    before: Map<string, number>,
    told: readonly AlertTransition[],
  ): readonly AlertTransition[] {
    const named = new Set(epochs.map(({ epoch }) => epoch));
    const paged = pages.flatMap((page) => (page.gateway === gateway ? page.epochs : []));
    const taken = new Set<Taken>();
    for (const row of [...paged.filter(({ epoch }) => !named.has(epoch)), ...epochs]) {
      const { epoch, logs: ledgers } = row;
      for (const log of logs) {
        const key = keyOf(gateway, epoch, log);
        const covered = this.#branch.covered.get(key) ?? 0;
        const { through } = ledgers[log];
        if (through < covered && !named.has(epoch)) continue;
        before.set(key, covered);
        if (through === covered) continue;
        if (through < covered) this.#violate("C2", `the mark of ${key} fell to ${through}`);
        this.#cover(gateway, key, covered, through, taken);
      }
    }
    const changes = this.reader.changes();
    const effects = [...taken].sort((left, right) => left.order - right.order);
    const expected = effects.flatMap((each) => [
      ...this.#change(gateway, changes, each.order),
      ...this.#effect(each),
    ]);
    // What a tick alone brings is told with a mark that covers nothing new.
    const causes = new Set(
      told.filter((each) => each.gateway === gateway).map(({ cause }) => cause),
    );
    const tick = changes.findLast(({ n }) => causes.has(`clk/${n}`));
    return tick === undefined
      ? expected
      : [...expected, ...this.#change(gateway, changes, tick.order + 1)];
  }

  #change(gateway: string, changes: readonly RuleChange[], before: number) {
    return changes
      .filter(({ order }) => order < before)
      .flatMap((change) => this.#branch.change(gateway, change));
  }

  #cover(gateway: string, key: string, from: number, through: number, taken: Set<Taken>): void {
    for (let position = from + 1; position <= through; position++) {
      const found = this.reader.at(key, position) ?? this.#foundLate(key, position);
      if (found !== undefined) taken.add(found);
      else this.#violate("C2", `the mark covers ${key} ${position}, which was never stored`);
    }
    this.#branch.covered.set(key, through);
    this.#coveredOnce.set(key, Math.max(through, this.coveredOnce(key)));
    const lost = this.#lost.get(key);
    if (lost !== undefined && through >= lost.from && from <= lost.to) {
      this.#branch.incomplete.add(gateway);
    }
  }

  /** Stands behind what was lost from the journal, and was taken after all. */
  #foundLate(key: string, position: number): Taken | undefined {
    const covered = new Map(this.#branch.covered).set(key, position - 1);
    const { lateness } = this.#branch;
    this.reader.readAgain(this.#journal.messages, { covered, lateness }, () => false);
    return this.reader.at(key, position);
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
      const isTrue = {
        "not-kept": () => position <= this.coveredOnce(key),
        full: () => !this.#wasSent(key, position),
        unreadable: () =>
          this.#rotten.has(`${gateway} ${ordinal} ${log} ${position}`) ||
          this.#wentBackDisks.has(gateway),
      }[reason];
      if (isTrue?.() === true) continue;
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
      if (!this.#branch.isWhole || this.#branch.incomplete.has(key.split(" ")[0] ?? "")) continue;
      const [wanted, found] = [should.get(key) ?? [], are.get(key) ?? []];
      const longer = wanted.length > found.length ? wanted : found;
      const at = longer.findIndex((_line, index) => wanted[index] !== found[index]);
      if (at >= 0) this.#violate("C4", `${key} told ${found[at]}, expected ${wanted[at]}`);
    }
  }
}

function byRule(transitions: readonly AlertTransition[]): ReadonlyMap<string, string[]> {
  const groups = Map.groupBy(transitions, ({ gateway, rule }) => `${gateway} ${rule}`);
  return new Map([...groups].map(([key, own]) => [key, inOrder(own).map(lineOf)]));
}

/** What one tick brings has no order. */
function inOrder(transitions: readonly AlertTransition[]): readonly AlertTransition[] {
  const isTick = ({ cause }: AlertTransition) => cause.startsWith("clk/");
  const ofTicks = transitions.filter(isTick).sort((left, right) => (left.id < right.id ? -1 : 1));
  return [...transitions.filter((each) => !isTick(each)), ...ofTicks];
}

function lineOf(transition: AlertTransition): string {
  const { id, state, cause, at, firingAt, late, evidence } = transition;
  const when = `at ${at} since ${firingAt} for ${cause}${late ? ", late" : ""}`;
  return `${state} ${id} ${when}, by ${JSON.stringify(evidence)}`;
}
