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
    time: timeOf(event.observedAt ?? place.receivedAt, place.receivedAt),
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
    time: timeOf(at, event.receivedAt),
    datacontenttype: "application/json",
    data,
  };
}

/**
 * RFC 3339 has years of four digits. Without a time readers put in their own present, so one that it
 * cannot state gives way to that of the gateway; the data has it as it was.
 */
const timeMsFirst = Date.parse("0000-01-01T00:00:00Z");
const timeMsLast = Date.parse("9999-12-31T23:59:59.999Z");

function timeOf(ms: number, receivedAt: number): string {
  const isStatable = ms >= timeMsFirst && ms <= timeMsLast;
  const stated = isStatable ? ms : Math.min(Math.max(receivedAt, timeMsFirst), timeMsLast);
  return new Date(stated).toISOString();
}

/** The name of the schema of `data`; its text is shared/schema/cloudevents/<kind>.v1.json. */
export function dataSchemaOf(kind: EventKind): string {
  return `urn:causeway:schema:${kind}:v${eventVersion}`;
}
