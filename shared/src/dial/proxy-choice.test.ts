// A server is reached through the proxy that was meant for it, or directly; nothing is guessed.
import { expect, test } from "vitest";
import type { Environment } from "./proxy-choice.ts";
import { isExcepted, proxyFor, proxySchema } from "./proxy-choice.ts";

const target = { host: "nats.example.com", port: 443 };
const secrets: Record<string, string> = { password: "s3cret" };
const choose = (settings: unknown, environment: Environment = {}, to = target) =>
  proxyFor(to, proxySchema.parse(settings), environment, (file) => secrets[file] ?? "");

test("without settings there is none, whatever the environment says", () => {
  const environment = { HTTPS_PROXY: "http://proxy:3128" };
  expect(proxyFor(target, undefined, environment, () => "")).toBeUndefined();
  expect(choose({}, environment)).toBeUndefined();
});

test("a proxy of the settings, with its credentials from a file", () => {
  expect(choose({ url: "proxy:3128" })).toEqual({ host: "proxy", port: 3128, isSecure: false });
  expect(choose({ url: "https://proxy", user: "gw", passwordFile: "password" })).toEqual({
    ...{ host: "proxy", port: 443, isSecure: true, user: "gw", password: "s3cret" },
  });
});

test("the environment counts where it is asked to, lower case first", () => {
  const environment = { https_proxy: "http://low:1", HTTPS_PROXY: "http://high:2" };
  expect(choose({ fromEnvironment: true }, environment)).toMatchObject({ host: "low", port: 1 });
  expect(choose({ fromEnvironment: true }, { HTTPS_PROXY: "u:p%40@high:2" })).toMatchObject({
    ...{ host: "high", port: 2, user: "u", password: "p@" },
  });
  expect(choose({ fromEnvironment: true })).toBeUndefined();
  const excepted = { HTTPS_PROXY: "http://high:2", NO_PROXY: "localhost, .example.com" };
  expect(choose({ fromEnvironment: true }, excepted)).toBeUndefined();
});

test.each([
  ["*", true],
  ["example.com", true],
  [".example.com", true],
  ["*.example.com", true],
  ["nats.example.com:443", true],
  ["nats.example.com:4222", false],
  ["ample.com", false],
  ["other.com", false],
  ["", false],
])("NO_PROXY %s: reached directly %s", (rule, isDirect) => {
  expect(isExcepted(target, [rule])).toBe(isDirect);
});

test("addresses are excepted one by one and in blocks", () => {
  const at = (host: string) => ({ host, port: 4222 });
  expect(isExcepted(at("10.1.2.3"), ["10.0.0.0/8"])).toBe(true);
  expect(isExcepted(at("11.1.2.3"), ["10.0.0.0/8"])).toBe(false);
  expect(isExcepted(at("127.0.0.1"), ["127.0.0.1"])).toBe(true);
  expect(isExcepted(at("fd00::7"), ["fd00::/8"])).toBe(true);
});

test.each([
  { url: "socks5://a:1" },
  { url: "http://" },
  { url: "http://user:secret@proxy:1" },
  { url: "http://proxy:1", fromEnvironment: true },
  { url: "http://proxy:1", passwordFile: "password" },
])("%j is refused", (settings) => {
  expect(proxySchema.safeParse(settings).success).toBe(false);
});
