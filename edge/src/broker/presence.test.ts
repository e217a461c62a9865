/** Goal: coming and going is told, flapping is bounded, and the last state always comes through. */
import { seededRandom } from "@causeway/shared/random.ts";
import { expect, test } from "vitest";
import type { PresenceChange } from "./presence.ts";
import { Presence } from "./presence.ts";

const bounds = { perMinuteMax: 3, clientsMax: 100 };

test("a client that comes and goes is told of each time", () => {
  const presence = new Presence(bounds);
  expect(presence.changed("a", true, "connected", 0)).toEqual({
    client: "a",
    online: true,
    reason: "connected",
    leftOut: 0,
  });
  expect(presence.changed("a", false, "lost", 10)).toMatchObject({ online: false, reason: "lost" });
  expect(presence.due(20)).toEqual([]);
});

test("beyond the bound only the last state is told, when it may be", () => {
  const presence = new Presence(bounds);
  const told = [0, 1, 2, 3, 4, 5, 6].map((now) =>
    presence.changed("a", now % 2 === 0, "connected", now),
  );
  expect(told.map((change) => change?.online)).toEqual([
    true,
    false,
    true,
    undefined,
    undefined,
    undefined,
    undefined,
  ]);
  presence.changed("a", false, "lost", 7);
  expect(presence.due(59_999)).toEqual([]);
  expect(presence.due(60_000)).toEqual([
    { client: "a", online: false, reason: "lost", leftOut: 4 },
  ]);
  expect(presence.leftOut).toBe(4);
});

test("over random flapping the last state told is the last state, and the bound holds", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = seededRandom(`presence ${seed}`);
    const presence = new Presence(bounds);
    const told: { at: number; change: PresenceChange }[] = [];
    let [now, online, changes] = [0, false, 0];
    for (let step = 0; step < 60; step++) {
      now += Math.floor(random.next() * 15_000);
      for (const change of presence.due(now)) told.push({ at: now, change });
      online = !online;
      changes++;
      const change = presence.changed("a", online, online ? "connected" : "lost", now);
      if (change !== undefined) told.push({ at: now, change });
    }
    for (const change of presence.due(now + 60_000)) told.push({ at: now + 60_000, change });
    expect(told.at(-1)?.change.online, `seed "presence ${seed}"`).toBe(online);
    for (const [at, { at: time }] of told.entries()) {
      const within = told.slice(0, at + 1).filter((each) => time - each.at < 60_000);
      expect(within.length, `seed "presence ${seed}"`).toBeLessThanOrEqual(bounds.perMinuteMax);
    }
    expect(told.length + presence.leftOut, `seed "presence ${seed}"`).toBe(changes);
  }
});
