// The goal: what a gateway sends is what the cloud reads, and a hostile batch costs the cloud neither
// its process nor more memory than the bound.
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { createZstdCompress } from "node:zlib";
import { describe, expect, test } from "vitest";
import type { BatchHead } from "./batch-codec.ts";
import {
  batchExpandedBytesMax,
  batchNestingMax,
  batchRowsMax,
  compressBody,
  decodeBody,
  decodeHead,
  encodeHead,
  epochId,
  epochOrdinal,
  expandBody,
  joinBody,
} from "./batch-codec.ts";
import { encodeBlock } from "./block-codec.ts";
import { CodedError } from "./errors.ts";
import { eventSchema } from "./event.ts";
import { seededRandom } from "./random.ts";
import { integer, mutatedBytes, mutatedJson, pick, randomItems } from "./testing/random-events.ts";

const head: BatchHead = {
  run: "13-0123abcd",
  epoch: "12-9f3a2b1c",
  log: "telemetry",
  from: 41,
  to: 42,
  end: 42,
  before: { epoch: "11-00000000", ends: { telemetry: 900, priority: 0 } },
  nonce: "3.c0ffee",
  watermark: 1_700_000_000_000,
};

function reader(headers: readonly (readonly [name: string, value: string])[]) {
  const values = new Map(headers);
  return (name: string) => values.get(name);
}

function codeThrownBy(act: () => unknown): string {
  try {
    act();
  } catch (failure) {
    return failure instanceof CodedError ? failure.code : `uncoded: ${failure}`;
  }
  return "nothing";
}

describe("the head", () => {
  test("is written in these headers, which other programs read", () => {
    expect(encodeHead(head)).toEqual([
      ["Content-Type", "application/vnd.causeway.batch+json"],
      ["Content-Encoding", "zstd"],
      ["Cw-Version", "1"],
      ["Cw-Run", "13-0123abcd"],
      ["Cw-Epoch", "12-9f3a2b1c"],
      ["Cw-Log", "telemetry"],
      ["Cw-From", "41"],
      ["Cw-To", "42"],
      ["Cw-Nonce", "3.c0ffee"],
      ["Cw-End", "42"],
      ["Cw-Before", "11-00000000;telemetry=900;priority=0"],
      ["Cw-Watermark", "1700000000000"],
    ]);
  });

  test("is read back as it was, with and without what is optional", () => {
    for (let run = 0; run < 500; run++) {
      const seed = `head ${run}`;
      const random = seededRandom(seed);
      const position = () => integer(random, 2 ** 31) * integer(random, 2 ** 21);
      const epoch = () => epochId(1 + integer(random, 9_999_999_999), random.hex(8));
      const maybe = <Value>(value: Value) => (random.next() < 0.5 ? undefined : value);
      const from = 1 + position();
      const before = { epoch: epoch(), ends: { telemetry: position(), priority: position() } };
      const wanted: BatchHead = {
        run: epoch(),
        epoch: epoch(),
        log: pick(random, ["telemetry", "priority"]),
        from,
        to: from - 1 + integer(random, 100),
        end: maybe(position()),
        before: maybe(before),
        nonce: `${integer(random, 9)}.${random.hex(8)}`,
        watermark: maybe(integer(random, 2 ** 41)),
      };
      expect(decodeHead(reader(encodeHead(wanted))), `seed "${seed}"`).toStrictEqual(wanted);
    }
  });

  test("may hold headers that this build does not know", () => {
    expect(decodeHead(reader([...encodeHead(head), ["Cw-Later", "x"]]))).toStrictEqual(head);
  });

  const malformed: readonly (readonly [name: string, value: string | undefined])[] = [
    ["Cw-Run", undefined],
    ["Cw-Run", "13"],
    ["Cw-Epoch", undefined],
    ["Cw-Epoch", "0-9f3a2b1c"],
    ["Cw-Epoch", "12-9F3A2B1C"],
    ["Cw-Epoch", "12-9f3a2b1c "],
    ["Cw-Epoch", "99999999999-9f3a2b1c"],
    ["Cw-Log", undefined],
    ["Cw-Log", "system"],
    ["Cw-From", undefined],
    ["Cw-From", "0"],
    ["Cw-From", "-1"],
    ["Cw-From", "1.5"],
    ["Cw-From", "0x10"],
    ["Cw-From", " 41"],
    ["Cw-From", "9007199254740993"],
    ["Cw-To", undefined],
    ["Cw-To", ""],
    ["Cw-To", "39"],
    ["Cw-End", "none"],
    ["Cw-Before", "11-00000000"],
    ["Cw-Before", "11;telemetry=1;priority=1"],
    ["Cw-Before", "11-00000000;telemetry=-1;priority=1"],
    ["Cw-Before", `11-00000000;telemetry=${"9".repeat(400)};priority=1`],
    ["Cw-Watermark", "soon"],
  ];

  test.each(malformed)("is refused where %s is %j", (name, value) => {
    const given = reader(encodeHead(head));
    const code = codeThrownBy(() => decodeHead((asked) => (asked === name ? value : given(asked))));
    expect(code).toBe("BATCH_MALFORMED");
  });

  test.each([undefined, "0", "2", "01"])("is refused by version where that is %j", (version) => {
    const given = reader(encodeHead(head));
    const read = (name: string) => (name === "Cw-Version" ? version : given(name));
    expect(codeThrownBy(() => decodeHead(read))).toBe("BATCH_VERSION_UNKNOWN");
  });
});

