// Each kind of receiver that is told over HTTP, from its settings to a real server.
import { readFileSync } from "node:fs";
import { createServer as createHttpsServer, get as httpsGet } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { titleOf } from "@causeway/shared/notify/message.ts";
import { notificationOf } from "@causeway/shared/notify/notification.ts";
import type { Attempt, Receiver } from "@causeway/shared/notify/receiver.ts";
import { GuardedReceiver } from "@causeway/shared/notify/receiver-guard.ts";
import { sign, signingKey } from "@causeway/shared/notify/signature.ts";
import { dial } from "@causeway/shared/notify/system-egress.ts";
import { HttpHook } from "@causeway/shared/notify/testing/http-hook.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { afterEach, beforeEach, expect, test } from "vitest";
import { authorityFile, certificate, openedReceiver, secretFile } from "./testing/file-receiver.ts";

const signal = new AbortController().signal;
const told = notificationOf(transition());
const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

let hook: HttpHook;

beforeEach(async () => {
  hook = await HttpHook.open();
});

afterEach(() => {
  hook.close();
});

function deliver(settings: object): Promise<Attempt> {
  return openedReceiver(settings).deliver(told, signal);
}

test("a webhook gets id, time, signature and token, and the alert at the top", async () => {
  const files = { secretFile: secretFile(secret), tokenFile: secretFile("t0ken") };
  const settings = { kind: "webhook", url: `${hook.url}/hook?a=b`, ...files };
  expect(await deliver(settings)).toEqual({ kind: "delivered" });
  const [request] = hook.requests;
  if (request === undefined) throw new Error("nothing came");
  const { method, path, headers, body } = request;
  expect([method, path]).toEqual(["POST", "/hook?a=b"]);
  expect(JSON.parse(body)).toMatchObject({ ...transition(), notification: { reason: "new" } });
  const id = "a1b2c3d4/firing";
  expect(headers).toMatchObject({
    ...{ "webhook-id": id, "idempotency-key": `"${id}"`, authorization: "Bearer t0ken" },
    "content-type": "application/json",
  });
  const timestamp = Number(headers["webhook-timestamp"]);
  expect(Math.abs(timestamp * 1_000 - Date.now())).toBeLessThan(60_000);
  const key = signingKey(secret, "test");
  expect(headers["webhook-signature"]).toBe(sign(key, { id, timestamp, body }));
});

test("an id that no header can hold is told in other letters, and signed as it is told", async () => {
  const strange = { ...told, key: "gw/tür\n/1" };
  const receiver = openedReceiver({
    kind: "webhook",
    url: hook.url,
    secretFile: secretFile(secret),
  });
  expect(await receiver.deliver(strange, signal)).toEqual({ kind: "delivered" });
  const [{ headers, body }] = hook.requests as [(typeof hook.requests)[0]];
  const id = "gw/t%C3%BCr%0A/1";
  const timestamp = Number(headers["webhook-timestamp"]);
  expect(headers["webhook-id"]).toBe(id);
  const key = signingKey(secret, "test");
  expect(headers["webhook-signature"]).toBe(sign(key, { id, timestamp, body }));
});

test("Slack's address comes from its file, and what Slack complains of is told", async () => {
  const urlFile = secretFile(`${hook.url}/services/T/B/x`);
  hook.answer = () => ({ status: 400, body: "invalid_payload\n" });
  expect(await deliver({ kind: "slack", urlFile })).toEqual({
    kind: "refused",
    reason: "HTTP 400: invalid_payload",
  });
  expect(hook.requests[0]?.path).toBe("/services/T/B/x");
  expect(JSON.parse(hook.requests[0]?.body ?? "")).toMatchObject({ text: titleOf(transition()) });
});

test("an address in a file is checked like one in the settings", () => {
  const urlFile = secretFile("http://169.254.169.254/latest");
  expect(() => openedReceiver({ kind: "slack", urlFile })).toThrow(
    /^CONFIG_INVALID: .*secret: .*metadata/,
  );
});

test("ntfy gets its topic and token at its root", async () => {
  const tokenFile = secretFile("tk_1");
  const settings = { kind: "ntfy", url: hook.url, topic: "plant-3", tokenFile, title: "{device}" };
  expect(await deliver(settings)).toEqual({ kind: "delivered" });
  const [request] = hook.requests;
  expect(request).toMatchObject({ path: "/", headers: { authorization: "Bearer tk_1" } });
  expect(JSON.parse(request?.body ?? "")).toMatchObject({ topic: "plant-3", title: "freezer-1" });
});

