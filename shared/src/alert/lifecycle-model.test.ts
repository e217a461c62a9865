// Whatever is found in whatever order, live and late, by whatever rules and with a restart after every
// step: alerts fire, are held and end as a plain reference says, which keeps all that ever came in
// lists and asks them. A failure names its seed.

import { expect, test } from "vitest";
import type { Random } from "../random.ts";
import { seededRandom } from "../random.ts";
import { noteGatewayTime } from "../rules/detection.ts";
import { rulesSchema } from "../rules/rule.ts";
import { compileRules } from "../rules/rule-set.ts";
import type { AlertTransition } from "./alert.ts";
import type { Alerting } from "./alerting.ts";
import { createAlerting } from "./alerting.ts";
import type { Observation } from "./observation.ts";

const runs = process.env["CAUSEWAY_LONG"] === undefined ? 400 : 20_000;
const stepsMax = 60;
const [hi, back] = [80, 5];

interface Settings {
  readonly forMs: number;
  readonly keepMs: number;
  readonly flap:
    | { readonly changes: number; readonly withinMs: number; readonly quietMs: number }
    | undefined;
}

type Step =
  | {
      readonly kind: "reading";
      readonly at: number;
      readonly receivedAt: number;
      readonly value: number;
      readonly late: boolean;
    }
  | { readonly kind: "tick"; readonly gatewayAt: number }
  | { readonly kind: "rules"; readonly settings: Settings | undefined };

