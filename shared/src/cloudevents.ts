/** The lossless mapping of a taken event to CloudEvents 1.0 (JSON format, spec §2-3). */
import type { Event, EventKind } from "./event.ts";
import { eventVersion } from "./event.ts";
import type { DerivedEvent } from "./rules/derived-event.ts";

export interface EventPlace {
  readonly id: string;
  readonly gateway: string;
  readonly receivedAt: number;
}

export interface CloudEvent {
  readonly specversion: "1.0";
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly time: string;
  readonly datacontenttype: "application/json";
  readonly dataschema: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export function cloudEvent(place: EventPlace, event: Event): CloudEvent {
  const { kind, device, bootMs: _boot, ...data } = event;
  const gateway = `/gateways/${encodeURIComponent(place.gateway)}`;
  return {
    specversion: "1.0",
    id: place.id,
    source: device === null ? gateway : `${gateway}/devices/${encodeURIComponent(device)}`,
    type: `dev.causeway.${kind}.v${eventVersion}`,
    time: new Date(event.observedAt ?? place.receivedAt).toISOString(),
    datacontenttype: "application/json",
    dataschema: dataSchemaOf(kind),
    data: { ...data, receivedAt: place.receivedAt },
  };
}

/** A derived event by the same mapping. */
export function derivedCloudEvent(event: DerivedEvent): Omit<CloudEvent, "dataschema"> {
  const { id, gateway, device, at, kind, ...data } = event;
  const source = `/gateways/${encodeURIComponent(gateway)}`;
  return {
    specversion: "1.0",
    id,
    source: device === "" ? source : `${source}/devices/${encodeURIComponent(device)}`,
    type: `dev.causeway.${kind}.v${eventVersion}`,
    time: new Date(at).toISOString(),
    datacontenttype: "application/json",
    data,
  };
}

/** The name of the schema of `data`; its text is shared/schema/cloudevents/<kind>.v1.json. */
export function dataSchemaOf(kind: EventKind): string {
  return `urn:causeway:schema:${kind}:v${eventVersion}`;
}
