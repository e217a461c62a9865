/**
 * The world: real gateways and real engines on a seed, in virtual time, over memory parts that lose,
 * delay, repeat and crash; checked by checkers of their own. A failing seed replays exactly.
 */

import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import { MemoryReaderStore } from "@causeway/cloud/retention/memory-reader-store.ts";
import type { OutboxBounds } from "@causeway/edge/outbox/outbox.ts";
import type { UplinkBounds, UplinkLane } from "@causeway/edge/uplink/uplink.ts";
import { MemoryAlertSubjects } from "@causeway/shared/alert/testing/memory-alert-subjects.ts";
import { expandBody } from "@causeway/shared/batch-codec.ts";
import { logs } from "@causeway/shared/event.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import type { Attempt } from "./attempts.ts";
import type { Branch } from "./branch.ts";
import {
  checkAcknowledged,
  checkHistorian,
  checkNextTaken,
  checkOutbox,
  checkReader,
  checkRollbacks,
  checkTraffic,
  isBehind,
} from "./checkers.ts";
import { Device, poisonMetric } from "./device.ts";
import type { EdgePlant } from "./edge-machine.ts";
import { EdgeMachine } from "./edge-machine.ts";
import type { EnginePlant } from "./engine-process.ts";
import { EngineProcess } from "./engine-process.ts";
import type { CheckName, FaultName, Violate } from "./faults.ts";
import { Dice } from "./faults.ts";
import { Freshness, isCalm } from "./freshness.ts";
import { Historian } from "./historian.ts";
import { History } from "./history.ts";
import type { Refusal, Server } from "./lossy-link.ts";
import { Wire } from "./lossy-link.ts";
import { MemoryDisk } from "./memory-disk.ts";
import { EngineStreamClient, MemoryEngineStream } from "./memory-engine-stream.ts";
import type { Publication } from "./memory-journal.ts";
import { MemoryJournal } from "./memory-journal.ts";
import { isBehindPlaces, isBehindSnapshot } from "./needs.ts";
import { keyOf } from "./plain-reader.ts";
import { ProcessClock, worldBeginsMs } from "./process-clock.ts";
import { firstRules, secondRules } from "./rules.ts";
import { probeMs, SteppingAside } from "./stepping-aside.ts";
import { budgetOf, Thrift } from "./thrift.ts";
import type { Drain } from "./timeline.ts";
import { Timeline } from "./timeline.ts";
import { Trace } from "./trace.ts";
import { Trouble } from "./trouble.ts";

export interface WorldPlan {
  readonly seed: string;
  readonly minutes: number;
  readonly faults: readonly FaultName[];
  /** Faults that every world has. */
  readonly sure?: readonly FaultName[];
  readonly traceLinesMax: number;
  readonly plant?: WorldPlant;
}

/** Bugs put in on purpose, to see that the checkers find them. */
export interface WorldPlant extends EdgePlant, EnginePlant {}

export interface WorldResult {
  readonly seed: string;
  /** Of those switched on, the faults that this seed drew. */
  readonly faults: readonly FaultName[];
  readonly violations: readonly string[];
  readonly traceHash: string;
  readonly trace: readonly string[];
  readonly attempts: number;
  readonly taken: number;
  readonly alerts: number;
  readonly incidents: number;
  readonly sent: number;
  readonly appended: number;
  /** Positions that came by history. */
  readonly byHistory: number;
  /** Virtual time until everything was taken and released, after the last fault. */
  readonly quietMs: number;
}

const violationsMax = 5;
const quietMaxMs = 90 * 60_000;
/** In which the reader of the last check loads what it needs. */
const readerMs = 1_000;
const devicesOfGatewayMax = 2;
/** By number of the gateway: two share one. */
const partitions = [3, 17, 3] as const;

export function runWorld(plan: WorldPlan, drain: Drain): Promise<WorldResult> {
  return new World(plan, drain).run();
}