/** How a plain person would say it: every list whole, every question put to all that came. */
function expectedOf(steps: readonly Step[], first: Settings): readonly string[] {
  const told: string[] = [];
  let settings: Settings | undefined = first;
  /** Limits: hot until it is back by the hysteresis; of live and late readings apart. */
  const isHot = { live: false, late: false };
  let newest = Number.NEGATIVE_INFINITY;
  let until = Number.NEGATIVE_INFINITY;
  let gatewayAt: number | undefined;
  let mustWithdraw = false;
  /** Of the alert that is open, or pending. */
  let lane: "live" | "late" | undefined;
  let wrong: number[] = [];
  let fired:
    | { at: number; flaps: boolean; worst: { at: number; value: number } | undefined }
    | undefined;
  let normal: { at: number; heard: number }[] = [];
  const changes: { lane: "live" | "late"; at: number }[] = [];
  /** Readings of the alert's lane since the last normal one, hot ones alone. */
  const run = {
    live: [] as { at: number; value: number }[],
    late: [] as { at: number; value: number }[],
  };
  let hotSince = { live: -1, late: -1 };

  const recent = (of: "live" | "late", at: number) => {
    const flap = settings?.flap;
    if (flap === undefined) return [];
    return changes.filter((one) => one.lane === of && Math.abs(at - one.at) < flap.withinMs);
  };
  const forget = (of: "live" | "late") => {
    for (let index = changes.length - 1; index >= 0; index--)
      if (changes[index]?.lane === of) changes.splice(index, 1);
  };
  const close = (at: number, counts: boolean) => {
    if (fired === undefined || lane === undefined) return;
    const end = Math.max(fired.at, at);
    const worst = fired.worst === undefined ? "" : ` worst ${fired.worst.value}@${fired.worst.at}`;
    told.push(
      `R${end}${fired.flaps ? "~" : ""}${lane === "late" ? " late" : ""} for ${end - fired.at}${worst}`,
    );
    const kept = counts && !fired.flaps && settings?.flap !== undefined;
    const before = kept ? [...recent(lane, end)] : [];
    forget(lane);
    if (kept) {
      const own = [...before, { lane, at: fired.at }, { lane, at: end }];
      const near = own.filter(
        ({ at: time }) => Math.abs(end - time) < (settings?.flap?.withinMs ?? 0),
      );
      changes.push(...near.slice(-(settings?.flap?.changes ?? 0)));
    }
  };
  const clear = () => {
    [lane, fired] = [undefined, undefined];
    [wrong, normal] = [[], []];
  };
  const keepOf = (flaps: boolean) =>
    flaps && settings?.flap !== undefined
      ? Math.max(settings.flap.quietMs, settings.keepMs)
      : (settings?.keepMs ?? 0);

  for (const step of steps) {
    if (step.kind === "rules") {
      if (step.settings === undefined || settings === undefined) {
        // Detectors of a rule that comes back begin anew.
        mustWithdraw ||= step.settings === undefined && lane !== undefined;
        if (step.settings === undefined) {
          isHot.live = isHot.late = false;
          run.live = run.late = [];
          newest = until = Number.NEGATIVE_INFINITY;
        }
      }
      if (step.settings !== undefined) mustWithdraw = false;
      settings = step.settings;
      continue;
    }
    if (mustWithdraw) {
      close(step.kind === "tick" ? tickAt(step) : step.receivedAt, false);
      clear();
      mustWithdraw = false;
    }
    if (step.kind === "tick") {
      gatewayAt = step.gatewayAt;
      const start = normal.at(0);
      if (fired?.flaps && lane === "live" && start !== undefined && settings !== undefined) {
        start.heard = Math.min(start.heard, gatewayAt);
        const keepMs = keepOf(true);
        if (gatewayAt - start.heard >= keepMs) {
          close(start.at + keepMs, true);
          clear();
        }
      }
      continue;
    }
    if (settings === undefined) continue;
    const { at, receivedAt, value, late } = step;
    // T2: late readings that are newer than all are judged as live ones are.
    const isPresent = !late || receivedAt >= newest;
    if (isPresent) newest = receivedAt;
    else if (receivedAt > until) {
      isHot.late = isHot.live;
      run.late = [];
      until = newest;
    }
    const course = isPresent ? "live" : "late";
    isHot[course] = value > (isHot[course] ? hi - back : hi);
    const hot = isHot[course];
    const own = late ? "late" : "live";
    if (hot) {
      if (hotSince[course] < 0) run[course] = [];
      hotSince = { ...hotSince, [course]: 1 };
      run[course] = [...run[course], { at, value }];
    }
    const justEnded = !hot && hotSince[course] > 0;
    if (!hot) hotSince = { ...hotSince, [course]: -1 };
    const isOther = lane !== undefined && lane !== own;
    if (isOther && late) {
      if (!hot) run[course] = [];
      continue;
    }
    if (fired !== undefined && (isOther || !hot)) {
      // The worst of the run that ended, or that still goes on where live readings take over.
      const of = isOther ? "late" : course;
      const found = isOther && until === Number.NEGATIVE_INFINITY ? [] : run[of];
      const usable = isOther || justEnded ? found : [];
      for (const one of usable) {
        if (fired.worst === undefined || beyond(one.value) > beyond(fired.worst.value))
          fired.worst = one;
      }
    }
    if (!hot) run[course] = [];
    if (isOther) {
      close(at, true);
      clear();
    }
    if (hot) {
      normal = [];
      if (fired !== undefined) continue;
      lane = own;
      wrong = [...wrong, at];
      if (at - Math.min(...wrong) < settings.forMs) continue;
      const flaps = settings.flap !== undefined && recent(own, at).length >= settings.flap.changes;
      const kept = recent(own, at).slice(-(settings.flap?.changes ?? 0));
      forget(own);
      changes.push(...kept);
      fired = { at, flaps, worst: undefined };
      told.push(`F${at}${flaps ? "~" : ""}${late ? " late" : ""}`);
      continue;
    }
    if (fired === undefined) {
      clear();
      continue;
    }
    const first = normal.at(0);
    if (first === undefined || at < first.at) normal = [{ at, heard: receivedAt }];
    const [start] = normal;
    if (start === undefined) continue;
    if (fired.flaps) start.heard = Math.min(start.heard, receivedAt);
    const keepMs = keepOf(fired.flaps);
    if (at - start.at >= keepMs) close(at, true);
    else if (fired.flaps && receivedAt - start.heard >= keepMs) close(start.at + keepMs, true);
    else continue;
    clear();
  }
  return told;
}

const beyond = (value: number) => Math.max(0, Number((value - hi).toPrecision(4)));
const tickAt = ({ gatewayAt }: { readonly gatewayAt: number }) => gatewayAt + 7;

function settingsOf(random: Random): Settings {
  const pick = <One>(...of: readonly One[]) => of[Math.floor(random.next() * of.length)] as One;
  const flap = { changes: pick(2, 3, 4), withinMs: pick(10, 40), quietMs: pick(8, 20) };
  return {
    forMs: pick(0, 0, 3),
    keepMs: pick(0, 0, 4, 12),
    flap: pick(undefined, flap, flap, flap),
  };
}

