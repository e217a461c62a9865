// The goal: what was acknowledged is read back as it was written, and no bytes at all can do more
// harm than a coded refusal or a fault at one event's place.
import { describe, expect, test } from "vitest";
import type { Item } from "./block-codec.ts";
import {
  BlockBuilder,
  blockOf,
  blockVersion,
  decodeBlock,
  encodeBlock,
  frameBytes,
} from "./block-codec.ts";
import { crc32c } from "./checksum.ts";
import { CodedError } from "./errors.ts";
import { eventSchema } from "./event.ts";
import { seededRandom } from "./random.ts";
import { integer, mutatedJson, randomItems } from "./testing/random-events.ts";

const reading = {
  kind: "reading",
  device: "pump-7",
  topic: "devices/pump-7/telemetry",
  bootMs: 5_000,
  observedAt: 1_700_000_000_000,
  readings: [{ metric: "rpm", value: 1480, quality: "good" }],
};

function itemsOf(items: readonly { from: number; to: number; event: unknown }[]): Item[] {
  return items.map(({ from, to, event }) => ({ from, to, event: eventSchema.parse(event) }));
}

/** One of everything that the layout at the head of block-codec.ts names. */
const golden = itemsOf([
  {
    from: 41,
    to: 41,
    event: {
      ...reading,
      readings: [
        { metric: "rpm", value: 1480, quality: "good" },
        { metric: "motor.temp", value: 61.5, unit: "Cel", quality: "uncertain" },
        { metric: "flow", value: null, quality: "bad", reason: "nan" },
        { metric: "rpm", value: 1490, quality: "good", observedAt: 1_700_000_000_250 },
      ],
    },
  },
  {
    from: 42,
    to: 42,
    event: {
      kind: "reading",
      device: "door-1",
      topic: "devices/door-1/telemetry/state",
      bootMs: 4_990,
      observedAt: null,
      readings: [{ metric: "state", value: "öffen", quality: "good" }],
    },
  },
  {
    from: 43,
    to: 43,
    event: {
      kind: "quarantined",
      device: null,
      topic: "devices/pump-7/telemetry",
      bootMs: 5_010,
      observedAt: null,
      reason: "not-json",
      detail: '"x" is no JSON',
      payload: "eA==",
      bytes: 1,
    },
  },
  {
    from: 44,
    to: 50,
    event: {
      kind: "loss",
      device: null,
      topic: null,
      bootMs: 5_020,
      observedAt: null,
      to: 50,
      reason: "not-kept",
      count: 7,
    },
  },
  {
    from: 51,
    to: 51,
    event: {
      kind: "system",
      device: null,
      topic: null,
      bootMs: 5_030,
      observedAt: null,
      name: "heartbeat",
      detail: "",
      fields: { bytes: 12 },
    },
  },
]);

const goldenJson = [
  '{"p":41,"n":51,"b":"boot1","t":5000,"o":1700000000000,',
  '"r":[["pump-7","devices/pump-7/telemetry"],["door-1","devices/door-1/telemetry/state"],',
  '[null,"devices/pump-7/telemetry"],[null,null]],',
  '"m":[["rpm",null],["motor.temp","Cel"],["flow",null],["state",null]],',
  '"e":[[0,0,0,[0,1480,1,61.5,2,null,0,1490],',
  '{"q":[[1,"uncertain",null],[2,"bad","nan"]],"a":[[3,250]]}],',
  '[1,-10,null,[3,"öffen"]],',
  '[2,10,null,"quarantined",{"reason":"not-json","detail":"\\"x\\" is no JSON","payload":"eA==","bytes":1}],',
  '[3,20,null,"loss",{"to":50,"reason":"not-kept","count":7}],',
  '[3,30,null,"system",{"name":"heartbeat","detail":"","fields":{"bytes":12}}]]}',
].join("");
const goldenFrame = "01ba86adb9";