test("an epoch's id holds its ordinal, and nothing else is one", () => {
  expect(epochOrdinal(epochId(12, "9f3a2b1c"))).toBe(12);
  for (const text of ["", "12", "12-", "-9f3a2b1c", "1e1-9f3a2b1c", "12-9f3a2b1c-"]) {
    expect(epochOrdinal(text), text).toBeUndefined();
  }
});

describe("the body", () => {
  const items = randomItems(seededRandom("body"), 41, 2);
  const [first, second] = [items.slice(0, 1), items.slice(1)].map((part) =>
    encodeBlock("boot1", part),
  );
  const last = items.at(-1)?.to ?? 0;
  const bounds = { epoch: head.epoch, log: head.log, from: 41, to: last };
  const blocks = [first ?? Buffer.alloc(0), second ?? Buffer.alloc(0)];
  const body = joinBody("plant-3", bounds, { boot1: 1_000, boot0: null }, blocks);

  test("is the head and the blocks' own bytes", () => {
    const empty = { epoch: head.epoch, log: head.log, from: 41, to: 40 };
    expect(joinBody("plant-3", empty, { boot1: 1_000 }, []).toString()).toBe(
      '{"v":1,"g":"plant-3","e":"12-9f3a2b1c","l":"telemetry","p":41,"n":40,' +
        '"boots":{"boot1":1000},"blocks":[]}',
    );
    expect(body.includes(blocks[0]?.subarray(5) ?? "")).toBe(true);
  });

  test("is read back through compression with every event", () => {
    const read = decodeBody(expandBody(compressBody(body)));
    expect(read).toMatchObject({ gateway: "plant-3", ...bounds });
    expect({ ...read.boots }).toStrictEqual({ boot1: 1_000, boot0: null });
    expect(read.blocks.flatMap((block) => block.items)).toStrictEqual(items);
  });

  test("may be empty of blocks, to state ends only", () => {
    const empty = joinBody("plant-3", { ...bounds, to: 40 }, {}, []);
    expect(decodeBody(empty).blocks).toEqual([]);
  });

  test("may hold keys that this build does not know", () => {
    const extended = Buffer.from(`{"later":{},${body.toString().slice(1)}`);
    expect(decodeBody(extended)).toEqual(decodeBody(body));
  });

  test("has no offset for a boot that it does not name, whatever that is called", () => {
    const { boots } = decodeBody(body);
    expect(["constructor", "toString", "__proto__"].map((boot) => boots[boot])).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });

  const wrong: readonly (readonly [name: string, changes: object, code: string])[] = [
    ["another version", { v: 2 }, "BATCH_VERSION_UNKNOWN"],
    ["a version that cannot be shown", { v: { toString: 1 } }, "BATCH_VERSION_UNKNOWN"],
    ["no gateway", { g: null }, "BATCH_MALFORMED"],
    ["no epoch", { e: 12 }, "BATCH_MALFORMED"],
    ["a text that is no epoch", { e: "12" }, "BATCH_MALFORMED"],
    ["another log", { l: "system" }, "BATCH_MALFORMED"],
    ["a log that cannot be shown", { l: { toString: 1 } }, "BATCH_MALFORMED"],
    ["position 0", { p: 0, n: -1, blocks: [] }, "BATCH_MALFORMED"],
    ["positions as text", { p: "41" }, "BATCH_MALFORMED"],
    ["an end that its blocks do not reach", { n: last + 1 }, "BATCH_MALFORMED"],
    ["a start that its blocks do not have", { p: 40 }, "BATCH_MALFORMED"],
    ["no blocks", { blocks: {} }, "BATCH_MALFORMED"],
    ["a block that is none", { blocks: [null] }, "BATCH_MALFORMED"],
    ["no boots", { boots: null }, "BATCH_MALFORMED"],
    ["boots in a list", { boots: [5] }, "BATCH_MALFORMED"],
    ["an offset as text", { boots: { boot1: "5" } }, "BATCH_MALFORMED"],
    ["an offset beyond what a date holds", { boots: { boot1: 1e300 } }, "BATCH_MALFORMED"],
  ];

  test.each(wrong)("is refused with %s", (...[, changes, code]) => {
    const json = JSON.stringify({ ...JSON.parse(body.toString()), ...changes });
    expect(codeThrownBy(() => decodeBody(Buffer.from(json)))).toBe(code);
  });

  test("is refused with an offset that is infinite", () => {
    const json = body.toString().replace('"boot1":1000', '"boot1":1e999');
    expect(codeThrownBy(() => decodeBody(Buffer.from(json)))).toBe("BATCH_MALFORMED");
  });

  test.each(["", "{", "null", "7", "\ufeff{}"])("is refused where it is %j", (text) => {
    expect(codeThrownBy(() => decodeBody(Buffer.from(text)))).toBe("BATCH_MALFORMED");
  });

  test("is refused where it is nested deeper than any batch, before it is parsed", () => {
    const deep = (levels: number) => "[".repeat(levels) + "]".repeat(levels);
    const withKey = (levels: number) =>
      Buffer.from(body.toString().replace("{", `{"new":${deep(levels)},`));
    expect(codeThrownBy(() => decodeBody(withKey(batchNestingMax - 1)))).toBe("nothing");
    expect(codeThrownBy(() => decodeBody(withKey(batchNestingMax)))).toBe("BATCH_MALFORMED");
    const startedAt = performance.now();
    expect(codeThrownBy(() => decodeBody(withKey(4_000_000)))).toBe("BATCH_MALFORMED");
    expect(performance.now() - startedAt).toBeLessThan(400);
  });

  test.each([
    ["brackets", "[".repeat(100)],
    ["quotes and brackets", `"${"[{".repeat(100)}`],
    ["a backslash at its end", `${"[".repeat(100)}\\`],
  ])("is read with a text of %s, which are not nested", (_what, text) => {
    const json = body.toString().replace("{", `{"new":${JSON.stringify(text)},"newer":[[]],`);
    expect(codeThrownBy(() => decodeBody(Buffer.from(json)))).toBe("nothing");
  });

  test("is refused with more rows than any gateway sends, before they are looked at", () => {
    const rows = `0${",0".repeat(batchRowsMax)}`;
    const block = `{"p":1,"n":${batchRowsMax + 1},"b":"boot1","t":0,"o":0,"r":[],"m":[],"e":[${rows}]}`;
    const json = body.toString().replace(/"blocks":.*/, `"blocks":[${block}]}`);
    expect(() => decodeBody(Buffer.from(json))).toThrow("rows");
  });

  test("throws nothing uncoded when mutated, and yields no event that the schema refuses", () => {
    let read = 0;
    for (let run = 0; run < 3_000; run++) {
      const seed = `batch mutation ${run}`;
      const random = seededRandom(seed);
      const text = mutatedJson(random, JSON.parse(body.toString()));
      const words = ["1e999", '"__proto__"', "null", "[", "}", '{"toString":1}'];
      const given = random.next() < 0.5 ? Buffer.from(text) : mutatedBytes(random, body, words);
      const code = codeThrownBy(() => {
        for (const { event } of decodeBody(given).blocks.flatMap((block) => block.items)) {
          if (event !== undefined) eventSchema.parse(event);
          read += 1;
        }
      });
      const expected = ["nothing", "BATCH_MALFORMED", "BATCH_VERSION_UNKNOWN"];
      expect(expected, `seed "${seed}"`).toContain(code);
    }
    expect(read).toBeGreaterThan(500);
  });
});

