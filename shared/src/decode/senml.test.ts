// The goal: SenML is resolved as RFC 8428 says, from JSON and from CBOR alike, and nothing that must be
// understood is passed over.
import { describe, expect, test } from "vitest";
import { readCbor } from "./cbor.ts";
import { LearningDecoder, told } from "./testing/device-message.ts";

const now = 1_714_536_000_000;

function says(records: unknown, topic = "senml/x"): readonly string[] {
  const decoder = new LearningDecoder(() => now);
  return told(decoder.decode(topic, Buffer.from(JSON.stringify(records))));
}

describe("a pack", () => {
  test.each<readonly [name: string, records: readonly object[], said: readonly string[]]>([
    [
      "adds base values and sums",
      [{ bn: "a:", bv: 10, bs: 100, n: "x", v: 1, s: 5 }],
      ["a:x=11", "a:x.sum=105"],
    ],
    ["has the base value where it has none", [{ bn: "a", bv: 3, n: "x" }], ["ax=3"]],
    [
      "keeps texts, truth and data as they are",
      [
        { n: "t", vs: "007" },
        { n: "b", vb: false },
        { n: "d", vd: "aGk" },
      ],
      ['t="007"', "b=false", 'd="aGk"'],
    ],
    ["has times relative to now", [{ n: "x", v: 1, t: -5 }], ["x=1 @2024-05-01T03:59:55.000Z"]],
    ["has no time where it is now", [{ n: "x", v: 1 }], ["x=1"]],
    [
      "has a base time for all that follow",
      [
        { bn: "a", bt: 1_714_536_000, v: 1 },
        { v: 2, t: 0.5 },
      ],
      ["a=1 @2024-05-01T04:00:00.000Z", "a=2 @2024-05-01T04:00:00.500Z"],
    ],
    [
      "of another base name goes on with its own",
      [
        { bn: "a:", bu: "W", n: "x", v: 1 },
        { bn: "b:", n: "x", v: 2 },
      ],
      ["a:x=1 W", "b:x=2 W"],
    ],
    ["passes fields over that it need not know", [{ n: "x", v: 1, note: "y" }], ["x=1"]],
    [
      "is refused with one that it must know",
      [{ n: "x", v: 1, must_: 1 }],
      ["quarantined not-understood"],
    ],
    [
      "is refused in a version to come",
      [{ bver: 11, n: "x", v: 1 }],
      ["quarantined not-understood"],
    ],
    [
      "is refused where a record has two values",
      [{ n: "x", v: 1, vs: "1" }],
      ["quarantined not-understood"],
    ],
    [
      "is refused where a value is of another type",
      [{ n: "x", vb: 1 }],
      ["quarantined not-understood"],
    ],
  ])("%s", (_name, records, said) => {
    expect(says(records).map((line) => line.replace("senml/x ", ""))).toEqual(said);
  });

  test("is known on any topic", () => {
    expect(says([{ bn: "urn:dev:1:", n: "t", u: "Cel", v: 1 }], "plant/x")).toEqual([
      "plant/x urn:dev:1:t=1 Cel",
    ]);
    const others = [{ n: "x", v: 1, id: 7 }];
    expect(says(others, "plant/x")).toEqual(['plant/x n="x"', "plant/x v=1", "plant/x id=7"]);
  });
});

describe("CBOR", () => {
  test.each<readonly [name: string, hex: string, value: unknown]>([
    [
      "whole numbers",
      "8700171818190100 1a00010000 20 3863".replaceAll(" ", ""),
      [0, 23, 24, 256, 65_536, -1, -100],
    ],
    ["64 bits", "811b0000000100000000", [4_294_967_296]],
    ["floats of each size", "83f93e00fa4144cccdfb3ff199999999999a", [1.5, 12.3, 1.1]],
    ["the smallest half", "81f90001", [2 ** -24]],
    ["a half that is infinite", "81f9fc00", [-Infinity]],
    ["texts and bytes", "826161 4101".replaceAll(" ", ""), ["a", Buffer.from([1])]],
    ["texts in chunks", "817f61616162ff", ["ab"]],
    ["lists without length", "9f0102ff", [1, 2]],
    ["maps", "81a1206161", [new Map([[-1, "a"]])]],
    ["truth and nothing", "84f4f5f6f7", [false, true, null, null]],
    ["a decimal fraction", "81c48221196ab3", [273.15]],
    ["tags that say nothing here", "81d9d9f701", [1]],
  ])("reads %s", (_name, hex, value) => {
    expect(readCbor(Buffer.from(hex, "hex"))?.value).toEqual(value);
  });

  test.each([
    ["nothing", ""],
    ["a length beyond the end", "816a61"],
    ["a count beyond the end", "9a00ffffff01"],
    ["bytes behind the end", "0101"],
    ["a break alone", "ff"],
    ["a break in a list with a length", "82ff01"],
    ["a reserved length", "811c"],
    ["lists in each other beyond sixteen", `${"81".repeat(20)}00`],
    ["text that is no UTF-8", "8161ff"],
    ["a fraction of texts", "81c482616161"],
  ])("refuses %s", (_name, hex) => {
    expect(readCbor(Buffer.from(hex, "hex"))).toBeUndefined();
  });

  test("carries the same as JSON", () => {
    // [{bn: "a:", n: "t", u: "Cel", v: 21.5}, {n: "d", vd: h'6869'}]
    const pack = "82a421 62613a 00 6174 01 6343656c 02 f94d60 a2 00 6164 08 426869".replaceAll(
      " ",
      "",
    );
    const decoded = new LearningDecoder().decode("any/topic", Buffer.from(pack, "hex"));
    expect(told(decoded)).toEqual(["any/topic a:t=21.5 Cel", 'any/topic a:d="aGk"']);
  });
});
