import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import { NumberRanges } from "./number-ranges.ts";

test("numbers in any order are found, told as known, and listed rising", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(`ranges ${seed}`);
    const ranges = new NumberRanges();
    const truth = new Set<number>();
    for (let step = 0; step < 300; step++) {
      const number = Math.floor(random.next() * 200);
      expect(ranges.add(number), `seed ${seed}, ${number}`).toBe(!truth.has(number));
      truth.add(number);
    }
    for (let number = -1; number <= 200; number++) {
      expect(ranges.has(number), `seed ${seed}, ${number}`).toBe(truth.has(number));
    }
    expect([...ranges.numbers()]).toEqual([...truth].sort((a, b) => a - b));
  }
});
