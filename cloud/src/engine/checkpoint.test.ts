// A checkpoint reads as it was written, by this build and from earlier ones.
import { expect, test } from "vitest";
import type { Checkpoint } from "./checkpoint.ts";
import { decodeCheckpoint, encodeCheckpoint, noCheckpoint } from "./checkpoint.ts";

const identity = { subject: "tlm.3.g1.live", nonce: "1.7" };
const checkpoint: Checkpoint = {
  fence: 3,
  commit: 12,
  sequence: 500,
  nonce: "abcd",
  places: [
    { sequence: 500, identity },
    { sequence: 400, identity: { subject: "clk", nonce: undefined } },
  ],
  ahead: { sequence: 503, identity },
  tick: { n: 17, at: 1_767_225_600_000, steadySince: 1_767_225_500_000 },
  rules: "0123",
  snapshot: {
    generation: "3-beef",
    place: { sequence: 450, identity },
    shards: 2,
    hash: "feed",
    rules: "0123",
    tick: { n: 16, at: 1_767_225_595_000 },
  },
};

test("it reads as it was written", () => {
  expect(decodeCheckpoint(encodeCheckpoint(checkpoint))).toEqual(checkpoint);
  expect(decodeCheckpoint(encodeCheckpoint(noCheckpoint))).toEqual(noCheckpoint);
});

test("one of a build without ticks and places is read", () => {
  const snap = ["3-beef", 450, identity.subject, identity.nonce, 2, "feed"];
  const text = JSON.stringify({ v: 1, fence: 3, commit: 12, seq: 500, nonce: "abcd", snap });
  expect(decodeCheckpoint(text)).toEqual({
    ...checkpoint,
    places: [],
    ahead: undefined,
    tick: undefined,
    rules: undefined,
    snapshot: { ...checkpoint.snapshot, rules: undefined, tick: undefined },
  });
});

test("a part that cannot be read is left out, the rest holds", () => {
  const text = JSON.stringify({
    ...(JSON.parse(encodeCheckpoint(checkpoint)) as object),
    places: [[1], "x", [400, "clk", null]],
    tick: ["x"],
    snap: [1],
  });
  expect(decodeCheckpoint(text)).toMatchObject({
    sequence: 500,
    places: [{ sequence: 400 }],
    tick: undefined,
    snapshot: undefined,
  });
});

test.each([
  ['{"v":2}', "BATCH_VERSION_UNKNOWN"],
  ['{"v":1,"fence":"x","commit":1,"seq":1}', "BATCH_MALFORMED"],
])("%s is told as %s", (text, code) => {
  expect(() => decodeCheckpoint(text)).toThrow(code);
});
