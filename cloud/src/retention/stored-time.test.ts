// The first message that is young enough is found by asking for few of them.
import { seededRandom } from "@causeway/shared/random.ts";
import { integer } from "@causeway/shared/testing/random-events.ts";
import { expect, test } from "vitest";
import { firstSince } from "./stored-time.ts";

test("the first young message is found, whatever the hint, with few questions", async () => {
  for (let run = 0; run < 500; run++) {
    const random = seededRandom(`search ${run}`);
    const first = 1 + integer(random, 1_000);
    const times: number[] = [];
    for (let count = integer(random, 5_000), time = 0; count > 0; count--) {
      time += integer(random, 3);
      times.push(time);
    }
    const last = first + times.length;
    const since = integer(random, 5_000);
    const found = times.findIndex((time) => time >= since);
    let questions = 0;
    const storedAt = async (sequence: number) => {
      questions++;
      return times[sequence - first];
    };
    const hint = integer(random, 8_000);
    const answer = await firstSince(storedAt, { first, last, since, hint });
    expect(answer, `seed "search ${run}"`).toBe(found < 0 ? last : first + found);
    expect(questions, `seed "search ${run}"`).toBeLessThan(30);
  }
});

test("nothing beyond the bound is asked for", async () => {
  const asked: number[] = [];
  const storedAt = async (sequence: number) => {
    asked.push(sequence);
    return 0;
  };
  expect(await firstSince(storedAt, { first: 5, last: 9, since: 1, hint: 100 })).toBe(9);
  expect(Math.max(...asked)).toBeLessThan(9);
});
