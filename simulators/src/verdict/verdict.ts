/**
 * Compares what a broker acknowledged with what the engine took: every acknowledged publish once,
 * in order per device.
 *
 *   lost        acknowledged and never taken
 *   repeated    one event id twice, or one publish as two events though it was sent only once
 *   resent      one publish as two events where the client had to send it again: MQTT's QoS 1
 *               leaves the broker no sure way to tell, so this is counted and no fault
 *   misordered  taken after a later publish of the same device, within an epoch
 *   late        marked as late, by the lane `history`, or after a newer epoch: no fault
 *
 * All acknowledgements are told first, then the tail, line by line.
 */
import { DeviceHistory } from "./device-history.ts";
import { EventIds } from "./event-ids.ts";
import type { Acked, TailReading } from "./lines.ts";
import { ackedOf, tailReadingOf } from "./lines.ts";

export const examplesMax = 10;

export interface Example {
  readonly device: string;
  readonly seq: number | null;
  readonly detail: string;
}

interface Lateness {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface VerdictResult {
  readonly good: boolean;
  readonly acked: number;
  /** Publishes taken, each counted once. */
  readonly taken: number;
  readonly lost: number;
  readonly repeated: number;
  readonly misordered: number;
  readonly late: number;
  readonly resent: number;
  /** Taken though no PUBACK was seen: the run ended in between. */
  readonly unacknowledged: number;
  /** Lines that are neither an acknowledgement nor a reading. */
  readonly unreadable: number;
  /** receivedAt minus ackedAt; null where no line has both. */
  readonly lateness: Lateness | null;
  readonly examples: Readonly<Record<Finding, readonly Example[]>>;
}

const findings = ["lost", "repeated", "misordered", "late", "unreadable"] as const;
type Finding = (typeof findings)[number];

export interface VerdictOptions {
  /** Only what came by this gateway is looked at. */
  readonly gateway?: string | undefined;
}

export class Verdict {
  readonly #gateway: string | undefined;
  readonly #devices = new Map<string, DeviceHistory>();
  readonly #ids = new EventIds();
  readonly #counts = { acked: 0, taken: 0, late: 0, misordered: 0, repeated: 0 };
  readonly #examples: Record<Finding, Example[]>;
  readonly #lateness: number[] = [];
  #unacknowledged = 0;
  #unreadable = 0;

  constructor(options: VerdictOptions = {}) {
    this.#gateway = options.gateway;
    this.#examples = { lost: [], repeated: [], misordered: [], late: [], unreadable: [] };
  }

  /** False where the line names a publish for the second time: the file is of several runs. */
  ackedLine(line: string): boolean {
    if (line.trim() === "") return true;
    const acked = ackedOf(line);
    if (acked === undefined) this.#unreadableLine(line);
    return acked === undefined || this.#acked(acked);
  }

  tailLine(line: string): void {
    if (line.trim() === "") return;
    const reading = tailReadingOf(line);
    if (reading === "other") return;
    if (reading === undefined) this.#unreadableLine(line);
    else if (this.#gateway === undefined || reading.gateway === this.#gateway) this.#tail(reading);
  }

  result(): VerdictResult {
    const lost = this.#countLost();
    const { copies, resent } = this.#countCopies();
    const { acked, taken, late, misordered } = this.#counts;
    const repeated = this.#counts.repeated + copies;
    const unreadable = this.#unreadable;
    return {
      good: acked > 0 && lost + repeated + misordered + unreadable === 0,
      ...{ acked, taken, lost, repeated, misordered, late, resent },
      unacknowledged: this.#unacknowledged,
      unreadable,
      lateness: latenessOf(this.#lateness),
      examples: this.#examples,
    };
  }

  #acked({ device, seq, ackedAt, resends }: Acked): boolean {
    let history = this.#devices.get(device);
    if (history === undefined) {
      history = new DeviceHistory();
      this.#devices.set(device, history);
    }
    if (!history.acked.add(seq)) return false;
    this.#counts.acked += 1;
    if (ackedAt !== undefined) history.setAckedAt(seq, ackedAt);
    if (resends > 0) history.resends.set(seq, resends);
    return true;
  }

  #tail(reading: TailReading): void {
    const { gateway, epoch, log, position, place, device, seq, id } = reading;
    const state = this.#ids.see(`${gateway}/${epoch}/${log}`, position, place);
    if (state === "repeated") {
      this.#counts.repeated += 1;
      this.#example("repeated", device, seq, `id ${id} came twice`);
    }
    const history = this.#devices.get(device);
    if (state !== "new" || seq === undefined || history === undefined) return;
    if (history.taken.add(seq)) this.#first(reading, seq, history);
    else history.copies.set(seq, (history.copies.get(seq) ?? 0) + 1);
  }

  #first(reading: TailReading, seq: number, history: DeviceHistory): void {
    const { device, id, lane, late, receivedAt, ordinal } = reading;
    this.#counts.taken += 1;
    if (!history.acked.has(seq)) this.#unacknowledged += 1;
    const order = history.orderOf(reading.gateway, reading.log);
    const { older, after } = order.place(reading.epoch, ordinal, seq);
    if (older || late) {
      this.#counts.late += 1;
      this.#example("late", device, seq, `id ${id} by lane ${lane}`);
    }
    if (after !== undefined) {
      this.#counts.misordered += 1;
      this.#example("misordered", device, seq, `id ${id} came after seq ${after}`);
    }
    const latenessMs = (receivedAt ?? Number.NaN) - history.ackedAt(seq);
    if (!Number.isNaN(latenessMs)) this.#lateness.push(latenessMs);
  }

  #countLost(): number {
    let lost = 0;
    for (const [device, { acked, taken }] of this.#devices) {
      for (const seq of acked.numbers()) {
        if (taken.has(seq)) continue;
        lost += 1;
        this.#example("lost", device, seq, "acknowledged, never taken");
      }
    }
    return lost;
  }

  /** A publish without a PUBACK in the file may have been sent again any number of times. */
  #countCopies(): { readonly copies: number; readonly resent: number } {
    let copies = 0;
    let resent = 0;
    for (const [device, history] of this.#devices) {
      for (const [seq, extra] of history.copies) {
        const allowed = history.acked.has(seq) ? (history.resends.get(seq) ?? 0) : extra;
        resent += Math.min(extra, allowed);
        if (extra <= allowed) continue;
        copies += extra - allowed;
        this.#example("repeated", device, seq, `${extra + 1} events, sent ${allowed + 1} times`);
      }
    }
    return { copies, resent };
  }

  #unreadableLine(line: string): void {
    this.#unreadable += 1;
    this.#example("unreadable", "", undefined, line.slice(0, 200));
  }

  #example(finding: Finding, device: string, seq: number | undefined, detail: string): void {
    const examples = this.#examples[finding];
    if (examples.length < examplesMax) examples.push({ device, seq: seq ?? null, detail });
  }
}

function latenessOf(values: readonly number[]): Lateness | null {
  if (values.length === 0) return null;
  const sorted = Float64Array.from(values).sort();
  const at = (share: number) => sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN;
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99) };
}
