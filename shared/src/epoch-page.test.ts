// The goal: what leaves a mark is kept word for word, in a few bytes an epoch; what cannot be read
// for certain is refused.
import { describe, expect, test } from "vitest";
import type { EpochPage } from "./epoch-page.ts";
import { decodeEpochPage, encodeEpochPage } from "./epoch-page.ts";
import { CodedError } from "./errors.ts";
import type { EpochLedger, LogLedger } from "./mark.ts";
import { emptyLogLedger } from "./mark.ts";
import { seededRandom } from "./random.ts";
import { mutatedJson } from "./testing/random-events.ts";

const taken = (through: number): LogLedger => ({ through, end: through, stretches: [] });

function row(epoch: string, telemetry: LogLedger, before: EpochLedger["before"]): EpochLedger {
  return { epoch, logs: { telemetry, priority: taken(3) }, before };
}

const ends = (telemetry: number) => ({ telemetry, priority: 3 });
const lost = { from: 2, to: 4, state: "lost", reason: "full" } as const;
const golden: EpochPage = {
  gateway: "plant-3",
  number: 7,
  epochs: [
    row("11-00000000", taken(900), null),
    row("12-9f3a2b1c", taken(41), { epoch: "11-00000000", ends: ends(900) }),
    row("13-00000002", taken(5), { epoch: "12-9f3a2b1c", ends: ends(41) }),
    row("13-0000000b", taken(8), { epoch: "12-9f3a2b1c", ends: ends(30) }),
    row("14-00000003", { ...taken(9), stretches: [lost] }, { epoch: "13-0000000b", ends: ends(8) }),
    {
      epoch: "20-00000004",
      logs: { telemetry: { ...emptyLogLedger, through: 6 }, priority: emptyLogLedger },
    },
  ],
  stretches: [{ epoch: "14-00000003", log: "telemetry", stretch: lost }],
};

const goldenText =
  '{"v":1,"g":"plant-3","n":7,"e":[["11-00000000",900,3,900,3,[],null],["12-9f3a2b1c",41,3],' +
  '["13-00000002",5,3],["13-0000000b",8,3,8,3,[],["12-9f3a2b1c",30,3]],' +
  '["14-00000003",9,3,9,3,[[0,2,4,"lost","full"]],3],["20-00000004",6,0,null,null]],' +
  '"s":[["14-00000003",0,2,4,"lost","full"]]}';

describe("a page of epochs", () => {
  test("is written as it always was, and read back", () => {
    expect(encodeEpochPage(golden)).toBe(goldenText);
    expect(decodeEpochPage(goldenText)).toStrictEqual(golden);
  });

  test("costs some 27 bytes for each epoch of a life without trouble", () => {
    const epochs: EpochLedger[] = [];
    for (let ordinal = 10_000; ordinal < 10_500; ordinal++) {
      const last = epochs.at(-1);
      const before = last && { epoch: last.epoch, ends: { telemetry: 1_000, priority: 3 } };
      epochs.push(row(`${ordinal}-0123abcd`, taken(1_000), before ?? null));
    }
    const text = encodeEpochPage({ gateway: "g1", number: 0, epochs, stretches: [] });
    expect(text.length / epochs.length).toBeLessThan(28);
    expect(decodeEpochPage(text).epochs).toStrictEqual(epochs);
  });

  test("of another version is refused, and what is no page", () => {
    const code = (text: string) => {
      try {
        decodeEpochPage(text);
      } catch (failure) {
        return failure instanceof CodedError ? failure.code : `uncoded: ${failure}`;
      }
      return "nothing";
    };
    expect(code(goldenText.replace('"v":1', '"v":2'))).toBe("BATCH_VERSION_UNKNOWN");
    for (const text of [
      "",
      "7",
      "null",
      "{",
      '{"v":1}',
      '{"v":1,"g":"g","n":0,"e":[["1-0",1,2]]}',
    ]) {
      expect(["BATCH_MALFORMED", "BATCH_VERSION_UNKNOWN"], text).toContain(code(text));
    }
    const random = seededRandom("pages");
    for (let run = 0; run < 2_000; run++) {
      const text = mutatedJson(random, goldenText);
      expect(code(text), text).not.toMatch(/^uncoded/);
    }
  });
});
