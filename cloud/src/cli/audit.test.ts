// Goal: an audit fails while something may still be missing, and never for what cannot come any more.
import type { EpochLedger, ForkBook, Mark, Predecessor } from "@causeway/shared/mark.ts";
import { expect, test } from "vitest";
import { auditLines, auditText, isFinding } from "./audit.ts";

const [e5, e6, e7, again] = ["5-00000005", "6-00000006", "7-00000007", "6-0000000b"] as const;

function epoch(
  id: string,
  through: number,
  end?: number,
  before?: Predecessor | null,
): EpochLedger {
  const stretches = through === 41 ? [{ from: 3, to: 4, state: "lost", reason: "rollback" }] : [];
  const telemetry = { through, end, stretches } as EpochLedger["logs"]["telemetry"];
  const priority = { through: 0, end: end === undefined ? undefined : 0, stretches: [] };
  return { epoch: id, logs: { telemetry, priority }, before };
}

const after = (id: string, telemetry: number): Predecessor => ({
  epoch: id,
  ends: { telemetry, priority: 0 },
});

function audited(epochs: readonly EpochLedger[], forks?: ForkBook) {
  const mark: Mark = {
    ...{ commit: 1, gateway: "g1", run: undefined, epochs, doubts: [], cap: undefined },
    forks,
  };
  const lines = auditLines([mark]);
  const states = lines.filter(({ log }) => log === "telemetry").map(({ state }) => state);
  return { lines, states, fails: lines.some(isFinding) };
}

const restored = (isTrunkAlive: boolean): ForkBook => ({
  forks: [{ epoch: again, state: isTrunkAlive ? "conflict" : "restored", isAlive: true }],
  current: 0,
  isTrunkAlive,
});

test("an epoch that has ended must be taken to its end, and the newest may be open", () => {
  const whole = audited([epoch(e5, 9, 9, null), epoch(e6, 3, undefined, after(e5, 9))]);
  expect(whole).toMatchObject({ states: ["complete", "open"], fails: false });
  const cut = audited([epoch(e5, 8, 9, null), epoch(e6, 3, undefined, after(e5, 9))]);
  expect(cut).toMatchObject({ states: ["incomplete", "open"], fails: true });
});

test("an epoch that is over without a stated end is unexplained", () => {
  const found = audited([epoch(e5, 8, undefined, null), epoch(e7, 3, undefined, after(e6, 9))]);
  expect(found).toMatchObject({ states: ["unexplained", "open"], fails: true });
});

test("what a store that was put back had left unsent is abandoned, and no finding", () => {
  const epochs = [
    epoch(e5, 9, 9, null),
    epoch(e6, 3, 12, after(e5, 9)),
    epoch(e7, 1, undefined, after(e6, 12)),
    epoch(again, 2, undefined, after(e5, 7)),
  ];
  const found = audited(epochs, restored(false));
  expect(found).toMatchObject({
    states: ["complete", "abandoned", "abandoned", "open"],
    fails: false,
  });
  expect(found.lines[0]?.statedEnds).toEqual([
    { by: e6, end: 9 },
    { by: again, end: 7 },
  ]);
  expect(audited(epochs, restored(true))).toMatchObject({ fails: true });
});

test("a store that was put back still owes the rest of what it shares with the old one", () => {
  const found = audited(
    [
      epoch(e5, 6, 9, null),
      epoch(e6, 3, undefined, after(e5, 9)),
      epoch(again, 2, undefined, after(e5, 7)),
    ],
    restored(false),
  );
  expect(found).toMatchObject({ states: ["incomplete", "abandoned", "open"], fails: true });
});

test("a clone that states a lower end does not hide what the other one still has to send", () => {
  const found = audited(
    [
      epoch(e5, 8, 7, null),
      epoch(again, 2, undefined, after(e5, 7)),
      epoch(e6, 3, undefined, after(e5, 9)),
    ],
    restored(true),
  );
  expect(found).toMatchObject({ states: ["incomplete", "open", "open"], fails: true });
});

test("people read why, machines find the keys of the contract first", () => {
  const { lines } = audited([epoch(e5, 41, 41, null), epoch(again, 2, undefined, after(e5, 41))], {
    ...restored(false),
  });
  expect(lines.map(auditText)).toContain(
    "g1  5-00000005  telemetry  through 41  end 41  complete  lost 3-4 (rollback)",
  );
  expect(lines.map(auditText)[2]).toContain("restored, branches from 5-00000005");
  const keys = ["gateway", "epoch", "log", "through", "end", "stretches"];
  expect(Object.keys(lines[0] ?? {}).slice(0, 6)).toEqual(keys);
});
