/**
 * Series of several gateways under one key, as rules by site have them: devices of the same name are
 * told apart by their gateway, and which gateways belong to the site may change with the rules.
 */
import { sitePlace } from "../../names.ts";
import type { RuleSelector } from "../rule-selector.ts";
import type { PatternContext } from "./compile.ts";

/** No name of a gateway or a device holds it. */
const separator = "\n";

/** What stands for the device where series are told apart. */
export function deviceInSeries(
  { gateway: factsOf }: PatternContext,
  gateway: string,
  device: string,
): string {
  return factsOf === undefined ? device : `${gateway}${separator}${device}`;
}

export function gatewayAndDevice(name: string): readonly [gateway: string, device: string] {
  const end = name.indexOf(separator);
  return [name.slice(0, Math.max(0, end)), name.slice(end + 1)];
}

/** Whether what comes of the gateway is for the rule; of one gateway's own rules it is. */
export function selectsGateway(
  selector: RuleSelector,
  { site, gateway: factsOf }: PatternContext,
  gateway: string,
): boolean {
  if (factsOf === undefined || gateway === sitePlace(site)) return true;
  const facts = factsOf(gateway);
  return facts.site === site && selector.gateway(gateway, facts);
}

/** Whose name what is emitted bears. */
export function placeIn({ site, gateway }: PatternContext, own: string): string {
  return gateway === undefined ? own : sitePlace(site);
}