export class World {
  readonly #plan: WorldPlan;
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly trace: Trace;
  readonly journal = new MemoryJournal();
  readonly stream: MemoryEngineStream;
  readonly readers = new MemoryReaderStore();
  readonly #deploymentAlerts = new MemoryAlertSubjects();
  readonly edges: EdgeMachine[] = [];
  readonly wires: Wire[] = [];
  readonly devices: Device[] = [];
  readonly engines: readonly [EngineProcess, EngineProcess];
  readonly history: History;
  readonly historian: Historian | undefined;
  readonly #freshness: Freshness;
  /** Of each edge, where they are calm. */
  readonly #asides: (SteppingAside | undefined)[] = [];
  readonly #thrifts: (Thrift | undefined)[] = [];
  readonly #violations: string[] = [];
  readonly #outboxBounds: OutboxBounds;
  readonly #payloadBytesMax: number;
  /** TLM takes nothing. */
  isJournalFull = false;
  #isServerUp = true;
  #byHistory = 0;

  constructor(plan: WorldPlan, drain: Drain) {
    this.#plan = plan;
    this.timeline = new Timeline(drain);
    this.trace = new Trace(this.timeline, plan.traceLinesMax);
    this.dice = new Dice(seededRandom(`world ${plan.seed}`), plan.faults, plan.sure);
    this.history = new History((...told) => this.violate(...told), this.journal);
    this.history.snapshotsMayBeLost = this.dice.has("zombie-purge");
    this.#freshness = new Freshness(this.timeline, this.dice.active);
    this.#payloadBytesMax = this.dice.has("payload-small") ? this.dice.between(1_024, 4_096) : 1e6;
    this.stream = new MemoryEngineStream(this.timeline);
    this.stream.onCommit = (messages) => {
      const told = messages.filter(({ subject }) => !subject.startsWith("ckpt."));
      this.trace.note("ENGINE", told.map(({ subject }) => subject).join(" "));
      this.history.committed(messages);
    };
    this.#outboxBounds = outboxBoundsOf(this.dice);
    const gateways = this.dice.between(1, 3);
    for (let number = 1; number <= gateways; number++) {
      this.#addGateway(`g${number}`, gatewayId(`g${number}`), new MemoryDisk(this.dice));
    }
    if (this.dice.has("journal-small")) this.journal.bytesMax = this.dice.between(20, 120) * 1_024;
    this.historian = this.dice.has("reader-registered") ? this.#newHistorian() : undefined;
    this.engines = [this.#engine("engineA", firstRules), this.#engine("engineB", secondRules)];
  }

  get isServerUp(): boolean {
    return this.#isServerUp;
  }

  set isServerUp(isUp: boolean) {
    this.#isServerUp = isUp;
    if (isUp) return;
    this.stream.session++;
    this.journal.interrupt();
    for (const wire of this.wires) wire.cut(0);
  }

  violate(check: CheckName, what: string): void {
    const text = `${check}: ${what}`;
    this.trace.note("VIOLATION", text);
    if (this.#violations.length < violationsMax) this.#violations.push(text);
  }

  async run(): Promise<WorldResult> {
    const trouble = new Trouble(this);
    const isBroken = () => this.#violations.length > 0;
    for (const edge of this.edges) edge.start();
    this.engines[0].start();
    this.historian?.start();
    for (const device of this.devices) device.start();
    trouble.begin();
    this.#probe();
    await this.timeline.run(this.#plan.minutes * 60_000, isBroken);
    const overAtMs = this.timeline.nowMs;
    trouble.end();
    for (const device of this.devices) device.isOver = true;
    await this.timeline.run(overAtMs + quietMaxMs, () => isBroken() || this.#isQuiet());
    const quietMs = this.timeline.nowMs - overAtMs;
    if (!isBroken()) await this.#checkEnd();
    for (const engine of this.engines) engine.forget();
    return this.#result(trouble.incidents, quietMs);
  }

  #result(incidents: number, quietMs: number): WorldResult {
    const traffic = this.edges.map((edge) => edge.traffic());
    return {
      seed: this.#plan.seed,
      faults: this.dice.active,
      violations: this.#violations,
      traceHash: this.trace.hash,
      trace: this.trace.lines,
      attempts: this.history.attempts.length,
      taken: this.history.branch.names.size,
      alerts: this.history.alerts,
      incidents,
      sent: traffic.reduce((sum, { sent }) => sum + sent, 0),
      appended: traffic.reduce((sum, { appended }) => sum + appended, 0),
      byHistory: this.#byHistory,
      quietMs,
    };
  }

  /** A second machine that believes to be the same gateway, with a copy of its disk. */
  cloneGateway({ name, gateway, disk }: EdgeMachine): void {
    this.#addGateway(`${name}clone`, gateway, disk.copy());
    this.edges.at(-1)?.start();
    for (const device of this.devices.slice(-1)) device.start();
  }

  #addGateway(name: string, gateway: GatewayId, disk: MemoryDisk): void {
    const devices: Device[] = [];
    const bootBeganMs = (id: string) => edge.bootBeganMs(id);
    const server = this.#server(gateway, (lane, epoch, body) => {
      aside?.sent(lane, epoch, body, bootBeganMs);
      thrift?.sent(lane, body.length);
    });
    const wire = new Wire(this.timeline, this.dice, server);
    const uplinkBounds = uplinkBoundsOf(this.dice);
    const aside = this.#newAside(uplinkBounds);
    const budget = budgetOf(this.dice);
    const violate: Violate = (...told) => this.violate(...told);
    const thrift = budget && new Thrift(budget, this.timeline, this.dice, violate);
    this.#asides.push(aside);
    this.#thrifts.push(thrift);
    const edge = new EdgeMachine({
      name,
      gateway,
      seed: this.#plan.seed,
      timeline: this.timeline,
      dice: this.dice,
      wire,
      disk,
      outboxBounds: this.#outboxBounds,
      uplinkBounds,
      budget,
      onStart: () => thrift?.started(),
      trace: this.trace,
      onInvariant: (text) => this.violate("C0", text),
      onEnd: () => {
        for (const device of devices) device.cut();
      },
      plant: this.#plan.plant ?? {},
    });
    this.wires.push(wire);
    this.edges.push(edge);
    const isClone = name !== gateway;
    const deviceCount = isClone ? 1 : this.dice.between(1, devicesOfGatewayMax);
    for (let device = 1; device <= deviceCount; device++) {
      devices.push(this.#device(edge, device));
    }
    this.devices.push(...devices);
  }

  #newAside({ freshAfterMs }: UplinkBounds): SteppingAside | undefined {
    if (!isCalm(this.dice.active)) return undefined;
    return new SteppingAside(freshAfterMs, this.timeline, (...told) => this.violate(...told));
  }

