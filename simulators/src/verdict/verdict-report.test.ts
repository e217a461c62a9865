import { expect, test } from "vitest";
import { Verdict } from "./verdict.ts";
import { verdictText } from "./verdict-report.ts";

test("a bad verdict shows its counts, its examples and the word", () => {
  const verdict = new Verdict();
  verdict.ackedLine('{"device":"pump","seq":7}');
  const text = verdictText(verdict.result());
  expect(text).toContain("lost            1");
  expect(text).toContain("  lost: pump 7 acknowledged, never taken");
  expect(text.endsWith("\nbad")).toBe(true);
});
