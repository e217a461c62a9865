// The goal: nobody gets in by accident: not off loopback without a token, and not by offering nothing.
import { describe, expect, test } from "vitest";
import { checkHttpAddress, isAdmitted } from "./http-access.ts";
import { isLoopback } from "./loopback.ts";

const basic = (pair: string) => `Basic ${Buffer.from(pair).toString("base64")}`;

describe("an address", () => {
  const loopback = ["127.0.0.1", "127.8.9.10", "::1", "localhost"];
  test.each(loopback)("of this machine only needs no token: %s", (host) => {
    expect(isLoopback(host)).toBe(true);
    expect(() => checkHttpAddress({ host, port: 8080 }, undefined)).not.toThrow();
  });

  const open = [
    "0.0.0.0",
    "::",
    "192.168.1.7",
    "localhost.example.com",
    "127.0.0.1.example.com",
    "127.0.0",
    "",
  ];
  test.each(open)("that others may reach is refused without a token: %j", (host) => {
    expect(isLoopback(host)).toBe(false);
    expect(() => checkHttpAddress({ host, port: 8080 }, undefined)).toThrow("SECURITY_REFUSED");
    expect(() => checkHttpAddress({ host, port: 8080 }, "")).toThrow("SECURITY_REFUSED");
    expect(() => checkHttpAddress({ host, port: 8080 }, "secret")).not.toThrow();
  });
});

describe("with a token", () => {
  const admitted = [
    "Bearer s3cret",
    "bearer s3cret",
    basic("any:s3cret"),
    basic(":s3cret"),
    `BASIC ${basic("a:s3cret").slice(6)}`,
  ];
  test.each(admitted)("%s is admitted", (authorization) => {
    expect(isAdmitted("s3cret", authorization)).toBe(true);
  });

  const refused = [
    undefined,
    "",
    "Bearer",
    "Bearer ",
    "Bearer s3cret2",
    "Bearer S3CRET",
    "Bearer  s3cret",
    "s3cret",
    "Digest s3cret",
    "Basic s3cret",
    "Basic ???",
    basic("s3cret:"),
    basic("s3cret:other"),
  ];
  test.each(refused)("%j is refused", (authorization) => {
    expect(isAdmitted("s3cret", authorization)).toBe(false);
  });

  test("a password may hold colons", () => {
    expect(isAdmitted("a:b:c", basic("user:a:b:c"))).toBe(true);
  });

  test("an empty one admits nobody", () => {
    for (const authorization of [undefined, "", "Bearer ", basic("user:")]) {
      expect(isAdmitted("", authorization), authorization).toBe(false);
    }
  });
});

test("without a token whoever reaches the address is admitted", () => {
  expect(isAdmitted(undefined, undefined)).toBe(true);
});
