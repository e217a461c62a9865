/** Asks the API; what it answers with problem+json is an error that says what to do. */

export class Problem extends Error {
  readonly status: number;
  readonly body: unknown;

  constructor(status: number, message: string, body: unknown) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

let csrf: string | null = null;

/** What a session with a cookie wants to see with everything that changes something. */
export function setCsrf(token: string | null): void {
  csrf = token;
}

/** Answers by path, with the tag by which the cloud says that nothing has changed. */
const known = new Map<string, { readonly tag: string; readonly body: unknown }>();
const knownMax = 50;

export const get = <Answer>(path: string, signal?: AbortSignal): Promise<Answer> =>
  ask<Answer>(path, signal === undefined ? {} : { signal });

export function send<Answer>(
  method: "POST" | "PUT" | "DELETE",
  path: string,
  body?: unknown,
  extra: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const headers: Record<string, string> = { "content-type": "application/json", ...extra };
  if (csrf !== null) headers["x-csrf-token"] = csrf;
  return ask<Answer>(path, { method, ...json, headers });
}

/** Throws Problem; its `status` is 0 where nobody answered. */
async function ask<Answer>(path: string, request: RequestInit): Promise<Answer> {
  const before = request.method === undefined ? known.get(path) : undefined;
  const headers = before === undefined ? {} : { headers: { "if-none-match": before.tag } };
  const answer = await fetch(path, { cache: "no-store", ...headers, ...request }).catch(
    (failure) => {
      if (request.signal?.aborted) throw failure;
      throw new Problem(0, "the cloud does not answer", undefined);
    },
  );
  if (answer.status === 304 && before !== undefined) return before.body as Answer;
  const text = await answer.text();
  const body = text === "" ? undefined : parsed(text);
  if (answer.ok) {
    if (request.method === undefined) remember(path, answer.headers.get("etag"), body);
    return body as Answer;
  }
  const { detail, title } = (body ?? {}) as { detail?: string; title?: string };
  throw new Problem(answer.status, detail ?? title ?? `answered ${answer.status}`, body);
}

function remember(path: string, tag: string | null, body: unknown): void {
  known.delete(path);
  if (tag === null) return;
  known.set(path, { tag, body });
  const [oldest] = known.keys();
  if (known.size > knownMax && oldest !== undefined) known.delete(oldest);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** In words for the one who looks at the page. */
export function problemText(failure: unknown): string {
  return failure instanceof Error ? failure.message : String(failure);
}
