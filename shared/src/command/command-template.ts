/**
 * The payload of a command that an alert causes: a text, or JSON, whose texts are templates such as
 * `{device} is at {value}`. Where a text is one placeholder alone, the value itself stands there.
 */
import { z } from "zod";
import type { AlertTransition } from "../alert/alert.ts";
import { renderMessage, templateSchema } from "../rules/message.ts";

export const payloadFields = [
  ...["rule", "severity", "state", "gateway", "device", "metric", "value", "unit", "reason"],
  ...["at", "firingAt", "alert"],
] as const;

const template = templateSchema(payloadFields);

export type PayloadTemplate =
  | string
  | number
  | boolean
  | null
  | readonly PayloadTemplate[]
  | { readonly [key: string]: PayloadTemplate };

/** Checked when the configuration is read. */
export const payloadTemplate: z.ZodType<PayloadTemplate> = z.lazy(() =>
  z.union([
    template,
    z.literal(""),
    z.number(),
    z.boolean(),
    z.null(),
    z.array(payloadTemplate).max(1_000),
    z.record(z.string(), payloadTemplate),
  ]),
);

export function renderPayload(payload: PayloadTemplate, alert: AlertTransition): unknown {
  return rendered(payload, fieldsOf(alert));
}

type Fields = Readonly<Record<string, string | number | boolean>>;

function rendered(payload: PayloadTemplate, fields: Fields): unknown {
  if (typeof payload === "string") {
    const [, only] = /^\{([a-zA-Z]+)\}$/.exec(payload) ?? [];
    return only === undefined ? renderMessage(payload, fields) : (fields[only] ?? null);
  }
  if (typeof payload !== "object" || payload === null) return payload;
  if (Array.isArray(payload)) return payload.map((each) => rendered(each, fields));
  return Object.fromEntries(
    Object.entries(payload).map(([key, each]) => [key, rendered(each, fields)]),
  );
}

function fieldsOf(alert: AlertTransition): Fields {
  const { id, rule, severity, state, gateway, device, metric, value, unit, reason } = alert;
  return {
    ...{ alert: id, rule, severity, state, gateway, device, metric, reason },
    ...(value === null ? {} : { value }),
    ...(unit === undefined ? {} : { unit }),
    at: new Date(alert.at).toISOString(),
    firingAt: new Date(alert.firingAt).toISOString(),
  };
}
