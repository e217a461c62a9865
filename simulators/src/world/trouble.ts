/** Brings incidents over a world while its faults last, and heals everything at their end. */
import type { JournalMessage } from "@causeway/cloud/ingest/journal.ts";
import { decodeBlock } from "@causeway/shared/block-codec.ts";
import { logs } from "@causeway/shared/event.ts";
import type { Branch } from "./branch.ts";
import type { FaultName } from "./faults.ts";
import type { Wire } from "./lossy-link.ts";
import type { MemoryDisk } from "./memory-disk.ts";
import type { EngineContents } from "./memory-engine-stream.ts";
import { isBehindSnapshot } from "./needs.ts";
import type { World } from "./world.ts";

interface Backup {
  readonly journalLast: number;
  readonly engine: EngineContents;
  readonly branch: Branch;
  readonly disks: readonly MemoryDisk[];
}

const backupEveryMs = 20_000;
const stormStarts = 50;
const needBackups: ReadonlySet<FaultName> = new Set([
  "disk-restored",
  "journal-rolled-back",
  "engine-rolled-back",
  "both-rolled-back",
]);

export class Trouble {
  readonly #world: World;
  readonly #incidentMs: number;
  #backups: Backup[] = [];
  #isOver = false;
  readonly #flapping = new Set<Wire>();
  incidents = 0;

  constructor(world: World) {
    this.#world = world;
    this.#incidentMs = world.dice.between(4_000, 40_000);
  }

  begin(): void {
    const { dice, timeline } = this.#world;
    const incident = () => {
      if (this.#isOver) return;
      const name = dice.incident();
      if (name !== undefined) this.#bring(name);
      timeline.after(dice.between(100, this.#incidentMs), incident);
    };
    timeline.after(dice.between(100, this.#incidentMs), incident);
    // A clock that was never set learns the time from a server at last.
    for (const edge of this.#world.edges) {
      timeline.after(dice.between(5_000, 90_000), () => edge.setClock(0));
    }
    if (dice.active.some((name) => needBackups.has(name))) this.#backUp();
  }

  end(): void {
    const { dice, edges, engines, wires } = this.#world;
    this.#isOver = true;
    dice.isOver = true;
    this.#world.isServerUp = true;
    this.#world.isJournalFull = false;
    for (const wire of wires) wire.heal();
    for (const edge of edges) edge.start();
    this.#world.historian?.start();
    const [first, second] = engines;
    for (const engine of engines) engine.resume();
    if (!second.isRunning) first.start();
  }

  #bring(name: FaultName): void {
    this.incidents++;
    this.#world.trace.note("TROUBLE", name);
    this.#world.checkEdges();
    const act = this.#acts[name];
    act?.();
  }

  readonly #acts: Partial<Record<FaultName, () => void>> = {
    "link-cut": () => this.#wire().cut(this.#world.dice.between(0, 30_000)),
    "link-half-open": () => this.#fallSilent(),
    "link-flaps": () => this.#flap(this.#world.dice.between(1, 3)),
    "server-down": () => this.#serverDown(),
    "reader-cut": () => this.#world.journal.interrupt(),
    "device-cut": () => this.#world.dice.oneOf(this.#world.devices)?.cut(),
    "device-burst": () => {
      this.#world.dice.oneOf(this.#world.devices)?.burst(this.#world.dice.between(5, 30));
    },
    "edge-killed": () => this.#restart("kill"),
    "edge-power-cut": () => this.#restart("powerCut"),
    "edge-stopped": () => this.#stopEdge(),
    "edge-storm": () => this.#storm(stormStarts),
    "engine-killed": () => this.#killEngine(),
    "engine-stopped": () => this.#stopEngine(),
    "engine-paused": () => this.#pauseEngine(),
    "engine-second": () => this.#secondEngine(),
    "clock-jump": () => this.#edge().setClock(this.#world.dice.between(-3_600_000, 3_600_000)),
    "disk-restored": () => this.#restoreDisk(),
    "disk-cloned": () => this.#clone(),
    "journal-rolled-back": () => this.#rollBack("journal"),
    "engine-rolled-back": () => this.#rollBack("engine"),
    "both-rolled-back": () => this.#rollBack("both"),
    "journal-purged": () => this.#purge(),
    "journal-recreated": () => this.#recreate(),
    "journal-full": () => this.#fill(),
    "reader-killed": () => this.#killReader(),
    "disk-lies": () => this.#lie(),
    "block-rots": () => this.#rot(),
  };

  #wire() {
    return this.#world.wires[this.#world.dice.between(0, this.#world.wires.length - 1)] ?? fail();
  }

  #edge() {
    return this.#world.edges[this.#world.dice.between(0, this.#world.edges.length - 1)] ?? fail();
  }

  #later(fromMs: number, toMs: number, act: () => void): void {
    this.#world.timeline.after(this.#world.dice.between(fromMs, toMs), act);
  }