describe("expanding", () => {
  test("a gigabyte of zeros is refused before it is expanded", async () => {
    const mebibyte = Buffer.alloc(1_024 * 1_024);
    const zeros = Readable.from(Array.from({ length: 1_024 }, () => mebibyte));
    const bomb = await buffer(zeros.pipe(createZstdCompress()));
    expect(bomb.length).toBeLessThan(1_024 * 1_024);
    const before = process.memoryUsage().arrayBuffers;
    const startedAt = performance.now();
    expect(codeThrownBy(() => expandBody(bomb))).toBe("BATCH_TOO_LARGE");
    expect(performance.now() - startedAt).toBeLessThan(1_000);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4 * batchExpandedBytesMax);
  });

  test("a frame that states more than the bound is refused by its head alone", () => {
    const head = Buffer.from("28b52ffda0010080000000", "hex"); // states 8,388,609 bytes
    expect(codeThrownBy(() => expandBody(head))).toBe("BATCH_TOO_LARGE");
  });

  test("exactly the bound is expanded, and one byte more refused", () => {
    const most = Buffer.alloc(batchExpandedBytesMax, "x");
    expect(expandBody(compressBody(most)).equals(most)).toBe(true);
    const more = compressBody(Buffer.alloc(batchExpandedBytesMax + 1));
    expect(codeThrownBy(() => expandBody(more))).toBe("BATCH_TOO_LARGE");
  });

  test("what is no zstd, or torn, is refused", () => {
    const body = compressBody(Buffer.from("causeway ".repeat(100)));
    for (const bytes of [Buffer.alloc(0), Buffer.from("{}"), body.subarray(0, body.length - 3)]) {
      expect(
        codeThrownBy(() => expandBody(bytes)),
        bytes.toString("hex"),
      ).toBe("BATCH_MALFORMED");
    }
  });

  test("mutated bytes are expanded or refused by code", () => {
    const body = compressBody(Buffer.from("causeway ".repeat(100)));
    for (let run = 0; run < 2_000; run++) {
      const seed = `zstd mutation ${run}`;
      const bytes = mutatedBytes(seededRandom(seed), body, ["\0", "\xff", "(\xb5/\xfd"]);
      const code = codeThrownBy(() => expandBody(bytes));
      expect(["nothing", "BATCH_MALFORMED", "BATCH_TOO_LARGE"], `seed "${seed}"`).toContain(code);
    }
  });
});
