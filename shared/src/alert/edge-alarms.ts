/**
 * What the cloud knows of the alarms that a gateway raises itself. They come as `alarm` events on its
 * priority log, in order, and become alerts under the same ids.
 *
 *   R1  The gateway says which rules it judges; verdicts of the cloud's own rules of these names, and
 *       on what an open alarm is about, count for nothing. What the cloud had opened of such a rule is
 *       ended at the next heartbeat, unless the gateway raises the same alert meanwhile.
 *   R2  An alarm that comes long after it was raised may be over. It is held until its end comes, and
 *       both go to the digest; or until a heartbeat says that the cloud has taken something since, or
 *       something comes fresh: then it is news.
 *   R3  The gateway says which alarms are open; others of it are ended.
 *   R4  Bounded by bytes: beyond, alarms are told and not followed.
 */
import { z } from "zod";
import type { AlarmEvent, AlarmTransition, Event } from "../event.ts";
import { alarmTransitionSchema } from "../event.ts";
import type { AlertTransition } from "./alert.ts";

type SystemEvent = Extract<Event, { kind: "system" }>;

/** R2: one that came faster is news at once. */
const freshMs = 60_000;
/** R4. With the alerts of the cloud's own rules it stays below the server's max_payload. */
const bytesMax = 96 * 1_024;
const rulesMax = 1_000;

/** An event as the cloud took it. */
export interface FromGateway<Of = Event> {
  readonly id: string;
  readonly gateway: string;
  readonly event: Of;
  /** In ms. */
  readonly receivedAt: number;
  /** When the journal had it, in ms; undefined where nobody knows. */
  readonly storedAt: number | undefined;
  readonly isDated: boolean;
}

const openSchema = z.object({
  alarm: alarmTransitionSchema,
  /** Of its event, in ms. */
  receivedAt: z.number(),
  /** R2: nobody was told yet. */
  held: z.literal(true).exactOptional(),
});
type Row = z.infer<typeof openSchema>;

export const edgeAlarmsSchema = z.object({
  judges: z.array(z.string()),
  /** R1: what the cloud had opened is not ended yet. */
  taking: z.literal(true).exactOptional(),
  /** R4: told, and not followed. */
  beyond: z.int().min(0),
  open: z.array(openSchema),
});

export class EdgeAlarms {
  #judges: ReadonlySet<string> = new Set();
  #isTaking = false;
  #beyond = 0;
  readonly #open = new Map<string, Row>();
  /** The rows' places. */
  readonly #places = new Map<string, string>();
  #bytes = 0;
  /** Set by every change, and by its owner. */
  isChanged = false;

