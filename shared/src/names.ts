/**
 * Names that cross process borders, branded once they are checked. Gateway and rule names are NATS
 * subject tokens as they stand; devices and metrics come from the field and may hold any letters,
 * but nothing that an MQTT topic, a log line or a terminal would take for control.
 */
import { CodedError } from "./errors.ts";

declare const brand: unique symbol;
type Branded<Name extends string> = string & { readonly [brand]: Name };

export type GatewayId = Branded<"GatewayId">;
export type DeviceId = Branded<"DeviceId">;
export type MetricName = Branded<"MetricName">;
export type RuleName = Branded<"RuleName">;

/** Letters, digits, `_` and `-`: safe as an MQTT level, a NATS token and a file name. */
const tokenPattern = /^[A-Za-z0-9_-]{1,64}$/;
/** Rules that Causeway has of itself begin so; those of users may not. */
export const reservedRulePrefix = "system-";
export const deviceCharactersMax = 128;
export const metricCharactersMax = 256;

// U+FFFD is what invalid UTF-8 was turned into; `+` and `#` are MQTT wildcards.
const forbiddenInDevice = /[\p{Cc}\p{Cs}\uFFFD+#]/u;
const forbiddenInMetric = /[\p{Cc}\p{Cs}\uFFFD]/u;

export function isGatewayId(text: string): text is GatewayId {
  return tokenPattern.test(text);
}

export function isRuleName(text: string): text is RuleName {
  return tokenPattern.test(text);
}

/** Not of Causeway itself. */
export function isUsersRule(text: string): boolean {
  return isRuleName(text) && !text.startsWith(reservedRulePrefix);
}

export function isDeviceId(text: string): text is DeviceId {
  return text.length > 0 && text.length <= deviceCharactersMax && !forbiddenInDevice.test(text);
}

export function isMetricName(text: string): text is MetricName {
  return text.length > 0 && text.length <= metricCharactersMax && !forbiddenInMetric.test(text);
}

/** A site where an alert names its gateway; no gateway has such a name. */
export function sitePlace(site: string): string {
  return `@${site}`;
}

/** Undefined where a gateway is named. */
export function siteIn(place: string): string | undefined {
  return place.startsWith("@") ? place.slice(1) : undefined;
}

/** The checked name, or NAME_INVALID with the value found. */
export function gatewayId(text: string): GatewayId {
  if (isGatewayId(text)) return text;
  throw new CodedError(
    "NAME_INVALID",
    `gateway ${JSON.stringify(text)}: use 1 to 64 letters, digits, "_" or "-"`,
  );
}

/** The checked name, or NAME_INVALID with the value found. */
export function deviceId(text: string): DeviceId {
  if (isDeviceId(text)) return text;
  throw new CodedError(
    "NAME_INVALID",
    `device ${JSON.stringify(text)}: use 1 to ${deviceCharactersMax} characters, no control characters, "+" or "#"`,
  );
}
