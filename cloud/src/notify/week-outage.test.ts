// A week's outage whose history comes slowly, with fifty incidents in it: one digest and no page, while
// what goes wrong meanwhile is told at once. A real partition of the engine, and a plan in virtual time.
import { createAlerting } from "@causeway/shared/alert/alerting.ts";
import type { EpochId } from "@causeway/shared/batch-codec.ts";
import type { Event, Lane } from "@causeway/shared/event.ts";
import { decodeMark } from "@causeway/shared/mark.ts";
import { decodeAlertMessage } from "@causeway/shared/notify/message.ts";
import { Planned } from "@causeway/shared/notify/testing/planned.ts";
import { compileRules } from "@causeway/shared/rules/rule-set.ts";
import { expect, test } from "vitest";
import { Partition } from "../engine/partition.ts";
import { noCounts } from "../engine/partition-counters.ts";
import { hotRules } from "../engine/testing/engine-world.ts";
import { bootOffset, journalMessage, readingEvent } from "../testing/journal-writer.ts";
import { owesNothing } from "./history.ts";

const [older, newer] = ["1-00000001", "2-00000002"] as EpochId[] as [EpochId, EpochId];
const [minute, hour] = [60_000, 3_600_000];
const weekMs = 7 * 24 * hour;
const incidents = 50;

/** What the engine commits of each batch comes to the plan, which asks the newest mark. */
class Path {
  readonly plan = new Planned();
  readonly #rules = { name: "hot", alerting: createAlerting(compileRules(hotRules)) };
  readonly #partition = new Partition(3, this.#rules, 0, noCounts());
  readonly #next = new Map<EpochId, number>();
  #commit = 0;

  send(lane: Lane, epoch: EpochId, events: readonly Event[], end?: number): void {
    const from = this.#next.get(epoch) ?? 1;
    this.#next.set(epoch, from + events.length);
    const before =
      epoch === newer ? { epoch: older, ends: { telemetry: end ?? 0, priority: 0 } } : undefined;
    const head = { run: newer, epoch, before, end: epoch === older ? end : undefined };
    this.#partition.take(journalMessage(++this.#commit, from, events, { lane, head }));
    for (const { subject, data } of this.#partition.collect(this.#commit, 100).messages) {
      if (subject.startsWith("mark.")) {
        if (owesNothing(decodeMark(data))) this.plan.drains.delete("g1");
        else this.plan.drains.add("g1");
      }
      if (!subject.startsWith("alert.")) continue;
      const knownAt = this.plan.now;
      this.plan.take(...decodeAlertMessage(data).map((each) => ({ ...each, knownAt })));
    }
  }
}

const hot = (device: string, at: number) => readingEvent(device, "temperature", 60, at);
const cool = (device: string, at: number) => readingEvent(device, "temperature", 20, at);

test("a week's outage with fifty incidents is one digest and no page, and live goes on", () => {
  const path = new Path();
  const { plan } = path;
  plan.now = bootOffset + weekMs;
  path.send("live", older, [cool("d1", 1_000)]);
  const end = 1 + 2 * incidents;
  path.send("live", newer, [cool("d1", weekMs)], end);
  for (let incident = 0; incident < incidents; incident++) {
    const at = 2_000 + (incident * weekMs) / incidents;
    path.send("history", older, [hot("d1", at), cool("d1", at + minute)], end);
    if (incident === 20) path.send("live", newer, [hot("d2", weekMs + hour)], end);
    if (incident === 30) path.send("live", newer, [cool("d2", weekMs + 2 * hour)], end);
    if (incident < incidents - 1) plan.advance(70_000);
  }
  const news = plan.told.filter(({ kind }) => kind === "alerts");
  expect(news.flatMap(({ firing, resolved }) => [...firing, ...resolved])).toMatchObject([
    { device: "d2", state: "firing" },
    { device: "d2", state: "resolved" },
  ]);
  expect(plan.told).toHaveLength(news.length);
  plan.advance(24 * hour);
  const digests = plan.told.filter(({ kind }) => kind === "digest");
  expect(digests).toHaveLength(1);
  expect(plan.told).toHaveLength(news.length + 1);
  const [{ firing, resolved } = { firing: [], resolved: [] }] = digests;
  expect(firing).toEqual([]);
  expect(new Set(resolved.map(({ id }) => id)).size).toBe(incidents);
  for (const { device, late, knownAt, firingAt } of resolved) {
    expect([device, late]).toEqual(["d1", true]);
    expect(knownAt).toBeGreaterThan(firingAt);
  }
});
