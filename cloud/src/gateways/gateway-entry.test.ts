// The goal: a key is one gateway's, and one that was revoked lets nobody in again by accident.
import { nkeys } from "@nats-io/nats-core";
import { expect, test } from "vitest";
import { encodeEntry, GatewayBook, gatewayRequest, gatewaysMax } from "./gateway-entry.ts";
import { listedGateways } from "./gateway-lines.ts";
import { usersText } from "./users-file.ts";

const newKey = () => nkeys.createUser().getPublicKey();
const [one, two] = [newKey(), newKey()];

class Bucket {
  readonly book = new GatewayBook();
  #at = 0;

  say(request: object) {
    const asked = gatewayRequest({ by: "ann", ...request });
    const entry = this.book.after(asked, ++this.#at);
    this.book.take(entry.gateway, encodeEntry(entry));
    return entry;
  }

  add(gateway: string, key?: string, more: object = {}) {
    return this.say({ act: "add", gateway, key, ...more });
  }
}

test("who was added is permitted its three lanes, its mark, its commands, and nothing else", () => {
  const bucket = new Bucket();
  bucket.add("plant-3", one);
  const allowed = [
    "tlm.plant-3.priority",
    "tlm.plant-3.live",
    "tlm.plant-3.history",
    "$JS.API.DIRECT.GET.ENGINE.mark.*.plant-3",
    "$JS.API.CONSUMER.MSG.NEXT.CMD.plant-3",
    "$JS.ACK.CMD.plant-3.>",
  ];
  const publish = allowed.map((subject) => JSON.stringify(subject)).join(", ");
  const [, ...lines] = usersText(bucket.book).split("\n");
  expect(lines.join("\n")).toBe(`users: [
  { nkey: ${one}, allowed_connection_types: ["STANDARD", "WEBSOCKET"], permissions: {
    publish: { allow: [${publish}] }
    subscribe: { allow: ["_INBOX_plant-3.>"] }
  } }
]
`);
});

test("what was said is said again without effect", () => {
  const bucket = new Bucket();
  const first = bucket.add("g1", one, { site: "hall", labels: { zone: "cold" } });
  const request = { act: "add", gateway: "g1", key: one, site: "hall", by: "bob" };
  expect(bucket.book.after(gatewayRequest(request), 9)).toBe(bucket.book.of("g1"));
  expect(bucket.add("g1")).toEqual(first);
  bucket.say({ act: "revoke", gateway: "g1" });
  const revoked = bucket.book.of("g1");
  bucket.say({ act: "revoke", gateway: "g1" });
  expect(bucket.book.of("g1")).toEqual(revoked);
});

test("site and labels change alone; an empty one is taken away", () => {
  const bucket = new Bucket();
  bucket.add("g1", one, { site: "hall", labels: { zone: "cold", floor: "1" } });
  expect(bucket.add("g1", undefined, { labels: { zone: "", room: "7" } })).toMatchObject({
    ...{ key: one, site: "hall", labels: { floor: "1", room: "7" } },
  });
  expect(bucket.add("g1", undefined, { site: "" })).not.toHaveProperty("site");
});

test("a key is one gateway's, and a gateway has one key", () => {
  const bucket = new Bucket();
  bucket.add("g1", one);
  expect(() => bucket.add("g2", one)).toThrow(/GATEWAY_KEY_REFUSED: gateway g2.*that of g1/);
  expect(() => bucket.add("g2", one, { replace: true })).toThrow(/that of g1/);
  expect(() => bucket.add("g1", two)).toThrow(/GATEWAY_KEY_REFUSED: gateway g1.*--replace/);
  expect(bucket.add("g1", two, { replace: true })).toMatchObject({ key: two });
  // The one that was replaced is as good as revoked.
  expect(() => bucket.add("g2", one)).toThrow(/that of g1/);
  expect(() => bucket.add("g1", one)).toThrow(/revoked/);
});

test("a list that is read in again permits no key that was revoked", () => {
  const bucket = new Bucket();
  bucket.add("g1", one, { site: "hall" });
  bucket.say({ act: "revoke", gateway: "g1" });
  expect(usersText(bucket.book)).not.toContain(one);
  expect(() => bucket.add("g1", one)).toThrow(/GATEWAY_KEY_REFUSED: .*revoked/);
  expect(bucket.add("g1", two)).toMatchObject({ key: two, site: "hall" });
  expect(bucket.add("g1", one, { replace: true })).toMatchObject({ key: one });
});

test("of two that were written at one moment under one key the first one is permitted", () => {
  const bucket = new Bucket();
  bucket.add("g2", one);
  const other = new Bucket().add("g1", one);
  bucket.book.take("g1", encodeEntry(other));
  expect(usersText(bucket.book).match(/nkey/g)).toHaveLength(1);
  expect(usersText(bucket.book)).toContain("tlm.g2.live");
});

test.each([
  [{ act: "add", gateway: "a.b" }, /gateway: a gateway has/],
  [{ act: "add", gateway: "g1", key: "UABC" }, /key: a public key has 56/],
  [
    { act: "add", gateway: "g1", key: one.replace(/.$/, (last) => (last === "A" ? "B" : "A")) },
    /checksum/,
  ],
  [{ act: "add", gateway: "g1", labels: { "": "x" } }, /labels/],
])("%j is refused in words", (request, why) => {
  expect(() => gatewayRequest({ by: "ann", ...request })).toThrow(why);
});

test("a seed that was pasted in place of its public half is refused, and not told", () => {
  const seed = new TextDecoder().decode(nkeys.createUser().getSeed());
  const add = () => gatewayRequest({ act: "add", gateway: "g1", key: seed, by: "ann" });
  expect(add).toThrow(/secret seed/);
  expect(add).not.toThrow(seed);
});

test("there is an end to how many may be added", () => {
  const bucket = new Bucket();
  for (let at = 0; at < gatewaysMax; at++) {
    const entry = {
      gateway: `g${at}`,
      labels: {},
      revoked: [],
      act: "added",
      by: "",
      note: "",
      at,
    };
    bucket.book.take(entry.gateway, JSON.stringify({ v: 1, ...entry }));
  }
  expect(() => bucket.add("one-more")).toThrow(/10000 gateways/);
  expect(bucket.add("g1", one)).toMatchObject({ key: one });
});

test("a list is CSV with labels as columns, or what join prints, and tells each fault by its line", () => {
  const said = { by: "ann", note: "", replace: false };
  const csv = `gateway,key,site,zone\ng1,${one},hall,cold\n\n# later\ng 2,,,\ng3,,,warm\n`;
  expect(listedGateways(csv, said)).toEqual([
    {
      line: 2,
      request: expect.objectContaining({
        gateway: "g1",
        key: one,
        site: "hall",
        labels: { zone: "cold" },
      }),
    },
    { line: 5, request: expect.stringContaining("OPERATION_INVALID: gateway") },
    { line: 6, request: expect.objectContaining({ gateway: "g3", labels: { zone: "warm" } }) },
  ]);
  const lines = `{"gateway":"g1","key":"${one}"}\n{"gateway":"g2",\n{"gateway":"g3","size":1}\n`;
  expect(listedGateways(lines, said)).toEqual([
    { line: 1, request: expect.objectContaining({ gateway: "g1", key: one }) },
    { line: 2, request: expect.stringContaining("JSON") },
    { line: 3, request: expect.stringContaining("size") },
  ]);
  expect(() => listedGateways("name,key\n", said)).toThrow(/INPUT_UNREADABLE: line 1/);
  expect(listedGateways("\n", said)).toEqual([]);
});
