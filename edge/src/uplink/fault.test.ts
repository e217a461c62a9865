/** Goal: every error that facts and server name is in the table, and a cure is told where a person is needed. */
import { CodedError } from "@causeway/shared/errors.ts";
import {
  AuthorizationError,
  ClosedConnectionError,
  ConnectionError,
  InvalidArgumentError,
  NoRespondersError,
  PermissionViolationError,
  RequestError,
  TimeoutError,
} from "@nats-io/nats-core";
import { expect, test } from "vitest";
import type { PublishFault } from "./fault.ts";
import { faultOf, faultOfAnswer, schedules, Told } from "./fault.ts";

const answers: readonly [number | undefined, number | undefined, PublishFault][] = [
  [10_077, 503, "wait-full"],
  [10_047, 500, "wait-full"],
  [10_023, 503, "wait-full"],
  [10_028, 500, "wait-full"],
  [10_054, 400, "split"],
  [10_071, 400, "retry"],
  [10_164, 400, "retry"],
  [10_008, 503, "retry"],
  [10_009, 503, "retry"],
  [10_014, 404, "retry"],
  [10_039, 503, "retry"],
  [10_059, 404, "retry"],
  [10_076, 503, "retry"],
  [10_118, 503, "retry"],
  [10_111, 400, "denied"],
  [10_166, 400, "denied"],
  [10_174, 400, "denied"],
  [10_188, 400, "denied"],
  [undefined, 503, "retry"],
  [99_999, 400, "retry"],
  [undefined, undefined, "retry"],
];

test.each(answers)("an answer with error %s, status %s: %s", (code, status, fault) => {
  expect(faultOfAnswer(code, status, "why")).toMatchObject({ fault });
});

const thrown: readonly [string, unknown, PublishFault][] = [
  ["no answer in time", new TimeoutError(), "no-answer"],
  ["no answer, as a plain error", new Error("timeout"), "no-answer"],
  ["no answer, wrapped", new RequestError("request", { cause: new TimeoutError() }), "no-answer"],
  ["nobody listens", new NoRespondersError("tlm.g.live"), "retry"],
  [
    "nobody listens, wrapped",
    new RequestError("r", { cause: new NoRespondersError("s") }),
    "retry",
  ],
  ["closed connection", new ClosedConnectionError(), "retry"],
  ["broken connection", new ConnectionError("reset"), "retry"],
  ["a subject that is denied", new PermissionViolationError("no", "publish", "tlm.x"), "denied"],
  ["denied, by its words", new RequestError('Permissions Violation for Publish to "x"'), "denied"],
  ["credentials that are refused", new AuthorizationError("Authorization Violation"), "denied"],
  ["credentials at dial", new CodedError("NATS_AUTH_FAILED", "no"), "denied"],
  ["TLS at dial", new CodedError("NATS_TLS_FAILED", "self-signed"), "denied"],
  ["no server", new CodedError("NATS_UNREACHABLE", "refused"), "retry"],
  ["no name", new CodedError("NATS_NAME_UNKNOWN", "no"), "retry"],
  ["no WebSocket", new CodedError("NATS_WEBSOCKET_REFUSED", "404"), "denied"],
  ["no proxy", new CodedError("PROXY_UNREACHABLE", "refused"), "retry"],
  ["a proxy's login", new CodedError("PROXY_AUTH_FAILED", "407"), "denied"],
  ["a proxy that denies", new CodedError("PROXY_REFUSED", "403"), "denied"],
  ["a payload beyond the server's", new InvalidArgumentError("max_payload size exceeded"), "split"],
  ["anything else", new Error("odd"), "retry"],
  ["what is no error", "odd", "retry"],
];

test.each(thrown)("%s", (_what, failure, fault) => {
  expect(faultOf(failure).fault).toBe(fault);
});

test("a reason keeps what was said, and names the cure", () => {
  expect(faultOfAnswer(10_077, 503, "maximum bytes exceeded").reason).toBe(
    "10077 maximum bytes exceeded (the engine is behind, or give the stream more room)",
  );
  expect(faultOfAnswer(10_111, 400, "rollup").reason).toContain("NATS_HEADERS_REFUSED");
  expect(faultOf(new RequestError("Permissions Violation for Publish")).reason).toContain(
    "NATS_DENIED",
  );
});

test("what a person must act on is tried seldom, all else at least every half minute", () => {
  for (const [fault, { maxMs }] of Object.entries(schedules)) {
    if (fault === "denied") expect(maxMs).toBeGreaterThanOrEqual(300_000);
    else if (fault === "version") expect(maxMs).toBe(120_000);
    else expect(maxMs).toBeLessThanOrEqual(30_000);
  }
});

test("a fault that lasts is told once in an interval, with how often it was held back", () => {
  const told = new Told(1_000);
  expect([0, 10, 999, 1_000, 1_001, 2_500].map((nowMs) => told.tell("full", nowMs))).toEqual([
    1,
    undefined,
    undefined,
    3,
    undefined,
    2,
  ]);
  expect(told.tell("another", 1)).toBe(1);
});
