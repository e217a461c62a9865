// The goal: the cumulative acknowledgement says the same on both sides, for it decides what a
// gateway deletes; what cannot be read for certain is refused.
import { describe, expect, test } from "vitest";
import { CodedError } from "./errors.ts";
import type { LogLedger, Mark } from "./mark.ts";
import { decodeMark, emptyLogLedger, encodeMark, stretchStates } from "./mark.ts";
import type { Random } from "./random.ts";
import { seededRandom } from "./random.ts";
import { integer, mutatedJson, pick } from "./testing/random-events.ts";

const golden: Mark = {
  commit: 7,
  gateway: "plant-3",
  run: "12-9f3a2b1c",
  epochs: [
    {
      epoch: "11-00000000",
      logs: {
        telemetry: {
          through: 900,
          end: 900,
          stretches: [{ from: 10, to: 12, state: "dead", reason: "bad topic" }],
        },
        priority: {
          through: 3,
          end: 3,
          stretches: [{ from: 1, to: 1, state: "lost", reason: "not-kept" }],
        },
      },
    },
    {
      epoch: "12-9f3a2b1c",
      logs: { telemetry: { through: 41, end: undefined, stretches: [] }, priority: emptyLogLedger },
    },
  ],
  doubts: [
    {
      epoch: "12-9f3a2b1c",
      log: "telemetry",
      expected: 42,
      nonce: "3.c0ffee",
      kind: "refused",
      reason: "BATCH_MALFORMED: x",
    },
  ],
  cap: 32_768,
};

const goldenText =
  '{"v":1,"c":7,"g":"plant-3","run":"12-9f3a2b1c","e":[' +
  '["11-00000000",900,3,900,3,[[0,10,12,"dead","bad topic"],[1,1,1,"lost","not-kept"]]],' +
  '["12-9f3a2b1c",41,0,null,null]],' +
  '"d":[["12-9f3a2b1c","telemetry",42,"3.c0ffee","refused","BATCH_MALFORMED: x"]],"cap":32768}';

function randomLedger(random: Random): LogLedger {
  const through = integer(random, 1_000_000);
  const stretches = Array.from({ length: integer(random, 3) }, () => {
    const from = 1 + integer(random, 1_000);
    const to = from + integer(random, 10);
    return {
      from,
      to,
      state: pick(random, stretchStates),
      reason: pick(random, ["", 'a "b"', "ж"]),
    };
  });
  return { through, end: random.next() < 0.5 ? undefined : through, stretches };
}

function randomMark(random: Random): Mark {
  const epoch = () => `${1 + integer(random, 99)}-${random.hex(8)}`;
  return {
    commit: integer(random, 2 ** 31),
    gateway: "plant-3",
    run: random.next() < 0.5 ? undefined : epoch(),
    epochs: Array.from({ length: integer(random, 4) }, () => ({
      epoch: epoch(),
      logs: { telemetry: randomLedger(random), priority: randomLedger(random) },
    })),
    doubts: Array.from({ length: integer(random, 3) }, () => ({
      epoch: epoch(),
      log: pick(random, ["telemetry", "priority"]),
      expected: integer(random, 1_000),
      nonce: random.hex(6),
      kind: pick(random, ["expected", "refused"]),
      reason: pick(random, ["", "got 7"]),
    })),
    cap: random.next() < 0.5 ? undefined : 1 + integer(random, 2 ** 20),
  };
}

function codeThrownBy(act: () => unknown): string {
  try {
    act();
  } catch (failure) {
    return failure instanceof CodedError ? failure.code : `uncoded: ${failure}`;
  }
  return "nothing";
}

