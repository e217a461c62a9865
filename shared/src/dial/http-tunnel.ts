/** A way through an HTTP proxy: CONNECT (RFC 9110 §9.3.6), after which the socket is the server's. */
import type { Socket } from "node:net";
import { DialRefused } from "./dial-refused.ts";
import type { ProxyAddress } from "./proxy-choice.ts";
import { hostAndPort } from "./server-address.ts";
import { awaited } from "./tcp-await.ts";

const answerBytesMax = 16 * 1_024;

export interface HttpAnswer {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
}

/** Throws PROXY_AUTH_FAILED, PROXY_REFUSED or NATS_UNREACHABLE. */
export async function tunnel(
  socket: Socket,
  target: { readonly host: string; readonly port: number },
  proxy: ProxyAddress,
  signal: AbortSignal,
): Promise<void> {
  const to = hostAndPort(target);
  const login =
    proxy.user === undefined
      ? ""
      : `Proxy-Authorization: Basic ${base64(`${proxy.user}:${proxy.password ?? ""}`)}\r\n`;
  socket.write(`CONNECT ${to} HTTP/1.1\r\nHost: ${to}\r\n${login}\r\n`);
  const answer = await answerOf(socket, signal);
  if (answer.status >= 200 && answer.status < 300) return;
  throw refusal(answer, `the proxy ${hostAndPort(proxy)}`, to, proxy.user !== undefined);
}

/** Reads up to the end of the head and leaves what follows in the socket. */
function answerOf(socket: Socket, signal: AbortSignal): Promise<HttpAnswer> {
  let text = "";
  return awaited<HttpAnswer>(socket, signal, ({ done, fail }) => ({
    data(chunk) {
      text += chunk.toString("latin1");
      const end = text.indexOf("\r\n\r\n");
      if (end < 0 && text.length > answerBytesMax) return fail(new Error("an endless answer"));
      if (end < 0) return;
      const answer = parseAnswer(text.slice(0, end));
      if (answer === undefined) return fail(new Error("it answers, and not in HTTP"));
      socket.pause();
      const rest = Buffer.from(text.slice(end + 4), "latin1");
      if (rest.length > 0) socket.unshift(rest);
      done(answer);
    },
  }));
}

export function parseAnswer(head: string): HttpAnswer | undefined {
  const [first = "", ...lines] = head.split("\r\n");
  const [, status] = /^HTTP\/1\.[01] ([0-9]{3})(?: |$)/.exec(first) ?? [];
  if (status === undefined) return undefined;
  const headers = lines.map((line): [string, string] => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  });
  return { status: Number(status), headers: new Map(headers) };
}

function refusal(
  { status, headers }: HttpAnswer,
  proxy: string,
  to: string,
  hasLogin: boolean,
): DialRefused {
  const retryAfter = headers.get("retry-after");
  if (status === 407) {
    const asked = headers.get("proxy-authenticate") ?? "";
    const isBasic = asked === "" || /\bbasic\b/i.test(asked);
    const cure = hasLogin ? "correct proxy.user and the password" : "set proxy.user";
    const other = `it asks for ${asked.split(" ")[0]}, and only Basic is known here`;
    return new DialRefused(
      "PROXY_AUTH_FAILED",
      `${proxy} wants a login: ${isBasic ? cure : other}`,
      retryAfter,
    );
  }
  if (status >= 500 || status === 429) {
    const what = `${proxy} cannot reach ${to} now, it answered ${status}`;
    return new DialRefused("NATS_UNREACHABLE", what, retryAfter);
  }
  const cure = "have its operator permit CONNECT to this host and port";
  return new DialRefused(
    "PROXY_REFUSED",
    `${proxy} denies the way to ${to} with ${status}: ${cure}`,
    retryAfter,
  );
}

function base64(text: string): string {
  return Buffer.from(text, "utf8").toString("base64");
}