/** A frame about any JSON, with a right checksum. */
function framed(json: string): Buffer {
  const block = Buffer.concat([Buffer.from([blockVersion, 0, 0, 0, 0]), Buffer.from(json)]);
  block.writeUInt32LE(crc32c(block, frameBytes), 1);
  return block;
}

function codeThrownBy(act: () => unknown): string {
  try {
    act();
  } catch (failure) {
    return failure instanceof CodedError ? failure.code : `uncoded: ${failure}`;
  }
  return "nothing";
}

/** A block of rows over one route and one series. */
function blockOfRows(rows: readonly unknown[], changes: object = {}) {
  const r = [["pump-7", "devices/pump-7/telemetry"]];
  const m = [["rpm", null]];
  return blockOf({ p: 1, n: rows.length, b: "boot1", t: 100, o: 1_000, r, m, e: rows, ...changes });
}

const good = [0, 0, null, [0, 7]];

describe("the golden block", () => {
  test("is written byte for byte as it always was", () => {
    const block = encodeBlock("boot1", golden);
    expect(block.subarray(frameBytes).toString("utf8")).toBe(goldenJson);
    expect(block.subarray(0, frameBytes).toString("hex")).toBe(goldenFrame);
  });

  test("is read back with every event at its position", () => {
    const bytes = Buffer.concat([Buffer.from(goldenFrame, "hex"), Buffer.from(goldenJson)]);
    expect(decodeBlock(bytes)).toStrictEqual({ from: 41, to: 51, bootId: "boot1", items: golden });
  });
});

describe("what a route says of all its readings", () => {
  const said = { tags: ["cold", "line-1"], site: "hall-a" };
  const item = (from: number, event: object) => ({
    from,
    to: from,
    event: { ...reading, ...event },
  });
  const items = itemsOf([
    item(1, said),
    item(2, said),
    item(3, {}),
    item(4, { site: "hall-b" }),
    item(5, said),
  ]);
  const json = [
    '{"p":1,"n":5,"b":"boot1","t":5000,"o":1700000000000,',
    '"r":[["pump-7","devices/pump-7/telemetry",{"g":["cold","line-1"],"s":"hall-a"}],',
    '["pump-7","devices/pump-7/telemetry"],["pump-7","devices/pump-7/telemetry",{"s":"hall-b"}],',
    '["pump-7","devices/pump-7/telemetry",{"g":["cold","line-1"],"s":"hall-a"}]],',
    '"m":[["rpm",null]],',
    '"e":[[0,0,0,[0,1480]],[0,0,0,[0,1480]],[1,0,0,[0,1480]],[2,0,0,[0,1480]],[3,0,0,[0,1480]]]}',
  ].join("");
  const shared = items.map((each) => {
    return each.event?.tags === undefined
      ? each
      : { ...each, event: { ...each.event, tags: said.tags } };
  });

  test("is written once for each route of a block, and read back with every event", () => {
    const block = encodeBlock("boot1", shared);
    expect(block.subarray(frameBytes).toString("utf8")).toBe(json);
    expect(decodeBlock(block)).toStrictEqual({ from: 1, to: 5, bootId: "boot1", items });
  });

  test.each([{ g: [] }, { g: "cold" }, { g: [""] }, { g: ["x".repeat(129)] }, { s: 7 }, { s: "" }])(
    "makes a fault of %j",
    (about) => {
      const r = [["pump-7", "devices/pump-7/telemetry", about]];
      expect(blockOfRows([good], { r }).items[0]?.fault).toMatch(/bad (tags|site)/);
    },
  );

  test("may be more than this build knows", () => {
    const r = [["pump-7", "devices/pump-7/telemetry", { later: 1 }, 5]];
    expect(blockOfRows([good], { r }).items[0]?.event).toMatchObject({ device: "pump-7" });
  });
});

