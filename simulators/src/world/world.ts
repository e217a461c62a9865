/**
 * The world: real gateways and real engines on a seed, in virtual time, over memory parts that lose,
 * delay, repeat and crash; checked by checkers of their own. A failing seed replays exactly.
 */
import type { OutboxBounds } from "@causeway/edge/outbox/outbox.ts";
import type { UplinkBounds } from "@causeway/edge/uplink/uplink.ts";
import { logs } from "@causeway/shared/event.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { gatewayId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import { checkOutcome, checkTraffic, Watch } from "./checkers.ts";
import type { Attempt } from "./device.ts";
import { Device } from "./device.ts";
import type { EdgePlant } from "./edge-machine.ts";
import { EdgeMachine } from "./edge-machine.ts";
import type { EnginePlant } from "./engine-process.ts";
import { EngineProcess } from "./engine-process.ts";
import type { CheckName, FaultName } from "./faults.ts";
import { Dice, voidedBy } from "./faults.ts";
import type { Server } from "./lossy-link.ts";
import { Wire } from "./lossy-link.ts";
import { MemoryDisk } from "./memory-disk.ts";
import { MemoryEngineStream } from "./memory-engine-stream.ts";
import { MemoryJournal } from "./memory-journal.ts";
import { worldBeginsMs } from "./process-clock.ts";
import { worldAlerting } from "./rules.ts";
import type { Drain } from "./timeline.ts";
import { Timeline } from "./timeline.ts";
import { Trace } from "./trace.ts";
import { Trouble } from "./trouble.ts";

export interface WorldPlan {
  readonly seed: string;
  readonly minutes: number;
  readonly faults: readonly FaultName[];
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
  /** Virtual time until everything was taken and released, after the last fault. */
  readonly quietMs: number;
}

