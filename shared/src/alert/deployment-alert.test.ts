// What is wrong with the deployment is told once, by however many processes, and ends once.
import { expect, test } from "vitest";
import type { AlertSubjects, Finding } from "./deployment-alert.ts";
import { tellDeployment, tellOver } from "./deployment-alert.ts";
import { MemoryAlertSubjects } from "./testing/memory-alert-subjects.ts";

const wrong: Finding = { rule: "system-no-tick", isWrong: true, reason: "no tick", at: 1_000 };
const right: Finding = { ...wrong, isWrong: false, reason: "ticks come again", at: 5_000 };

test("a finding is told when it changes, and only then (Y1)", async () => {
  const store = new MemoryAlertSubjects();
  expect(await tellDeployment(store, right)).toBeUndefined();
  for (let look = 0; look < 3; look++) await tellDeployment(store, { ...wrong, at: 1_000 + look });
  for (let look = 0; look < 3; look++) await tellDeployment(store, right);
  await tellDeployment(store, { ...wrong, at: 9_000 });
  const [firing, resolved, again] = store.told;
  expect(store.told.map(({ state }) => state)).toEqual(["firing", "resolved", "firing"]);
  expect(firing).toMatchObject({ at: 1_000, gateway: "_cloud", device: "", metric: "" });
  expect(resolved).toMatchObject({ id: firing?.id, firingAt: 1_000, at: 5_000 });
  expect(again?.id).not.toBe(firing?.id);
  expect(again?.fingerprint).toBe(firing?.fingerprint);
});

test("what is over when it is known is told and closed at once", async () => {
  const store = new MemoryAlertSubjects();
  await tellOver(store, "system-journal-gap", "messages 1 to 9 are gone", 3_000);
  expect(store.told.map(({ state }) => state)).toEqual(["firing", "resolved"]);
  expect(store.told[1]).toMatchObject({ firingAt: 3_000, at: 3_000 });
});

test("of two that notice at once one tells, the other finds it told (Y2)", async () => {
  const store = new MemoryAlertSubjects();
  let reads = 0;
  let bothHaveRead = () => {};
  const both = new Promise<void>((resolve) => {
    bothHaveRead = resolve;
  });
  const slow: AlertSubjects = {
    async last(subject) {
      const found = await store.last(subject);
      if (++reads === 2) bothHaveRead();
      await both;
      return found;
    },
    append: (subject, message, expectedLast) => store.append(subject, message, expectedLast),
  };
  const told = await Promise.all([tellDeployment(slow, wrong), tellDeployment(slow, wrong)]);
  expect(told.filter((each) => each !== undefined)).toHaveLength(1);
  expect(store.told).toHaveLength(1);
});
