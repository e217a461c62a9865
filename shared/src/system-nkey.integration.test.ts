// The goal: a key is made once, for its owner's eyes alone, and a file that holds none is told as that.
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nkeys } from "@nats-io/transport-node";
import { afterAll, expect, test } from "vitest";
import { nkeyFault } from "./nkey.ts";
import { nkeySeed, ownNkey, renewedNkey } from "./system-nkey.ts";

const folder = mkdtempSync(join(tmpdir(), "causeway-nkey-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const place = (name: string) => join(folder, name);
const modeOf = (file: string) => statSync(file).mode & 0o777;

test("a key is made once, and its owner alone can read it", () => {
  const first = ownNkey(place("a"));
  expect(first.isNew).toBe(true);
  expect(nkeyFault(first.publicKey)).toBeUndefined();
  expect(modeOf(place("a"))).toBe(0o600);
  chmodSync(place("a"), 0o644);
  expect(ownNkey(place("a"))).toEqual({ ...first, isNew: false });
  expect(modeOf(place("a"))).toBe(0o600);
  expect(nkeys.fromSeed(nkeySeed(place("a"))).getPublicKey()).toBe(first.publicKey);
});

test("another one comes in its place whole, and leaves nothing of the old", () => {
  const { publicKey } = ownNkey(place("b"));
  const old = readFileSync(place("b"), "utf8");
  const renewed = renewedNkey(place("b"));
  expect(renewed.publicKey).not.toBe(publicKey);
  expect(ownNkey(place("b")).publicKey).toBe(renewed.publicKey);
  expect(modeOf(place("b"))).toBe(0o600);
  const texts = readdirSync(folder).map((name) => readFileSync(place(name), "utf8"));
  expect(texts.join("\n")).not.toContain(old.trim());
});

test.each([
  ["words", "not a seed"],
  ["the public half", nkeys.createUser().getPublicKey()],
  ["an account's seed", new TextDecoder().decode(nkeys.createAccount().getSeed())],
])("a file with %s is told, not what it holds, and stays as it is", (_what, text) => {
  writeFileSync(place("c"), `${text}\n`);
  for (const act of [nkeySeed, ownNkey]) {
    expect(() => act(place("c"))).toThrow(/^CONFIG_INVALID: .*no seed of a user's nkey/);
    expect(() => act(place("c"))).not.toThrow(text);
  }
  expect(readFileSync(place("c"), "utf8")).toBe(`${text}\n`);
});

test("where there is none, or no folder for one, it is said what to do", () => {
  expect(() => nkeySeed(place("none"))).toThrow(/^CONFIG_UNREADABLE: .*causeway-edge join/);
  expect(() => ownNkey(place("none/key"))).toThrow(/^OUTPUT_UNWRITABLE/);
});
