/**
 * What must hold. The checkers know what devices were told and what was stored, and derive the rest
 * by the plain reader of taken-order.ts.
 *
 *   C0  Nothing throws that nobody catches, and no invariant is broken.
 *   C1  Every acknowledged event is taken.
 *   C2  A mark never claims more than was stored without a gap, and never goes back.
 *   C3  What an alert was told for is covered by the mark of the same commit, and by no earlier one.
 *   C4  The alerts are those of one engine that took the same events without any fault.
 *   C5  Every reader that folds the journal by the ledger takes the same events.
 *   C6  A gateway releases nothing that no mark covers.
 *   C7  In the end everything that is on a gateway's disk is taken and released.
 *   C8  A gateway sends no more than a few times what was appended, and what its processes found
 *       untaken when they began.
 *   C9  Bounds of memory and disk are kept; nobody is told of a rollback that never was.
 *   C10 Nothing is taken twice; what a device sent within an epoch is in the order of its calls.
 *   C11 In the end the marks cover all that was ever stored without a gap.
 *
 * Some faults make some of them void (faults.ts).
 */
import type { AlertMessage, AlertTransition } from "@causeway/cloud/alert/alert.ts";
import type { CommitMessage } from "@causeway/cloud/engine/engine-store.ts";
import { foldMessage, Ledgers } from "@causeway/cloud/ingest/fold.ts";
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import type { Outbox, OutboxBounds } from "@causeway/edge/outbox/outbox.ts";
import type { UplinkStatus } from "@causeway/edge/uplink/uplink.ts";
import { logs } from "@causeway/shared/event.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { Attempt } from "./device.ts";
import type { Traffic } from "./edge-machine.ts";
import type { CheckName } from "./faults.ts";
import { worldAlerting } from "./rules.ts";
import type { Taken } from "./taken-order.ts";
import { TakenOrder } from "./taken-order.ts";

export type Violate = (check: CheckName, what: string) => void;

const trafficFactorMax = 4;
const trafficFreeEvents = 400;
/** What a process finds it may send, and send again after a fault. */
const inheritedFactorMax = 2;
/** Blocks that were in flight when a bound was reached, and room for an epoch's records. */
const boundSlackBytes = 64 * 1_024;

/** Followed while the world runs. */
export class Watch {
  readonly order = new TakenOrder();
  readonly #violate: Violate;
  /** What was committed: the highest position covered, by `<gateway> <epoch> <log>`. */
  readonly #covered = new Map<string, number>();
  readonly #alertIds = new Set<string>();

  constructor(violate: Violate) {
    this.#violate = violate;
  }

  stored(message: JournalMessage): void {
    this.order.take(message);
  }

  covered(gateway: string, epoch: string, log: string): number {
    return this.#covered.get(`${gateway} ${epoch} ${log}`) ?? 0;
  }

  committed(messages: readonly CommitMessage[]): void {
    const before = new Map(this.#covered);
    for (const { subject, data } of messages) {
      if (subject.startsWith("mark.")) this.#checkMark(data);
    }
    for (const { subject, data } of messages) {
      if (!subject.startsWith("alert.")) continue;
      const { transitions } = JSON.parse(data) as AlertMessage;
      for (const transition of transitions) this.#checkTransition(transition, before);
    }
  }

  /** C2. */
  #checkMark(text: string): void {
    const { gateway, epochs } = decodeMark(text);
    for (const { epoch, logs: ledgers } of epochs) {
      for (const log of logs) {
        const { through } = ledgers[log];
        const key = `${gateway} ${epoch} ${log}`;
        const before = this.#covered.get(key) ?? 0;
        const stored = this.order.through(gateway, epoch, log);
        if (through > stored) {
          this.#violate("C2", `the mark covers ${key} through ${through}, stored is ${stored}`);
        }
        if (through < before) this.#violate("C2", `the mark of ${key} fell to ${through}`);
        this.#covered.set(key, Math.max(before, through));
      }
    }
  }

