// The goal: a fault inside of a text is told at the very letter, however the text is written in YAML.

import { describe, expect, test } from "vitest";
import { LineCounter, parseDocument } from "yaml";
import { seededRandom } from "./random.ts";
import { offsetInText } from "./settings-place.ts";

function placeOf(source: string, index: number) {
  const offset = offsetInText(source, parseDocument(source), ["rule", "is"], index);
  return offset === undefined ? undefined : { offset, letter: source[offset] };
}

function textOf(source: string): string {
  return String(parseDocument(source).getIn(["rule", "is"]));
}

const written: readonly (readonly [name: string, source: string])[] = [
  ["plain", "rule:\n  is: value > -15 && device == 'a'\n"],
  ["plain over lines", "rule:\n  is: value > -15\n    && device\n\n    == 'a'\n"],
  ["plain in a flow map", "rule: { is: value > -15, for: 1m }\n"],
  ["single quotes", "rule: { is: 'device == ''a'' || value > 5' }\n"],
  ["single quotes over lines", "rule:\n  is: 'device == ''a''\n    || value > 5'\n"],
  ["double quotes", 'rule: { is: "device == \\"a\\" || \\u0076alue\\x20> 5" }\n'],
  ["double quotes over lines", "rule:\n  is: \"device == \\\n    'a'\n    || value > 5\"\n"],
  [
    "double quotes with an astral letter",
    'rule: { is: "text == \\"\\U0001F600\\" || text > 5" }\n',
  ],
  ["a block", "rule:\n  is: |\n    value > 5\n      && device == 'a'\n\n    || on\n  for: 1m\n"],
  ["a block with its indentation told", "rule:\n  is: |2-\n      value > 5\n    && on\n"],
  [
    "a folded block",
    "rule:\n  is: >-\n    value > 5\n    && device == 'a'\n\n    || on\n  for: 1m\n",
  ],
  ["Windows' line ends", "rule:\r\n  is: |\r\n    value > 5\r\n    && on\r\n"],
  ["a comment before", "rule:\n  # why\n  is: # here\n    value > 5 && on\n"],
];

test.each(written)("in %s every letter is found where it stands", (_name, source) => {
  const text = textOf(source);
  const isWritten = (letter: string) => !/\s|["']/.test(letter);
  let last = -1;
  for (const [index, letter] of [...text].map((one, at) => [at, one] as const)) {
    if (!isWritten(letter) || text.includes("\u{1F600}")) continue;
    const found = placeOf(source, index);
    const isEscaped = found?.letter === "\\";
    expect(isEscaped ? letter : found?.letter, `${index} of ${text}`).toBe(letter);
    expect(found?.offset).toBeGreaterThan(last);
    last = found?.offset ?? last;
  }
});

test("a letter after an escape that stands for two units is found", () => {
  const source = 'rule: { is: "text == \\"\\U0001F600\\" || text > 5" }\n';
  expect(placeOf(source, textOf(source).indexOf(">"))?.letter).toBe(">");
});

describe("the end of a text is found", () => {
  test("behind its last letter", () => {
    const source = "rule: { is: value > }\n";
    expect(placeOf(source, 7)?.offset).toBe(source.indexOf(" }"));
  });

  test("within its quotes", () => {
    const source = 'rule: { is: "value > " }\n';
    expect(placeOf(source, 8)?.letter).toBe('"');
  });
});

test("what is no text has no place in it", () => {
  expect(placeOf("rule: { is: 5 }\n", 0)).toBeUndefined();
  expect(placeOf("rule: {}\n", 0)).toBeUndefined();
  expect(placeOf("rule: { is: [a] }\n", 0)).toBeUndefined();
});

test("no YAML makes it throw or leave the text", () => {
  const random = seededRandom("places");
  const parts = [
    "rule:",
    " is:",
    "\n",
    "  ",
    " ",
    "'",
    '"',
    "\\",
    "|",
    ">",
    "-",
    "value",
    "{",
    "}",
    "#",
    "\\x2",
  ];
  for (let run = 0; run < 3_000; run++) {
    const length = Math.floor(random.next() * 12);
    const tail = Array.from({ length }, () => parts[Math.floor(random.next() * parts.length)]);
    const source = `rule:\n  is: ${tail.join("")}`;
    const document = parseDocument(source, { lineCounter: new LineCounter() });
    const offset = offsetInText(source, document, ["rule", "is"], Math.floor(random.next() * 20));
    if (offset === undefined) continue;
    expect(offset, source).toBeGreaterThanOrEqual(0);
    expect(offset, source).toBeLessThanOrEqual(source.length);
  }
});
