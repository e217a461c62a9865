// Goal: the figures of a report are those of a history made by hand, each in the period that it
// belongs to.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { Event } from "@causeway/shared/event.ts";
import { eventSchema } from "@causeway/shared/event.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { transition } from "@causeway/shared/notify/testing/transition.ts";
import { compileFleet, fleetSchema } from "@causeway/shared/rules/fleet.ts";
import { describe, expect, test } from "vitest";
import type { TakenEvent } from "../ingest/fold.ts";
import { decodeBook, encodeBook } from "./book-codec.ts";
import type { Due } from "./fleet-book.ts";
import { FleetBook } from "./fleet-book.ts";
import type { Report, ReportParts } from "./report.ts";
import { reportId, reportOf } from "./report.ts";
import { reportSummary, reportText, reportTitle } from "./report-text.ts";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;
/** 07:00 in Berlin. */
const morning = Date.UTC(2026, 10, 20, 6);
const schedule = { every: "daily", at: "07:00", on: "monday", zone: "Europe/Berlin" } as const;
const fleet = compileFleet(
  fleetSchema.parse({
    gateways: [{ match: ["hall-*"], site: "Hall A", labels: { floor: "1" } }],
  }),
);

class History {
  book = new FleetBook(3 * minute);
  now = morning;
  readonly #positions = new Map<string, number>();

  constructor(bornAt = morning) {
    this.book.use([{ name: "daily", schedule }], bornAt);
    this.book.hear("gw-2", morning);
    this.book.tick(morning);
  }

  /** Ticks, while gateways say something every minute. */
  run(untilMs: number, gateways: readonly string[] = ["hall-1", "gw-2"]): Due[] {
    const due: Due[] = [];
    for (; this.now < untilMs; this.now += minute) {
      for (const gateway of gateways) this.take(gateway, reading("d1"), this.now);
      for (const second of [0, 20, 40]) due.push(...this.book.tick(this.now + second * 1_000));
    }
    due.push(...this.book.tick(untilMs));
    return due;
  }

