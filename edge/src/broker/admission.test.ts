/** Goal: who comes in has shown it by the way its listener asks for, and as the files are now. */
import { describe, expect, test } from "vitest";
import { parsePasswords, passwordLine } from "./access.ts";
import { parseAcl } from "./acl.ts";
import type { Access, Knock } from "./admission.ts";
import { Admission, wayIn } from "./admission.ts";
import type { AuthSettings, ListenerSettings } from "./listener-settings.ts";

const line = (user: string, password: string) => passwordLine(user, password, Buffer.alloc(16, 9));
const accessOf = (...lines: string[]): Access => ({
  passwords: parsePasswords(lines.join("\n"), "passwords"),
  acl: undefined,
  pairs: [],
});
const knock = (more: Partial<Knock> = {}): Knock => ({
  client: "c1",
  name: "pump",
  password: Buffer.from("secret"),
  willTopic: undefined,
  address: "192.0.2.1:4000",
  way: "password",
  certificateUser: undefined,
  isGone: () => false,
  ...more,
});
const access = accessOf(line("pump", "secret"));

describe("the way in", () => {
  const tls = { certFile: "a", keyFile: "b", caFile: "c", requireCertificate: true };
  const at = (host: string, more: Partial<ListenerSettings> = {}): ListenerSettings => {
    return { host, port: 1, protocol: "mqtt", ...more };
  };
  const optional = { tls: { ...tls, requireCertificate: false } };
  const named = { anonymous: false, certificateIdentity: "cn" as const };

  test.each<[string, ListenerSettings, AuthSettings, string]>([
    ["a certificate that names", at("0.0.0.0", { tls }), named, "certificate"],
    [
      "the same, whatever else is set",
      at("::", { tls }),
      { ...named, anonymous: true },
      "certificate",
    ],
    ["a password", at("0.0.0.0"), { anonymous: false, passwordFile: "p" }, "password"],
    [
      "a password, where both are set",
      at("::1"),
      { anonymous: true, passwordFile: "p" },
      "password",
    ],
    [
      "a password, beside a certificate",
      at("::", { tls }),
      { anonymous: false, passwordFile: "p" },
      "password",
    ],
    ["anyone, on loopback", at("localhost"), { anonymous: true }, "anyone"],
  ])("%s", (_what, listener, auth, way) => {
    expect(wayIn(listener, auth)).toBe(way);
  });

  test.each<[string, ListenerSettings, AuthSettings]>([
    ["nothing at all", at("127.0.0.1"), { anonymous: false }],
    ["anyone, off loopback", at("10.0.0.1"), { anonymous: true }],
    ["a certificate that names nobody, off loopback", at("::", { tls }), { anonymous: true }],
    ["one that is not required, off loopback", at("::", optional), { ...named, anonymous: true }],
    ["one that is not required, and nothing else", at("127.0.0.1", optional), named],
    ["identity by certificate, without TLS", at("0.0.0.0"), named],
  ])("%s is refused", (_what, listener, auth) => {
    expect(() => wayIn(listener, auth)).toThrow(/^SECURITY_REFUSED: .*set mqtt\.auth/);
  });
});

describe("admitting", () => {
  test("by password the user is who knows it; without one nobody is", async () => {
    const admission = new Admission(access, () => 0);
    expect(await admission.admit(knock())).toMatchObject({ user: "pump", client: "c1" });
    for (const wrong of [{ password: undefined }, { name: undefined }, { name: "other" }]) {
      expect(await admission.admit(knock(wrong))).toMatchObject({ returnCode: 5 });
    }
  });

  test("without a password file a listener that asks for passwords admits nobody", async () => {
    const admission = new Admission({ ...access, passwords: undefined }, () => 0);
    expect(await admission.admit(knock())).toMatchObject({ returnCode: 5 });
  });

  test("a listener that asks for a certificate takes no password instead", async () => {
    const admission = new Admission(access, () => 0);
    expect(await admission.admit(knock({ way: "certificate" }))).toMatchObject({ returnCode: 5 });
    const named = knock({ way: "certificate", certificateUser: "pump", name: undefined });
    expect(await admission.admit(named)).toMatchObject({ user: "pump" });
    const other = knock({ way: "certificate", certificateUser: "fan" });
    expect(await admission.admit(other)).toMatchObject({ returnCode: 5 });
  });

  test("where anyone is let in a name is only said: it is no user", async () => {
    const acl = parseAcl("user pump publish x", "acl");
    const admission = new Admission({ ...access, acl }, () => 0);
    const pass = await admission.admit(knock({ way: "anyone" }));
    if ("returnCode" in pass) throw new Error("refused");
    expect(pass.user).toBeUndefined();
    expect(pass.grants?.mayPublish("x")).toBe(false);
  });

  test("a password that changes while it is checked does not let in", async () => {
    const admission = new Admission(access, () => 0);
    const asked = admission.admit(knock());
    await Promise.resolve();
    admission.access = accessOf(line("pump", "another"));
    expect(await asked).toMatchObject({ returnCode: 5 });
  });

  test("who gave up is not looked at, and is no failure", async () => {
    const admission = new Admission(access, () => 0);
    const beganMs = Date.now();
    await admission.admit(knock());
    const onceMs = Date.now() - beganMs;
    const many = Array.from({ length: 200 }, () => {
      return admission.admit(knock({ password: Buffer.from("x"), isGone: () => true }));
    });
    const last = admission.admit(knock());
    expect(await Promise.all(many)).toEqual(many.map(() => ({ returnCode: 3 })));
    expect(await last).toMatchObject({ user: "pump" });
    expect(Date.now() - beganMs).toBeLessThan(100 * Math.max(onceMs, 1));
  });
});

describe("a pass after the files have changed", () => {
  async function passOf(admission: Admission) {
    const pass = await admission.admit(knock());
    if ("returnCode" in pass) throw new Error("refused");
    return pass;
  }

  test.each<[string, Access, boolean]>([
    ["the same line", accessOf(line("pump", "secret"), line("fan", "x")), true],
    ["another password", accessOf(line("pump", "another")), false],
    ["no such user", accessOf(line("fan", "secret")), false],
    ["no passwords any more", { ...access, passwords: undefined }, false],
    ["another client id bound", { ...access, acl: parseAcl("user pump connect c2", "acl") }, false],
    ["its client id bound", { ...access, acl: parseAcl("user pump connect c1", "acl") }, true],
  ])("%s", async (_what, now, holds) => {
    const admission = new Admission(access, () => 0);
    const pass = await passOf(admission);
    admission.access = now;
    expect(admission.renewed(pass) !== undefined).toBe(holds);
  });
});
