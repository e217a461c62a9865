/**
 * What is known of each gateway by what came of it, bounded: at `gatewaysMax` the one that was not
 * heard of for the longest time goes, at `lossReasonsMax` further reasons count as one.
 */
import { isGatewayId } from "@causeway/shared/names.ts";
import { z } from "zod";
import type { TakenEvent } from "../ingest/fold.ts";
import { lossReason } from "../ingest/fold.ts";

/** What a gateway last said of itself. */
export interface Heartbeat {
  readonly receivedAt: number;
  readonly untakenEvents: number;
  readonly outboxBytes: number;
  readonly appended: number;
  readonly quarantined: number;
  /** Null while the cloud never took anything. */
  readonly takenAgoMs: number | null;
  /** As the gateway plans within its budget; null where it cannot tell, undefined where it has none. */
  readonly drainMs?: number | null | undefined;
  /** Sent since its midnight, and what a day may send. */
  readonly budget?: { readonly bytes: number; readonly bytesMax: number } | undefined;
}

export interface Loss {
  /** As it was stated; `thinned` for what became roll-ups. */
  readonly reason: string;
  readonly events: number;
  readonly lastAt: number;
}

export interface GatewayView {
  readonly gateway: string;
  readonly partition: number;
  /** The newest epoch that came by `live` or `priority`. */
  readonly epoch: string;
  /** When the gateway received its newest event, in ms. */
  readonly receivedAt: number;
  /** When the journal stored its newest batch, in ms: it was connected then. */
  readonly storedAt: number;
  readonly events: number;
  readonly readings: number;
  readonly late: number;
  readonly quarantined: number;
  readonly dead: number;
  /** Since its last start, as far as it told one. */
  readonly version: string;
  /** As the last heartbeat says. */
  readonly clock: string;
  readonly heartbeat: Heartbeat | undefined;
  /** When and how many events waited, by the last heartbeats, oldest first. */
  readonly recent: readonly (readonly [at: number, untakenEvents: number])[];
  readonly losses: readonly Loss[];
}

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

export const recentHeartbeatsMax = 60;
export const lossReasonsMax = 16;
const otherReason = "other";
const textMax = 64;

const count = z.number().min(0);
export const gatewayStateSchema: z.ZodType<GatewayView> = z.object({
  gateway: z.string().refine(isGatewayId),
  partition: count,
  ...{ epoch: z.string(), receivedAt: z.number(), storedAt: z.number() },
  ...{ events: count, readings: count, late: count, quarantined: count, dead: count },
  ...{ version: z.string(), clock: z.string() },
  heartbeat: z
    .object({
      ...{ receivedAt: z.number(), untakenEvents: z.number(), outboxBytes: z.number() },
      ...{ appended: z.number(), quarantined: z.number(), takenAgoMs: z.number().nullable() },
      drainMs: z.number().nullable().optional(),
      budget: z.object({ bytes: z.number(), bytesMax: z.number() }).optional(),
    })
    .optional()
    .transform((heartbeat) => heartbeat),
  recent: z.array(z.tuple([z.number(), z.number()])).max(recentHeartbeatsMax),
  losses: z
    .array(z.object({ reason: z.string(), events: count, lastAt: z.number() }))
    .max(lossReasonsMax + 1),
});

export class GatewayTable {
  readonly #max: number;
  readonly #rows = new Map<string, Mutable<GatewayView>>();

  constructor(gatewaysMax: number) {
    this.#max = gatewaysMax;
  }

  get size(): number {
    return this.#rows.size;
  }

  get(gateway: string): GatewayView | undefined {
    return this.#rows.get(gateway);
  }