const violationsMax = 5;
const quietMaxMs = 90 * 60_000;
const probeMs = 2_000;
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
  readonly edges: EdgeMachine[] = [];
  readonly wires: Wire[] = [];
  readonly devices: Device[] = [];
  readonly engines: readonly [EngineProcess, EngineProcess];
  readonly #watch: Watch;
  readonly #attempts: Attempt[] = [];
  readonly #violations: string[] = [];
  readonly #outboxBounds: OutboxBounds;
  readonly #voided: ReadonlySet<CheckName>;
  #isServerUp = true;

  constructor(plan: WorldPlan, drain: Drain) {
    this.#plan = plan;
    this.timeline = new Timeline(drain);
    this.trace = new Trace(this.timeline, plan.traceLinesMax);
    this.dice = new Dice(seededRandom(`world ${plan.seed}`), plan.faults);
    this.#voided = voidedBy(this.dice.active);
    this.#watch = new Watch((check, what) => this.violate(check, what));
    this.stream = new MemoryEngineStream(this.timeline);
    this.stream.onCommit = (messages) => {
      const told = messages.filter(({ subject }) => !subject.startsWith("ckpt."));
      this.trace.note("ENGINE", told.map(({ subject }) => subject).join(" "));
      this.#watch.committed(messages);
    };
    this.#outboxBounds = outboxBoundsOf(this.dice);
    const gateways = this.dice.between(1, 3);
    for (let number = 1; number <= gateways; number++) {
      this.#addGateway(`g${number}`, gatewayId(`g${number}`), new MemoryDisk(this.dice));
    }
    this.engines = [this.#engine("engineA"), this.#engine("engineB")];
  }

  get isServerUp(): boolean {
    return this.#isServerUp;
  }

  set isServerUp(isUp: boolean) {
    this.#isServerUp = isUp;
    if (isUp) return;
    this.journal.interrupt();
    for (const wire of this.wires) wire.cut(0);
  }

  violate(check: CheckName, what: string): void {
    if (this.#voided.has(check)) return;
    const text = `${check}: ${what}`;
    this.trace.note("VIOLATION", text);
    if (this.#violations.length < violationsMax) this.#violations.push(text);
  }

  async run(): Promise<WorldResult> {
    const trouble = new Trouble(this);
    const isBroken = () => this.#violations.length > 0;
    for (const edge of this.edges) edge.start();
    this.engines[0].start();
    for (const device of this.devices) device.start();
    trouble.begin();
    this.#probe();
    await this.timeline.run(this.#plan.minutes * 60_000, isBroken);
    const overAtMs = this.timeline.nowMs;
    trouble.end();
    for (const device of this.devices) device.isOver = true;
    await this.timeline.run(overAtMs + quietMaxMs, () => isBroken() || this.#isQuiet());
    const quietMs = this.timeline.nowMs - overAtMs;
    if (!isBroken()) this.#checkEnd();
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
      attempts: this.#attempts.length,
      taken: this.#watch.order.taken.length,
      alerts: this.stream.alerts.length,
      incidents,
      sent: traffic.reduce((sum, { sent }) => sum + sent, 0),
      appended: traffic.reduce((sum, { appended }) => sum + appended, 0),
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
    const wire = new Wire(this.timeline, this.dice, this.#server(gateway));
    const edge = new EdgeMachine({
      name,
      gateway,
      seed: this.#plan.seed,
      timeline: this.timeline,
      dice: this.dice,
      wire,
      disk,
      outboxBounds: this.#outboxBounds,
      uplinkBounds: uplinkBoundsOf(this.dice),
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

  #server(gateway: GatewayId): Server {
    const partition = partitions[Number(gateway.slice(1)) % partitions.length] ?? 0;
    return {
      isUp: () => this.#isServerUp,
      store: (lane, headers, data) => {
        const publication = { subject: `tlm.${partition}.${gateway}.${lane}`, headers, data };
        const message = this.journal.append(publication, worldBeginsMs + this.timeline.nowMs);
        const [epoch, from, to] = ["Epoch", "From", "To"].map((part) => headers.get(`Cw-${part}`));
        const what = `${message.sequence} ${gateway} ${lane} ${epoch} ${from}-${to}`;
        this.trace.note("TLM", `${what} ${headers.get("Cw-Nonce")}`);
        this.#watch.stored(message);
      },
      mark: (behindMs) => this.stream.mark(gateway, behindMs),
    };
  }

  #device(edge: EdgeMachine, number: number): Device {
    return new Device({
      name: `${edge.name}d${number}`,
      timeline: this.timeline,
      dice: this.dice,
      gateway: () => edge.publish,
      hasClock: number % 2 === 0,
      attempted: (name, seq, count) => {
        const call = this.#attempts.length + 1;
        const attempt = { device: name, seq, attempt: count, call, isAcknowledged: false };
        this.#attempts.push(attempt);
        return attempt;
      },
    });
  }

  #engine(name: string): EngineProcess {
    return new EngineProcess({
      name,
      seed: this.#plan.seed,
      timeline: this.timeline,
      dice: this.dice,
      journal: this.journal,
      stream: this.stream,
      alerting: worldAlerting,
      isServerUp: () => this.#isServerUp,
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
    for (const { gateway, process } of this.edges) {
      if (process === undefined) continue;
      this.#watch.checkOutbox(gateway, process.outbox, this.#outboxBounds);
      this.#watch.checkUplink(gateway, process.gateway.status().uplink);
    }
  }

  #isQuiet(): boolean {
    return this.devices.every(({ isIdle }) => isIdle) && this.edges.every(isTakenAndReleased);
  }

  #checkEnd(): void {
    for (const edge of this.edges) {
      if (!isTakenAndReleased(edge)) this.violate("C7", `${edge.name} ${unreleasedOf(edge)}`);
      checkTraffic(edge.name, edge.traffic(), (...told) => this.violate(...told));
      this.#watch.checkLastMark(edge.gateway, this.stream.mark(edge.gateway, 0));
    }
    const idle = this.devices.every(({ isIdle }) => isIdle);
    if (!idle) this.violate("C7", "a device is still waiting for an acknowledgement");
    this.checkEdges();
    const { alerts } = this.stream;
    const outcome = { attempts: this.#attempts, journal: this.journal.messages, alerts };
    checkOutcome(this.#watch, outcome, (check, what) => this.violate(check, what));
  }
}

/** C7 of checkers.ts. */
function isTakenAndReleased({ process }: EdgeMachine): boolean {
  if (process === undefined || process.gateway.status().uplink.untakenEvents > 0) return false;
  return process.outbox
    .epochs()
    .every(({ last, released }) => logs.every((log) => released[log] === last[log]));
}

function unreleasedOf({ process }: EdgeMachine): string {
  if (process === undefined) return "does not run in the end";
  const { untakenEvents } = process.gateway.status().uplink;
  const epochs = process.outbox
    .epochs()
    .flatMap(({ id, last, released }) =>
      logs
        .filter((log) => released[log] < last[log])
        .map((log) => `${id} ${log} ${released[log]} of ${last[log]}`),
    );
  return `has ${untakenEvents} events that were not taken; released ${epochs.join(", ")}`;
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
    batchBytes: dice.between(4, 16) * 1_024,
    inflightMax: dice.between(1, 4),
    gatherMs: dice.between(50, 1_500),
  };
}
