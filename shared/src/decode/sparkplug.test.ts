// The goal: Sparkplug's rules P1 to P4: births name what later messages only number, nothing is named
// by guess, gaps are noticed and asked about, and a death is told of those who died.

import { deflateSync, gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readSparkplug, sparkplugBytes } from "./sparkplug-payload.ts";
import { LearningDecoder, told } from "./testing/device-message.ts";

const at = 1_714_536_000_000;

class Node {
  readonly decoder = new LearningDecoder(() => at);

  /** What a message on `spBv1.0/g/<tail>` says. */
  read(tail: string, payload: object) {
    return this.decoder.decode(`spBv1.0/g/${tail}`, sparkplugBytes(payload));
  }

  says(tail: string, payload: object): readonly string[] {
    return told(this.read(tail, payload));
  }

  born(metrics: readonly object[] = []): this {
    const bdSeq = { name: "bdSeq", datatype: 8, longValue: 3 };
    this.read("NBIRTH/n", { seq: 0, metrics: [bdSeq, ...metrics] });
    return this;
  }
}

const level = { name: "Level", alias: 7, datatype: 10, doubleValue: 1 };

describe("aliases (P1, P2)", () => {
  test("are named by the birth, with the unit and the data type that it told", () => {
    const unit = { keys: ["engUnit"], values: [{ type: 12, stringValue: "°C" }] };
    const node = new Node().born([{ ...level, datatype: 3, intValue: 1, properties: unit }]);
    expect(node.says("NDATA/n", { seq: 1, metrics: [{ alias: 7, intValue: -5 }] })).toEqual([
      "g/n Level=-5 Cel (°C)",
    ]);
  });

  test("of a device may be the node's", () => {
    const node = new Node().born([level]);
    node.read("DBIRTH/n/d", {
      seq: 1,
      metrics: [{ name: "Own", alias: 8, datatype: 10, doubleValue: 0 }],
    });
    const metrics = [
      { alias: 8, doubleValue: 2 },
      { alias: 7, doubleValue: 3 },
    ];
    expect(node.says("DDATA/n/d", { seq: 2, metrics })).toEqual(["g/n/d Own=2", "g/n/d Level=3"]);
  });

  test("are forgotten with the next birth", () => {
    const node = new Node().born([level]).born([{ ...level, alias: 9 }]);
    const decoded = node.read("NDATA/n", { seq: 1, metrics: [{ alias: 7, doubleValue: 2 }] });
    expect(decoded).toMatchObject({ kind: "quarantined", reason: "alias-unknown", device: "g/n" });
  });

  test("that no birth told leave the others readable, and ask for a rebirth", () => {
    const node = new Node().born([level]);
    const metrics = [
      { alias: 7, doubleValue: 2 },
      { alias: 99, doubleValue: 3 },
    ];
    const decoded = node.read("NDATA/n", { seq: 1, metrics });
    expect(told(decoded)).toEqual(["g/n Level=2", "left alias-unknown"]);
    expect(decoded.ask?.topic).toBe("spBv1.0/g/NCMD/n");
    expect(readSparkplug(decoded.ask?.payload ?? Buffer.alloc(0))).toMatchObject({
      metrics: [{ name: "Node Control/Rebirth", booleanValue: true }],
    });
  });
});

describe("the sequence (P3)", () => {
  test("counts over node and devices, and begins anew after 255", () => {
    const node = new Node().born();
    for (let seq = 1; seq <= 300; seq++) {
      const tail = seq % 2 === 0 ? "NDATA/n" : "DDATA/n/d";
      const metrics = [{ name: "a", datatype: 3, intValue: 0 }];
      expect(node.read(tail, { seq: seq % 256, metrics }).notes, `${seq}`).toBeUndefined();
    }
  });

  test("with a gap is noted with the readings, and asks for a rebirth", () => {
    const node = new Node().born();
    const decoded = node.read("NDATA/n", {
      seq: 3,
      metrics: [{ name: "a", datatype: 3, intValue: 1 }],
    });
    expect(told(decoded)).toEqual(["g/n a=1", "note sequence-gap"]);
    expect(decoded.ask?.key).toBe("g/n");
    const next = node.read("NDATA/n", { seq: 4, metrics: [] });
    expect([next.notes, next.ask]).toEqual([undefined, undefined]);
  });
});