  /** R1: what the cloud's own rule says of that place does not count. */
  judges(rule: string, device: string, metric: string): boolean {
    if (this.#judges.size === 0 && this.#places.size === 0) return false;
    return this.#judges.has(rule) || this.#places.has(placeOf(rule, device, metric));
  }

  /** R1: rules whose alerts the cloud has to end now; after a heartbeat. */
  takeOver(): ReadonlySet<string> {
    if (!this.#isTaking) return nothing;
    this.#isTaking = false;
    this.isChanged = true;
    return this.#judges;
  }

  /** `endOwn` ends the cloud's own alert of that place: what is told of it; undefined where it is the same one. */
  take(
    taken: FromGateway<AlarmEvent>,
    endOwn: (alarm: AlarmTransition) => readonly AlertTransition[] | "same",
  ): readonly AlertTransition[] {
    return taken.event.transitions.flatMap((alarm) => {
      return alarm.state === "firing"
        ? this.#fire(alarm, taken, endOwn)
        : this.#resolve(alarm, taken);
    });
  }

  /** What else of the priority log tells something of them. */
  hear(taken: FromGateway): readonly AlertTransition[] {
    const { event } = taken;
    const isSystem = event.kind === "system";
    const told = isSystem ? this.#hearSystem(taken as FromGateway<SystemEvent>) : [];
    return isFresh(taken) ? [...told, ...this.#release(() => true, taken)] : told;
  }

  /** The gateway is out of service: nobody will end them. */
  endAll(at: Pick<FromGateway, "id" | "gateway" | "receivedAt">): readonly AlertTransition[] {
    const ids = [...this.#open.keys()];
    return ids.flatMap((id) => this.#end(id, at, "the gateway is out of service"));
  }

  encode(): unknown {
    const isEmpty = this.#judges.size === 0 && this.#open.size === 0 && this.#beyond === 0;
    if (isEmpty) return undefined;
    const taking = this.#isTaking ? { taking: true as const } : {};
    const open = [...this.#open.values()];
    return { judges: [...this.#judges], ...taking, beyond: this.#beyond, open };
  }

  static decode(encoded: z.infer<typeof edgeAlarmsSchema> | undefined): EdgeAlarms {
    const alarms = new EdgeAlarms();
    if (encoded === undefined) return alarms;
    alarms.#judges = new Set(encoded.judges);
    alarms.#isTaking = encoded.taking === true;
    alarms.#beyond = encoded.beyond;
    for (const row of encoded.open) alarms.#put(row);
    return alarms;
  }

  #fire(
    alarm: AlarmTransition,
    taken: FromGateway<AlarmEvent>,
    endOwn: (alarm: AlarmTransition) => readonly AlertTransition[] | "same",
  ): readonly AlertTransition[] {
    if (this.#open.has(alarm.id)) return [];
    this.isChanged = true;
    const before = this.#places.get(placeOf(alarm.rule, alarm.device, alarm.metric));
    const ended = before === undefined ? [] : this.#end(before, taken, "another alarm follows");
    const own = endOwn(alarm);
    const { receivedAt } = taken;
    const isHeld = !isFresh(taken) && own !== "same";
    const row: Row = { alarm, receivedAt, ...(isHeld ? { held: true as const } : {}) };
    const isKept = this.#put(row);
    if (own === "same") return ended;
    if (isHeld && isKept) return [...ended, ...own];
    return [...ended, ...own, alertOf(alarm, taken.gateway, false)];
  }

  #resolve(
    alarm: AlarmTransition,
    { gateway }: Pick<FromGateway, "gateway">,
  ): readonly AlertTransition[] {
    const row = this.#open.get(alarm.id);
    if (row === undefined) {
      if (this.#beyond === 0) return [];
      this.#beyond -= 1;
      this.isChanged = true;
      return [alertOf(alarm, gateway, false)];
    }
    this.#remove(row);
    const resolved = alertOf(alarm, gateway, row.held === true);
    return row.held ? [alertOf(row.alarm, gateway, true), resolved] : [resolved];
  }

  #hearSystem(taken: FromGateway<SystemEvent>): readonly AlertTransition[] {
    const { name, fields = {} } = taken.event;
    switch (name) {
      case "rules":
        return this.#told(wordsOf(fields["names"]), wordsOf(fields["open"]), taken);
      case "started":
        // Whoever judges says so behind it.
        return fields["rules"] === undefined ? this.#told([], [], taken) : [];
      case "heartbeat": {
        const agoMs = fields["takenAgoMs"];
        if (typeof agoMs !== "number") return [];
        const tookAt = taken.receivedAt - agoMs;
        return this.#release(({ receivedAt }) => receivedAt < tookAt, taken);
      }
      default:
        return [];
    }
  }

  /** R1, R3. */
  #told(
    names: readonly string[],
    open: readonly string[],
    taken: FromGateway,
  ): readonly AlertTransition[] {
    const judges = new Set(names.slice(0, rulesMax));
    const more = [...judges].some((name) => !this.#judges.has(name));
    if (more) this.#isTaking = true;
    if (more || judges.size !== this.#judges.size) this.isChanged = true;
    this.#judges = judges;
    const known = new Set(open);
    if (open.length === 0 && this.#beyond > 0) {
      this.#beyond = 0;
      this.isChanged = true;
    }
    const lost = [...this.#open.keys()].filter((id) => !known.has(id));
    return lost.flatMap((id) => this.#end(id, taken, "the gateway no longer knows of it"));
  }

  #end(
    id: string,
    taken: Pick<FromGateway, "id" | "gateway" | "receivedAt">,
    reason: string,
  ): readonly AlertTransition[] {
    const row = this.#open.get(id);
    if (row === undefined) return [];
    const at = Math.max(row.alarm.firingAt, taken.receivedAt);
    const { evidence: _evidence, ...alarm } = row.alarm;
    const ended = {
      ...alarm,
      state: "resolved",
      at,
      value: null,
      cause: taken.id,
      reason,
    } as const;
    return this.#resolve(ended, taken);
  }

  /** R2: still firing. */
  #release(isDue: (row: Row) => boolean, { gateway }: FromGateway): readonly AlertTransition[] {
    const due = [...this.#open.values()].filter((row) => row.held && isDue(row));
    return due.map((row) => {
      const { held: _held, ...open } = row;
      this.#remove(row);
      this.#put(open);
      return alertOf(row.alarm, gateway, false);
    });
  }

  /** R4. False where there is no room. */
  #put(row: Row): boolean {
    // What it looked like is told once, and no part of how it stands.
    const { evidence: _evidence, ...bare } = row.alarm;
    const kept = row.held ? row : { ...row, alarm: bare };
    const bytes = Buffer.byteLength(JSON.stringify(kept));
    if (this.#bytes + bytes > bytesMax) {
      this.#beyond += 1;
      return false;
    }
    this.#bytes += bytes;
    const { id, rule, device, metric } = row.alarm;
    this.#open.set(id, kept);
    this.#places.set(placeOf(rule, device, metric), id);
    return true;
  }

  #remove(row: Row): void {
    const { id, rule, device, metric } = row.alarm;
    this.isChanged = true;
    this.#bytes -= Buffer.byteLength(JSON.stringify(row));
    this.#open.delete(id);
    const place = placeOf(rule, device, metric);
    if (this.#places.get(place) === id) this.#places.delete(place);
  }
}

const nothing: ReadonlySet<string> = new Set();

function isFresh({ receivedAt, storedAt = receivedAt, isDated }: FromGateway): boolean {
  return !isDated || storedAt - receivedAt <= freshMs;
}

function placeOf(rule: string, device: string, metric: string): string {
  return JSON.stringify([rule, device, metric]);
}

function wordsOf(value: unknown): readonly string[] {
  return typeof value === "string" ? value.split(" ").filter(Boolean) : [];
}

function alertOf(alarm: AlarmTransition, gateway: string, late: boolean): AlertTransition {
  const { unit, ...rest } = alarm;
  return { ...rest, unit, gateway, late, raisedBy: "edge" };
}