  #server(
    gateway: GatewayId,
    onSent: (lane: UplinkLane, epoch: string, body: Uint8Array) => void,
  ): Server {
    const partition = partitions[Number(gateway.slice(1)) % partitions.length] ?? 0;
    return {
      isUp: () => this.#isServerUp,
      payloadBytesMax: this.#payloadBytesMax,
      store: (lane, headers, body) => {
        if (this.isJournalFull || !this.journal.hasRoomFor(body)) {
          this.history.refused(gateway, headers);
          return refusal("wait-full", "10077 maximum bytes exceeded");
        }
        const isRefused = this.dice.has("event-poison") && isPoisoned(body);
        const data = isRefused ? body.subarray(0, body.length >> 1) : body;
        const publication = { subject: `tlm.${partition}.${gateway}.${lane}`, headers, data };
        const message = this.journal.append(publication, worldBeginsMs + this.timeline.nowMs);
        const [epoch, from, to] = ["Epoch", "From", "To"].map((part) => headers.get(`Cw-${part}`));
        const what = `${message.sequence} ${gateway} ${lane} ${epoch} ${from}-${to}`;
        this.trace.note("TLM", `${what} ${headers.get("Cw-Nonce")}`);
        if (lane === "history") this.#byHistory += Number(to) - Number(from) + 1;
        this.history.stored(message, isRefused);
        return undefined;
      },
      sent: (lane, headers, body) => {
        onSent(lane, headers.get("Cw-Epoch") ?? "", body);
        this.history.sent(gateway, headers, body);
      },
      mark: (behindMs) => this.stream.mark(gateway, behindMs),
    };
  }

  get #way() {
    const { timeline, dice, journal, stream, readers } = this;
    return {
      ...{ timeline, dice, journal, stream, readers },
      isServerUp: () => this.#isServerUp,
      purge: (sequence: number) => this.#purge(sequence),
      append: (publication: Publication) => {
        const message = this.journal.append(publication, worldBeginsMs + timeline.nowMs);
        this.history.reader.take(message);
        return message;
      },
    };
  }

  /** C13. */
  #purge(sequence: number): void {
    const { journal, history } = this;
    this.trace.note("PURGE", `before ${sequence} of ${journal.first}-${journal.last}`);
    if (sequence > journal.last) this.violate("C13", `purge beyond the end, at ${sequence}`);
    const lost = journal.purge(sequence);
    for (const message of lost) {
      if (!message.subject.startsWith("tlm.")) continue;
      const who = this.#holderOf(message);
      if (who === undefined) continue;
      this.violate("C13", `${message.sequence} is purged, and ${who} has not passed it`);
      break;
    }
    history.purged(lost);
  }

  #holderOf(message: JournalMessage): string | undefined {
    const { journal, stream, historian } = this;
    if (!isBehindSnapshot(message, journal, stream)) return "a snapshot";
    if (historian !== undefined && !isBehindPlaces(message, journal, historian.places)) {
      return "a registered reader";
    }
    return undefined;
  }

  #newHistorian(): Historian {
    const store = new EngineStreamClient({ ...this.#way, clock: neverClock(this.timeline) });
    return new Historian({
      ...this.#way,
      store,
      seed: this.#plan.seed,
      trace: this.trace,
      onEffects: (effects) => this.history.readBy(effects),
    });
  }

  #device(edge: EdgeMachine, number: number): Device {
    return new Device({
      name: `${edge.name}d${number}`,
      timeline: this.timeline,
      dice: this.dice,
      gateway: () => edge.publish,
      hasClock: number % 2 === 0,
      attempted: (name, seq, count) => {
        const attempt: Attempt = {
          ...{ device: name, seq, attempt: count, call: this.history.attempts.length + 1 },
          ...{ machine: edge.name, isAcknowledged: false, diskWrite: 0, isDiskLost: false },
        };
        this.history.attempted(attempt);
        return attempt;
      },
      acknowledged: (attempt) => {
        attempt.isAcknowledged = true;
        attempt.diskWrite = edge.disk.synced;
        const wire = this.wires[this.edges.indexOf(edge)];
        if (wire !== undefined) this.#freshness.acknowledged(attempt, wire);
      },
    });
  }

  #engine(name: string, rules: string): EngineProcess {
    return new EngineProcess({
      name,
      ...this.#way,
      seed: this.#plan.seed,
      rules,
      alerts: this.#deploymentAlerts,
      trace: this.trace,
      onInvariant: (text) => this.violate("C0", text),
      plant: this.#plan.plant ?? {},
    });
  }

  #probe(): void {
    this.timeline.after(probeMs, () => {
      this.checkEdges();
      this.#probe();
    });
  }

  /** What must hold at any moment. */
  checkEdges(): void {
    const violate: Violate = (...told) => this.violate(...told);
    this.#freshness.check(this.history.branch.names, violate);
    for (const [number, { name, gateway, process }] of this.edges.entries()) {
      if (process === undefined) continue;
      checkOutbox(this.history, gateway, process.outbox, this.#outboxBounds, violate);
      const { rollbacks, jumps, budget } = process.gateway.status().uplink;
      if (budget.day !== undefined) this.#thrifts[number]?.counted(budget.day.usedBytes);
      this.wires[number]?.noteJumps(jumps);
      this.#asides[number]?.jumped(process, name, jumps);
      checkRollbacks(name, rollbacks, this.history.excuse(gateway), violate);
    }
  }

  #isQuiet(): boolean {
    if (!this.devices.every(({ isIdle }) => isIdle)) return false;
    const { branch } = this.history;
    if (!this.edges.every((edge) => isTakenAndReleased(edge, branch))) return false;
    return this.historian === undefined || !isBehind(this.history);
  }

  async #checkEnd(): Promise<void> {
    const violate: Violate = (...told) => this.violate(...told);
    const { history, journal } = this;
    for (const edge of this.edges) {
      if (!isTakenAndReleased(edge, history.branch)) {
        this.violate("C7", `${edge.name} ${openOf(edge, history.branch)}`);
      }
      checkTraffic(edge.name, edge.traffic(), history.excuse(edge.gateway), violate);
    }
    const idle = this.devices.every(({ isIdle }) => isIdle);
    if (!idle) this.violate("C7", "a device is still waiting for an acknowledgement");
    this.checkEdges();
    checkAcknowledged(history, violate);
    if (this.historian !== undefined) checkHistorian(history, violate);
    checkNextTaken(history, journal.messages, violate);
    const { timeline, dice, stream } = this;
    const clock = neverClock(timeline);
    const way = { timeline, clock, stream, dice, isServerUp: () => true };
    const checked = checkReader(history, new EngineStreamClient(way), journal, violate);
    await timeline.run(timeline.nowMs + readerMs, () => false);
    await checked;
  }
}

