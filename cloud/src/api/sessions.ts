/**
 * Sessions of pages: a cookie that says by its signature which token it was made with.
 *
 *   P1  A session lives in its cookie alone, signed by a key that is made of the token: it outlasts a
 *       restart, counts for every process that has the token, and ends with it.
 *   P2  It never allows more than its token, as that is set now.
 *   P3  One that was ended is not admitted again, by any process.
 *   P4  A code is good once and for a short time, at whichever process.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { Random } from "@causeway/shared/random.ts";
import { z } from "zod";
import type { SessionStore } from "./session-store.ts";
import { MemorySessionStore } from "./session-store.ts";
import type { Scope, Token, Tokens, Viewer } from "./tokens.ts";
import { lesser, scopes } from "./tokens.ts";

export const sessionMs = 12 * 3_600_000;
export const codeMs = 10 * 60_000;
const version = "1";

export interface SessionCookie {
  readonly value: string;
  readonly viewer: Viewer;
}

const codeSchema = z.object({ token: z.string(), scope: z.enum(scopes), expiresAt: z.number() });

export class Sessions {
  readonly #tokens: Tokens;
  readonly #random: Pick<Random, "hex">;
  /** P3, P4. */
  readonly #store: SessionStore;

  constructor(
    tokens: Tokens,
    random: Pick<Random, "hex">,
    store: SessionStore = new MemorySessionStore(),
  ) {
    this.#tokens = tokens;
    this.#random = random;
    this.#store = store;
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
    if (!(expiresAt > now) || this.#store.hasEnded(id)) return undefined;
    return viewerOf(token, scope, expiresAt, id);
  }

  /** P3. */
  async end({ session, expiresAt }: Viewer, now: number): Promise<void> {
    const at = { now, expiresAt: expiresAt ?? now + sessionMs };
    if (session !== null) await this.#store.end(session, at);
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
  async code(
    { name }: Viewer,
    scope: Scope,
    now: number,
  ): Promise<{ code: string; expiresAt: number }> {
    const code = this.#random.hex(32);
    const expiresAt = now + codeMs;
    const text = JSON.stringify({ token: name, scope, expiresAt });
    await this.#store.keepCode(code, text, { now, expiresAt });
    return { code, expiresAt };
  }

  /** P4. */
  async redeem(code: string, now: number): Promise<SessionCookie | undefined> {
    const text = await this.#store.takeCode(code);
    if (text === undefined) return undefined;
    const known = codeSchema.parse(JSON.parse(text));
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
