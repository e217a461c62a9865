/** Goal: the tree of filters finds exactly what the rules of MQTT 3.1.1 §4.7 say. */
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { FilterTree, isFilter, isTopic, matches } from "./topic-filter.ts";

test.each([
  ["a/b", "a/b", true],
  ["a/+", "a/b", true],
  ["a/+", "a/", true],
  ["a/+", "a", false],
  ["a/+", "a/b/c", false],
  ["+", "/a", false],
  ["+/+", "/a", true],
  ["#", "a/b", true],
  ["a/#", "a", true],
  ["a/#", "a/b/c", true],
  ["a/#", "ab", false],
  ["#", "$SYS/x", false],
  ["+/x", "$SYS/x", false],
  ["$SYS/#", "$SYS/x", true],
])("filter %s and topic %s: %s", (filter, topic, expected) => {
  expect(matches(filter, topic)).toBe(expected);
});

test.each(["", "a+", "+a", "a/b#", "#/a", "a/#/b", "a\0", "a\uFFFD", "a/".repeat(100)])(
  "%j is no filter",
  (text) => expect(isFilter(text)).toBe(false),
);

test.each(["", "a/+", "#", "a\0b", "\uFFFD", "/".repeat(100)])("%j is no topic", (text) =>
  expect(isTopic(text)).toBe(false),
);

test("what is a filter or a topic passes", () => {
  for (const text of ["#", "+", "/", "a//b", "+/+/#", "$SYS/#"]) expect(isFilter(text)).toBe(true);
  for (const text of ["/", "a//b", "$x", "ü/€"]) expect(isTopic(text)).toBe(true);
});

test("over random filters and topics the tree finds what comparing one by one finds", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = seededRandom(`filters ${seed}`);
    const pick = <Item>(items: readonly Item[]) =>
      items[Math.floor(random.next() * items.length)] as Item;
    const levels = (words: readonly string[]) =>
      Array.from({ length: 1 + Math.floor(random.next() * 4) }, () => pick(words)).join("/");
    const tree = new FilterTree<number>();
    const filters = new Map<string, { filter: string; key: string }>();
    for (let step = 0; step < 40; step++) {
      const filter = levels(["a", "b", "", "+", "$x"]) + pick(["", "/#", ""]);
      const key = pick(["k1", "k2", "k3"]);
      if (random.next() < 0.7) {
        tree.put(filter, key, step);
        filters.set(`${key} ${filter}`, { filter, key });
      } else {
        tree.delete(filter, key);
        filters.delete(`${key} ${filter}`);
      }
    }
    expect(tree.size, `seed "filters ${seed}"`).toBe(filters.size);
    for (let step = 0; step < 20; step++) {
      const topic = levels(["a", "b", "", "$x"]);
      const found: string[] = [];
      tree.match(topic, (key) => found.push(key));
      const expected = [...filters.values()].filter(({ filter }) => matches(filter, topic));
      expect(found.sort(), `seed "filters ${seed}", topic ${topic}`).toEqual(
        expected.map(({ key }) => key).sort(),
      );
    }
  }
});
