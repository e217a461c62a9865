/** What an alert says where its rule has words of its own (message.ts). */
import type { Reading } from "../event.ts";
import type { DeviceFacts } from "./fleet.ts";
import { renderMessage } from "./message.ts";
import type { Rule } from "./rule.ts";

export type Words = (facts: {
  readonly gateway: string;
  readonly device: string;
  readonly metric: string;
  readonly value: Reading["value"];
  readonly unit: string | undefined;
  readonly reason: string;
}) => string;

interface Known {
  siteOf(gateway: string): string;
  deviceOf(device: string): DeviceFacts;
}

/** Nothing where the rule has none. */
export function wordsOf(
  { name, severity, message }: Rule,
  { siteOf, deviceOf }: Known,
): { readonly words?: Words } {
  if (message === undefined) return {};
  return {
    words({ gateway, device, metric, value, unit = "", reason }) {
      const [site, { family }] = [siteOf(gateway), deviceOf(device)];
      const place = { gateway, site, device, family, metric };
      const shown = value === null ? {} : { value };
      return renderMessage(message, { rule: name, severity, ...place, ...shown, unit, reason });
    },
  };
}