describe("a frame", () => {
  const block = encodeBlock("boot1", golden);

  test("with any single byte changed is refused", () => {
    for (let at = 0; at < block.length; at++) {
      const changed = Buffer.from(block);
      changed[at] = (changed[at] as number) ^ 0x10;
      const code = at === 0 ? "OUTBOX_VERSION_UNKNOWN" : "OUTBOX_CORRUPT";
      expect(
        codeThrownBy(() => decodeBlock(changed)),
        `byte ${at}`,
      ).toBe(code);
    }
  });

  test("that was torn anywhere is refused", () => {
    for (let length = 0; length < block.length; length++) {
      expect(codeThrownBy(() => decodeBlock(block.subarray(0, length)))).toBe("OUTBOX_CORRUPT");
    }
  });

  test("about something else than JSON is refused by code, not by a syntax error", () => {
    expect(codeThrownBy(() => decodeBlock(framed("{")))).toBe("OUTBOX_CORRUPT");
  });

  test("within a larger buffer is read from its own bytes", () => {
    const larger = Buffer.concat([Buffer.from("before"), block, Buffer.from("after")]);
    const view = new Uint8Array(larger.buffer, larger.byteOffset + 6, block.length);
    expect(decodeBlock(view).items).toStrictEqual(golden);
  });
});

describe("encoding", () => {
  test("and decoding random events gives the same events, which the schema accepts", () => {
    for (let run = 0; run < 400; run++) {
      const seed = `round trip ${run}`;
      const random = seededRandom(seed);
      const from = 1 + integer(random, 1_000_000);
      const items = randomItems(random, from, 1 + integer(random, 12));
      const block = decodeBlock(encodeBlock("boot1", items));
      expect(block.items, `seed "${seed}"`).toStrictEqual(items);
      for (const { event } of block.items) {
        expect(eventSchema.parse(event), `seed "${seed}"`).toStrictEqual(event);
      }
    }
  });

  test("hoists each route and each series once", () => {
    const builder = new BlockBuilder("boot1");
    const event = eventSchema.parse(reading);
    for (let count = 0; count < 3; count++) builder.add(event);
    const { r, m, e } = JSON.parse(builder.finish(1).subarray(frameBytes).toString("utf8"));
    expect([r.length, m.length, e.length, builder.positions]).toEqual([1, 1, 3, 3]);
  });

  test("keeps the same topic of two devices and the same metric in two units apart", () => {
    const item = (position: number, device: string, unit: string) => ({
      from: position,
      to: position,
      event: { ...reading, device, readings: [{ metric: "t", value: 1, unit, quality: "good" }] },
    });
    const items = itemsOf([item(1, "a", "Cel"), item(2, "b", "K"), item(3, "a", "Cel")]);
    const block = encodeBlock("boot1", items);
    expect(decodeBlock(block).items).toStrictEqual(items);
    // Each of them once, however they take turns.
    const { m } = JSON.parse(block.subarray(frameBytes).toString("utf8"));
    expect(m).toEqual([
      ["t", "Cel"],
      ["t", "K"],
    ]);
  });

  test("takes texts of any length and script beside small ones", () => {
    const item = (position: number, value: string) => ({
      from: position,
      to: position,
      event: { ...reading, readings: [{ metric: "t", value, quality: "good" }] },
    });
    const texts = [
      "ö",
      "🚚".repeat(1_000),
      "a".repeat(60_000),
      "€".repeat(341),
      "€".repeat(20_000),
    ];
    const items = itemsOf(texts.map((text, at) => item(at + 1, text)));
    expect(decodeBlock(encodeBlock("boot1", items)).items).toStrictEqual(items);
  });

  test("a number that JSON cannot state loses that value and not the block", () => {
    const broken = eventSchema.parse(reading);
    if (broken.kind === "reading" && broken.readings[0]) broken.readings[0].value = Number.NaN;
    const builder = new BlockBuilder("boot1");
    builder.add(broken);
    expect(decodeBlock(builder.finish(1)).items[0]?.event).toMatchObject({
      readings: [{ metric: "rpm", value: null }],
    });
  });

  test("an item that could not be read is refused, since leaving it out would move the others", () => {
    const { items } = blockOfRows([good, null, good]);
    expect(codeThrownBy(() => encodeBlock("boot1", items))).toBe("INTERNAL_INVARIANT");
  });
});

