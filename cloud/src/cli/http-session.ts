/** `causeway-cloud session`: asks the running cloud for a link that logs a page in. */
import type { Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { HttpAddress } from "@causeway/shared/http-access.ts";
import { z } from "zod";
import type { Scope, Token } from "../api/tokens.ts";
import { scopes } from "../api/tokens.ts";

export interface LinkQuestion {
  readonly address: HttpAddress;
  readonly tokens: readonly Token[];
  /** Name of one. */
  readonly token: string | undefined;
  readonly scope: Scope | undefined;
  readonly url: string | undefined;
}

export interface Link {
  readonly url: string;
  /** In ms; null where no log-in is needed. */
  readonly expiresAt: number | null;
}

const timeoutMs = 5_000;
const answerSchema = z.object({ path: z.string().startsWith("/"), expiresAt: z.number() });

/** Throws CLI_USAGE, or CLOUD_UNREACHABLE. */
export async function askLink(question: LinkQuestion, clock: Clock): Promise<Link> {
  const base = question.url ?? urlOf(question.address);
  if (question.tokens.length === 0) return { url: `${base}/`, expiresAt: null };
  const token = tokenOf(question);
  const ended = new AbortController();
  const cancel = clock.after(timeoutMs, () => ended.abort());
  try {
    const response = await fetch(`${base}/api/session/links`, {
      method: "POST",
      headers: { authorization: `Bearer ${token.secret}`, "content-type": "application/json" },
      body: JSON.stringify({ scope: question.scope }),
      signal: ended.signal,
    });
    if (!response.ok) throw new Error(`it answers with status ${response.status}`);
    const { path, expiresAt } = answerSchema.parse(await response.json());
    return { url: `${base}${path}`, expiresAt };
  } catch (failure) {
    const cause = failure instanceof Error ? (failure.cause ?? failure) : failure;
    const why = `${base}: ${reasonOf(cause)}; is causeway-cloud run there?`;
    throw new CodedError("CLOUD_UNREACHABLE", why, { cause: failure });
  } finally {
    cancel();
  }
}

/** The one that is named, else the first of those that may most. */
function tokenOf({ tokens, token: name }: LinkQuestion): Token {
  const rank = ({ scope }: Token) => scopes.indexOf(scope);
  const found =
    name === undefined
      ? tokens.toSorted((left, right) => rank(right) - rank(left))[0]
      : tokens.find((token) => token.name === name);
  if (found !== undefined) return found;
  const names = tokens.map((token) => token.name).join(", ");
  throw new CodedError("CLI_USAGE", `--token ${name}: there are ${names}`);
}

/** Where this machine reaches it. */
function urlOf({ host, port }: HttpAddress): string {
  const own = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
  return `http://${own.includes(":") ? `[${own}]` : own}:${port}`;
}
