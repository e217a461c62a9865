// People are told once of what is new, together where it belongs together, and of nothing that they
// know already; and what they were told is taken back when it is over.
import { expect, test } from "vitest";
import type { AlertTransition } from "../alert/alert.ts";
import { planBounds } from "./plan-settings.ts";
import { PlanState } from "./plan-state.ts";
import { Planned, silence, startMs } from "./testing/planned.ts";

const [second, minute, hour] = [1_000, 60_000, 3_600_000];
const resolved = { state: "resolved" } as const;

test("alerts of one gateway and rule are told together, a second after the first", () => {
  const plan = new Planned();
  plan.take({ id: "a", fingerprint: "fa" });
  plan.advance(0.5 * second);
  plan.take({ id: "b", fingerprint: "fb" });
  plan.take({ id: "c", fingerprint: "fc", rule: "other" });
  expect(plan.told).toEqual([]);
  plan.advance(second);
  expect(plan.lines()).toEqual(["new a,b/", "new c/"]);
  expect(plan.told[0]).toMatchObject({ group: { gateway: "gw-1", rule: "too-warm" } });
  expect(plan.told[1]?.key).toBe("c/firing");
});

test("what follows is told a minute after what was told last, and again after four hours", () => {
  const plan = new Planned();
  plan.take({ id: "a", fingerprint: "fa" });
  plan.advance(10 * second);
  plan.take({ id: "b", fingerprint: "fb" });
  plan.advance(50 * second);
  expect(plan.lines()).toEqual(["new a/"]);
  plan.advance(2 * second);
  expect(plan.lines()).toEqual(["new a/", "changed b/"]);
  plan.advance(4 * hour);
  expect(plan.lines().slice(2)).toEqual(["repeat a,b/"]);
  plan.take(
    { id: "a", fingerprint: "fa", ...resolved },
    { id: "b", fingerprint: "fb", ...resolved },
  );
  plan.advance(24 * hour);
  expect(plan.lines().slice(3)).toEqual(["changed /a,b"]);
  expect(plan.state.alerts.size + plan.state.groups.size).toBe(0);
  expect(new Set(plan.told.map(({ key }) => key)).size).toBe(plan.told.length);
});

test("an alert is repeated in time, also where others of its group come and go meanwhile", () => {
  const plan = new Planned({ flap: { changes: 0, within: hour, quiet: hour } });
  plan.take({ id: "a", fingerprint: "fa" });
  for (let at = 0; at < 12; at++) {
    plan.advance(hour);
    const own = { id: `b${at}`, fingerprint: `fb${at}` };
    plan.take(own, { ...own, ...resolved });
    if (at === 5) plan.restart();
  }
  const repeats = plan.told.filter(({ reason }) => reason === "repeat");
  expect(repeats.map(({ firing }) => firing.map(({ id }) => id))).toEqual([["a"], ["a"]]);
  const times = repeats.map(({ at }) => Math.round((at - startMs) / (10 * minute)));
  expect(times).toEqual([24, 48]);
});

test("what came and went before it could be told is told as over", () => {
  const plan = new Planned();
  plan.take({ id: "a" }, { id: "a", ...resolved });
  plan.advance(hour);
  expect(plan.lines()).toEqual(["new /a"]);
});

test("the end of what was told under another id is told with what fires now", () => {
  const plan = new Planned();
  plan.take({ id: "a" });
  plan.advance(10 * second);
  plan.take({ id: "a", ...resolved }, { id: "b" });
  plan.advance(2 * minute);
  expect(plan.lines()).toEqual(["new a/", "changed b/a"]);
});

test("a sensor that flaps at 1 Hz for an hour is told three times at most, its end too (R2)", () => {
  const plan = new Planned();
  for (let at = 0; at < 3_600; at++) {
    const id = `a${Math.floor(at / 2)}`;
    plan.take({ id, state: at % 2 === 0 ? "firing" : "resolved" });
    plan.advance(second);
  }
  expect(plan.told.length).toBeLessThanOrEqual(2);
  expect(plan.told.at(-1)?.firing[0]?.reason).toMatch(/flaps/);
  plan.advance(12 * hour);
  expect(plan.told.length).toBeLessThanOrEqual(3);
  expect(plan.told.at(-1)?.resolved.map(({ id }) => id)).toContain(plan.told.at(-2)?.firing[0]?.id);
});

test("one that changes every ten minutes is told three times an hour", () => {
  const plan = new Planned();
  for (let at = 0; at < 36; at++) {
    plan.take({ id: `a${Math.floor(at / 2)}`, state: at % 2 === 0 ? "firing" : "resolved" });
    plan.advance(9 * minute);
  }
  for (const { at } of plan.told) {
    const within = plan.told.filter((other) => other.at >= at && other.at < at + hour);
    expect(within.length).toBeLessThanOrEqual(3);
  }
});