  all(): readonly GatewayView[] {
    return [...this.#rows.values()];
  }

  clear(): void {
    this.#rows.clear();
  }

  restore(row: GatewayView): void {
    this.#rows.set(row.gateway, { ...row });
  }

  /** The row, to be counted on by its event's kind. */
  take(taken: TakenEvent): Mutable<GatewayView> {
    const row = this.#rows.get(taken.gateway) ?? this.#add(taken);
    row.events++;
    if (taken.late) row.late++;
    else row.epoch = taken.epoch;
    row.receivedAt = Math.max(row.receivedAt, taken.receivedAt);
    const { event, storedAt = taken.receivedAt } = taken;
    if (event.kind === "loss")
      this.lost(taken.gateway, lossReason(event.reason), event.count, storedAt);
    else if (event.kind === "rollup")
      this.lost(taken.gateway, "thinned", event.to - taken.position + 1, storedAt);
    else if (event.kind === "system" && event.name === "started")
      row.version = event.detail.slice(0, textMax);
    else if (event.kind === "system" && event.name === "heartbeat")
      takeHeartbeat(row, taken, event.fields ?? {});
    return row;
  }

  /** A batch of it, with so much in it that cannot be read. */
  stored(gateway: string, partition: number, storedAt: number, dead: number): void {
    const row = this.#rows.get(gateway);
    if (row === undefined) return;
    row.partition = partition;
    row.storedAt = Math.max(row.storedAt, storedAt);
    row.dead += dead;
  }

  lost(gateway: string, stated: string, events: number, at: number): void {
    const row = this.#rows.get(gateway);
    if (row === undefined) return;
    const isKnown = row.losses.some((loss) => loss.reason === stated);
    const hasRoom = isKnown || row.losses.length < lossReasonsMax;
    const reason = hasRoom ? stated.slice(0, textMax) : otherReason;
    const before = row.losses.find((loss) => loss.reason === reason);
    const others = row.losses.filter((loss) => loss !== before);
    const lastAt = Math.max(before?.lastAt ?? 0, at);
    row.losses = [...others, { reason, events: (before?.events ?? 0) + events, lastAt }];
  }

  #add({ gateway, epoch, receivedAt }: TakenEvent): Mutable<GatewayView> {
    if (this.#rows.size >= this.#max) this.#evict();
    const row: Mutable<GatewayView> = {
      ...{ gateway, partition: 0, epoch, receivedAt, storedAt: 0 },
      ...{ events: 0, readings: 0, late: 0, quarantined: 0, dead: 0, version: "", clock: "" },
      ...{ heartbeat: undefined, recent: [], losses: [] },
    };
    this.#rows.set(gateway, row);
    return row;
  }

  #evict(): void {
    let oldest: GatewayView | undefined;
    for (const row of this.#rows.values()) {
      if (oldest === undefined || row.storedAt < oldest.storedAt) oldest = row;
    }
    if (oldest !== undefined) this.#rows.delete(oldest.gateway);
  }
}

/** Heartbeats travel by `priority` and may overtake; an older one is not news. */
function takeHeartbeat(
  row: Mutable<GatewayView>,
  { receivedAt }: TakenEvent,
  fields: Readonly<Record<string, unknown>>,
): void {
  if (row.heartbeat !== undefined && row.heartbeat.receivedAt > receivedAt) return;
  const clock = fields["clock"];
  row.clock = typeof clock === "string" ? clock.slice(0, textMax) : "";
  const untakenEvents = numberOf(fields["untakenEvents"]) ?? 0;
  row.heartbeat = {
    ...{ receivedAt, untakenEvents },
    outboxBytes: numberOf(fields["outboxBytes"]) ?? 0,
    appended: numberOf(fields["appended"]) ?? 0,
    quarantined: numberOf(fields["quarantined"]) ?? 0,
    takenAgoMs: numberOf(fields["takenAgoMs"]),
    ...budgetOf(fields),
  };
  row.recent = [...row.recent, [receivedAt, untakenEvents] as const].slice(-recentHeartbeatsMax);
}

function budgetOf(fields: Readonly<Record<string, unknown>>): Partial<Heartbeat> {
  const drain = "drainMs" in fields ? { drainMs: numberOf(fields["drainMs"]) } : {};
  const [bytes, bytesMax] = ["budgetBytes", "budgetBytesMax"].map((name) => numberOf(fields[name]));
  return bytes == null || bytesMax == null ? drain : { ...drain, budget: { bytes, bytesMax } };
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}
