/**
 * What Causeway tells of a gateway itself: that its life forks, that something of it is lost. What is
 * open is committed in the gateway's mark, so that a take-over neither forgets nor repeats it.
 *
 *   G1  What can go on (a conflict, losses of one reason, too many series) is one open alert, however much comes; it is
 *       resolved once nothing more of it has come for a while by the journal's time.
 *   G2  What is over when it is known (a store put back, a hole in the journal) fires and is resolved
 *       at once: it stands in the list of alerts, and nobody has to close it.
 *   G3  The number of open alerts is bounded: beyond it those of one rule share one.
 *   G4  A gateway of which nothing live comes is one alert, in place of one for each of its devices;
 *       it is told once, and resolved by the next live event, or where it is taken out of service.
 */

import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { ReservedRule } from "@causeway/shared/alert/reserved-alert.ts";
import { firingOf, isReserved, resolvedOf } from "@causeway/shared/alert/reserved-alert.ts";
import { inWords } from "@causeway/shared/detect/detector.ts";
import type { Hole, OpenCondition } from "@causeway/shared/mark.ts";
import type { LetterFill } from "../dead/partition-letters.ts";
import type { Finding } from "../ingest/fold.ts";
import type { ForkFinding } from "../ledger/forks.ts";
import type { Settled } from "../ledger/ledger.ts";
import type { Over } from "../quota/gateway-use.ts";

/** G1. */
export const quietMs = 30 * 60_000;
/** G3. */
const openMax = 16;
const allOthers = "other";
const silent = "system-gateway-silent";
const seriesFull = "system-series-full";
const deadLetters = "system-dead-letters";
const quota = "system-quota";
/** The same for what is slowed down. */
const quotaQuietMs = 5 * 60_000;
/** Of their room: an alert begins, and ends. */
const lettersNear = 0.8;
const lettersCalm = 0.6;

/** When and by what something became known. */
export interface Moment {
  /** Ms since 1970, by the journal. */
  readonly at: number;
  readonly cause: string;
}

export class GatewayConditions {
  readonly #gateway: string;
  #open: OpenCondition[];

  constructor(gateway: string, open: readonly OpenCondition[] = []) {
    this.#gateway = gateway;
    this.#open = [...open];
  }

  get open(): readonly OpenCondition[] {
    return this.#open;
  }

  find(finding: Finding, at: number): readonly AlertTransition[] {
    const moment = { at, cause: finding.id };
    if (finding.kind === "fork") return this.#fork(finding.fork, moment);
    const { epoch, log, from, to, reason } = finding;
    const count = to - from + 1;
    const key = [epoch, log, from, to];
    return reason === "rollback"
      ? this.#goOn("system-rollback-loss", key, reason, count, moment, rollbackLossText)
      : this.#goOn("system-loss", key, reason, count, moment, lossText);
  }

  /** G2: `holes` of what the engine had taken were not told before. */
  incomplete(holes: readonly Hole[], at: number): readonly AlertTransition[] {
    const [first] = holes;
    if (first === undefined) return [];
    const { epoch, log, from, to } = first;
    const events = holes.reduce((sum, hole) => sum + hole.to - hole.from + 1, 0);
    const cause = `${this.#gateway}/${epoch}/${log}/${from}`;
    const where = `${epoch} ${log} ${from}-${to}`;
    const more = holes.length > 1 ? ` and ${holes.length - 1} stretches more` : "";
    const reason =
      `the journal no longer has ${events} events that had their effect (${where}${more}): ` +
      "detectors may have to warm up again";
    return this.#atOnce("system-state-incomplete", [epoch, log, from, to], { at, cause }, reason);
  }

  /** G2: the gateway began so many epochs that the oldest are about to be forgotten, or are. */
  restarts({ forgotten, isHalfFull }: Settled, at: number): readonly AlertTransition[] {
    const cause = `${this.#gateway}/restarts`;
    const why = "the gateway begins epochs without end: does it restart in a loop?";
    const told = forgotten.map((page) => {
      const what =
        "the oldest epochs are forgotten, an image as old as they are repeats its events";
      return this.#atOnce("system-restarts", ["forgotten", page], { at, cause }, `${why} ${what}`);
    });
    if (!isHalfFull) return told.flat();
    const half = "half of the epochs that are remembered of it are used";
    const first = this.#atOnce("system-restarts", ["half"], { at, cause }, `${why} ${half}`);
    return [...first, ...told.flat()];
  }

  /** G1: `count` readings of series beyond the bound were not detected on. */
  seriesFull(known: number, count: number, moment: Moment): readonly AlertTransition[] {
    const text = () =>
      `rules know ${known} series of the gateway, and readings of others are not judged: ` +
      "does something publish under ever new names? Otherwise let rules select fewer";
    return this.#goOn(seriesFull, [moment.cause], "series", count, moment, text);
  }