test("ten thousand devices of a hundred silent gateways are one notification a gateway", () => {
  const plan = new Planned();
  for (let gateway = 0; gateway < 100; gateway++) {
    const own = { gateway: `gw-${gateway}` };
    const devices = Array.from({ length: 100 }, (_, index) => {
      const name = `${gateway}-${index}`;
      return { ...own, id: name, fingerprint: name, device: name, rule: "missing" };
    });
    plan.take(...devices);
    const silent = { ...own, id: own.gateway, fingerprint: own.gateway, device: "" };
    plan.take({ ...silent, rule: "system-gateway-silent" });
  }
  plan.advance(4 * second);
  plan.step({ kind: "time" });
  expect(plan.told).toHaveLength(100);
  expect(new Set(plan.told.map(({ group }) => group["gateway"])).size).toBe(100);
});

test("a silent gateway keeps its devices quiet; what still fires after it is back is told", () => {
  const plan = new Planned();
  const silent = { id: "s", fingerprint: "fs", device: "", rule: "system-gateway-silent" };
  plan.take(silent);
  plan.take({ id: "a", fingerprint: "fa" }, { id: "b", fingerprint: "fb" });
  plan.advance(10 * minute);
  expect(plan.lines()).toEqual(["new s/"]);
  plan.take({ ...silent, ...resolved }, { id: "a", fingerprint: "fa", ...resolved });
  plan.advance(2 * minute);
  expect(plan.lines().slice(1).toSorted()).toEqual(["changed /s", "new b/"]);
});

test("a site that is down keeps its gateways' silence and their devices quiet", () => {
  const plan = new Planned();
  plan.take({ id: "site", fingerprint: "f0", rule: "site-down", gateway: "@hall", device: "" });
  const silent = { rule: "system-gateway-silent", device: "" };
  plan.take({ id: "s", fingerprint: "fs", gateway: "hall-1", ...silent });
  plan.take({ id: "a", fingerprint: "fa", gateway: "hall-2" });
  plan.take({ id: "x", fingerprint: "fx", gateway: "elsewhere" });
  plan.advance(10 * minute);
  expect(plan.lines().toSorted()).toEqual(["new site/", "new x/"]);
});

test("a site that was down in history keeps nobody quiet now", () => {
  const plan = new Planned();
  const down = { id: "site", fingerprint: "f0", rule: "site-down", gateway: "@hall", device: "" };
  plan.take({ ...down, late: true });
  plan.take({ id: "a", fingerprint: "fa", gateway: "hall-2" });
  plan.advance(10 * second);
  expect(plan.lines()).toEqual(["new a/"]);
});

test("what is silenced is told when the silence is over and it still fires", () => {
  const plan = new Planned();
  plan.silences.push(silence({ matchers: { device: ["freezer-*"], floor: [""] } }));
  plan.take({ id: "a", fingerprint: "fa" });
  plan.take({ id: "b", fingerprint: "fb", device: "pump" });
  plan.take({ id: "c", fingerprint: "fc" });
  plan.advance(30 * minute);
  plan.take({ id: "c", fingerprint: "fc", ...resolved });
  plan.advance(30 * minute - 1);
  expect(plan.lines()).toEqual(["new b/"]);
  plan.advance(2 * minute);
  expect(plan.lines().slice(1)).toEqual(["changed a/"]);
});

test("what was told before a silence is taken back in it", () => {
  const plan = new Planned();
  plan.take({ id: "a" });
  plan.advance(minute);
  plan.silences.push(silence());
  plan.take({ id: "a", ...resolved });
  plan.advance(2 * minute);
  expect(plan.lines()).toEqual(["new a/", "changed /a"]);
});

test("a window that comes again silences each time for its duration, by the zone's clock", () => {
  const plan = new Planned({ flap: { changes: 0, within: hour, quiet: hour } });
  const recurring = { cron: "0 2 * * *", durationMs: hour, zone: "Europe/Berlin" };
  plan.silences.push(silence({ endsAt: null, recurring }));
  const told = (id: string) => {
    plan.take({ id });
    plan.advance(2 * minute);
    const count = plan.told.length;
    plan.take({ id, ...resolved });
    plan.advance(2 * minute);
    return count;
  };
  plan.advance(1.5 * hour); // 02:30 in Berlin
  expect(told("in")).toBe(0);
  plan.advance(hour);
  expect(told("out")).toBe(1);
  plan.advance(23 * hour - 8 * minute - (plan.now - startMs - 2.5 * hour - 8 * minute));
  expect(told("in again")).toBe(2);
});

