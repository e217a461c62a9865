/** Events as they are taken, for tests. */
import type { Event, Reading } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import type { TakenEvent } from "../../ingest/fold.ts";

export function taken(over: Partial<TakenEvent> = {}): TakenEvent {
  const position = over.position ?? 1;
  return {
    id: `gw-1/${over.epoch ?? "1-00000001"}/telemetry/${position}`,
    gateway: gatewayId("gw-1"),
    lane: "live",
    epoch: "1-00000001",
    log: "telemetry",
    position,
    event: readings("freezer-1", { temperature: -18 }),
    receivedAt: 1_000,
    timeQuality: "synchronised",
    late: false,
    effect: true,
    ...over,
  };
}

export function readings(
  device: string,
  values: Readonly<Record<string, Reading["value"]>>,
): Event {
  const list = Object.entries(values).map(([metric, value]) => ({
    metric,
    value,
    quality: "good",
  }));
  return event({ device, kind: "reading", readings: list });
}

export function heartbeat(fields: Readonly<Record<string, number | null>>): Event {
  return event({ kind: "system", name: "heartbeat", detail: "", fields });
}

/** An event with the fields that all have filled in. */
export function event(fields: Readonly<Record<string, unknown>>): Event {
  return eventSchema.parse({ device: null, topic: null, bootMs: 0, observedAt: null, ...fields });
}