  take(gateway: string, event: Partial<Event>, receivedAt = this.now, late = false): void {
    const position = (this.#positions.get(gateway) ?? 0) + 1;
    const parsed = eventSchema.parse({ ...common, ...event });
    const to = "to" in parsed ? parsed.to : position;
    this.#positions.set(gateway, to);
    this.book.hear(gateway, this.now);
    this.book.take(taken(gateway, parsed, position, receivedAt, late), this.now);
  }

  alert(over: Partial<AlertTransition>, storedAt = this.now): void {
    this.book.takeAlert(transition({ at: storedAt, firingAt: storedAt, ...over }), storedAt);
  }

  /** As a process that goes on from what another one kept. */
  restart(): void {
    const kept = { book: this.book, marks: [], alertsAt: 7, partitions: new Map([[3, 9]]) };
    const back = decodeBook(encodeBook(kept, 5), 5, 3 * minute);
    expect(back).toEqual(kept);
    if (back !== undefined) this.book = back.book;
  }

  report(due: Due | undefined, over: Partial<ReportParts> = {}): Report {
    if (due === undefined) throw new Error("nothing is due");
    const { name, sums, missed, missedFrom } = due;
    const { from, to, since } = sums;
    const head = { id: reportId(name, sums), name, every: "daily", zone: schedule.zone };
    const period = { from, to, since, madeAt: this.now, missed, missedFrom };
    const parts = { ...head, ...period, match: {}, fleet, isEngineBehind: false, ...over };
    return reportOf(this.book, sums, parts);
  }
}

const common = { device: null, topic: null, bootMs: 0, observedAt: null };

function reading(device: string, count = 1): Partial<Event> {
  const values = Array.from({ length: count }, (_, at) => ({
    ...{ metric: `m${at}`, value: at, quality: "good" as const },
  }));
  return { kind: "reading", device, readings: values } as Partial<Event>;
}

function taken(
  name: string,
  event: Event,
  position: number,
  receivedAt: number,
  late: boolean,
): TakenEvent {
  const gateway = gatewayId(name);
  const place = { gateway, lane: "live", epoch: "1-00000001", log: "telemetry", position } as const;
  const time = { receivedAt, timeQuality: "synchronised" } as const;
  return { id: `${name}/${position}`, ...place, event, late, effect: true, ...time };
}

describe("a day", () => {
  test("without anything wrong is complete", () => {
    const history = new History();
    const [due] = history.run(morning + day);
    const { total, sites, ...head } = history.report(due);
    expect(head).toMatchObject({ from: morning, to: morning + day, missed: 0, standstills: [] });
    expect(total).toEqual({
      ...{ gateways: 2, devices: 2, connected: 1, outages: 0, readings: 2_880, late: 0 },
      ...{ summed: 0, lost: 0, dead: 0, quarantined: 0, gaps: 0, alerts: 0, open: 0 },
    });
    expect(sites.map(({ site, gateways, readings }) => [site, gateways, readings])).toEqual([
      ["Hall A", 1, 1_440],
      ["", 1, 1_440],
    ]);
  });

  test("with an outage that was held back: not connected, and nothing missing", () => {
    const history = new History();
    history.run(morning + 2 * hour);
    history.run(morning + 3 * hour, ["gw-2"]);
    history.run(morning + 4 * hour);
    for (let at = morning + 2 * hour; at < morning + 3 * hour; at += minute)
      history.take("hall-1", reading("d1"), at, true);
    const [due] = history.run(morning + day);
    const [hall] = history.report(due).sites;
    const awayMs = hour + minute; // from its last message to its next
    const span = { from: morning + 2 * hour - minute, to: morning + 3 * hour };
    const longest = { gateway: "hall-1", connected: 1 - awayMs / day, outages: 1, longest: span };
    expect(hall).toMatchObject({ readings: 1_440, late: 60, gaps: 0, outages: 1, lost: 0 });
    expect(hall?.worst).toEqual([longest]);
    expect(hall?.connected).toBe(1 - awayMs / day);
  });

  test("with an outage of which nothing came back: a gap of the gateway, not of each device", () => {
    const history = new History();
    const both = () => {
      for (const device of ["d1", "d2"]) history.take("hall-1", reading(device));
      history.now += minute;
    };
    while (history.now < morning + 2 * hour) both();
    history.now += hour;
    while (history.now < morning + day) both();
    const [due] = history.run(morning + day);
    const [hall] = history.report(due).sites;
    const gap = { from: morning + 2 * hour - minute, to: morning + 3 * hour };
    expect(hall).toMatchObject({ devices: 2, gaps: 1 });
    expect(hall?.longestGaps).toEqual([{ gateway: "hall-1", device: null, ...gap }]);
  });

  test("with one device that falls silent: a gap that goes on", () => {
    const history = new History();
    for (; history.now < morning + 20 * minute; history.now += minute)
      history.take("gw-2", reading("d9"));
    const [due] = history.run(morning + day);
    const { sites } = history.report(due);
    const gap = { from: morning + 19 * minute, to: morning + day };
    expect(sites.at(-1)?.longestGaps).toEqual([{ gateway: "gw-2", device: "d9", ...gap }]);
  });

  test("with losses of two kinds, roll-ups, quarantined and unreadable events", () => {
    const history = new History();
    history.run(morning + hour);
    history.take("gw-2", { kind: "loss", to: 70, reason: "not-kept", count: 9 });
    history.take("gw-2", { kind: "loss", to: 75, reason: "not-kept", count: 5 });
    history.take("gw-2", { kind: "loss", to: 76, reason: "corrupt", count: 1 });
    const windows = [[morning / minute, 10, 0, 1, 1, 1, 1]];
    const series = [{ device: "d1", metric: "m0", time: "observed", windows }];
    history.take("gw-2", { kind: "rollup", to: 86, windowMs: minute, series } as never);
    const broken = { reason: "no-json", detail: "", payload: "", bytes: 3 };
    history.take("gw-2", { kind: "quarantined", ...broken });
    history.book.addDead("gw-2", history.now);
    const epoch = { epoch: "1-00000001", log: "telemetry" } as const;
    history.book.addGap({ gateway: "gw-2", ...epoch, from: 200, to: 210 }, history.now);
    const [due] = history.run(morning + day);
    const last = history.report(due).sites.at(-1);
    const counts = { lost: 27, summed: 10, quarantined: 1, dead: 1 };
    expect(last).toMatchObject({ site: "", ...counts });
    expect(last?.losses).toEqual([
      { reason: "rollback", count: 15, ranges: [{ gateway: "gw-2", ...epoch, from: 61, to: 75 }] },
      {
        ...{ reason: "gap(journal)", count: 11 },
        ranges: [{ gateway: "gw-2", ...epoch, from: 200, to: 210 }],
      },
      { reason: "corrupt", count: 1, ranges: [{ gateway: "gw-2", ...epoch, from: 76, to: 76 }] },
    ]);
  });

  test("with alerts: by severity, rule and device, how long they fired, and what is still open", () => {
    const history = new History();
    const hall = {
      gateway: "hall-1",
      rule: "too-warm",
      device: "d1",
      severity: "critical",
    } as const;
    history.run(morning + hour);
    history.alert({ ...hall, id: "a" });
    history.run(morning + 2 * hour);
    history.alert({ ...hall, id: "a", state: "resolved", firingAt: morning + hour });
    history.alert({ ...hall, id: "b", device: "d2", severity: "warning", late: true });
    history.run(morning + 3 * hour);
    const over = { state: "resolved", firingAt: morning + 2 * hour } as const;
    history.alert({ ...hall, id: "b", device: "d2", severity: "warning", ...over });
    history.alert({ ...hall, id: "c", rule: "door" });
    history.alert({ gateway: "@Hall A", id: "s", rule: "site-down", device: "" });
    history.alert({ gateway: "_cloud", id: "t", rule: "system-no-tick", device: "" });
    const [due] = history.run(morning + day);
    const [site, none] = history.report(due).sites;
    expect(site).toMatchObject({ alerts: 4, alertsLate: 1, open: 2 });
    expect(site?.severities).toEqual({ info: 0, warning: 1, critical: 3 });
    expect(site?.rules).toEqual([
      { name: "too-warm", gateway: null, count: 2, firingMs: 2 * hour },
      { name: "door", gateway: null, count: 1, firingMs: 21 * hour },
      { name: "site-down", gateway: null, count: 1, firingMs: 21 * hour },
    ]);
    expect(site?.alertingDevices).toEqual([
      { name: "d1", gateway: "hall-1", count: 2, firingMs: 22 * hour },
      { name: "d2", gateway: "hall-1", count: 1, firingMs: hour },
    ]);
    expect(site?.openAlerts.map(({ id }) => id)).toEqual(["c", "s"]);
    expect(none).toMatchObject({ site: "", alerts: 1, open: 1 });
  });
});

describe("from one period to the next", () => {
  test("an alert that fires on is open in both, and counted in the first", () => {
    const history = new History();
    history.run(morning + 23 * hour);
    history.alert({ gateway: "gw-2", id: "a" });
    const [first] = history.run(morning + day);
    history.now = morning + day + minute;
    // It ends before the report is made: it was open all the same.
    history.alert({ gateway: "gw-2", id: "a", state: "resolved", firingAt: morning + 23 * hour });
    expect(history.report(first).total).toMatchObject({ alerts: 1, open: 1 });
    history.book.finish("daily");
    const [second] = history.run(morning + 2 * day);
    const { total, sites } = history.report(second);
    expect(total).toMatchObject({ alerts: 0, open: 0 });
    expect(sites.at(-1)?.rules).toEqual([
      { name: "too-warm", gateway: null, count: 0, firingMs: minute },
    ]);
  });

  test("readings of the day before that come after its report are told as come late", () => {
    const history = new History();
    history.run(morning + day, ["gw-2"]);
    history.book.finish("daily");
    for (let at = 0; at < 30; at++)
      history.take("hall-1", reading("d1", 2), morning + at * hour, true);
    history.alert({ gateway: "hall-1", at: morning + hour, firingAt: morning + hour, late: true });
    history.alert({ gateway: "hall-1", id: "old", at: 1, firingAt: 1 }, morning - 1);
    const [due] = history.run(morning + 2 * day, ["gw-2"]);
    const report = history.report(due);
    const [hall] = report.sites;
    // Of 30 hours 24 are the day before; B2: the last were not after they were stored.
    const earlier = { readings: 48, from: morning, to: morning + 23 * hour };
    expect(hall).toMatchObject({ readings: 12, late: 12, earlier });
    expect(report).toMatchObject({ alertsEarlier: 1 });
  });

  test("what is of the next day already when the tick comes is counted there", () => {
    const history = new History();
    history.run(morning + day - minute);
    history.now = morning + day;
    history.take("gw-2", reading("d1", 3), morning + day);
    history.take("gw-2", reading("d1", 5), morning + day + 9 * day); // a clock that is far ahead
    const [due] = history.book.tick(morning + day + 4_000);
    expect(history.report(due).total).toMatchObject({ readings: 2_878 });
    history.book.finish("daily");
    history.now = morning + day + minute;
    const [next] = history.run(morning + 2 * day);
    expect(history.report(next).total).toMatchObject({ readings: 2 * 1_439 + 8 });
  });

  test("a report is due once, and again where it was not finished", () => {
    const history = new History();
    const [due] = history.run(morning + day);
    expect(history.book.tick(morning + day + 5_000)).toEqual([due]);
    history.book.finish("daily");
    expect(history.book.tick(morning + day + 10_000)).toEqual([]);
  });

  test("of several that were missed the last is made, and says so", () => {
    const history = new History();
    history.run(morning + 12 * hour);
    const [due, ...more] = history.book.tick(morning + 3 * day + hour);
    expect(more).toEqual([]);
    const report = history.report(due);
    const period = { from: morning + 2 * day, to: morning + 3 * day };
    expect(report).toMatchObject({ ...period, missed: 2, missedFrom: morning });
    expect(report.standstills).toEqual([period]);
    expect(report.total).toMatchObject({ connected: 0, readings: 0, gateways: 2 });
    history.book.finish("daily");
    expect(history.book.tick(morning + 3 * day + hour)).toEqual([]);
  });

  test("so it is where messages came while no tick did", () => {
    const history = new History();
    history.run(morning + 12 * hour);
    for (let at = 12; at < 75; at++) {
      history.now = morning + at * hour;
      history.take("gw-2", reading("d1"));
    }
    const [due, ...more] = history.book.tick(morning + 75 * hour);
    expect(more).toEqual([]);
    const report = history.report(due);
    expect(report).toMatchObject({ from: morning + 2 * day, missed: 2, missedFrom: morning });
    expect(report.total).toMatchObject({ readings: 24 });
  });

  test("one that is new is not made for what was over before", () => {
    const history = new History(morning + day + 1);
    expect(history.run(morning + day + hour)).toEqual([]);
    const [due] = history.run(morning + 2 * day);
    expect(due).toMatchObject({ missed: 0, sums: { from: morning + day } });
  });

  test("one whose time of day was changed begins anew, the others go on", () => {
    const history = new History();
    history.run(morning + 12 * hour);
    const later = { ...schedule, at: "20:00" };
    const both = [
      { name: "daily", schedule },
      { name: "evening", schedule: later },
    ];
    history.book.use(both, history.now);
    const [evening] = history.run(morning + 13 * hour);
    expect(evening).toMatchObject({ name: "evening", sums: { since: morning + 12 * hour } });
    expect(history.report(evening).total).toMatchObject({ readings: 120 });
    history.book.finish("evening");
    const [due] = history.run(morning + day);
    expect(history.report(due).total).toMatchObject({ readings: 2_880 });
  });

  test("a restart in the middle of anything changes nothing", () => {
    const [whole, cut] = [new History(), new History()];
    for (const history of [whole, cut]) {
      const act = (what: () => void) => {
        what();
        if (history === cut) history.restart();
      };
      act(() => history.run(morning + 2 * hour));
      act(() => history.alert({ gateway: "hall-1", id: "a" }));
      act(() => history.run(morning + 5 * hour, ["gw-2"]));
      act(() => history.take("hall-1", { kind: "loss", to: 300, reason: "corrupt", count: 9 }));
      act(() => history.take("hall-1", reading("d1"), morning + 3 * hour, true));
      act(() => void history.run(morning + day - hour));
      act(() => history.book.addNotTaken(history.now));
    }
    const [one] = whole.run(morning + day);
    const [other] = cut.run(morning + day);
    expect(cut.report(other)).toEqual(whole.report(one));
    expect(cut.report(other).total).toMatchObject({ gaps: 2, lost: 180, open: 1 });
  });
});

test("a report selects gateways by site, name and label", () => {
  const history = new History();
  history.alert({ gateway: "_cloud", id: "t", device: "" });
  history.alert({ gateway: "@Hall A", id: "s", device: "" });
  const [due] = history.run(morning + day);
  const sitesBy = (match: Record<string, string[]>) =>
    history
      .report(due, { match })
      .sites.map(({ site, gateways, alerts }) => [site, gateways, alerts]);
  expect(sitesBy({})).toEqual([
    ["Hall A", 1, 1],
    ["", 1, 1],
  ]);
  expect(sitesBy({ site: ["Hall*"] })).toEqual([["Hall A", 1, 1]]);
  expect(sitesBy({ gateway: ["gw-*"] })).toEqual([["", 1, 0]]);
  expect(sitesBy({ floor: ["1"] })).toEqual([["Hall A", 1, 0]]);
});

test("what was taken out of service leaves no outage and no gap; what it brought before counts", () => {
  const history = new History();
  history.run(morning + hour);
  const [due] = history.run(morning + day, ["gw-2"]);
  const total = (isOut: ReportParts["isOut"]) => history.report(due, isOut && { isOut }).total;
  expect(total(undefined)).toMatchObject({ gateways: 2, outages: 1, gaps: 1, readings: 1_500 });
  const whole = total((gateway) => gateway === "hall-1");
  expect(whole).toMatchObject({ gateways: 2, outages: 0, gaps: 0, readings: 1_500, connected: 1 });
  history.take("gw-2", reading("d9"), morning + 2 * hour);
  history.take("gw-2", reading("d9"), morning + 3 * hour);
  expect(total(undefined)).toMatchObject({ gaps: 2 });
  const device = total((gateway, own) => gateway === "gw-2" && own === "d9");
  expect(device).toMatchObject({ gaps: 1 });
});

test("beyond the bounds gateways are counted together, and the report says so", () => {
  const book = new FleetBook(3 * minute, { gatewaysMax: 2, devicesMax: 3, openAlertsMax: 1 });
  book.use([{ name: "daily", schedule }], morning);
  const history = new History();
  history.book = book;
  for (let gateway = 0; gateway < 5; gateway++)
    for (let device = 0; device < 5; device++) history.take(`g${gateway}`, reading(`d${device}`));
  for (const id of ["a", "b"]) history.alert({ id, gateway: "g0" });
  expect([book.gateways.size, book.devices, book.open.size]).toEqual([2, 3, 1]);
  const [due] = book.tick(morning + day);
  expect(history.report(due)).toMatchObject({
    isOverfull: true,
    total: { gateways: 5, devices: 3, readings: 25, alerts: 2 },
  });
});

test("a gateway that is gone for a month is forgotten", () => {
  const history = new History();
  history.take("gone", reading("d1"));
  for (let at = 1; at < 33; at++) {
    history.now = morning + at * day;
    history.take("gw-2", reading("d1"));
    history.book.tick(history.now);
    history.book.finish("daily");
  }
  expect([...history.book.gateways.keys()]).toEqual(["gw-2"]);
  expect(history.book.devices).toBe(1);
});

test("in words, as docs/alerts.md shows it", () => {
  const history = new History();
  history.run(morning + 2 * hour);
  history.alert({ gateway: "hall-1", id: "a", device: "freezer-1" });
  history.run(morning + 3 * hour, ["gw-2"]);
  history.take("hall-1", { kind: "loss", to: 149, reason: "corrupt", count: 29 });
  const [due] = history.run(morning + day);
  const report = history.report(due);
  expect(reportTitle(report)).toBe(
    "report daily: 2 gateways, 97.8 % connected, 29 lost, 1 alert, 1 open",
  );
  expect(reportSummary(report)).toEqual([
    "2026-11-20 07:00 to 2026-11-21 07:00 Europe/Berlin",
    "Hall A: 1 gateway 95.7 %, 1380 readings, 29 lost, 1 gap, 1 alert, 1 open",
    "no site: 1 gateway 100.0 %, 1440 readings",
  ]);
  const page = readFileSync(join(import.meta.dirname, "../../../docs/alerts.md"), "utf8");
  const [, example] = /^```text\n(Report daily[^`]*)\n```$/m.exec(page) ?? [];
  expect(example).toBe(reportText(report).join("\n"));
});
