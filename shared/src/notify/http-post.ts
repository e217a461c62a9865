/** One POST: its answer judged, to a checked address only, and no redirect followed. */
import type { IncomingMessage } from "node:http";
import { request as requestHttp } from "node:http";
import { request as requestHttps } from "node:https";
import type { Clock } from "../clock.ts";
import { reasonOf } from "../errors.ts";
import { judgeStatus } from "./delivery.ts";
import type { AddressBlock } from "./egress.ts";
import type { Attempt } from "./receiver.ts";
import { within } from "./receiver-deadline.ts";
import { checkedLookup, literalFault } from "./system-egress.ts";

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface PostLimits {
  readonly timeoutMs: number;
  readonly allowed: readonly AddressBlock[];
}

/** What of an answer is read; the rest is thrown away with the connection. */
const answerBytesMax = 1_024;
const answerCharactersMax = 160;

/** Never rejects. */
export async function post(
  what: Post,
  limits: PostLimits,
  clock: Clock,
  signal: AbortSignal,
): Promise<Attempt> {
  const { timeoutMs, allowed } = limits;
  const fault = literalFault(new URL(what.url).hostname, allowed);
  if (fault !== undefined) return { kind: "refused", reason: fault };
  try {
    const send = (ends: AbortSignal) => answerOf(what, allowed, ends);
    const { status, retryAfter, text } = await within(timeoutMs, clock, signal, send);
    const attempt = judgeStatus(status, retryAfter);
    if (attempt.kind === "delivered" || text === "") return attempt;
    return { ...attempt, reason: `${attempt.reason}: ${text}` };
  } catch (failure) {
    return { kind: "retry", reason: reasonOf(failure) };
  }
}

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly text: string;
}

function answerOf(
  { url, headers, body }: Post,
  allowed: readonly AddressBlock[],
  signal: AbortSignal,
): Promise<Answer> {
  const send = url.startsWith("https:") ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const options = {
      method: "POST",
      headers: { ...headers, "content-length": Buffer.byteLength(body) },
      agent: false,
      lookup: checkedLookup(allowed),
      signal,
    };
    const request = send(url, options, (response) => {
      readAnswer(response).then(resolve, reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function readAnswer(response: IncomingMessage): Promise<Answer> {
  const { statusCode = 0, headers } = response;
  const parts: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const part of response) {
      parts.push(part as Buffer);
      bytes += (part as Buffer).length;
      if (bytes >= answerBytesMax) break;
    }
  } catch {
    // The status is there, and it decides.
  }
  response.destroy();
  return {
    status: statusCode,
    retryAfter: headers["retry-after"] ?? null,
    text: legible(Buffer.concat(parts).toString("utf8")),
  };
}

function legible(text: string): string {
  const line = text.replaceAll(/[\p{Cc}\s]+/gu, " ").trim();
  return line.slice(0, answerCharactersMax);
}
