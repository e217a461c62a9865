/** Why a dial failed, in words that tell a person where to look, and under a code. */
import { CodedError, codeOf, type ErrorCode, reasonOf } from "../errors.ts";
import type { DialProgress, DialStep } from "./dial-progress.ts";
import { addressText, hostAndPort } from "./server-address.ts";

interface Circumstances {
  readonly progress: DialProgress;
  /** Where the clock is not to be believed. */
  readonly floorMs?: number | undefined;
  readonly timeoutMs: number;
}

export function dialFailure(failure: unknown, circumstances: Circumstances): CodedError {
  const { progress } = circumstances;
  const at = progress.server === undefined ? "" : `${addressText(progress.server)}: `;
  if (failure instanceof CodedError) return failure;
  const [code, words] = tell(failure, circumstances);
  return new CodedError(code, `${at}${words}`, { cause: failure });
}

function tell(failure: unknown, circumstances: Circumstances): readonly [ErrorCode, string] {
  const reason = reasonOf(failure);
  const { step } = circumstances.progress;
  if (/authorization|authentication|permission/i.test(reason)) {
    return ["NATS_AUTH_FAILED", `${reason}; correct user, password, token or key in auth`];
  }
  if (/does not support 'tls'|is not available on this server/.test(reason)) {
    const cure = "use nats://, or set up tls in nats-server";
    return ["NATS_TLS_FAILED", `the server offers no TLS; ${cure}`];
  }
  if (/^timeout$|TimeoutError/i.test(reason) || codeOf(failure) === "ETIMEDOUT")
    return timeoutAt(circumstances);
  if (/unexpected response/.test(reason)) {
    return ["NATS_UNREACHABLE", `what answers there is no nats-server; ${portCure}`];
  }
  const tls = tlsWords(failure, circumstances);
  if (tls !== undefined) return tls;
  if (step === "name") return [nameCode(circumstances.progress), nameWords(circumstances, failure)];
  if (step === "connect") return connectWords(circumstances.progress, failure);
  if (step === "proxy") return ["PROXY_UNREACHABLE", `${proxyOf(circumstances)}: ${reason}`];
  const cure = step === "tls" ? "does it speak TLS there?" : portCure;
  if (isEnded(failure)) return ["NATS_UNREACHABLE", `${endWords[step]}; ${cure}`];
  return ["NATS_UNREACHABLE", `${reason}; start nats-server there, or set the right servers`];
}

const portCure = "is it the right port?";

const endWords: Readonly<Record<DialStep, string>> = {
  name: "the connection was closed",
  connect: "the connection was closed",
  proxy: "the connection was closed",
  tls: "the connection was closed during the TLS handshake",
  websocket: "the connection was closed before a WebSocket was open",
  hello: "the connection was closed before nats-server said hello",
  login: "nats-server closed the connection at the login",
};

function isEnded(failure: unknown): boolean {
  if (failure === undefined || failure === null) return true;
  if (["ECONNRESET", "EPIPE"].includes(codeOf(failure) ?? "")) return true;
  return /hang up|was closed|^undefined$|undefined error/i.test(reasonOf(failure));
}

function timeoutAt(circumstances: Circumstances): readonly [ErrorCode, string] {
  const { progress, timeoutMs } = circumstances;
  const within = `within ${Math.round(timeoutMs / 1_000)} s`;
  switch (progress.step) {
    case "name":
      return [nameCode(progress), `DNS does not answer ${within}; is the network there?`];
    case "connect":
      return progress.proxy === undefined
        ? [
            "NATS_UNREACHABLE",
            `nothing answers ${within}; does a firewall drop it? wss:// on 443 or a proxy may pass`,
          ]
        : ["PROXY_UNREACHABLE", `${proxyOf(circumstances)} does not answer ${within}`];
    case "proxy":
      return ["PROXY_UNREACHABLE", `${proxyOf(circumstances)} says nothing ${within}`];
    default: {
      const told = { tls: "TLS handshake", websocket: "WebSocket", hello: "hello", login: "login" };
      const what = told[progress.step];
      return ["NATS_UNREACHABLE", `the connection is open, and no ${what} came ${within}`];
    }
  }
}

