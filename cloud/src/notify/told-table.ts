/** Who was told of which alert, by what the receivers' ledgers hold of it: bucket NOTIFY, followed. */
import { decodeNotification } from "@causeway/shared/notify/plan-codec.ts";
import type { DoneNotification } from "@causeway/shared/notify/told-record.ts";
import { decodeDone } from "@causeway/shared/notify/told-record.ts";
import { notifyBucket } from "@causeway/shared/subjects.ts";

/** Of the bucket; the rest of a ledger is its notifier's alone. */
export const toldSubjects = ["done", "told"].map((kind) => `$KV.${notifyBucket}.*.${kind}.*`);

export interface Telling {
  readonly receiver: string;
  readonly reason: DoneNotification["reason"];
  /** Of the alert, as it was told. */
  readonly state: "firing" | "resolved";
  readonly outcome: "delivered" | "dead" | "waiting";
  /** Delivered or given up; decided, while it waits. */
  readonly at: number;
  /** Why it was given up. */
  readonly detail: string;
}

export class ToldTable {
  readonly #records = new Map<string, ReadonlyMap<string, Telling>>();
  readonly #byAlert = new Map<string, Map<string, Telling>>();

  clear(): void {
    this.#records.clear();
    this.#byAlert.clear();
  }

  /** `<receiver>.<record>`. Throws where it cannot be read. */
  take(key: string, text: string): void {
    for (const alert of this.#records.get(key)?.keys() ?? []) this.#drop(alert, key);
    this.#records.delete(key);
    if (text === "") return;
    const [receiver = "", kind] = key.split(".", 2);
    const own = kind === "done" ? doneOf(receiver, text) : waitingOf(receiver, text);
    this.#records.set(key, own);
    for (const [alert, telling] of own) {
      const known = this.#byAlert.get(alert) ?? new Map<string, Telling>();
      this.#byAlert.set(alert, known.set(key, telling));
    }
  }

  /** Oldest first. */
  of(alert: string): readonly Telling[] {
    const own = [...(this.#byAlert.get(alert)?.values() ?? [])];
    return own.sort((left, right) => left.at - right.at);
  }

  #drop(alert: string, key: string): void {
    const known = this.#byAlert.get(alert);
    known?.delete(key);
    if (known?.size === 0) this.#byAlert.delete(alert);
  }
}

function doneOf(receiver: string, text: string): ReadonlyMap<string, Telling> {
  const { reason, endedAt: at, outcome, detail, firing, resolved } = decodeDone(text);
  return tellings({ receiver, reason, outcome, at, detail }, firing, resolved);
}

function waitingOf(receiver: string, text: string): ReadonlyMap<string, Telling> {
  const { reason, at, firing, resolved } = decodeNotification(text);
  const ids = (alerts: typeof firing) => alerts.map(({ id }) => id);
  const own = { receiver, reason, outcome: "waiting", at, detail: "" } as const;
  return tellings(own, ids(firing), ids(resolved));
}

function tellings(
  own: Omit<Telling, "state">,
  firing: readonly string[],
  resolved: readonly string[],
): ReadonlyMap<string, Telling> {
  const of = (state: Telling["state"]) => (alert: string) => [alert, { ...own, state }] as const;
  return new Map([...firing.map(of("firing")), ...resolved.map(of("resolved"))]);
}
