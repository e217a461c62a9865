// A decision that was taken twice must not hide behind a new id.
import { expect, test } from "vitest";
import { alertCourse } from "./alert-course.ts";

const one = (id: string, state: string, cause: string) => ({
  id,
  state,
  cause,
  rule: "hot",
  fingerprint: "f",
});
const good = [one("a", "firing", "1"), one("a", "resolved", "2"), one("b", "firing", "3")];

test("an alert that fires, is resolved and fires again is in order", () => {
  expect(alertCourse(good)).toEqual({ repeated: 0, torn: 0 });
});

test("one id twice, and one reading that decides under two ids, are repeated", () => {
  expect(alertCourse([...good, one("b", "firing", "4")]).repeated).toBe(1);
  const again = [...good, one("b", "resolved", "5"), one("c", "firing", "1")];
  expect(alertCourse(again)).toEqual({ repeated: 1, torn: 0 });
});

test("what fires already does not fire, and what does not fire is not resolved", () => {
  expect(alertCourse([...good, one("c", "firing", "4")]).torn).toBe(1);
  expect(alertCourse([...good, one("a", "resolved", "4")]).torn).toBe(1);
  expect(alertCourse([one("a", "resolved", "1")]).torn).toBe(1);
});