function storyOf(random: Random): readonly Step[] {
  const steps: Step[] = [];
  let [at, receivedAt, pastAt] = [1_000, 1_000, 500];
  const count = 5 + Math.floor(random.next() * stepsMax);
  const hasLate = random.next() < 0.5;
  const tickShare = 0.05 + 0.4 * random.next();
  const isStill = random.next() < 0.2;
  let late = false;
  while (steps.length < count) {
    const chance = random.next();
    if (hasLate && random.next() < 0.1) late = !late;
    if (chance < tickShare) {
      // The gateway's time stands still, goes on, or is set back with a new epoch.
      receivedAt += random.next() < 0.15 ? -30 : Math.floor(random.next() * 15);
      steps.push({ kind: "tick", gatewayAt: receivedAt });
      continue;
    }
    if (chance > 0.97) {
      steps.push({ kind: "rules", settings: random.next() < 0.3 ? undefined : settingsOf(random) });
      continue;
    }
    const value = 70 + Math.floor(random.next() * 20) + (random.next() < 0.2 ? 0.25 : 0);
    const stepMs = Math.floor(random.next() * random.next() * 12);
    if (late) {
      pastAt += stepMs;
      steps.push({ kind: "reading", at: pastAt, receivedAt: pastAt, value, late });
    } else {
      // The device's clock may run, be set back, or stand still.
      at += random.next() < 0.05 ? -20 : isStill ? 0 : stepMs;
      receivedAt += random.next() < 0.05 ? -30 : stepMs;
      steps.push({ kind: "reading", at, receivedAt, value, late });
    }
  }
  return steps;
}

function alertingOf(settings: Settings | undefined): Alerting {
  if (settings === undefined) return createAlerting(compileRules([]));
  const { forMs, keepMs, flap } = settings;
  const own = flap && { ...flap, within: `${flap.withinMs}ms`, quiet: `${flap.quietMs}ms` };
  const rule = {
    ...{ name: "hot", detector: "limits", hi, hysteresis: back },
    ...{ for: `${forMs}ms`, keepFiringFor: `${keepMs}ms` },
    flap:
      own === undefined ? "off" : { changes: own.changes, within: own.within, quiet: own.quiet },
  };
  return createAlerting(compileRules(rulesSchema.parse([rule])));
}

/** As the lifecycle has it; with `restarts`, everything is stored and read again after each step. */
function foundOf(
  steps: readonly Step[],
  first: Settings,
  restarts: boolean,
): readonly AlertTransition[] {
  let alerting = alertingOf(first);
  let [detection, alerts] = [alerting.detection("g"), alerting.alerts()];
  const found: AlertTransition[] = [];
  for (const [index, step] of steps.entries()) {
    if (restarts || step.kind === "rules") {
      const [ofDetection, ofAlerts] = [
        alerting.encodeDetection(detection),
        alerting.encodeAlerts(alerts),
      ];
      if (step.kind === "rules") alerting = alertingOf(step.settings);
      detection = alerting.decodeDetection(ofDetection, "g");
      alerts = alerting.decodeAlerts(ofAlerts, "g");
    }
    if (step.kind === "tick") {
      noteGatewayTime(detection, `epoch ${index}`, step.gatewayAt);
      const moment = { id: `clk/${index}`, gateway: "g", at: tickAt(step) };
      const verdicts = alerting.tick(detection, moment);
      found.push(...alerting.advanceTick(alerts, verdicts, moment, detection));
    } else if (step.kind === "reading") {
      const { at: observedAt, receivedAt, value, late } = step;
      const observation: Observation = {
        ...{ id: `g/1-a/telemetry/${index}/0`, gateway: "g", device: "d", metric: "t" },
        ...{ value, unit: "Cel", quality: "good", observedAt, receivedAt, late },
      };
      const verdicts = alerting.observe(detection, observation);
      found.push(...alerting.advance(alerts, verdicts, observation, detection));
    }
  }
  return found;
}

function wordsOf({ state, at, flapping, late, evidence }: AlertTransition): string {
  const how = `${at}${flapping ? "~" : ""}${late ? " late" : ""}`;
  if (state === "firing") return `F${how}`;
  const { worst, durationMs } = evidence ?? {};
  return `R${how} for ${durationMs}${worst === undefined ? "" : ` worst ${worst.value}@${worst.at}`}`;
}

test("alerts live as a plain reference says, and the same after any restart", () => {
  const counts = { transitions: 0, flapping: 0, late: 0 };
  for (let seed = 0; seed < runs; seed++) {
    const random = seededRandom(`life ${seed}`);
    const first = settingsOf(random);
    const steps = storyOf(random);
    const found = foundOf(steps, first, false);
    expect(found.map(wordsOf), `seed ${seed}`).toEqual(expectedOf(steps, first));
    expect(foundOf(steps, first, true), `seed ${seed}, restarted`).toEqual(found);
    expect(new Set(found.map(({ id, state }) => `${id} ${state}`)).size, `seed ${seed}`).toBe(
      found.length,
    );
    counts.transitions += found.length;
    counts.flapping += found.filter(({ flapping }) => flapping).length;
    counts.late += found.filter(({ late }) => late).length;
  }
  for (const count of Object.values(counts)) expect(count).toBeGreaterThan(runs / 5);
});
