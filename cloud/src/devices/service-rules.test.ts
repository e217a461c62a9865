// The goal: what operators take out of service, or let go on as another, comes to engines with the
// rules at a tick, so that nobody is told of what is gone, and a replay decides the same.
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { DevicePlace } from "@causeway/shared/devices/device-facts.ts";
import {
  DeviceBook,
  encodeFacts,
  factsKey,
  factsRequest,
} from "@causeway/shared/devices/device-facts.ts";
import { silentLogger } from "@causeway/shared/log.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import type { Service } from "@causeway/shared/rules/fleet.ts";
import { compileFleet, emptyFleet } from "@causeway/shared/rules/fleet.ts";
import { rulesSchema } from "@causeway/shared/rules/rule.ts";
import { expect, test } from "vitest";
import { Partition } from "../engine/partition.ts";
import { noCounts } from "../engine/partition-counters.ts";
import type { GatewayEntry } from "../gateways/gateway-entry.ts";
import { encodeEntry, GatewayBook, gatewayRequest } from "../gateways/gateway-entry.ts";
import { loadedFrom } from "../rules/rules-document.ts";
import { journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { ServiceRules, serviceOf } from "./service-rules.ts";

const silentAfterMs = 180_000;
const rules = rulesSchema.parse([
  { name: "hot", detector: "limits", hi: 50, devices: ["a", "c"], flap: "off" },
  { name: "still", detector: "absence", after: "2m", devices: ["a", "c"], flap: "off" },
  { name: "odd", when: { metric: "t", is: "value < -50" }, devices: ["a", "c"], flap: "off" },
]);
const configured = loadedFrom({ rules, fleet: emptyFleet }, "cloud.yaml");

/** A partition, and the operators that talk of its gateway. */
class World {
  readonly book = new DeviceBook();
  readonly service = new ServiceRules(this.book, silentLogger);
  partition = this.#made();
  #sequence = 0;
  #position = 0;
  #second = 0;
  #commit = 0;

  #made(): Partition {
    const own = this.service.of(configured).ruleSet;
    return new Partition(3, own, 0, noCounts(), { silentAfterMs });
  }

  say(place: DevicePlace, request: object): void {
    const facts = this.book.after(place, factsRequest({ by: "ann", ...request }), this.#second);
    this.book.take(factsKey(place), encodeFacts(facts));
  }

  hear(device: string, value: number): void {
    const event = readingEvent(device, "t", value, this.#second * 1_000);
    this.partition.take(journalMessage(++this.#sequence, ++this.#position, [event]));
  }

  /** Ticks up to so many seconds later; what was told, in words. */
  pass(seconds: number): readonly string[] {
    const named = this.service.of(configured).ruleSet;
    for (const end = this.#second + seconds; this.#second < end; ) {
      this.#second += 5;
      const n = this.#second / 5;
      const tick = { n, at: this.#second * 1_000, rules: named.name, revision: 1 };
      this.partition.tick(++this.#sequence, tick, named);
    }
    return this.told();
  }

  told(): readonly string[] {
    const { messages } = this.partition.collect(++this.#commit, 500);
    this.#mark = messages.find(({ subject }) => subject === "mark.3.g1")?.data ?? this.#mark;
    this.#open = messages.find(({ subject }) => subject === "open.3.g1")?.data ?? this.#open;
    return messages
      .filter(({ subject }) => subject.startsWith("alert."))
      .flatMap(({ data }) => (JSON.parse(data) as { transitions: AlertTransition[] }).transitions)
      .map(({ rule, device, state, reason }) => `${rule} ${device} ${state}: ${reason}`);
  }
  #mark = "";
  #open = "";

  /** Another engine goes on from the snapshot and what was committed last. */
  takeOver(): void {
    const before = this.partition;
    const named = this.service.of(configured).ruleSet;
    this.partition = new Partition(3, named, before.sequence, noCounts(), { silentAfterMs });
    this.partition.restoreSnapshot(before.snapshot(), before.sequence);
    this.partition.restoreCommitted(named, before.seenTick);
    if (this.#mark !== "") this.partition.restoreMark(decodeMark(this.#mark));
    if (this.#open !== "") this.partition.restoreAlerts("g1", this.#open);
  }
}

const gateway = { gateway: "g1", device: "" };
const of = (device: string) => ({ gateway: "g1", device });

test("a retired gateway is not told as silent, what was told of it ends, and that holds over take-overs", () => {
  const world = new World();
  world.hear("a", 1);
  world.pass(5);
  world.hear("a", 1);
  expect(world.pass(200)).toEqual([expect.stringMatching(/^system-gateway-silent {2}firing/)]);
  world.say(gateway, { act: "retired" });
  expect(world.pass(5)).toEqual([
    "system-gateway-silent  resolved: the gateway was taken out of service",
  ]);
  world.takeOver();
  expect(world.pass(3_600)).toEqual([]);
  world.say(gateway, { act: "returned" });
  expect(world.pass(5)).toEqual([expect.stringMatching(/^system-gateway-silent {2}firing/)]);
});

test("a gateway that is forgotten is missed by nobody", () => {
  const world = new World();
  world.pass(5);
  world.hear("a", 1);
  world.say(gateway, { act: "forgotten" });
  expect(world.pass(3_600)).toEqual([]);
});

test("a retired device has its alerts ended, is neither judged nor missed, and others are as before", () => {
  const world = new World();
  world.pass(5);
  world.hear("a", 99);
  world.hear("c", 99);
  expect(world.told()).toEqual([
    expect.stringMatching(/^hot a firing/),
    expect.stringMatching(/^hot c firing/),
  ]);
  world.say(of("a"), { act: "retired" });
  expect(world.pass(5)).toEqual(["hot a resolved: no rule looks at it any more"]);
  world.takeOver();
  world.hear("a", 98);
  world.hear("a", -99);
  expect(world.pass(5)).toEqual([]);
  world.pass(150);
  world.hear("b", 1); // the gateway lives
  expect(world.pass(5)).toEqual([expect.stringMatching(/^still c firing/)]);
  world.say(of("a"), { act: "returned" });
  world.pass(5);
  world.hear("a", 97);
  expect(world.told()).toEqual([expect.stringMatching(/^hot a firing/)]);
});

test("a replacement goes on as the old device in rules and alerts, its own name is not missed", () => {
  const world = new World();
  world.pass(5);
  world.hear("c", 1);
  world.hear("a", 99);
  expect(world.told()).toEqual([expect.stringMatching(/^hot a firing/)]);
  world.say(of("c"), { act: "replaced", old: "a" });
  world.pass(5);
  world.hear("c", 1);
  expect(world.told()).toEqual([expect.stringMatching(/^hot a resolved/)]);
  world.takeOver();
  for (let minute = 0; minute < 5; minute++) {
    world.hear("c", 1);
    expect(world.pass(60)).toEqual([]);
  }
  world.hear("c", 98);
  expect(world.told()).toEqual([expect.stringMatching(/^hot a firing/)]);
});

test("equal facts make equal rules, names for people make no others, and nothing said leaves them", () => {
  const [one, other] = [new World(), new World()];
  expect(one.service.of(configured)).toBe(configured);
  one.say(of("a"), { act: "retired" });
  one.say(of("c"), { act: "retired" });
  other.say(of("c"), { act: "retired" });
  other.say(of("a"), { act: "renamed", name: "Oven" });
  other.say(of("a"), { act: "retired" });
  expect(one.service.of(configured).ruleSet.name).toBe(other.service.of(configured).ruleSet.name);
  expect(one.service.of(configured).ruleSet.name).not.toBe(configured.ruleSet.name);
  const before = one.service.of(configured);
  expect(one.service.of(configured)).toBe(before);
  for (const device of ["a", "c"]) one.say(of(device), { act: "returned" });
  expect(serviceOf(one.book)).toBeUndefined();
  expect(one.service.of(before).ruleSet.name).toBe(configured.ruleSet.name);
});

test("of more facts than rules can hold the first are told, and rules go on", () => {
  const world = new World();
  for (let index = 0; index < 6_000; index++)
    world.say(of(`${"x".repeat(100)}${index}`), { act: "retired" });
  const { fleet, ruleSet } = world.service.of(configured);
  expect(fleet.service?.out).toHaveLength(5_000);
  expect(ruleSet.text.length).toBeLessThan(900 * 1_024);
});

test("tags that a route gives come to engines with the rules, and go with them", () => {
  const tagged = rulesSchema.parse([
    { name: "hot", detector: "limits", hi: 50, tags: ["cold"], flap: "off" },
    { name: "odd", when: { metric: "t", is: "'cold' in tags && value > 60" }, flap: "off" },
  ]);
  const loaded = loadedFrom({ rules: tagged, fleet: emptyFleet }, "cloud.yaml");
  let told: NonNullable<Service["tags"]> = [];
  let tagsVersion = 0;
  const source = () => ({ tagsVersion, tagged: () => told });
  const registry = source();
  const service = new ServiceRules(new DeviceBook(), silentLogger, () => {
    return Object.assign(registry, source());
  });
  const first = service.of(loaded);
  expect(first).toBe(loaded);
  const partition = new Partition(3, first.ruleSet, 0, noCounts(), { silentAfterMs });
  let sequence = 0;
  const pass = (second: number, value: number) => {
    const now = service.of(loaded).ruleSet;
    const tick = { n: second, at: second * 1_000, rules: now.name, revision: 1 };
    partition.tick(++sequence, tick, now);
    const event = readingEvent("a", "t", value, second * 1_000 + 1);
    partition.take(journalMessage(++sequence, second, [event]));
    const { messages } = partition.collect(second, 500);
    return messages
      .filter(({ subject }) => subject.startsWith("alert."))
      .flatMap(({ data }) => (JSON.parse(data) as { transitions: AlertTransition[] }).transitions)
      .map(({ rule, device, state }) => `${rule} ${device} ${state}`);
  };
  expect(pass(1, 70)).toEqual([]);
  [told, tagsVersion] = [[["g1", ["cold"], ["a", "b"]]], 1];
  expect(pass(2, 70)).toEqual(["hot a firing", "odd a firing"]);
  expect(service.of(loaded)).toBe(service.of(loaded));
  [told, tagsVersion] = [[["g2", ["cold"], ["a"]]], 2];
  expect(pass(3, 71).sort()).toEqual(["hot a resolved", "odd a resolved"]);
});

test("tags of so many devices are told, the same ones whatever the order", () => {
  const book = new DeviceBook();
  const devices = Array.from({ length: 6_000 }, (_, at) => `d${at}`);
  const tags = (ids: readonly string[]) => ({
    tagsVersion: 1,
    tagged: () => [["g", ["b"], ids] as const, ["g", ["a"], ["x"]] as const],
  });
  const service = serviceOf(book, tags(devices));
  expect(service?.tags?.map(([, own, ids]) => [own, ids.length])).toEqual([
    [["a"], 1],
    [["b"], 4_999],
  ]);
  expect(serviceOf(book, tags(devices.toReversed()))).toEqual(service);
  expect(serviceOf(book)).toBeUndefined();
});

test("where gateways belong that were added comes with the rules, in groups, the same whatever the order", () => {
  const bookOf = (names: readonly string[]) => {
    const gateways = new GatewayBook();
    for (const gateway of names) {
      const place = gateway === "bare" ? {} : { site: "hall", labels: { zone: "cold" } };
      const request = gatewayRequest({ act: "add", gateway, by: "ann", ...place });
      gateways.take(gateway, encodeEntry(gateways.after(request, 0)));
    }
    return gateways;
  };
  const names = ["g2", "bare", "g1", "g3"];
  const service = serviceOf(new DeviceBook(), undefined, bookOf(names));
  expect(service?.places).toEqual([["hall", { zone: "cold" }, ["g1", "g2", "g3"]]]);
  expect(serviceOf(new DeviceBook(), undefined, bookOf(names.toReversed()))).toEqual(service);
  expect(serviceOf(new DeviceBook(), undefined, bookOf(["bare"]))).toBeUndefined();

  const gateways = new GatewayBook();
  const own = new ServiceRules(new DeviceBook(), silentLogger, undefined, gateways);
  const before = own.of(configured).ruleSet.name;
  for (const { gateway } of bookOf(names).all())
    gateways.take(gateway, encodeEntry(bookOf(names).of(gateway) as GatewayEntry));
  const { fleet, ruleSet } = own.of(configured);
  expect(ruleSet.name).not.toBe(before);
  expect(compileFleet(fleet).gateway("g2")).toEqual({ site: "hall", labels: { zone: "cold" } });
});