describe("a mark", () => {
  test("is written as it always was", () => {
    expect(encodeMark(golden)).toBe(goldenText);
    expect(decodeMark(goldenText)).toStrictEqual(golden);
  });

  test("says how much a gateway with a quota has sent, and is read back", () => {
    const use = {
      ...{ sequence: 812, day: 20_578, bytes: 41_000, events: 900, eventBytes: 45 },
      ...{ judgedAt: 1_767_225_600_000, newEvents: 7, newLive: 5 },
      ...{ perSecond: 3.25, level: 120.5, liveLevel: 0, isOver: true, isLiveOver: false },
      ...{ quotaCap: 4_000, streamCap: undefined },
    };
    const used: Mark = { ...golden, use };
    const row = "[812,20578,41000,900,45,1767225600000,7,5,3.25,120.5,0,1,4000,0]";
    expect(encodeMark(used)).toBe(`${goldenText.slice(0, -1)},"u":${row}}`);
    expect(decodeMark(encodeMark(used))).toStrictEqual(used);
    const first = { ...use, judgedAt: undefined, isLiveOver: true, streamCap: 32_768 };
    expect(decodeMark(encodeMark({ ...golden, use: first })).use).toStrictEqual(first);
  });

  test("says which tick its gateway has seen, and is read back", () => {
    const ticked: Mark = { ...golden, tick: { n: 17, at: 1_767_225_600_000 } };
    expect(encodeMark(ticked)).toBe(`${goldenText.slice(0, -1)},"t":[17,1767225600000]}`);
    expect(decodeMark(encodeMark(ticked))).toStrictEqual(ticked);
  });

  test("beside pages says what it covers without naming it, and is read back", () => {
    const [eleventh, twelfth] = golden.epochs;
    if (eleventh === undefined || twelfth === undefined) throw new Error("no epochs");
    const few: Mark = {
      ...golden,
      epochs: [
        { ...eleventh, before: null, hasPagedNext: true },
        {
          ...twelfth,
          before: { epoch: "10-00000001", ends: { telemetry: 7, priority: 0 } },
          coversBefore: true,
        },
        { ...twelfth, epoch: "13-00000002", hasPagedNext: true },
      ],
      paged: { pages: 3, rows: 17, ordinal: 10, forgotten: 2 },
    };
    const text = encodeMark(few);
    expect(text).toContain(',null,2],["12-9f3a2b1c",41,0,null,null,[],["10-00000001",7,0],1],');
    expect(text).toContain('["13-00000002",41,0,null,null,[],false,2]]');
    expect(text).toContain(',"cap":32768,"p":[3,17,10,2]}');
    expect(decodeMark(text)).toStrictEqual(few);
  });

  test("of a gateway whose life forks says so in its last keys, and is read back", () => {
    const ends = (telemetry: number) => ({ telemetry, priority: 3 });
    const [eleventh, twelfth] = golden.epochs;
    if (eleventh === undefined || twelfth === undefined) throw new Error("no epochs");
    const again = { ...twelfth, epoch: "12-0000000b" };
    const forked: Mark = {
      ...golden,
      epochs: [
        { ...eleventh, before: null },
        { ...twelfth, before: { epoch: eleventh.epoch, ends: ends(900) } },
        { ...again, before: { epoch: eleventh.epoch, ends: ends(850) } },
      ],
      runs: [again.epoch],
      forks: {
        forks: [{ epoch: again.epoch, state: "conflict", isAlive: true }],
        current: 0,
        isTrunkAlive: true,
      },
      open: [
        { ...{ rule: "system-identity-conflict", what: "fork", id: "abc" }, ...{ count: 2 } },
      ].map((open) => ({ ...open, firingAt: 1_000, lastAt: 2_000 })),
      holes: [{ epoch: eleventh.epoch, log: "priority", from: 2, to: 3 }],
    };
    const text = encodeMark(forked);
    expect(text).toContain('["12-9f3a2b1c",41,0,null,null,[],0]');
    expect(text).toContain('["12-0000000b",41,0,null,null,[],["11-00000000",850,3]]');
    expect(text).toContain(
      '"runs":["12-0000000b"],"f":[0,1,["12-0000000b","conflict",1]],' +
        '"s":[["system-identity-conflict","fork","abc",1000,2000,2]],"h":[["11-00000000",1,2,3]]}',
    );
    expect(decodeMark(text)).toStrictEqual(forked);
  });

  test.each(["", ',"cap":0', ',"cap":-5', ',"cap":1.5', ',"cap":"9"', ',"cap":null'])(
    "without a usable cap (%s) slows nobody down",
    (cap) => {
      const text = goldenText.replace(',"cap":32768', cap);
      expect(decodeMark(text)).toStrictEqual({ ...golden, cap: undefined });
      expect(encodeMark({ ...golden, cap: undefined })).not.toContain("cap");
    },
  );

  test("is read back as it was written", () => {
    for (let run = 0; run < 500; run++) {
      const mark = randomMark(seededRandom(`mark ${run}`));
      expect(decodeMark(encodeMark(mark)), `seed "mark ${run}"`).toStrictEqual(mark);
    }
  });

  test("may hold keys and trailing elements that this build does not know", () => {
    const extended = goldenText
      .replace('{"v":1', '{"later":[],"v":1')
      .replace('"not-kept"]', '"not-kept","later"]')
      .replace("41,0,null,null]", '41,0,null,null,[],"later"]')
      .replace(': x"]', ': x","later"]');
    expect(extended).not.toBe(goldenText);
    expect(decodeMark(extended)).toStrictEqual(golden);
  });

  test.each(["2", "0", "null", '"1"', '{"toString":1}'])("of version %s is refused", (version) => {
    const text = goldenText.replace('"v":1', `"v":${version}`);
    expect(codeThrownBy(() => decodeMark(text))).toBe("BATCH_VERSION_UNKNOWN");
  });

  const malformed: readonly (readonly [name: string, found: string, put: string])[] = [
    ["no JSON", '{"v"', "{v"],
    ["no commit", '"c":7', '"c":null'],
    ["a commit below 0", '"c":7', '"c":-1'],
    ["no gateway", '"plant-3"', "7"],
    ["no epochs", '"e":[', '"E":['],
    ["an epoch that is no row", '["12-9f3a2b1c",41,0,null,null]', "null"],
    ["an epoch without a name", '["11-00000000"', '["11"'],
    ["an epoch that cannot be shown", '["11-00000000"', '[{"toString":1}'],
    ["a through as text", "900,3,900", '"900",3,900'],
    ["a through below 0", "900,3,900", "-1,3,900"],
    ["a through beyond what counts exactly", "900,3,900", "9007199254740993,3,900"],
    ["an end with a fraction", "900,3,900,3", "900,3,900.5,3"],
    ["a stretch of a log beyond the two", "[[0,10", "[[2,10"],
    ["a stretch of a log that is text", "[[0,10", '[["length",10'],
    ["a stretch in an unknown state", '"dead"', '"later"'],
    ["a stretch without an end", "[[0,10,12", "[[0,10,null"],
    ["a doubt about no log", '"telemetry"', '"system"'],
    ["a doubt without nonce", '"3.c0ffee"', "3"],
    ["a doubt that expects nothing", "42,", "null,"],
  ];

  test.each(malformed)("is refused with %s", (_name, found, put) => {
    expect(goldenText).toContain(found);
    const text = goldenText.replace(found, put);
    expect(codeThrownBy(() => decodeMark(text))).toBe("BATCH_MALFORMED");
  });

  test("throws nothing uncoded when mutated", () => {
    for (let run = 0; run < 3_000; run++) {
      const seed = `mark mutation ${run}`;
      const text = mutatedJson(seededRandom(seed), JSON.parse(goldenText));
      const code = codeThrownBy(() => decodeMark(text));
      const expected = ["nothing", "BATCH_MALFORMED", "BATCH_VERSION_UNKNOWN"];
      expect(expected, `seed "${seed}"`).toContain(code);
    }
  });
});
