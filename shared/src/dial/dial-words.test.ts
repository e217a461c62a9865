// A person who reads why a dial failed knows at which step, and what to do; no code is told for another.
import { expect, test } from "vitest";
import { CodedError } from "../errors.ts";
import { DialProgress, type DialStep } from "./dial-progress.ts";
import { dialFailure } from "./dial-words.ts";
import { serverAddress } from "./server-address.ts";

const coded = (code: string, message = code) => Object.assign(new Error(message), { code });

function told(failure: unknown, step: DialStep, more: { proxy?: string; floorMs?: number } = {}) {
  const progress = new DialProgress();
  const server = serverAddress("tls://cloud.example");
  if (typeof server === "string") throw new Error(server);
  progress.begin(server, more.proxy);
  progress.step = step;
  return dialFailure(failure, { progress, timeoutMs: 10_000, floorMs: more.floorMs }).message;
}

const proxy = "proxy.example:3128";
const rows: readonly [unknown, DialStep, { proxy?: string; floorMs?: number }, RegExp][] = [
  [coded("ENOTFOUND"), "name", {}, /^NATS_NAME_UNKNOWN: .*DNS knows no cloud\.example/],
  [coded("EAI_AGAIN"), "name", {}, /^NATS_NAME_UNKNOWN: .*no answer for cloud\.example/],
  [coded("ENOTFOUND"), "name", { proxy }, /^PROXY_UNREACHABLE: .*DNS knows no proxy\.example/],
  [new Error("timeout"), "name", {}, /^NATS_NAME_UNKNOWN: .*DNS does not answer within 10 s/],
  [coded("ENETUNREACH"), "connect", {}, /^NATS_UNREACHABLE: .*no network that leads there/],
  [coded("ECONNREFUSED"), "connect", {}, /^NATS_UNREACHABLE: .*start nats-server, or correct/],
  [coded("ECONNREFUSED"), "connect", { proxy }, /^PROXY_UNREACHABLE: .*proxy proxy\.example:3128/],
  [new Error("timeout"), "connect", {}, /^NATS_UNREACHABLE: .*firewall .*wss:\/\/ on 443/],
  [coded("ETIMEDOUT"), "connect", { proxy }, /^PROXY_UNREACHABLE: .*does not answer within/],
  [new Error("timeout"), "proxy", { proxy }, /^PROXY_UNREACHABLE: .*says nothing within 10 s/],
  [new Error("timeout"), "hello", {}, /^NATS_UNREACHABLE: .*no hello came/],
  [coded("ECONNRESET"), "hello", {}, /^NATS_UNREACHABLE: .*before nats-server said hello/],
  [coded("ECONNRESET"), "login", {}, /^NATS_UNREACHABLE: .*closed the connection at the login/],
  [new Error("socket hang up"), "websocket", {}, /^NATS_UNREACHABLE: .*before a WebSocket/],
  [coded("CERT_HAS_EXPIRED"), "tls", {}, /^NATS_TLS_FAILED: .*has ended; renew it/],
  [coded("CERT_NOT_YET_VALID"), "tls", {}, /^NATS_TLS_FAILED: .*is this machine's clock right/],
  [coded("CERT_NOT_YET_VALID"), "tls", { floorMs: 1 }, /^CLOCK_BEHIND: /],
  [coded("SELF_SIGNED_CERT_IN_CHAIN"), "tls", {}, /^NATS_TLS_FAILED: .*set tls\.caFile/],
  [coded("ERR_TLS_CERT_ALTNAME_INVALID"), "tls", {}, /^NATS_TLS_FAILED: .*another name/],
  [coded("CERT_HAS_EXPIRED"), "connect", { proxy }, /^PROXY_UNREACHABLE: .*TLS to proxy\.example/],
  [new Error("'Authorization Violation'"), "login", {}, /^NATS_AUTH_FAILED: /],
  [
    new Error("unexpected response from server"),
    "hello",
    {},
    /^NATS_UNREACHABLE: .*no nats-server/,
  ],
  [undefined, "hello", {}, /^NATS_UNREACHABLE: /],
];

test.each(rows)("%s at %s", (failure, step, more, words) => {
  const message = told(failure, step, more);
  expect(message).toMatch(words);
  expect(message).not.toMatch(/undefined|\[object/);
});

test("what has a code already keeps it", () => {
  const own = new CodedError("PROXY_REFUSED", "denied");
  expect(told(own, "proxy", { proxy })).toBe(own.message);
});