  /** C3. */
  #checkTransition({ id, state, cause }: AlertTransition, before: Map<string, number>): void {
    const [gateway, epoch, log, positionText] = cause.split("/");
    const key = `${gateway} ${epoch} ${log}`;
    const position = Number(positionText);
    if (position > (this.#covered.get(key) ?? 0)) {
      this.#violate("C3", `${state} ${id} was told for ${cause}, which no mark covers`);
    }
    if (position <= (before.get(key) ?? 0)) {
      this.#violate("C3", `${state} ${id} was told for ${cause}, which had its effect before`);
    }
    if (this.#alertIds.has(`${id} ${state}`)) this.#violate("C3", `${state} ${id} was told twice`);
    this.#alertIds.add(`${id} ${state}`);
  }

  /** C11: what was stored is covered by `text`, a gateway's last mark. */
  checkLastMark(gateway: string, text: string | undefined): void {
    const found = text === undefined ? [] : decodeMark(text).epochs;
    const covered = new Map(found.map(({ epoch, logs: ledgers }) => [epoch, ledgers]));
    for (const { epoch, log, position } of this.order.taken.filter(
      (taken) => taken.gateway === gateway,
    )) {
      const through = covered.get(epoch)?.[log].through ?? 0;
      if (position <= through) continue;
      this.#violate("C11", `${epoch} ${log} ${position} was stored, the last mark says ${through}`);
      return;
    }
  }

  /** C6 and C9, at any moment. */
  checkOutbox(gateway: string, outbox: Outbox, bounds: OutboxBounds): void {
    for (const { id, released } of outbox.epochs()) {
      for (const log of logs) {
        const covered = this.covered(gateway, id, log);
        if (released[log] <= covered) continue;
        const what = `${gateway} released ${id} ${log} through ${released[log]}`;
        this.#violate("C6", `${what}, marks cover ${covered}`);
      }
    }
    const { bytes, pendingBytes } = outbox.usage();
    if (bytes > bounds.bytesMax + boundSlackBytes) {
      this.#violate("C9", `${gateway} keeps ${bytes} bytes, the bound is ${bounds.bytesMax}`);
    }
    if (pendingBytes > bounds.pendingBytesMax + boundSlackBytes) {
      this.#violate("C9", `${gateway} has ${pendingBytes} bytes waiting`);
    }
  }

  /** C9, in a world in which nothing was rolled back. */
  checkUplink(gateway: string, { rollbacks }: UplinkStatus): void {
    if (rollbacks > 0) this.#violate("C9", `${gateway} was told of a rollback that never was`);
  }
}

export interface Outcome {
  readonly attempts: readonly Attempt[];
  readonly journal: readonly JournalMessage[];
  readonly alerts: readonly { readonly subject: string; readonly text: string }[];
}

/** C1, C4, C5, C10, once everything is quiet. */
export function checkOutcome({ order }: Watch, outcome: Outcome, violate: Violate): void {
  checkAttempts(order.taken, outcome.attempts, violate);
  checkAlerts(order.taken, outcome.alerts, violate);
  checkFold(order.taken, outcome.journal, violate);
}

/** C1, C10. */
function checkAttempts(
  taken: readonly Taken[],
  attempts: readonly Attempt[],
  violate: Violate,
): void {
  const byName = new Map(attempts.map((attempt) => [nameOf(attempt), attempt]));
  const seen = new Set<string>();
  const lastCall = new Map<string, number>();
  for (const { gateway, epoch, log, position, event } of taken) {
    const name = event === undefined ? undefined : attemptIn(event);
    if (name === undefined) continue;
    const where = `${gateway}/${epoch}/${log}/${position}`;
    const attempt = byName.get(name);
    if (attempt === undefined) violate("C10", `${where} holds ${name}, which no device sent`);
    if (seen.has(name)) violate("C10", `${name} was taken twice, at last as ${where}`);
    seen.add(name);
    const key = `${attempt?.device} ${epoch}`;
    const call = attempt?.call ?? 0;
    if (call < (lastCall.get(key) ?? 0))
      violate("C10", `${name} was taken out of order as ${where}`);
    lastCall.set(key, call);
  }
  for (const attempt of attempts) {
    if (!attempt.isAcknowledged || seen.has(nameOf(attempt))) continue;
    violate("C1", `${nameOf(attempt)} was acknowledged and never taken`);
  }
}

function nameOf({ device, seq, attempt }: Attempt): string {
  return `${device} seq ${seq} attempt ${attempt}`;
}

/** The attempt that an event came of; undefined for events of the gateway itself. */
function attemptIn(event: NonNullable<Taken["event"]>): string | undefined {
  if (event.kind === "reading") {
    const value = (metric: string) => event.readings.find((each) => each.metric === metric)?.value;
    return `${event.device} seq ${value("seq")} attempt ${value("attempt")}`;
  }
  if (event.kind !== "quarantined") return undefined;
  const text = Buffer.from(event.payload, "base64").toString("utf8");
  const [, seq, attempt] = /"seq":([0-9]+),"attempt":([0-9]+)/.exec(text) ?? [];
  return `${event.device ?? event.topic?.split("/")[1]} seq ${seq} attempt ${attempt}`;
}

/** C4. */
function checkAlerts(taken: readonly Taken[], told: Outcome["alerts"], violate: Violate): void {
  const expected = expectedAlerts(taken);
  const found = new Map<string, string[]>();
  for (const { subject, text } of told) {
    const [, , gateway, rule] = subject.split(".");
    const lines = found.get(`${gateway} ${rule}`) ?? [];
    lines.push(...(JSON.parse(text) as AlertMessage).transitions.map(lineOf));
    found.set(`${gateway} ${rule}`, lines);
  }
  for (const key of new Set([...expected.keys(), ...found.keys()])) {
    const [should, are] = [expected.get(key) ?? [], found.get(key) ?? []];
    const at = Array.from(should.length > are.length ? should : are).findIndex(
      (_line, index) => should[index] !== are[index],
    );
    if (at >= 0) violate("C4", `alert ${at + 1} of ${key} is ${are[at]}, expected ${should[at]}`);
  }
}

/** What an undisturbed engine tells, by `<gateway> <rule>`. */
function expectedAlerts(taken: readonly Taken[]): Map<string, string[]> {
  const lines = new Map<string, string[]>();
  const states = new Map(
    [...new Set(taken.map(({ gateway }) => gateway))].map((gateway) => [
      gateway,
      { detection: worldAlerting.detection(), alerts: worldAlerting.alerts() },
    ]),
  );
  for (const { gateway, epoch, log, position, event, receivedAt, late } of taken) {
    const state = states.get(gateway);
    if (event?.kind !== "reading" || event.device === null || state === undefined) continue;
    for (const [index, reading] of event.readings.entries()) {
      const observation = {
        ...{ id: `${gateway}/${epoch}/${log}/${position}/${index}`, gateway, receivedAt, late },
        ...{ device: event.device, metric: reading.metric, value: reading.value },
        ...{ unit: reading.unit, quality: reading.quality },
        observedAt: reading.observedAt ?? event.observedAt,
      };
      const verdicts = worldAlerting.observe(state.detection, observation);
      for (const transition of worldAlerting.advance(state.alerts, verdicts, observation)) {
        const key = `${gateway} ${transition.rule}`;
        lines.set(key, [...(lines.get(key) ?? []), lineOf(transition)]);
      }
    }
  }
  return lines;
}

function lineOf({ id, state, cause, at, firingAt }: AlertTransition): string {
  return `${state} ${id} at ${at} since ${firingAt} for ${cause}`;
}

/** C5. */
function checkFold(
  taken: readonly Taken[],
  journal: readonly JournalMessage[],
  violate: Violate,
): void {
  const ledgers = new Ledgers();
  const ids: string[] = [];
  for (const message of journal) {
    for (const { id } of foldMessage(ledgers, message)?.taken ?? []) ids.push(id);
  }
  const expected = taken.map(
    ({ gateway, epoch, log, position }) => `${gateway}/${epoch}/${log}/${position}`,
  );
  const at = Array.from(ids.length > expected.length ? ids : expected).findIndex(
    (_id, index) => ids[index] !== expected[index],
  );
  if (at >= 0)
    violate("C5", `taken ${at + 1} is ${ids[at]} by the ledger, expected ${expected[at]}`);
}

/** C8. */
export function checkTraffic(
  gateway: string,
  { sent, appended, inherited }: Traffic,
  violate: Violate,
): void {
  const sentMax = trafficFactorMax * appended + inheritedFactorMax * inherited + trafficFreeEvents;
  if (sent <= sentMax) return;
  const of = `${appended} appended and ${inherited} inherited`;
  violate("C8", `${gateway} sent ${sent} positions of ${of}`);
}
