/**
 * Sessions of pages: a cookie that says by its signature which token it was made with.
 *
 *   P1  A session lives in its cookie alone, signed by a key that is made of the token: it outlasts a
 *       restart, counts for every process that has the token, and ends with it.
 *   P2  It never allows more than its token, as that is set now.
 *   P3  One that was ended is not admitted again by the process that was told so.
 *   P4  A code is good once and for a short time, and is forgotten by a restart.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Random } from "@causeway/shared/random.ts";
import type { Scope, Token, Tokens, Viewer } from "./tokens.ts";
import { lesser, scopes } from "./tokens.ts";

export const sessionMs = 12 * 3_600_000;
export const codeMs = 10 * 60_000;
/** Of codes, and of sessions that were ended; the oldest go. */
const keptMax = 1_000;
const version = "1";

export interface SessionCookie {
  readonly value: string;
  readonly viewer: Viewer;
}

interface Code {
  readonly token: string;
  readonly scope: Scope;
  readonly expiresAt: number;
}

export class Sessions {
  readonly #tokens: Tokens;
  readonly #random: Pick<Random, "hex">;
  readonly #codes = new Map<string, Code>();
  /** P3. */
  readonly #ended = new Map<string, number>();

  constructor(tokens: Tokens, random: Pick<Random, "hex">) {
    this.#tokens = tokens;
    this.#random = random;
  }

  begin(token: Token, scope: Scope, now: number): SessionCookie {
    const expiresAt = now + sessionMs;
    const id = this.#random.hex(24);
    const name = Buffer.from(token.name).toString("base64url");
    const said = [version, name, scope, expiresAt.toString(36), id].join(".");
    return { value: `${said}.${sign(token, said)}`, viewer: viewerOf(token, scope, expiresAt, id) };
  }

  /** Undefined where the cookie is none of ours, is over, or was ended. */
  find(cookie: string, now: number): Viewer | undefined {
    const parts = cookie.split(".");
    const [found, name = "", scopeText, expiresText = "", id = "", signature = ""] = parts;
    const scope = scopes.find((known) => known === scopeText);
    if (parts.length !== 6 || found !== version || scope === undefined) return undefined;
    const token = this.#tokens.named(Buffer.from(name, "base64url").toString("utf8"));
    if (token === undefined) return undefined;
    if (!isSame(signature, sign(token, parts.slice(0, 5).join(".")))) return undefined;
    const expiresAt = Number.parseInt(expiresText, 36);
    if (!(expiresAt > now) || this.#ended.has(id)) return undefined;
    return viewerOf(token, scope, expiresAt, id);
  }

  /** P3. */
  end({ session, expiresAt }: Viewer): void {
    if (session !== null) keep(this.#ended, session, expiresAt ?? 0);
  }

  /** What a page sends with each request that changes something; "" where there is no session. */
  csrfOf({ name, session }: Viewer): string {
    const token = this.#tokens.named(name);
    return session === null || token === undefined ? "" : sign(token, `csrf ${session}`);
  }

  isCsrf(viewer: Viewer, offered: string): boolean {
    const wanted = this.csrfOf(viewer);
    return wanted !== "" && isSame(offered, wanted);
  }

  /** P4. */
  code({ name }: Viewer, scope: Scope, now: number): { code: string; expiresAt: number } {
    const code = this.#random.hex(32);
    const expiresAt = now + codeMs;
    keep(this.#codes, code, { token: name, scope, expiresAt });
    return { code, expiresAt };
  }

  /** P4. */
  redeem(code: string, now: number): SessionCookie | undefined {
    const known = this.#codes.get(code);
    if (known === undefined) return undefined;
    this.#codes.delete(code);
    const token = this.#tokens.named(known.token);
    if (token === undefined || known.expiresAt <= now) return undefined;
    return this.begin(token, known.scope, now);
  }
}

/** P2. */
function viewerOf(token: Token, scope: Scope, expiresAt: number, session: string): Viewer {
  const { name, sites } = token;
  return { name, scope: lesser(scope, token.scope), sites, how: "cookie", expiresAt, session };
}

/** P1: a key for nothing else. */
function sign({ name, secret }: Token, said: string): string {
  const key = createHmac("sha256", secret).update(`causeway session ${name}`).digest();
  return createHmac("sha256", key).update(said).digest("base64url");
}

function isSame(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.set(key, value);
  const [oldest] = map.keys();
  if (map.size > keptMax && oldest !== undefined) map.delete(oldest);
}