  /** G1, by how full it is: it ends below `lettersCalm`, not after a quiet time. */
  deadLetters(fill: LetterFill | undefined, at: number): readonly AlertTransition[] {
    if (fill === undefined) return [];
    const { share, count } = fill;
    const moment = { at, cause: `${this.#gateway}/dead-letters` };
    if (share < lettersCalm) return this.#end(({ rule }) => rule === deadLetters, moment);
    if (share < lettersNear || this.#open.some(({ rule }) => rule === deadLetters)) return [];
    const text = () =>
      `${count} dead letters of the gateway take ${Math.round(share * 100)} % of their room: ` +
      "redrive or discard them; beyond it the oldest of the largest group are only counted";
    return this.#goOn(deadLetters, [moment.at], "letters", count, moment, text);
  }

  /** G1: it is over its quota; one begins where that is news, and goes on while it is so. */
  quota(
    what: "events" | "bytes",
    over: Over | undefined,
    moment: Moment,
  ): readonly AlertTransition[] {
    if (over === undefined) return [];
    const isOpen = this.#open.some((open) => open.rule === quota && open.what === what);
    if (!isOpen && !over.isNews) return [];
    return this.#goOn(quota, [what, moment.cause], what, 1, moment, () => over.text);
  }

  /** G4: nothing live came since `since`, in ms by the journal's ticks. */
  silence(since: number, { at, cause }: Moment): readonly AlertTransition[] {
    const text = () =>
      `nothing came from the gateway for ${spanText(at - since)}: it is off, or offline`;
    return this.#goOn(silent, [since], "silent", 1, { at, cause }, text);
  }

  /** G4. */
  hear({ at, cause }: Moment): readonly AlertTransition[] {
    if (this.#open.length === 0) return [];
    return this.#end((condition) => condition.rule === silent, { at, cause });
  }

  /** G4: an operator took it out of service. */
  retire({ at, cause }: Moment): readonly AlertTransition[] {
    if (this.#open.length === 0) return [];
    const reason = "the gateway was taken out of service";
    return this.#end((condition) => condition.rule === silent, { at, cause }, reason);
  }

  /** G1: ends what has been quiet for long enough. */
  settle({ at, cause }: Moment): readonly AlertTransition[] {
    if (this.#open.length === 0) return [];
    const isOver = ({ rule, lastAt }: OpenCondition) =>
      rule !== silent &&
      rule !== deadLetters &&
      at - lastAt >= (rule === quota ? quotaQuietMs : quietMs);
    return this.#end(isOver, { at, cause });
  }

  #end(
    isOver: (condition: OpenCondition) => boolean,
    { at, cause }: Moment,
    reason?: string,
  ): readonly AlertTransition[] {
    const ended = this.#open.filter(isOver);
    if (ended.length === 0) return [];
    this.#open = this.#open.filter((condition) => !ended.includes(condition));
    return ended.flatMap((condition) => {
      const { rule, id, firingAt, count } = condition;
      if (!isReserved(rule)) return [];
      const gateway = this.#gateway;
      const firing = firingOf({ rule, gateway, key: [], at: firingAt, cause, reason: "" });
      return resolvedOf({ ...firing, id }, { at, cause, reason: reason ?? endText(rule, count) });
    });
  }

  #fork({ kind, epoch, other }: ForkFinding, moment: Moment): readonly AlertTransition[] {
    const beside = other === undefined ? "" : ` beside ${other}`;
    if (kind === "restored") {
      const store = "the gateway's store was put back or began anew";
      const reason = `${store}: epoch ${epoch} goes on${beside}`;
      return this.#atOnce("system-restored", [epoch, other], moment, reason);
    }
    const text = () => `two machines act as this gateway: epoch ${epoch} goes on${beside}`;
    const key = [epoch, other, moment.cause];
    return this.#goOn("system-identity-conflict", key, "fork", 1, moment, text);
  }

  #atOnce(
    rule: ReservedRule,
    key: readonly unknown[],
    { at, cause }: Moment,
    reason: string,
  ): readonly AlertTransition[] {
    const firing = firingOf({ rule, gateway: this.#gateway, key, at, cause, reason });
    return [firing, resolvedOf(firing, { at, cause, reason: "told once; nothing to wait for" })];
  }

  #goOn(
    rule: ReservedRule,
    key: readonly unknown[],
    what: string,
    count: number,
    { at, cause }: Moment,
    text: (what: string, count: number) => string,
  ): readonly AlertTransition[] {
    const own = this.#open.length < openMax ? what : allOthers;
    const known =
      this.#open.find((one) => one.rule === rule && one.what === what) ??
      this.#open.find((one) => one.rule === rule && one.what === own);
    if (known !== undefined) {
      const more = { ...known, lastAt: Math.max(known.lastAt, at), count: known.count + count };
      this.#open = this.#open.map((one) => (one === known ? more : one));
      return [];
    }
    const reason = text(own, count);
    const firing = firingOf({ rule, gateway: this.#gateway, key, at, cause, reason });
    const { id } = firing;
    this.#open.push({ rule, what: own, id, firingAt: at, lastAt: at, count });
    return [firing];
  }
}

function rollbackLossText(_what: string, count: number): string {
  return `the engine went back, and the gateway no longer keeps ${count} events that it had taken`;
}

function lossText(what: string, count: number): string {
  return `${count} events are lost: ${what}`;
}

function endText(rule: ReservedRule, count: number): string {
  if (rule === "system-identity-conflict") return "one machine alone goes on";
  if (rule === silent) return "the gateway is heard again";
  if (rule === quota) return "it keeps to its quota again, and may send freely";
  if (rule === deadLetters) return "there is room for dead letters again";
  if (rule === seriesFull) return `all readings are judged again; ${count} were not`;
  return `no more is lost; it was ${count} events in all`;
}

function spanText(ms: number): string {
  return ms < 120_000
    ? `${Math.round(ms / 1_000)} s`
    : `${inWords(Math.round(ms / 6_000) / 10)} min`;
}