describe("a newer writer", () => {
  test("may add keys and trailing elements, which are skipped", () => {
    const plain = blockOfRows([good, good], { m: [["rpm", "1/min", "rpm"]] });
    const extended = [0, 0, null, [0, 7], { z: [1], q: [], a: [] }, "later"];
    const [route, series] = [
      ["pump-7", "devices/pump-7/telemetry", 1],
      ["rpm", "1/min", "rpm", "later"],
    ];
    expect(blockOfRows([extended, good], { z: {}, r: [route], m: [series] })).toStrictEqual(plain);
  });

  test("may add kinds, whose events are faults between neighbours that are read", () => {
    const later = [0, 5, null, "derived", { to: 4, value: 1 }];
    const { items } = blockOfRows([good, later, good], { n: 5 });
    expect(items.map(({ from, to, event }) => [from, to, event?.kind])).toEqual([
      [1, 1, "reading"],
      [2, 4, undefined],
      [5, 5, "reading"],
    ]);
    expect(items[1]?.raw).toBe(later);
  });

  test("may add fields to a known kind, which are skipped", () => {
    const row = [0, 0, null, "presence", { online: true, reason: "", later: 1 }];
    const { items } = blockOfRows([row]);
    expect(items[0]?.event).toMatchObject({ kind: "presence", online: true });
    expect(items[0]?.event).not.toHaveProperty("later");
  });
});

describe("a row that cannot be read", () => {
  const faults: readonly (readonly [name: string, row: unknown])[] = [
    ["no row", null],
    ["a short row", [0, 0, null]],
    ["a route that is not there", [1, 0, null, [0, 7]]],
    ["a route named by text", ["0", 0, null, [0, 7]]],
    ["a route beyond the data", ["__proto__", 0, null, [0, 7]]],
    ["a boot time before the boot", [0, -101, null, [0, 7]]],
    ["a boot time beyond what a date holds", [0, 8_640_000_000_000_000, null, [0, 7]]],
    ["a boot time as text", [0, "5", null, [0, 7]]],
    ["no boot time", [0, null, null, [0, 7]]],
    ["an observed time that is missing", [0, 0, undefined, [0, 7]]],
    ["an observed time beyond what a date holds", [0, 0, 8_640_000_000_000_000, [0, 7]]],
    ["an observed time with a fraction", [0, 0, 0.5, [0, 7]]],
    ["no readings", [0, 0, null, []]],
    ["half a reading", [0, 0, null, [0]]],
    ["more readings than an event may hold", [0, 0, null, new Array(8_194).fill(0)]],
    ["a series that is not there", [0, 0, null, [1, 7]]],
    ["a series beyond the data", [0, 0, null, ["__proto__", 7]]],
    ["a value that is an object", [0, 0, null, [0, {}]]],
    ["a value that is infinite", [0, 0, null, [0, JSON.parse("1e999")]]],
    ["a value that is too long", [0, 0, null, [0, "x".repeat(65_537)]]],
    ["a quality that is unknown", [0, 0, null, [0, 7], { q: [[0, "fine", null]] }]],
    ["a quality without a row", [0, 0, null, [0, 7], { q: [null] }]],
    ["a quality of a reading that is not there", [0, 0, null, [0, 7], { q: [[1, "bad", null]] }]],
    ["a quality of every list there is", [0, 0, null, [0, 7], { q: [["__proto__", "bad", ""]] }]],
    ["a reason that is too long", [0, 0, null, [0, 7], { q: [[0, "bad", "r".repeat(257)]] }]],
    ["a reading's time as text", [0, 0, null, [0, 7], { a: [[0, "5"]] }]],
    ["a reading's time without one", [0, 0, null, [0, 7], { a: [[0, null]] }]],
    ["a kind without body", [0, 0, null, "presence"]],
    ["a kind with a wrong body", [0, 0, null, "presence", { online: "yes", reason: "" }]],
    ["a kind that is an object", [0, 0, null, { toString: 1 }, {}]],
  ];

  test.each(faults)("is a fault at its place and loses no neighbour: %s", (_name, row) => {
    const { items } = blockOfRows([good, row, good]);
    expect(items.map(({ from, event }) => [from, event?.kind])).toEqual([
      [1, "reading"],
      [2, undefined],
      [3, "reading"],
    ]);
    expect(items[1]?.fault).toEqual(expect.any(String));
    expect(Object.keys(Array.prototype)).toEqual([]);
  });

  const dictionaries: readonly (readonly [name: string, changes: object])[] = [
    ["a device name with a wildcard", { r: [["a/+", null]] }],
    ["a device that is a number", { r: [[7, null]] }],
    ["a topic that is too long", { r: [["pump-7", "t".repeat(65_536)]] }],
    ["a metric name with a control character", { m: [["a\nb", null]] }],
    ["a unit that is too long", { m: [["rpm", "u".repeat(65)]] }],
    ["a unit as written that is too long", { m: [["rpm", "Cel", "u".repeat(65)]] }],
  ];

  test.each(dictionaries)("is a fault where its dictionary has %s", (_name, changes) => {
    expect(blockOfRows([good], changes).items[0]?.event).toBeUndefined();
  });
});

