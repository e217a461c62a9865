// An operator at the machine gets a link for the page by the tokens of the configuration, and no more
// than these allow.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "@causeway/shared/system-clock.ts";
import { afterEach, expect, test } from "vitest";
import { readTokens } from "../api/file-tokens.ts";
import { startedApi } from "../api/testing/http-api.ts";
import { cloudSchema } from "../config.ts";
import { askLink } from "./http-session.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-tokens-"));
const ends: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
afterEach(async () => {
  for (const end of ends.splice(1)) await end();
});

function fileWith(name: string, text: string): string {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
}

const settings = (http: object) => cloudSchema.parse({ http }).http;

test("the link is of the token that may most, or of one that is named; it logs in once", async () => {
  const tokens = readTokens(
    settings({
      tokenFile: fileWith("admin", "a-secret\n"),
      tokens: [{ name: "shift", scope: "operate", tokenFile: fileWith("shift", "b-secret") }],
    }),
  );
  const api = await startedApi({ tokens });
  ends.push(() => api.stop());
  const ask = (token?: string, scope?: "read") =>
    askLink({ address: { host: "x", port: 1 }, tokens, token, scope, url: api.url }, systemClock());
  const sessionOf = async (url: string) => {
    const answer = await fetch(url, { redirect: "manual" });
    const cookie = answer.headers.getSetCookie()[0]?.split(";")[0] ?? "";
    return (await api.get("/api/session", { cookie })).body;
  };
  expect(await sessionOf((await ask()).url)).toMatchObject({ name: "admin", scope: "admin" });
  expect(await sessionOf((await ask("shift")).url)).toMatchObject({ scope: "operate" });
  const { url } = await ask("admin", "read");
  expect(await sessionOf(url)).toMatchObject({ name: "admin", scope: "read" });
  expect(await sessionOf(url)).toMatchObject({ status: 401 });
  await expect(ask("none")).rejects.toThrow(/CLI_USAGE.*admin, shift/);
  await api.stop();
  await expect(ask()).rejects.toThrow(/^CLOUD_UNREACHABLE/);
});

test("without tokens the page needs no link", async () => {
  const question = { tokens: [], token: undefined, scope: undefined, url: undefined };
  const address = { host: "0.0.0.0", port: 8080 };
  expect(await askLink({ ...question, address }, systemClock())).toEqual({
    ...{ url: "http://127.0.0.1:8080/", expiresAt: null },
  });
});

test("tokens that are the same, or bear one name, and a door that stands open are refused", () => {
  const tokenFile = fileWith("one", "same");
  const shift = { name: "shift", scope: "read", tokenFile };
  expect(() => readTokens(settings({ tokenFile, tokens: [shift] }))).toThrow(/same token/);
  const other = { ...shift, tokenFile: fileWith("two", "other") };
  expect(() => readTokens(settings({ tokens: [shift, other] }))).toThrow(/have this name/);
  expect(() => readTokens(settings({ host: "0.0.0.0", anonymous: "read" }))).toThrow(
    /^SECURITY_REFUSED/,
  );
  expect(readTokens(settings({}))).toEqual([]);
});