describe("a death (P4)", () => {
  test("of a node is that of its devices", () => {
    const node = new Node().born();
    node.read("DBIRTH/n/d1", { seq: 1, metrics: [] });
    node.read("DBIRTH/n/d2", { seq: 2, metrics: [] });
    const metrics = [{ name: "bdSeq", datatype: 8, longValue: 3 }];
    expect(node.says("NDEATH/n", { metrics })).toEqual([
      ...["g/n bdSeq=3", "g/n went", "g/n/d1 went", "g/n/d2 went"],
    ]);
  });

  test("of a session before says nothing about who is there", () => {
    const metrics = [{ name: "bdSeq", datatype: 8, longValue: 2 }];
    expect(new Node().born().says("NDEATH/n", { metrics })).toEqual(["g/n bdSeq=2"]);
  });

  test("of a device is its own", () => {
    expect(new Node().born().says("DDEATH/n/d", { seq: 1, timestamp: at })).toEqual(["g/n/d went"]);
  });
});

describe("a value", () => {
  const says = (metric: object) =>
    new Node().says("NBIRTH/n", { metrics: [{ name: "m", ...metric }] }).slice(0, -1);

  test.each([
    ["an Int8 below zero", { datatype: 1, intValue: 0xfb }, "-5"],
    ["an Int16 below zero, without sign", { datatype: 2, intValue: 0xfffb }, "-5"],
    ["an Int32 below zero", { datatype: 3, intValue: -5 }, "-5"],
    ["an Int64 below zero", { datatype: 4, longValue: -5 }, "-5"],
    ["a UInt32 of all bits", { datatype: 7, intValue: -1 }, "4294967295"],
    ["a UInt32 that came as 64 bits", { datatype: 7, longValue: 4_294_967_295 }, "4294967295"],
    ["a UInt64 of all bits", { datatype: 8, longValue: -1 }, "18446744073709552000"],
    ["a false Boolean", { datatype: 11, booleanValue: false }, "false"],
    ["an empty String", { datatype: 12, stringValue: "" }, '""'],
    ["a DateTime", { datatype: 13, longValue: at }, `${at}`],
    ["Bytes", { datatype: 17, bytesValue: Buffer.from("hi") }, '"aGk="'],
    ["one that is null", { datatype: 3, isNull: true }, "null bad: null"],
    ["a Double that is no number", { datatype: 10, doubleValue: Number.NaN }, "null bad: nan"],
  ])("%s is told", (_name, metric, value) => {
    expect(says(metric)).toEqual([`g/n m=${value}`]);
  });

  test("that is an array, a set or a template becomes paths", () => {
    const array = Buffer.from([0xff, 0xff, 1, 0]);
    expect(says({ datatype: 23, bytesValue: array })).toEqual(["g/n m.0=-1", "g/n m.1=1"]);
    const booleans = Buffer.from([3, 0, 0, 0, 0b1010_0000]);
    expect(says({ datatype: 32, bytesValue: booleans })).toHaveLength(3);
    const datasetValue = {
      columns: ["a", "b"],
      types: [7, 12],
      rows: [{ elements: [{ intValue: -1 }, { stringValue: "x" }] }],
    };
    expect(says({ datatype: 16, datasetValue })).toEqual(["g/n m.0.a=4294967295", 'g/n m.0.b="x"']);
    const templateValue = { metrics: [{ name: "in", datatype: 3, intValue: 4 }] };
    expect(says({ datatype: 19, templateValue })).toEqual(["g/n m.in=4"]);
  });

  test.each([
    [192, ""],
    [0, " bad: quality-0"],
    [500, " uncertain: stale"],
  ])("has the quality that the property %i tells", (quality, words) => {
    const properties = { keys: ["Quality"], values: [{ type: 3, intValue: quality }] };
    expect(says({ datatype: 3, intValue: 1, properties })).toEqual([`g/n m=1${words}`]);
  });

  test("has its own time, else the payload's", () => {
    const metrics = [
      { name: "own", datatype: 3, intValue: 1, timestamp: at },
      { name: "other", datatype: 3, intValue: 2 },
    ];
    const [own, other] = new Node().says("NBIRTH/n", { timestamp: at + 1_000, metrics });
    expect(own).toBe("g/n own=1 @2024-05-01T04:00:00.000Z");
    expect(other).toContain("04:00:01");
  });
});

