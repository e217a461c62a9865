// The goal: rules change while the cloud runs, by those who may, once each, and faults are told.

import type { AlertSubjects } from "@causeway/shared/alert/deployment-alert.ts";
import { tellDeployment } from "@causeway/shared/alert/deployment-alert.ts";
import { MemoryAlertSubjects } from "@causeway/shared/alert/testing/memory-alert-subjects.ts";
import {
  DeviceBook,
  encodeFacts,
  factsKey,
  factsRequest,
} from "@causeway/shared/devices/device-facts.ts";
import type { LogFields } from "@causeway/shared/log.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { VirtualClock } from "@causeway/shared/testing/virtual-clock.ts";
import { expect, test } from "vitest";
import { ServiceRules } from "../devices/service-rules.ts";
import { HotRules } from "./hot-rules.ts";
import type { Found } from "./rules-document.ts";
import { rulesMetrics } from "./rules-metrics.ts";
import { brokenText, foundIn, textAbove } from "./testing/rules-texts.ts";
import { WantedRules } from "./wanted-rules.ts";

class World {
  readonly clock = new VirtualClock();
  readonly alerts = new MemoryAlertSubjects();
  readonly changes: string[] = [];
  readonly errors: LogFields[] = [];
  key: Found | "none" = "none";
  readonly book = new DeviceBook();
  isAway = false;
  readonly #service = new ServiceRules(this.book, silentLogger);
  #fileChanged: (found: Found) => void = () => {};

  start(configured: Found, alerts: AlertSubjects = this.alerts): HotRules {
    if (configured.kind === "refused") throw new Error(configured.reason);
    let seen: Found | "none" | undefined;
    const hotRules = new HotRules({
      wanted: new WantedRules(configured, undefined, configured.rules),
      key: {
        revision: 7,
        look: async () => {
          if (this.isAway) throw new Error("away");
          if (seen === this.key) return "same";
          seen = this.key;
          return this.key;
        },
      },
      file: {
        start: (changed) => {
          this.#fileChanged = changed;
        },
        reload: () => {},
        stop: () => {},
      },
      inService: (rules) => this.#service.of(rules),
      change: ({ source }) => void this.changes.push(source),
      tell: (finding) => tellDeployment(alerts, finding),
      clock: this.clock,
      log: { ...silentLogger, error: (fields) => void this.errors.push(fields) },
    });
    hotRules.start();
    return hotRules;
  }

  async fileHas(text: string, source = "rules.yaml"): Promise<void> {
    this.#fileChanged(foundIn(text, source));
    await this.clock.advance(5_000);
  }

  async keyHas(found: Found | "none"): Promise<void> {
    this.key = found;
    await this.clock.advance(5_000);
  }

  told(): string[] {
    return this.alerts.told.map(({ rule, state }) => `${rule} ${state}`);
  }
}

const file = () => foundIn(textAbove("hot", 50), "rules.yaml");

test("hands over what is wanted, and only where it is another set (H1)", async () => {
  const world = new World();
  const hotRules = world.start(file());
  await world.clock.advance(10_000);
  expect(world.changes).toEqual([]);
  await world.fileHas(`# said anew\n${textAbove("hot", 50)}`);
  expect(world.changes).toEqual([]);
  await world.fileHas(textAbove("hot", 60), "rules.yaml 2");
  await world.keyHas(foundIn(textAbove("cold", 1), "key"));
  expect(hotRules.status()).toMatchObject({ source: "key", revision: 7, changes: 2 });
  await world.keyHas(foundIn(`${textAbove("cold", 1)}# more\n`, "key 2"));
  await world.keyHas("none");
  expect(world.changes).toEqual(["rules.yaml 2", "key", "rules.yaml 2"]);
  await hotRules.stop();
});

test("goes on while the key cannot be asked for (H2)", async () => {
  const world = new World();
  const hotRules = world.start(file());
  await world.keyHas(foundIn(textAbove("cold", 1), "key"));
  world.isAway = true;
  await world.keyHas("none");
  expect(hotRules.status().source).toBe("key");
  world.isAway = false;
  await world.clock.advance(5_000);
  expect(world.changes).toEqual(["key", "rules.yaml"]);
  await hotRules.stop();
});

test("what is refused changes nothing, and is told by log, metric and alert, as its end is", async () => {
  const world = new World();
  const hotRules = world.start(file());
  const refused = () => rulesMetrics(hotRules.status()).find(({ name }) => /refused/.test(name));
  await world.fileHas(brokenText);
  await world.fileHas(brokenText);
  expect(world.changes).toEqual([]);
  expect(world.errors).toEqual([
    { source: "rules.yaml", reason: expect.stringMatching(/^CONFIG_INVALID: rules\.yaml:2:5 /) },
  ]);
  expect(refused()).toMatchObject({ name: "causeway_rules_refused", value: 1 });
  expect(world.told()).toEqual(["system-rules-refused firing"]);
  expect(world.alerts.told[0]).toMatchObject({
    severity: "warning",
    gateway: "_cloud",
    reason: expect.stringContaining("rules.yaml:2:5 rules.0.hi"),
  });
  await world.fileHas(textAbove("hot", 60));
  expect(world.changes).toEqual(["rules.yaml"]);
  expect(world.told()).toEqual(["system-rules-refused firing", "system-rules-refused resolved"]);
  expect(refused()?.value).toBe(0);
  await hotRules.stop();
});

test("tells a refusal again each minute, and its end once (H3)", async () => {
  const world = new World();
  const broken = world.start(file());
  await world.fileHas(brokenText);
  const other = world.start(file());
  await world.clock.advance(30_000);
  // A start ends what may be left of this process' own past.
  expect(world.told().at(-1)).toBe("system-rules-refused resolved");
  await world.clock.advance(60_000);
  expect(world.told().at(-1)).toBe("system-rules-refused firing");
  const count = world.told().length;
  await world.clock.advance(600_000);
  expect(world.told()).toHaveLength(count);
  await Promise.all([broken.stop(), other.stop()]);
});

test("an alert that cannot be told is told later", async () => {
  const world = new World();
  let isAway = true;
  const away: AlertSubjects = {
    append: (...message) => world.alerts.append(...message),
    last: async (subject) => {
      if (isAway) throw new Error("away");
      return world.alerts.last(subject);
    },
  };
  const hotRules = world.start(file(), away);
  await world.fileHas(brokenText);
  expect(world.told()).toEqual([]);
  isAway = false;
  await world.clock.advance(5_000);
  expect(world.told()).toEqual(["system-rules-refused firing"]);
  await hotRules.stop();
});

test("hands over what is out of service with the rules, whatever place these are from (H4)", async () => {
  const world = new World();
  const hotRules = world.start(file());
  const place = { gateway: "gw-1", device: "" };
  const say = async (act: "retired" | "returned") => {
    const facts = world.book.after(place, factsRequest({ act, by: "ann" }), 1);
    world.book.take(factsKey(place), encodeFacts(facts));
    await world.clock.advance(5_000);
  };
  await say("retired");
  expect(hotRules.current.fleet.service?.out).toEqual([["gw-1", ""]]);
  await world.keyHas(foundIn(textAbove("cold", 1), "key"));
  expect(hotRules.current.fleet.service?.out).toEqual([["gw-1", ""]]);
  await say("returned");
  expect(hotRules.current.fleet).not.toHaveProperty("service");
  expect(world.changes).toEqual(["rules.yaml", "key", "key"]);
  await hotRules.stop();
});