describe("a block that cannot be read", () => {
  const hostile = { toString: 1, valueOf: 1 };
  const blocks: readonly (readonly [name: string, changes: object])[] = [
    ["no first position", { p: undefined }],
    ["position 0", { p: 0 }],
    ["a position that cannot be shown", { p: hostile }],
    ["a last position that does not follow", { n: 5 }],
    ["no boot", { b: 7 }],
    ["a boot that is too long", { b: "b".repeat(65) }],
    ["no base time", { t: null }],
    ["a base time with a fraction", { o: 0.5 }],
    ["no routes", { r: {} }],
    ["no series", { m: null }],
    ["no events", { e: "x" }],
    ["an item that ends before it begins", { e: [[0, 0, null, "loss", { to: 0 }]], n: 1 }],
    ["an end that cannot be shown", { e: [[0, 0, null, "loss", { to: hostile }]], n: 1 }],
  ];

  test.each(blocks)("is refused whole, by code: %s", (_name, changes) => {
    expect(codeThrownBy(() => blockOfRows([good], changes))).toBe("BATCH_MALFORMED");
  });

  test.each([[null], [[]], ["x"], [7]])("is refused whole, by code: %j", (value) => {
    expect(codeThrownBy(() => blockOf(value))).toBe("BATCH_MALFORMED");
  });
});

test("mutated blocks throw nothing uncoded and yield no event that the schema refuses", () => {
  const met = { refused: 0, faults: 0, events: 0 };
  for (let run = 0; run < 8_000; run++) {
    const seed = `mutation ${run}`;
    const random = seededRandom(seed);
    const block = encodeBlock("boot1", randomItems(random, 1, 1 + integer(random, 3)));
    const json = JSON.parse(block.subarray(frameBytes).toString("utf8"));
    const mutated: unknown = JSON.parse(mutatedJson(random, json));
    const code = codeThrownBy(() => {
      for (const { event, fault } of blockOf(mutated).items) {
        if (event === undefined) met.faults += fault === undefined ? Number.NaN : 1;
        else met.events += 1;
        const oracle = event === undefined ? undefined : eventSchema.safeParse(event);
        if (oracle?.success === false)
          throw new Error(`the schema refuses: ${oracle.error.message}`);
        if (oracle !== undefined) expect(oracle.data).toEqual(event);
      }
    });
    expect(["nothing", "BATCH_MALFORMED"], `seed "${seed}"`).toContain(code);
    if (code !== "nothing") met.refused += 1;
  }
  expect(Object.keys(Array.prototype)).toEqual([]);
  // The mutations reach all three ends, else they prove nothing.
  expect(Math.min(met.refused, met.faults, met.events), JSON.stringify(met)).toBeGreaterThan(500);
});
