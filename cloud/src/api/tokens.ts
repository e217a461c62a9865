/** Who may ask for what: tokens with a scope, perhaps of some sites alone. */
import { createHash, timingSafeEqual } from "node:crypto";
import { siteIn } from "@causeway/shared/names.ts";
import type { Fleet } from "@causeway/shared/rules/fleet.ts";

/** Each with all of the one before. */
export const scopes = ["read", "operate", "admin"] as const;
export type Scope = (typeof scopes)[number];

export interface Token {
  readonly name: string;
  readonly scope: Scope;
  /** Gateways of these alone; null for all. */
  readonly sites: readonly string[] | null;
  readonly secret: string;
}

export interface Viewer {
  /** Of the token; "loopback" or "anonymous" where there is none. */
  readonly name: string;
  readonly scope: Scope;
  readonly sites: readonly string[] | null;
  readonly how: "token" | "cookie" | "loopback" | "anonymous";
  /** Of a session, in ms. */
  readonly expiresAt: number | null;
  /** Id of the session. */
  readonly session: string | null;
}

export function allows(own: Scope, wanted: Scope): boolean {
  return scopes.indexOf(own) >= scopes.indexOf(wanted);
}

export function lesser(one: Scope, other: Scope): Scope {
  return allows(one, other) ? other : one;
}

/** Whether a gateway, or the site that an alert is about, is shown to one who may see some sites. */
export function seesGateway(sites: Viewer["sites"], gateway: string, fleet: Fleet): boolean {
  if (sites === null) return true;
  return sites.includes(siteIn(gateway) ?? fleet.gateway(gateway).site);
}

export class Tokens {
  readonly #tokens: readonly (Token & { readonly hash: Buffer })[];

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens.map((token) => ({ ...token, hash: digest(token.secret) }));
  }

  get areSet(): boolean {
    return this.#tokens.length > 0;
  }

  named(name: string): Token | undefined {
    return this.#tokens.find((token) => token.name === name);
  }

  /** Compares with all of them, in a time that tells nothing. */
  find(offered: string): Token | undefined {
    // An empty token would admit whoever offers nothing.
    if (offered === "") return undefined;
    const hash = digest(offered);
    return this.#tokens.filter((token) => timingSafeEqual(token.hash, hash))[0];
  }
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
