// The goal: of several places one has its way, and a fault anywhere changes nothing but what is told.
import { expect, test } from "vitest";
import type { Found, LoadedRules } from "./rules-document.ts";
import { brokenText, foundIn, textAbove } from "./testing/rules-texts.ts";
import { WantedRules } from "./wanted-rules.ts";

const good = (source: string) => foundIn(textAbove("hot", 1), source);
const broken = (source: string) => foundIn(brokenText, source);

function rulesIn(found: Found): LoadedRules {
  if (found.kind === "refused") throw new Error(found.reason);
  return found.rules;
}

function wantedFrom(configured: Found, key?: Found): WantedRules {
  const head = key ?? configured;
  return new WantedRules(configured, key, rulesIn(head.kind === "good" ? head : good("journal")));
}

const namesOf = ({ current, refused }: WantedRules) => [
  current.source,
  ...refused.map(({ source }) => source),
];

test("the key goes before the configuration's rules, for as long as it is there (W1)", () => {
  const wanted = wantedFrom(good("file"));
  expect(namesOf(wanted)).toEqual(["file"]);
  wanted.keyHas(good("key"));
  expect(namesOf(wanted)).toEqual(["key"]);
  wanted.configurationHas(good("file 2"));
  expect(namesOf(wanted)).toEqual(["key"]);
  wanted.keyHas(undefined);
  expect(namesOf(wanted)).toEqual(["file 2"]);
  expect(namesOf(wantedFrom(good("file"), good("key")))).toEqual(["key"]);
});

test("what is refused replaces nothing, wherever it stands (W2)", () => {
  const wanted = wantedFrom(good("file"));
  wanted.configurationHas(broken("file 2"));
  expect(namesOf(wanted)).toEqual(["file", "file 2"]);
  expect(wanted.refused[0]?.reason).toMatch(/^CONFIG_INVALID: file 2:2:5 rules\.0\.hi: /);
  wanted.keyHas(broken("key"));
  expect(namesOf(wanted)).toEqual(["file", "key", "file 2"]);
  wanted.keyHas(good("key 2"));
  wanted.keyHas(broken("key 3"));
  expect(namesOf(wanted)).toEqual(["key 2", "key 3", "file 2"]);
  wanted.keyHas(undefined);
  expect(namesOf(wanted)).toEqual(["file", "file 2"]);
  wanted.configurationHas(good("file 3"));
  expect(namesOf(wanted)).toEqual(["file 3"]);
});

test("where nothing good was ever there, what was in force at the start goes on (W2)", () => {
  const wanted = wantedFrom(broken("file"));
  expect(namesOf(wanted)).toEqual(["journal", "file"]);
  wanted.keyHas(good("key"));
  wanted.keyHas(undefined);
  expect(namesOf(wanted)).toEqual(["key", "file"]);
  const broke = wantedFrom(good("file"), broken("key"));
  expect(namesOf(broke)).toEqual(["journal", "key"]);
  broke.keyHas(broken("key 2"));
  expect(namesOf(broke)).toEqual(["journal", "key 2"]);
});