test("what is acknowledged is not told again, and its end is", () => {
  const plan = new Planned();
  plan.take({ id: "a" });
  plan.advance(minute);
  plan.acknowledgements.set("a", { by: "ann", note: "on my way", at: plan.now });
  plan.advance(24 * hour);
  plan.take({ id: "a", ...resolved });
  plan.advance(minute);
  expect(plan.lines()).toEqual(["new a/", "changed /a"]);
});

test("an alert is escalated once nobody has acknowledged it for so long", () => {
  const plan = new Planned({ escalateAfter: 15 * minute });
  plan.take({ id: "known", fingerprint: "f1" }, { id: "short", fingerprint: "f2" });
  plan.take({ id: "a", fingerprint: "f3" });
  plan.advance(10 * minute);
  plan.acknowledgements.set("known", { by: "ann", note: "", at: plan.now });
  plan.take({ id: "short", fingerprint: "f2", ...resolved });
  plan.advance(5 * minute - 1);
  expect(plan.told).toEqual([]);
  plan.advance(2);
  expect(plan.lines()).toEqual(["escalation a/"]);
  plan.take({ id: "a", fingerprint: "f3", ...resolved });
  plan.advance(2 * minute);
  expect(plan.lines().slice(1)).toEqual(["changed /a"]);
});

test("a week's history with fifty incidents is one digest, and nobody is paged (P3)", () => {
  const plan = new Planned();
  for (let incident = 0; incident < 50; incident++) {
    const own = { id: `a${incident}`, fingerprint: `f${incident % 7}`, late: true };
    plan.take(own, { ...own, ...(incident < 49 ? resolved : {}) });
    plan.advance(20 * second);
  }
  expect(plan.told).toEqual([]);
  plan.advance(hour);
  expect(plan.told).toHaveLength(1);
  expect(plan.told[0]).toMatchObject({
    kind: "digest",
    reason: "late",
    group: { gateway: "gw-1" },
  });
  expect(plan.told[0]?.firing.map(({ id }) => id)).toEqual(["a49"]);
  expect(plan.told[0]?.resolved).toHaveLength(49);
  plan.take({ id: "a49", fingerprint: "f0", ...resolved }); // live, of what no page has told
  plan.advance(2 * hour);
  expect(plan.lines().slice(1)).toEqual(["late /a49"]);
});

test("a history that takes its time is one digest, once the gateway owes nothing more of it (P3)", () => {
  const plan = new Planned();
  plan.drains.add("gw-1");
  for (let incident = 0; incident < 50; incident++) {
    const own = { id: `a${incident}`, fingerprint: `f${incident}`, late: true };
    plan.take(own, { ...own, ...resolved });
    plan.advance(70 * second);
  }
  expect(plan.told).toEqual([]);
  plan.drains.clear();
  plan.advance(minute);
  expect(plan.told).toHaveLength(1);
  expect(plan.told[0]).toMatchObject({ kind: "digest", firing: [], omitted: 0 });
  expect(plan.told[0]?.resolved).toHaveLength(50);
  plan.advance(24 * hour);
  expect(plan.told).toHaveLength(1);
});

test("what is known of a history that never ends is told after an hour, and each hour", () => {
  const plan = new Planned();
  plan.drains.add("gw-1");
  for (let incident = 0; incident < 30; incident++) {
    plan.take({ id: `a${incident}`, fingerprint: `f${incident}`, late: true });
    plan.advance(5 * minute);
  }
  const counts = plan.told.map(({ firing, at }) => [firing.length, at - startMs]);
  expect(counts).toEqual([
    [12, hour],
    [12, 2 * hour],
  ]);
  plan.restart();
  plan.advance(hour);
  expect(plan.told.flatMap(({ firing }) => firing)).toHaveLength(30);
});

test("who was away for two days is told once how it stands, of each group (P6)", () => {
  const plan = new Planned();
  plan.take({ id: "told", fingerprint: "f0" });
  plan.advance(2 * minute);
  const [leftAt, left] = [plan.now, plan.room];
  [plan.now, plan.room] = [leftAt + 48 * hour, 0]; // all is read before anything is told
  const between = (hours: number) => ({ knownAt: leftAt + hours * hour });
  for (let at = 0; at < 40; at += 2) {
    const own = { id: `a${at}`, fingerprint: "f1" };
    plan.take({ ...own, ...between(at) }, { ...own, ...resolved, ...between(at + 1) });
  }
  plan.take({ id: "told", fingerprint: "f0", ...resolved, ...between(41) });
  plan.take({ id: "now", fingerprint: "f2", ...between(47) });
  plan.take({ id: "other", fingerprint: "f3", rule: "other", ...between(47) });
  plan.room = left;
  plan.advance(2 * second);
  expect(plan.lines().slice(1)).toEqual(["changed now/a38,told", "new other/"]);
  const [, { resolved: ended } = { resolved: [] }] = plan.told;
  expect(ended[0]?.reason).toBe("-3.5 Cel is above -15 Cel; it fired 19 times before that, untold");
  plan.advance(2 * hour);
  expect(plan.told).toHaveLength(3);
});

