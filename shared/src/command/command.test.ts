// Goal: a command says what is meant, or why it cannot; a device gets what it can act on; and a
// signature vouches for exactly what was signed.
import { generateKeyPairSync } from "node:crypto";
import { expect, test } from "vitest";
import {
  commandTopic,
  decodeCommand,
  decodeSigned,
  deviceMessage,
  encodeCommand,
  encodeSigned,
  isSameCommand,
  newCommand,
  parseReplyTopic,
  payloadOfText,
  withPayload,
} from "./command.ts";
import {
  commandPublicKeys,
  commandSigningKey,
  isSignedBy,
  signCommand,
} from "./command-signature.ts";

const now = Date.UTC(2026, 10, 21);
const asked = { gateway: "g1", device: "valve", name: "open", by: "me" };

test("a request becomes a command that lives for 5 minutes where nothing else is said", () => {
  const command = newCommand({ ...asked, payload: { percent: 40 } }, now, "id-1");
  expect(command).toEqual({
    ...{ ...asked, id: "id-1", payload: '{"percent":40}', json: true, reply: true },
    ...{ issuedAt: now, expiresAt: now + 300_000, causationid: null },
  });
  expect(decodeCommand(encodeCommand(command))).toEqual(command);
  expect(newCommand({ ...asked, id: "own" }, now, "x")).toMatchObject({ id: "own", payload: "" });
});

test.each([
  [{ gateway: "g 1" }, "gateway: "],
  [{ device: "a/b" }, "device: "],
  [{ device: "a+" }, "device: "],
  [{ name: "set/all" }, "name: "],
  [{ id: "a.b" }, "id: "],
  [{ by: " " }, "by: "],
  [{ payload: "x".repeat(65_537) }, "payload: at most 64 KiB"],
  [{ expires: "31d" }, "expires: "],
  [{ expiresAt: now }, "expiresAt: is over already"],
  [{ expiresAt: now + 31 * 86_400_000 }, "expiresAt: at most 30 days"],
  [{ expires: "1m", expiresAt: now + 1 }, "expires: write expires or expiresAt"],
  [{ other: 1 }, ""],
])("a request with %j is refused, and the message says where", (change, where) => {
  const refused = () => newCommand({ ...asked, ...change }, now, "id");
  expect(refused).toThrow(`COMMAND_INVALID: ${where}`);
});

test("a device gets id, payload and expiry, or without a reply the payload alone, as it was written", () => {
  const command = newCommand(asked, now, "id-1");
  const written = (text: string) => ({ ...command, ...payloadOfText(text) });
  const until = '"expiresAt":"2026-11-21T00:05:00.000Z"';
  const sent = (text: string) => deviceMessage(written(text)).toString();
  expect(sent("1.0")).toBe(`{"id":"id-1","payload":1.0,${until}}`);
  expect(sent('say "hi"')).toBe(`{"id":"id-1","payload":"say \\"hi\\"",${until}}`);
  expect(deviceMessage({ ...written("ON"), reply: false }).toString()).toBe("ON");
  expect(commandTopic(command)).toBe("devices/valve/commands/open");
});

test("a payload as people write it keeps to the bound too", () => {
  const command = newCommand(asked, now, "id");
  expect(withPayload(command, "[ 1.0 ]")).toMatchObject({ payload: "[ 1.0 ]", json: true });
  const long = `[${" ".repeat(65_536)}]`;
  expect(() => withPayload(command, long)).toThrow("COMMAND_INVALID: payload: at most 64 KiB");
});

test("a reply's topic names device and command, and no other topic is one", () => {
  expect(parseReplyTopic("devices/valve/replies/id-1")).toEqual({ device: "valve", id: "id-1" });
  for (const other of [
    ...["devices/valve/telemetry", "devices/valve/replies", "devices/valve/replies/", "replies/x"],
    ...["devices/valve/replies/a/b", "devices/valve/replies/a b", "devices//replies/x"],
  ])
    expect(parseReplyTopic(other), other).toBeUndefined();
});

test("the same command again is the same, whenever it was issued; any other is not", () => {
  const one = newCommand(asked, now, "id");
  expect(isSameCommand(one, newCommand(asked, now + 9, "id"))).toBe(true);
  for (const change of [{ device: "b" }, { name: "b" }, { payload: "b" }, { reply: false }])
    expect(isSameCommand(one, newCommand({ ...asked, ...change }, now, "id"))).toBe(false);
});

function pair() {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    open: publicKey.export({ type: "spki", format: "pem" }).toString(),
  };
}

test("a signature vouches for the text that was signed, by any of the keys, and for nothing else", () => {
  const [mine, older, stranger] = [pair(), pair(), pair()];
  const keys = commandPublicKeys(`${older.open}\n${mine.open}`, "keys.pem");
  const body = encodeCommand(newCommand(asked, now, "id"));
  const signature = signCommand(body, commandSigningKey(mine.key, "key.pem"));
  const stored = decodeSigned(encodeSigned({ body, signature }));
  expect(stored).toEqual({ body, signature });
  expect(isSignedBy(stored.body, stored.signature, keys)).toBe(true);
  expect(isSignedBy(body.replace("valve", "gates"), signature, keys)).toBe(false);
  const forged = signCommand(body, commandSigningKey(stranger.key, "key.pem"));
  expect(isSignedBy(body, forged, keys)).toBe(false);
  for (const none of [undefined, "", "%%", signature.slice(4)])
    expect(isSignedBy(body, none, keys)).toBe(false);
});

test("a key that is none, of another kind, or private where a public one belongs is refused", () => {
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  const rsa = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
  expect(() => commandSigningKey("text", "k")).toThrow("CONFIG_INVALID: k: not a key in PEM");
  expect(() => commandSigningKey(rsa, "k")).toThrow("a key of rsa, not ed25519");
  expect(() => commandPublicKeys(pair().key, "k")).toThrow("a private key");
});
