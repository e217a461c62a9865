/** A machine that runs a gateway: its disk, its clock, and one process after the other. */
import { Gateway } from "@causeway/edge/gateway.ts";
import type { OutboxBounds } from "@causeway/edge/outbox/outbox.ts";
import { Outbox } from "@causeway/edge/outbox/outbox.ts";
import type { Store } from "@causeway/edge/outbox/store.ts";
import type { BudgetSettings } from "@causeway/edge/uplink/budget.ts";
import { BudgetRecord } from "@causeway/edge/uplink/budget-record.ts";
import type { Link } from "@causeway/edge/uplink/link.ts";
import type { UplinkBounds } from "@causeway/edge/uplink/uplink.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import type { Random } from "@causeway/shared/random.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import type { PublishTo } from "./device.ts";
import type { Dice } from "./faults.ts";
import type { Wire } from "./lossy-link.ts";
import { LossyLink } from "./lossy-link.ts";
import type { MemoryDisk } from "./memory-disk.ts";
import type { Boot } from "./process-clock.ts";
import { ProcessClock, worldBeginsMs } from "./process-clock.ts";
import type { Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";

/** Bugs put in on purpose, between the real parts and the world. */
export interface EdgePlant {
  readonly link?: (link: Link) => Link;
  readonly store?: (store: Store) => Store;
  readonly random?: (random: Random) => Random;
}

export interface EdgeParts {
  readonly name: string;
  readonly gateway: GatewayId;
  readonly seed: string;
  readonly timeline: Timeline;
  readonly dice: Dice;
  readonly wire: Wire;
  readonly disk: MemoryDisk;
  readonly outboxBounds: OutboxBounds;
  readonly uplinkBounds: UplinkBounds;
  readonly budget: BudgetSettings | undefined;
  /** A process begins to send. */
  readonly onStart: () => void;
  readonly trace: Trace;
  readonly onInvariant: (text: string) => void;
  /** The broker is gone: the connections of all devices are. */
  readonly onEnd: () => void;
  readonly plant: EdgePlant;
}

/** Counted in positions, over all processes of a machine. */
export interface Traffic {
  /** Repeats included. */
  readonly sent: number;
  readonly appended: number;
  /** Found untaken by a process that began, summed over the processes. */
  readonly inherited: number;
}

interface Process {
  readonly clock: ProcessClock;
  readonly outbox: Outbox;
  readonly link: LossyLink;
  readonly gateway: Gateway;
}

export class EdgeMachine {
  readonly #parts: EdgeParts;
  #boot: Boot;
  /** By id: when each began. */
  readonly #boots = new Map<string, number>();
  #starts = 0;
  #clock: ProcessClock | undefined;
  #process: Process | undefined;
  /** Counted over all processes. */
  #sent = 0;
  #appended = 0;
  /** Not known as taken when a process began: it may send them once more. */
  #inherited = 0;

  constructor(parts: EdgeParts) {
    this.#parts = parts;
    // A clock that was never set begins in 1970.
    this.#boot = this.#newBoot(parts.dice.has("clock-unset") ? -worldBeginsMs : 0);
  }

  get name(): string {
    return this.#parts.name;
  }

  get gateway(): GatewayId {
    return this.#parts.gateway;
  }

  get disk(): MemoryDisk {
    return this.#parts.disk;
  }

  /** Where devices publish; undefined while no process listens. */
  get publish(): PublishTo {
    const process = this.#process;
    return process && ((publish, settle) => process.gateway.publish(publish, settle));
  }

  get process(): Pick<Process, "outbox" | "gateway"> | undefined {
    return this.#process;
  }

  /** Undefined for another machine's. */
  bootBeganMs(id: string): number | undefined {
    return this.#boots.get(id);
  }

  traffic(): Traffic {
    const { link, outbox } = this.#process ?? {};
    const sent = this.#sent + (link?.sentPositions ?? 0);
    const appended = this.#appended + (outbox?.usage().appended ?? 0);
    return { sent, appended, inherited: this.#inherited };
  }

  /** Starts a process unless one runs or starts; what fails is tried again, as systemd does. */
  start(): void {
    if (this.#clock !== undefined) return;
    const clock = new ProcessClock(this.#parts.timeline, this.#boot);
    this.#clock = clock;
    this.#parts.trace.note(this.name, "starts");
    this.#run(clock, ++this.#starts).catch((failure) => {
      if (clock.isDead) return;
      this.#parts.trace.note(this.name, `did not start: ${reasonOf(failure)}`);
      this.kill();
      this.#parts.timeline.after(2_000, () => this.start());
    });
  }

  /** As by SIGKILL: what was written stays, synced or not. */
  kill(): void {
    this.#end();
    this.#parts.disk.kill();
  }

  powerCut(): void {
    this.#end();
    this.#parts.disk.powerCut();
    this.#boot = this.#newBoot(this.#boot.wrongByMs);
  }

  /** The synced writes that are left, by number. */
  powerCutOfLiar(): number {
    this.#end();
    this.#boot = this.#newBoot(this.#boot.wrongByMs);
    return this.#parts.disk.powerCutOfLiar();
  }

  /** In order, as by SIGTERM; resolves when the process is gone. */
  async stop(): Promise<void> {
    const process = this.#process;
    if (process === undefined) return;
    this.#process = undefined;
    this.#parts.onEnd();
    this.#count(process);
    process.gateway.stop();
    await process.link.close();
    await process.outbox.close().catch(() => {});
    if (process.clock.isDead) return;
    process.clock.kill();
    this.#parts.disk.kill();
    this.#clock = undefined;
  }

  /** Sets the wall clock; 0 is right. */
  setClock(wrongByMs: number): void {
    this.#boot.wrongByMs = wrongByMs;
  }

  #newBoot(wrongByMs: number): Boot {
    const id = `${this.#parts.name}boot${this.#boots.size + 1}`;
    const atMs = this.#parts.timeline.nowMs;
    this.#boots.set(id, atMs);
    return { id, atMs, wrongByMs };
  }

  #end(): void {
    const process = this.#process;
    this.#process = undefined;
    this.#clock?.kill();
    this.#clock = undefined;
    if (process === undefined) return;
    this.#parts.onEnd();
    this.#count(process);
    this.#parts.wire.detach(process.link);
  }

  #count({ link, outbox }: Process): void {
    this.#sent += link.sentPositions;
    this.#appended += outbox.usage().appended;
  }

  async #run(clock: ProcessClock, start: number): Promise<void> {
    const { name, gateway, seed, disk, wire, plant, uplinkBounds, onInvariant } = this.#parts;
    const own = seededRandom(`${seed} ${name} ${start}`);
    const random = plant.random?.(own) ?? own;
    const log = this.#parts.trace.logger(name, onInvariant);
    const outbox = await Outbox.open({
      gateway,
      openStore: async () => {
        const store = disk.open(clock);
        return plant.store?.(store) ?? store;
      },
      clock,
      random,
      bounds: this.#parts.outboxBounds,
      log,
    });
    const { budget } = this.#parts;
    const record = budget && (await BudgetRecord.open(budget, outbox.records));
    this.#parts.onStart();
    const link = new LossyLink(wire, clock);
    const running = new Gateway({
      gateway,
      version: "0.0.0-world",
      outbox,
      link: plant.link?.(link) ?? link,
      clock,
      random,
      uplinkBounds,
      budget: record,
      heartbeatMs: 60_000,
      log,
    });
    this.#inherited += running.status().uplink.untakenEvents;
    link.start();
    await running.start();
    this.#process = { clock, outbox, link, gateway: running };
    this.#parts.trace.note(name, `runs as ${outbox.run}`);
  }
}
