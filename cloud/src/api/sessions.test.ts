// A session is worth what its token is worth now, to the one whom it was given, until it ends.
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { codeMs, Sessions, sessionMs } from "./sessions.ts";
import type { Token } from "./tokens.ts";
import { allows, seesGateway, Tokens } from "./tokens.ts";

const shift: Token = { name: "shift", scope: "operate", sites: ["north"], secret: "s1" };
const chief: Token = { name: "chief", scope: "admin", sites: null, secret: "s2" };
const now = 1_000_000;

function sessionsOf(tokens: readonly Token[], seed = "a"): Sessions {
  return new Sessions(new Tokens(tokens), seededRandom(seed));
}

test("a cookie is known again by every process that has its token, until it is over", () => {
  const { value } = sessionsOf([shift, chief]).begin(shift, "operate", now);
  const other = sessionsOf([chief, shift], "b");
  expect(other.find(value, now + 1)).toMatchObject({
    ...{ name: "shift", scope: "operate", sites: ["north"], how: "cookie" },
  });
  expect(other.find(value, now + sessionMs - 1)).toBeDefined();
  expect(other.find(value, now + sessionMs)).toBeUndefined();
});

test("it ends with its token, with another secret of that, and where it was ended", async () => {
  const sessions = sessionsOf([shift]);
  const { value, viewer } = sessions.begin(shift, "operate", now);
  expect(sessionsOf([chief]).find(value, now)).toBeUndefined();
  expect(sessionsOf([{ ...shift, secret: "new" }]).find(value, now)).toBeUndefined();
  await sessions.end(viewer, now);
  expect(sessions.find(value, now)).toBeUndefined();
});

test("it never allows more than its token does by now", () => {
  const { value } = sessionsOf([chief]).begin(chief, "admin", now);
  const less = { ...chief, scope: "read" as const, sites: ["south"] };
  expect(sessionsOf([less]).find(value, now)).toMatchObject({ scope: "read", sites: ["south"] });
});

test("a cookie in which a letter was changed is none", () => {
  const sessions = sessionsOf([shift]);
  const { value } = sessions.begin(shift, "read", now);
  expect(sessions.find(value.replace(".read.", ".admin."), now)).toBeUndefined();
  for (let at = 0; at < value.length; at++) {
    const changed = value[at] === "x" ? "y" : "x";
    const forged = value.slice(0, at) + changed + value.slice(at + 1);
    expect(sessions.find(forged, now), forged).toBeUndefined();
  }
  for (const wrong of ["", ".", "1.....", `${value}.x`, "1.c2hpZnQ.read.zzzzzzzzzzzz.id.AAAA"])
    expect(sessions.find(wrong, now)).toBeUndefined();
});

test("a code is good once and for a short time, for no more than was asked", async () => {
  const sessions = sessionsOf([chief]);
  const { viewer } = sessions.begin(chief, "admin", now);
  const { code, expiresAt } = await sessions.code(viewer, "read", now);
  expect(expiresAt).toBe(now + codeMs);
  expect((await sessions.redeem(code, now))?.viewer).toMatchObject({
    name: "chief",
    scope: "read",
  });
  expect(await sessions.redeem(code, now)).toBeUndefined();
  const late = (await sessions.code(viewer, "read", now)).code;
  expect(await sessions.redeem(late, now + codeMs)).toBeUndefined();
  expect(await sessions.redeem("guess", now)).toBeUndefined();
});

test("the word for changes is of one session alone", () => {
  const sessions = sessionsOf([shift]);
  const one = sessions.begin(shift, "operate", now).viewer;
  const other = sessions.begin(shift, "operate", now).viewer;
  expect(sessions.isCsrf(one, sessions.csrfOf(one))).toBe(true);
  expect(sessions.isCsrf(other, sessions.csrfOf(one))).toBe(false);
  const token = { ...one, session: null, how: "token" as const };
  expect(sessions.csrfOf(token)).toBe("");
  expect(sessions.isCsrf(token, "")).toBe(false);
});

test("scopes hold those before them; an empty token is none; sites bound what is seen", () => {
  expect([allows("admin", "read"), allows("read", "operate")]).toEqual([true, false]);
  const tokens = new Tokens([shift, chief]);
  expect(tokens.find("s2")).toMatchObject({ name: "chief" });
  expect([tokens.find(""), tokens.find("s3")]).toEqual([undefined, undefined]);
  const fleet = {
    sites: new Set<string>(),
    gateway: (id: string) => ({ site: id.startsWith("n") ? "north" : "", labels: {} }),
    device: () => ({ tags: [], family: "" }),
    of: () => undefined,
  };
  const sees = (gateway: string) => seesGateway(shift.sites, gateway, fleet);
  expect(["n1", "s1", "@north", "@south", "_cloud"].map(sees)).toEqual([
    ...[true, false, true, false, false],
  ]);
  expect(seesGateway(null, "_cloud", fleet)).toBe(true);
});
