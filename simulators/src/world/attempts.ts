/** Every call of a gateway's publish by a device, and what became of it. */
import type { Event } from "@causeway/shared/event.ts";

export interface Attempt {
  readonly device: string;
  readonly seq: number;
  readonly attempt: number;
  /** Calls of all devices are numbered in their order. */
  readonly call: number;
  /** Of the machine whose disk keeps it. */
  readonly machine: string;
  isAcknowledged: boolean;
  /** Synced writes of the machine's disk when it was acknowledged. */
  diskWrite: number;
  /** The disk that kept it was replaced, or had lied. */
  isDiskLost: boolean;
}

export function nameOf({ device, seq, attempt }: Pick<Attempt, "device" | "seq" | "attempt">) {
  return `${device} seq ${seq} attempt ${attempt}`;
}

/** The attempt that an event came of, a stub's too; undefined for events of the gateway itself. */
export function nameIn(event: Event): string | undefined {
  if (event.kind === "reading") {
    const value = (metric: string) => event.readings.find((each) => each.metric === metric)?.value;
    return `${event.device} seq ${value("seq")} attempt ${value("attempt")}`;
  }
  if (event.kind !== "quarantined") return undefined;
  const text = Buffer.from(event.payload, "base64").toString("utf8");
  if (event.reason === "refused") return nameIn(JSON.parse(text));
  const device = event.device ?? event.topic?.split("/")[1];
  const [, seq, attempt] = payload.exec(text) ?? [];
  return `${device} seq ${seq} attempt ${attempt}`;
}

const payload = /"seq":([0-9]+),"attempt":([0-9]+)/;