/** The proxy's name is looked up, and not the server's, where there is one. */
function nameCode({ proxy }: DialProgress): ErrorCode {
  return proxy === undefined ? "NATS_NAME_UNKNOWN" : "PROXY_UNREACHABLE";
}

function nameWords({ progress }: Circumstances, failure: unknown): string {
  const name = progress.proxy ?? progress.server?.host ?? "";
  if (codeOf(failure) === "EAI_AGAIN")
    return `DNS gives no answer for ${name}; is the network there?`;
  if (["ENOTFOUND", "ENODATA"].includes(codeOf(failure) ?? ""))
    return `DNS knows no ${name}; correct the name, or this machine's DNS`;
  return `${name} cannot be looked up: ${reasonOf(failure)}`;
}

function connectWords(progress: DialProgress, failure: unknown): readonly [ErrorCode, string] {
  const isProxy = progress.proxy !== undefined;
  const code = isProxy ? "PROXY_UNREACHABLE" : "NATS_UNREACHABLE";
  const who = isProxy ? `the proxy ${progress.proxy}: ` : "";
  const cures: Readonly<Record<string, string>> = {
    ECONNREFUSED: `nobody listens there; start ${isProxy ? "it" : "nats-server"}, or correct the port`,
    ECONNRESET: "the connection was reset at once; does a firewall forbid it?",
    ENETUNREACH: "this machine has no network that leads there",
    ENETDOWN: "this machine's network is down",
    EHOSTUNREACH: "the network has no way there",
    EADDRNOTAVAIL: "this machine has no address to connect from",
    EACCES: "this machine's own firewall forbids it",
    EPERM: "this machine's own firewall forbids it",
  };
  return [code, `${who}${cures[codeOf(failure) ?? ""] ?? reasonOf(failure)}`];
}

function proxyOf({ progress }: Circumstances): string {
  return `the proxy ${progress.proxy ?? hostAndPort({ host: "", port: 0 })}`;
}

/** OpenSSL's and Node's codes, and what the client says itself. */
const isTls = /CERT|ERR_TLS|ERR_SSL|EPROTO|UNABLE_TO_(?:VERIFY|GET_ISSUER)|\btls\b/i;

const tlsCures: readonly (readonly [RegExp, string])[] = [
  [/HAS_EXPIRED/, "the server's certificate has ended; renew it, or correct this machine's clock"],
  [/NOT_YET_VALID/, "the server's certificate is not yet valid; is this machine's clock right?"],
  [
    /SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/,
    "nobody trusted has signed the server's certificate; set tls.caFile to who did",
  ],
  [
    /ALTNAME/,
    "the server's certificate is for another name; correct the address or tls.serverName",
  ],
  [
    /CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN/,
    "the server wants a certificate of this client that it trusts; set tls.certFile and tls.keyFile",
  ],
  [
    /PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL/,
    "server and client have no version of TLS in common; see tls.minVersion",
  ],
  [/WRONG_VERSION_NUMBER|PACKET_LENGTH/, "what answers there speaks no TLS; is it the right port?"],
];

function tlsWords(
  failure: unknown,
  { progress, floorMs }: Circumstances,
): readonly [ErrorCode, string] | undefined {
  const text = `${codeOf(failure) ?? ""} ${reasonOf(failure)}`;
  if (!isTls.test(text)) return undefined;
  if (floorMs !== undefined && /not yet valid|NOT_YET_VALID/i.test(text)) {
    const why = "this machine's clock is behind, so no certificate is valid yet";
    return [
      "CLOCK_BEHIND",
      `${why}; it waits for the clock to be set; with tls.caFile it need not`,
    ];
  }
  const cure =
    tlsCures.find(([pattern]) => pattern.test(text))?.[1] ??
    "compare tls.caFile with the server's certificate, and its name with the address";
  const isProxy = progress.step === "proxy" || progress.step === "connect";
  const reason = opensslWords(reasonOf(failure));
  if (isProxy) return ["PROXY_UNREACHABLE", `TLS to ${progress.proxy}: ${reason}; ${cure}`];
  return ["NATS_TLS_FAILED", `${reason}; ${cure}`];
}

/** Of "406D…:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../deps/…". */
function opensslWords(reason: string): string {
  return /:error:[0-9A-F]+:[^:]*:[^:]*:([^:]+):/.exec(reason)?.[1] ?? reason.trim();
}