test("a command is of a name of its own, and no payload at all is kept", () => {
  const node = new Node();
  const metrics = [{ name: "Node Control/Rebirth", datatype: 11, booleanValue: true }];
  expect(node.says("NCMD/n", { metrics })).toEqual(["g/n/NCMD Node Control/Rebirth=true"]);
  const garbage = node.decoder.decode("spBv1.0/g/NDATA/n", Buffer.from([0xff, 0xff]));
  expect(garbage).toMatchObject({ kind: "quarantined", reason: "not-understood" });
});

test.each([
  ["spBv1.0/STATE/scada", '{"online":false,"timestamp":1714536000000}', "STATE/scada online=false"],
  ["STATE/scada", "ONLINE", 'STATE/scada availability="ONLINE"'],
])("the state of a host on %s is told", (topic, payload, expected) => {
  const [reading, presence] = told(new LearningDecoder().decode(topic, Buffer.from(payload)));
  expect(reading).toContain(expected);
  expect(presence).toMatch(/came|went/);
});

describe("a compressed payload", () => {
  const inner = sparkplugBytes({
    seq: 1,
    metrics: [{ name: "Level", datatype: 10, doubleValue: 2 }],
  });
  const outer = (body: Uint8Array, algorithm?: string) => ({
    ...{ uuid: "SPBV1.0_COMPRESSED", body },
    metrics:
      algorithm === undefined ? [] : [{ name: "algorithm", datatype: 12, stringValue: algorithm }],
  });

  test.each([
    ["DEFLATE", deflateSync(inner)],
    ["GZIP", gzipSync(inner)],
    [undefined, deflateSync(inner)],
  ])("by %s says what is within it", (algorithm, body) => {
    const node = new Node().born([level]);
    expect(node.says("NDATA/n", outer(body, algorithm))).toEqual(["g/n Level=2"]);
  });

  test("of a bomb, of another method or of nothing is refused in little time", () => {
    const node = new Node().born([level]);
    const bomb = deflateSync(Buffer.alloc(64 * 1_024 * 1_024));
    // Readable, were it not for its size.
    const long = { name: "m", datatype: 12, stringValue: "x".repeat(2 * 1_024 * 1_024) };
    const large = deflateSync(sparkplugBytes({ metrics: [long] }));
    expect(node.says("NDATA/n", outer(large))).toEqual(["quarantined not-understood"]);
    const begin = performance.now();
    expect(node.says("NDATA/n", outer(bomb))).toEqual(["quarantined not-understood"]);
    expect(performance.now() - begin).toBeLessThan(500);
    expect(node.says("NDATA/n", outer(deflateSync(inner), "GZIP"))).toEqual([
      "quarantined not-understood",
    ]);
    expect(node.says("NDATA/n", outer(new Uint8Array()))).toEqual(["quarantined not-understood"]);
  });
});

test("a Float is the shortest decimal of 32 bits", () => {
  const values = [12.3, -0.1, 3.4028234e38, 1e-40, 16777216, 0.30000001].map(Math.fround);
  const metrics = values.map((floatValue, at) => ({ name: `m${at}`, datatype: 9, floatValue }));
  const decoded = new Node().read("NDATA/n", { metrics });
  const read = decoded.kind === "readings" ? decoded.readings.map(({ value }) => value) : [];
  expect(read.slice(0, 2)).toEqual([12.3, -0.1]);
  expect(read.map(Number).map(Math.fround)).toEqual(values);
});