/** Of a process that nothing befalls. */
function neverClock(timeline: Timeline): ProcessClock {
  return new ProcessClock(timeline, { id: "reader", atMs: 0, wrongByMs: 0 });
}

function refusal(fault: Refusal["fault"], reason: string): Refusal {
  return { kind: "failed", fault, reason };
}

const poison = Buffer.from(`"${poisonMetric}"`);

function isPoisoned(body: Uint8Array): boolean {
  return expandBody(body).includes(poison);
}

/** C7 of checkers.ts. What the gateway was told is not enough: the cloud may have gone back since. */
function isTakenAndReleased(edge: EdgeMachine, branch: Branch): boolean {
  const { process } = edge;
  if (process === undefined || process.gateway.status().uplink.untakenEvents > 0) return false;
  const isReleased = process.outbox
    .epochs()
    .every(({ last, released }) => logs.every((log) => released[log] === last[log]));
  return isReleased && openLogsOf(edge, branch).length === 0;
}

/** What is not released, or is not taken whatever the gateway believes. */
function openLogsOf({ process, gateway }: EdgeMachine, { covered }: Branch): readonly string[] {
  const epochs = process?.outbox.epochs() ?? [];
  return epochs.flatMap(({ id, last, released }) =>
    logs.flatMap((log) => {
      const taken = covered.get(keyOf(gateway, id, log)) ?? 0;
      if (released[log] === last[log] && taken >= last[log]) return [];
      return [`${id} ${log} released ${released[log]}, taken ${taken} of ${last[log]}`];
    }),
  );
}

function openOf(edge: EdgeMachine, branch: Branch): string {
  if (edge.process === undefined) return "does not run in the end";
  const { untakenEvents } = edge.process.gateway.status().uplink;
  return `has ${untakenEvents} events that were not taken; ${openLogsOf(edge, branch).join("; ")}`;
}

function outboxBoundsOf(dice: Dice): OutboxBounds {
  const bytesMax = dice.has("outbox-small") ? dice.between(8, 40) * 1_024 : 16 * 1_024 * 1_024;
  const tailBytesMax = dice.has("tail-given-up") ? dice.between(0, 32) * 1_024 : bytesMax;
  return { bytesMax, tailBytesMax, pendingBytesMax: 64 * 1_024 };
}

function uplinkBoundsOf(dice: Dice): UplinkBounds {
  return {
    windowBytes: dice.between(4, 64) * 1_024,
    priorityWindowBytes: dice.between(2, 16) * 1_024,
    batchBytes: dice.between(4, dice.has("link-slow") ? 6 : 16) * 1_024,
    inflightMax: dice.between(1, 4),
    gatherMs: dice.between(50, 1_500),
    freshAfterMs: dice.between(3_000, dice.has("link-slow") ? 6_000 : 15_000),
  };
}