  /** The first cut is a long one; devices say so much meanwhile that no batch holds it. */
  #flap(times: number): void {
    const { dice, edges, wires, devices, timeline } = this.#world;
    const number = dice.between(0, wires.length - 1);
    const [wire, edge] = [wires[number], edges[number]];
    if (wire === undefined || edge === undefined || this.#flapping.has(wire)) return;
    this.#flapping.add(wire);
    const own = devices.filter(({ name }) => name.startsWith(`${edge.name}d`));
    const count = dice.between(...this.#loudness());
    const talk = (untilMs: number) => {
      if (this.#isOver || timeline.nowMs >= untilMs) return;
      for (const device of own) device.burst(count);
      timeline.after(1_000, () => talk(untilMs));
    };
    const next = (left: number) => {
      if (left === 0 || this.#isOver) return void this.#flapping.delete(wire);
      const cutMs = left === times ? dice.between(20_000, 80_000) : dice.between(5_000, 40_000);
      wire.cut(cutMs);
      talk(timeline.nowMs + cutMs);
      this.#later(cutMs + 1_000, cutMs + 70_000, () => next(left - 1));
    };
    next(times);
  }

  /** Events a second: on a slow link a backlog is to last; each that is refused costs many tries. */
  #loudness(): readonly [number, number] {
    const { dice } = this.#world;
    if (dice.has("event-poison")) return [1, 3];
    return dice.has("link-slow") ? [20, 40] : [5, 20];
  }

  #fallSilent(): void {
    const wire = this.#wire();
    wire.silence = this.#world.dice.between(0, 1) === 0 ? "all" : "answers";
    this.#later(5_000, 60_000, () => {
      if (wire.silence !== "none") wire.cut(0);
    });
  }

  #serverDown(): void {
    this.#world.isServerUp = false;
    this.#later(500, 40_000, () => {
      this.#world.isServerUp = true;
    });
  }

  #restart(how: "kill" | "powerCut"): void {
    const edge = this.#edge();
    edge[how]();
    this.#later(0, 15_000, () => edge.start());
  }

  #stopEdge(): void {
    const edge = this.#edge();
    edge.stop().then(() => this.#later(0, 5_000, () => edge.start()));
  }

  /** Restarts before much can be sent, half of the times without a link. */
  #storm(starts: number): void {
    const number = this.#world.dice.between(0, this.#world.edges.length - 1);
    const [edge, wire] = [this.#world.edges[number], this.#world.wires[number]];
    if (edge === undefined || wire === undefined) return;
    if (this.#world.dice.between(0, 1) === 1) wire.cut(60_000);
    const next = (left: number): void => {
      if (left === 0 || this.#isOver) return edge.start();
      edge[this.#world.dice.between(0, 1) === 0 ? "kill" : "powerCut"]();
      edge.start();
      this.#later(1, 600, () => next(left - 1));
    };
    next(starts);
  }

  #runningEngine() {
    const running = this.#world.engines.filter(({ isRunning }) => isRunning);
    return this.#world.dice.oneOf(running) ?? this.#world.engines[0];
  }

  #killEngine(): void {
    const engine = this.#runningEngine();
    engine.kill();
    this.#later(0, 20_000, () => engine.start());
  }

  #stopEngine(): void {
    const engine = this.#runningEngine();
    engine.stop().then(() => this.#later(0, 5_000, () => engine.start()));
  }

  /** A successor takes over meanwhile, or not. */
  #pauseEngine(): void {
    const engine = this.#runningEngine();
    const other = this.#world.engines.find((each) => each !== engine);
    engine.pause();
    if (this.#world.dice.between(0, 1) === 1) other?.start();
    this.#later(500, 60_000, () => engine.resume());
  }

  #secondEngine(): void {
    for (const engine of this.#world.engines) engine.start();
    this.#later(5_000, 90_000, () => {
      const running = this.#world.engines.filter(({ isRunning }) => isRunning);
      if (running.length === 2) this.#world.dice.oneOf(running)?.kill();
    });
  }

  #backUp(): void {
    const { journal, stream, edges, history } = this.#world;
    const disks = edges.map(({ disk }) => disk.copy());
    const engine = stream.contents();
    this.#backups.push({ journalLast: journal.last, engine, branch: history.remember(), disks });
    this.#world.timeline.after(backupEveryMs, () => this.#backUp());
  }

  #restoreDisk(): void {
    const backup = this.#world.dice.oneOf(this.#backups);
    const number = this.#world.dice.between(0, this.#world.edges.length - 1);
    const [edge, disk] = [this.#world.edges[number], backup?.disks[number]];
    if (edge === undefined || disk === undefined) return;
    edge.powerCut();
    edge.disk.replaceBy(disk);
    this.#world.history.diskWentBack(edge.name, edge.gateway, disk.synced);
    this.#later(0, 15_000, () => edge.start());
  }

  #lie(): void {
    const edge = this.#edge();
    this.#world.history.diskWentBack(edge.name, edge.gateway, edge.powerCutOfLiar());
    this.#later(0, 15_000, () => edge.start());
  }

  #rot(): void {
    const { gateway, disk } = this.#edge();
    const [key, block] = disk.rot() ?? [];
    if (key === undefined || block === undefined) return;
    const ordinal = Buffer.from(key).readUInt32BE(2);
    const log = logs[key[1] ?? 0] ?? "telemetry";
    const { from, to, items } = decodeBlock(block);
    this.#world.trace.note("TROUBLE", `${gateway} ${ordinal} ${log} ${from}-${to} rots`);
    this.#world.history.rotted(gateway, ordinal, log, items);
  }

  /** Once: a second copy of the same card is no other case. */
  #clone(): void {
    const edge = this.#edge();
    if (this.#world.edges.every(({ name }) => !name.endsWith("clone"))) {
      this.#world.cloneGateway(edge);
    }
  }

  /** The server is stopped for it, as for every restore of its files. */
  #rollBack(what: "journal" | "engine" | "both"): void {
    const { journal, stream, history, dice } = this.#world;
    const backup = dice.oneOf(this.#backups.slice(-3));
    if (backup === undefined) return;
    this.#serverDown();
    this.#world.trace.note("TROUBLE", `TLM had ${backup.journalLast} of ${journal.last} messages`);
    if (what !== "engine") this.#lose(journal.rollBack(backup.journalLast));
    if (what === "journal") return;
    stream.restore(backup.engine);
    history.wentBack(backup.branch, this.#isNeeded);
  }

  /** Its server lost the disk, and comes back without. */
  #recreate(): void {
    this.#serverDown();
    this.#lose(this.#world.journal.recreate());
  }

  #purge(): void {
    const { journal, dice } = this.#world;
    this.#lose(journal.purge(dice.between(1, journal.last)));
  }

  #lose(lost: readonly JournalMessage[]): void {
    this.#world.history.lostFromJournal({ lost, isNeeded: this.#isNeeded });
  }

  /** Not behind the snapshot that the next take-over begins with. */
  readonly #isNeeded = (message: JournalMessage): boolean => {
    const { journal, stream } = this.#world;
    return !isBehindSnapshot(message, journal, stream);
  };

  #killReader(): void {
    const { historian } = this.#world;
    historian?.kill();
    this.#later(0, 20_000, () => historian?.start());
  }

  #fill(): void {
    this.#world.isJournalFull = true;
    this.#later(1_000, 90_000, () => {
      this.#world.isJournalFull = false;
    });
  }
}

function fail(): never {
  throw new Error("a world without gateways");
}