test("Alertmanager is told at its API, with or without a slash behind its address", async () => {
  expect(await deliver({ kind: "alertmanager", url: `${hook.url}/am/` })).toEqual({
    kind: "delivered",
  });
  expect(hook.requests[0]?.path).toBe("/am/api/v2/alerts");
});

test("a redirect is not followed", async () => {
  const other = await HttpHook.open();
  hook.answer = () => ({ status: 307, headers: { location: other.url } });
  expect(await deliver({ kind: "webhook", url: hook.url })).toEqual({
    kind: "retry",
    reason: "HTTP 307",
  });
  expect(other.requests).toEqual([]);
  other.close();
});

test("over HTTPS one whose certificate nobody known has signed gets nothing", async () => {
  const asked: unknown[] = [];
  const secure = createHttpsServer(certificate(), (request, response) => {
    asked.push(request.url);
    response.end();
  });
  await new Promise<void>((resolve) => secure.listen(0, "127.0.0.1", resolve));
  const url = `https://localhost:${(secure.address() as AddressInfo).port}/`;
  expect(await deliver({ kind: "webhook", url })).toEqual({
    kind: "retry",
    reason: expect.stringMatching(/certificate/),
  });
  expect(asked).toEqual([]);
  const ca = readFileSync(authorityFile, "utf8");
  const request = httpsGet(url, { ca, agent: false }); // the same server, to one who knows it
  await new Promise((resolve) => request.once("response", resolve));
  expect(asked).toEqual(["/"]);
  secure.closeAllConnections();
  secure.close();
});

test("an endless answer is not read to its end", async () => {
  const endless = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      const more = () => {
        if (!socket.destroyed) socket.write("400\r\n".concat("x".repeat(1_024), "\r\n"), more);
      };
      more();
    });
  });
  await new Promise<void>((resolve) => endless.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`;
  expect(await deliver({ kind: "webhook", url })).toEqual({ kind: "delivered" });
  endless.close();
});

test("a receiver that is not there, or breaks off, is tried again", async () => {
  const breaking = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => breaking.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(breaking.address() as AddressInfo).port}`;
  expect(await deliver({ kind: "webhook", url })).toMatchObject({ kind: "retry" });
  await new Promise((resolve) => breaking.close(resolve));
  expect(await deliver({ kind: "webhook", url })).toEqual({
    kind: "retry",
    reason: expect.stringMatching(/ECONNREFUSED/),
  });
});

test("a receiver that never answers is cut off in time, or at once when told to stop", async () => {
  hook.answer = () => undefined;
  const settings = { kind: "webhook", url: hook.url, timeoutMs: 100 };
  expect(await deliver(settings)).toEqual({ kind: "retry", reason: "no answer within 100 ms" });
  const stopping = new AbortController();
  const attempt = openedReceiver({ kind: "webhook", url: hook.url, timeoutMs: 60_000 }).deliver(
    told,
    stopping.signal,
  );
  await expect.poll(() => hook.requests.length).toBe(2);
  stopping.abort();
  expect(await attempt).toMatchObject({ kind: "retry" });
});

test("a name that stands for a link-local address is connected to by no way", async () => {
  // A number is looked up like a name: this one is 169.254.169.254.
  for (const host of ["2852039166", "169.254.169.254", "fe80::1"])
    await expect(dial({ host, port: 9 }, [], signal)).rejects.toThrow(/link-local or metadata/);
  const port = Number(new URL(hook.url).port);
  const own = await dial({ host: "localhost", port }, [], signal);
  expect(own.remoteAddress).toBe("127.0.0.1");
  own.destroy();
});

test("no more is sent than the rate allows, and nothing to one that is away", async () => {
  const clock = new VirtualClock();
  let answer: Attempt = { kind: "delivered" };
  const at: number[] = [];
  const inner: Receiver = {
    name: "ops",
    deliver: () => {
      at.push(clock.bootMs());
      return Promise.resolve(answer);
    },
  };
  const guarded = new GuardedReceiver(inner, { perMinute: 60, burst: 2 }, clock);
  const all = Promise.all([1, 2, 3, 4].map(() => guarded.deliver(told, signal)));
  await clock.advance(10_000);
  await all;
  expect(at).toEqual([0, 0, 1_000, 2_000]);
  answer = { kind: "retry", reason: "HTTP 503" };
  for (let index = 0; index < 5; index++) {
    const next = guarded.deliver(told, signal);
    await clock.advance(1_000);
    await next;
  }
  expect(at).toHaveLength(9);
  expect(await guarded.deliver(told, signal)).toMatchObject({
    kind: "retry",
    reason: "not tried after 5 failures: HTTP 503",
  });
  expect(at).toHaveLength(9);
});
