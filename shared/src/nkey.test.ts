// The goal: a key that was mistyped is found before nats-server refuses all of them for it.
import { nkeys } from "@nats-io/transport-node";
import { expect, test } from "vitest";
import { nkeyFault } from "./nkey.ts";

const key = nkeys.createUser().getPublicKey();
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

test("what the client makes is a key", () => {
  for (let at = 0; at < 20; at++)
    expect(nkeyFault(nkeys.createUser().getPublicKey())).toBeUndefined();
});

test("with any one letter changed it is none", () => {
  for (let at = 1; at < key.length; at++) {
    for (const letter of alphabet) {
      if (letter === key[at]) continue;
      expect(nkeyFault(key.slice(0, at) + letter + key.slice(at + 1))).toMatch(/checksum/);
    }
  }
});

test("keys of accounts and servers, short ones, and seeds are none, and a seed is not told", () => {
  expect(nkeyFault(nkeys.createAccount().getPublicKey())).toMatch(/begins with U/);
  expect(nkeyFault(key.slice(1))).toMatch(/56/);
  expect(nkeyFault("")).toMatch(/56/);
  const seed = new TextDecoder().decode(nkeys.createUser().getSeed());
  expect(nkeyFault(seed)).toMatch(/secret seed/);
  expect(nkeyFault(seed)).not.toContain(seed.slice(2));
});