test("nobody's acknowledging counts from when the alert became known, not from its reading (P6)", () => {
  const plan = new Planned({ escalateAfter: 15 * minute });
  plan.take({ id: "a", knownAt: plan.now - 10 * minute });
  plan.take({ id: "b", fingerprint: "fb", knownAt: plan.now + 10 * minute }); // a server ahead
  plan.advance(6 * minute);
  expect(plan.lines()).toEqual(["escalation a/"]);
  plan.advance(10 * minute);
  expect(plan.lines().slice(1)).toEqual(["escalation b/"]);
});

test("what was told as news ends as news, though its end came late", () => {
  const plan = new Planned();
  plan.take({ id: "a" });
  plan.advance(2 * minute);
  plan.take({ id: "a", ...resolved, late: true });
  plan.advance(2 * minute);
  expect(plan.lines()).toEqual(["new a/", "changed /a"]);
});

test("severity and labels choose what a receiver is told", () => {
  const plan = new Planned({ severity: "critical", match: { site: ["hall"] } });
  plan.take({ id: "a", fingerprint: "fa", gateway: "hall-1", severity: "warning" });
  plan.take({ id: "b", fingerprint: "fb", gateway: "hall-1" });
  plan.take({ id: "c", fingerprint: "fc", gateway: "gw-2" });
  plan.advance(minute);
  expect(plan.lines()).toEqual(["new b/"]);
});

test("after a rollback what fires no more is withdrawn, what fires again at once is not (P4)", () => {
  const plan = new Planned();
  const both = [
    { id: "lost", fingerprint: "f1" },
    { id: "again", fingerprint: "f2" },
  ];
  plan.take(...both);
  plan.advance(2 * minute);
  plan.step({ kind: "rolledBack", firing: new Map<string, AlertTransition>() });
  plan.advance(10 * second);
  plan.take({ id: "again", fingerprint: "f2" });
  plan.advance(10 * minute);
  expect(plan.lines()).toEqual(["new again,lost/", "withdrawn /lost"]);
  plan.take({ id: "lost", fingerprint: "f1" });
  plan.advance(2 * minute);
  plan.take({ id: "lost", fingerprint: "f1", ...resolved });
  plan.advance(2 * minute);
  expect(plan.lines().slice(2)).toEqual(["changed lost/", "changed /lost"]);
  expect(new Set(plan.told.map(({ key }) => key)).size).toBe(plan.told.length);
});

test("beyond their bound alerts are counted, and groups share one", () => {
  const plan = new Planned();
  plan.state = new PlanState({ ...planBounds, alerts: 20, groups: 3 });
  for (let index = 0; index < 30; index++)
    plan.take({ id: `a${index}`, fingerprint: `f${index}`, rule: `r${index}` });
  plan.advance(minute);
  expect(plan.state.unfollowed).toBe(10);
  expect(plan.told).toHaveLength(3);
  expect(plan.told.flatMap(({ firing }) => firing)).toHaveLength(20);
});

test("of an alert's evidence the ledger keeps what is bounded, over a restart; a digest has none", () => {
  const plan = new Planned();
  const readings = Array.from({ length: 8 }, (_, at) => ({ at, value: "x".repeat(200) }));
  const evidence = { readings, expected: { high: -15 }, score: 0.9 };
  plan.take(
    { id: "a", evidence, flapping: true },
    { id: "b", fingerprint: "fb", late: true, evidence },
  );
  plan.restart();
  plan.advance(2 * second);
  const [
    {
      firing: [told],
    } = { firing: [] },
  ] = plan.told;
  expect(told).toMatchObject({ id: "a", flapping: true, evidence: { score: 0.9 } });
  expect(told?.evidence?.readings).toEqual(readings.slice(-2));
  plan.advance(2 * minute);
  expect(plan.told[1]).toMatchObject({ kind: "digest", firing: [{ id: "b" }] });
  expect(plan.told[1]?.firing[0]?.evidence).toBeUndefined();
});

test("what is due stays due while there is no room (P5)", () => {
  const plan = new Planned();
  for (let index = 0; index < 5; index++)
    plan.take({ id: `a${index}`, fingerprint: `f${index}`, rule: `r${index}` });
  plan.now += minute;
  plan.room = 3;
  expect(plan.step({ kind: "time" })).toHaveLength(2);
  expect(plan.step({ kind: "time" })).toHaveLength(2);
  expect(plan.step({ kind: "time" })).toHaveLength(1);
  expect(plan.step({ kind: "time" })).toEqual([]);
});
