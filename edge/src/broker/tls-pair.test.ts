/** Goal: a certificate that would not serve is told before it is used, and names one client or none. */
import { createPrivateKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { authority, pairFiles, pairTexts } from "../testing/file-certificates.ts";
import { certificateUser, dateFault, daysLeft, tlsPair } from "./tls-pair.ts";

const files = { certFile: "etc/cert.pem", keyFile: "etc/key.pem", caFile: "etc/ca.pem" };
const { cert, key } = pairTexts("server");
const other = pairTexts("renewed");
const dayMs = 86_400_000;

describe("a pair", () => {
  test("that fits is taken, with its issuers behind it and texts around it", () => {
    const text = `Subject: me\n${cert}\nIssuer:\r\n${authority}`;
    expect(tlsPair({ cert: text, key, ca: authority }, files)).toMatchObject({
      cert: text,
      validFromMs: Date.UTC(2020, 0, 1),
      validToMs: Date.UTC(2120, 0, 1),
    });
  });

  test.each<[string, { cert?: string; key?: string; ca?: string }, RegExp]>([
    ["another's key", { key: other.key }, /key\.pem is not the key of .*cert\.pem/],
    ["the issuer first", { cert: authority + cert }, /is not the key of the first/],
    ["no certificate", { cert: "hello" }, /cert\.pem holds no certificate/],
    ["the key in its place", { cert: key }, /cert\.pem holds no certificate/],
    ["a broken certificate", { cert: cert.replace(/.{9}\n-----END/, "\n-----END") }, /broken/],
    ["a broken issuer", { cert: cert + cert.replace("MII", "AAA") }, /cert\.pem holds a broken/],
    ["no key", { key: cert }, /key\.pem holds no private key/],
    ["an empty key", { key: "" }, /key\.pem holds no private key/],
    ["an authority without a certificate", { ca: "x" }, /ca\.pem holds no certificate/],
  ])("with %s is refused by the name of the file", (_what, texts, told) => {
    const read = () => tlsPair({ cert, key, ca: authority, ...texts }, files);
    expect(read).toThrow(/^CONFIG_INVALID: /);
    expect(read).toThrow(told);
  });

  test("an encrypted key is told as such", () => {
    const how = { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "x" } as const;
    const locked = createPrivateKey(key).export(how).toString();
    expect(() => tlsPair({ cert, key: locked, ca: undefined }, files)).toThrow(/store it open/);
  });

  test("a message never repeats a key", () => {
    const lines = key.split("\n").filter((line) => line.length > 20);
    try {
      tlsPair({ cert: other.cert, key, ca: undefined }, files);
    } catch (failure) {
      for (const line of lines) expect(String(failure)).not.toContain(line);
    }
    expect.assertions(lines.length);
  });
});

describe("dates", () => {
  const until = Date.UTC(2030, 0, 31);
  const pair = { ...tlsPair({ cert, key, ca: undefined }, pairFiles("server")), validToMs: until };
  test.each<[string, number, RegExp | undefined]>([
    ["long before its end", until - 15 * dayMs, undefined],
    ["in its last two weeks", until - 13.5 * dayMs, /expires in 13 days, on 2030-01-31/],
    ["behind its end", until + 1, /expired on 2030-01-31/],
    ["before its beginning", Date.UTC(1970, 0, 2), /valid only from 2020-01-01; is the clock/],
  ])("%s", (_what, now, told) => {
    if (told === undefined) expect(dateFault(pair, now)).toBeUndefined();
    else expect(dateFault(pair, now)).toMatch(told);
  });

  test("days left go below zero", () => {
    expect([until - dayMs, until, until + 1].map((now) => daysLeft(pair, now))).toEqual([1, 0, -1]);
  });
});

describe("whom a certificate names", () => {
  test.each<[string, object, "cn" | "san", string | undefined]>([
    ["its common name", { subject: { CN: "pump-7" } }, "cn", "pump-7"],
    ["two common names", { subject: { CN: ["a", "b"] } }, "cn", undefined],
    ["no common name", { subject: {} }, "cn", undefined],
    ["no subject", {}, "cn", undefined],
    ["an empty name", { subject: { CN: "" } }, "cn", undefined],
    ["a name with a zero byte", { subject: { CN: "pump\0-7" } }, "cn", undefined],
    ["one DNS name", { subjectaltname: "DNS:pump-7.plant" }, "san", "pump-7.plant"],
    ["one URI", { subjectaltname: "URI:urn:dev:mac:0024" }, "san", "urn:dev:mac:0024"],
    ["one e-mail", { subjectaltname: "email:p@x.test, IP Address:10.0.0.1" }, "san", "p@x.test"],
    ["several", { subjectaltname: "DNS:a, DNS:b" }, "san", undefined],
    ["an address only", { subjectaltname: "IP Address:10.0.0.1" }, "san", undefined],
    ["a name that looks like two", { subjectaltname: 'URI:"x, DNS:admin"' }, "san", "x, DNS:admin"],
    ["none", {}, "san", undefined],
  ])("%s", (_what, peer, by, user) => {
    expect(certificateUser(peer, by)).toBe(user);
  });
});
