/** Gateways as they were seen, together with what operators said of their access. */
import type { GatewayDetails } from "../devices/device-view.ts";
import type { GatewayBook, GatewayEntry } from "./gateway-entry.ts";

/**
 *   permitted  its key is in force
 *   revoked    its key was revoked
 *   no-key     it was added without one
 *   unlisted   it was not added: it connects by other credentials, or by none
 */
export const accessStates = ["permitted", "revoked", "no-key", "unlisted"] as const;
export type AccessState = (typeof accessStates)[number];

export interface GatewayAccess {
  readonly access: AccessState;
  readonly site: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly key: string | null;
  /** Of the last act. */
  readonly said: { act: string; by: string; note: string; at: number } | null;
  readonly revoked: GatewayEntry["revoked"];
}

export function accessOf(book: GatewayBook, gateway: string): GatewayAccess {
  const entry = book.of(gateway);
  if (entry === undefined)
    return { access: "unlisted", site: "", labels: {}, key: null, said: null, revoked: [] };
  const { key = null, site = "", labels, revoked, act, by, note, at } = entry;
  const without = act === "revoked" ? "revoked" : "no-key";
  const access = book.isPermitted(entry) ? "permitted" : without;
  return { access, site, labels, key, said: { act, by, note, at }, revoked };
}

/** With those that were added and never heard of, in the order of names. */
export function withAccess(
  seen: readonly GatewayDetails[],
  book: GatewayBook,
): readonly ((GatewayDetails | UnheardGateway) & GatewayAccess)[] {
  const names = new Set(seen.map(({ gateway }) => gateway));
  const unheard = book.all().flatMap(({ gateway }): UnheardGateway[] => {
    return names.has(gateway) ? [] : [{ gateway, state: "unheard" }];
  });
  return [...seen, ...unheard]
    .sort((one, other) => (one.gateway < other.gateway ? -1 : 1))
    .map((each) => ({ ...each, ...accessOf(book, each.gateway) }));
}

export interface UnheardGateway {
  readonly gateway: string;
  readonly state: "unheard";
}
