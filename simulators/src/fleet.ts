/**
 * N devices that publish at one interval, their phases spread evenly over it.
 *
 * The k-th sample of a device stands for one moment of the run and depends on the seed alone, not
 * on when the process got round to it. A sample that finds no room in the window (F1), or whose
 * turn came too late (F2), is skipped: it uses up no `seq`. So memory stays flat however long the
 * broker is away.
 */
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import type { DeviceId } from "@causeway/shared/names.ts";
import { deviceId } from "@causeway/shared/names.ts";
import { seededRandom } from "@causeway/shared/random.ts";
import type { Connection } from "./connection.ts";
import { Device } from "./device.ts";
import type { Fault, FaultLabel } from "./faults/fault.ts";
import type { ProfileName } from "./profiles/catalogue.ts";
import { profileOf } from "./profiles/catalogue.ts";
import type { Profile } from "./profiles/profile.ts";
import { modelOf } from "./profiles/profile.ts";
import type { Tally } from "./tally.ts";

export interface FleetMember {
  readonly name: DeviceId;
  readonly profile: Profile;
}

export interface FleetPlan {
  readonly members: readonly FleetMember[];
  readonly seed: string;
  readonly intervalMs: number;
  readonly faults: readonly Fault[];
  /** Both absent: until it is ended. */
  readonly durationMs?: number | undefined;
  /** Publishes of the whole fleet. */
  readonly publishesMax?: number | undefined;
}

export interface FleetPorts {
  readonly clock: Clock;
  /** Device i publishes on connection i modulo their number. */
  readonly connections: readonly Connection[];
  readonly tally: Tally;
  label(label: FaultLabel): void;
}

/** A sample may be late by this, or by one interval if that is more, before it is skipped (F2). */
const latenessMsMax = 1_000;

/** `<prefix>001`…, with as many digits as the last one needs and three at least. */
export function fleetMembers(
  prefix: string,
  count: number,
  profile: ProfileName,
): readonly FleetMember[] {
  const digits = Math.max(3, String(count).length);
  return Array.from({ length: count }, (_, index) => ({
    name: deviceId(prefix + String(index + 1).padStart(digits, "0")),
    profile: profileOf(profile, index),
  }));
}

/** One client id a device as long as there are connections enough, else names of shared ones. */
export function fleetClientIds(
  members: readonly FleetMember[],
  prefix: string,
  connectionsMax: number,
): readonly string[] {
  if (members.length <= connectionsMax) return members.map(({ name }) => name);
  return Array.from({ length: connectionsMax }, (_, index) => `${prefix}shared-${index + 1}`);
}

/** Ends when its time or count is reached, or when `signal` is aborted. */
export async function runFleet(
  plan: FleetPlan,
  ports: FleetPorts,
  signal: AbortSignal,
): Promise<void> {
  const fleet = new Fleet(plan, ports);
  while (!signal.aborted && !fleet.isOver) {
    fleet.catchUp();
    if (!fleet.isOver) await sleep(ports.clock, fleet.untilNextMs(), signal);
  }
}

class Fleet {
  readonly #plan: FleetPlan;
  readonly #ports: FleetPorts;
  readonly #devices: readonly Device[];
  /** Slot s is a sample of device s modulo N, due s·interval/N after the start. */
  readonly #slotMs: number;
  readonly #startBootMs: number;
  readonly #startWallMs: number;
  #slot = 0;
  #published = 0;

  constructor(plan: FleetPlan, ports: FleetPorts) {
    this.#plan = plan;
    this.#ports = ports;
    this.#devices = plan.members.map(({ name, profile }, index) => {
      const model = modelOf(profile, seededRandom(`${plan.seed}/${name}`));
      const faults = plan.faults.filter(({ device }) => device === index);
      return new Device(name, model, faults);
    });
    this.#slotMs = plan.intervalMs / plan.members.length;
    this.#startBootMs = ports.clock.bootMs();
    this.#startWallMs = ports.clock.wallMs();
  }

  get isOver(): boolean {
    const { durationMs = Infinity, publishesMax = Infinity } = this.#plan;
    return this.#published >= publishesMax || this.#elapsedMs() >= durationMs;
  }

  untilNextMs(): number {
    const { durationMs = Infinity } = this.#plan;
    const nextMs = Math.min(this.#slot * this.#slotMs, durationMs);
    return Math.max(0, Math.ceil(nextMs - this.#elapsedMs()));
  }

  /** Takes every sample that is due, each in its turn. */
  catchUp(): void {
    const elapsedMs = this.#elapsedMs();
    this.#skipMissed(elapsedMs);
    while (this.#slot * this.#slotMs <= elapsedMs && !this.isOver) {
      this.#take(this.#slot);
      this.#slot += 1;
    }
  }

  #elapsedMs(): number {
    return this.#ports.clock.bootMs() - this.#startBootMs;
  }

  /** F2: after a pause of the process, say a laptop asleep, the past is not made up for. */
  #skipMissed(elapsedMs: number): void {
    const lateMsMax = Math.max(this.#plan.intervalMs, latenessMsMax);
    const missed = Math.ceil((elapsedMs - lateMsMax) / this.#slotMs) - this.#slot;
    if (missed <= 0) return;
    this.#slot += missed;
    this.#ports.tally.skipped += missed;
  }

  #take(slot: number): void {
    const { connections, tally, clock } = this.#ports;
    const index = slot % this.#devices.length;
    const device = this.#devices[index];
    const connection = connections[index % connections.length];
    if (device === undefined || connection === undefined) return;
    const { metrics, onsets } = device.sample(slot * this.#slotMs);
    for (const { fault, occurrence } of onsets) {
      const { metric, kind, size } = fault;
      const from = Math.round(this.#startWallMs + occurrence.fromMs);
      const to = Math.round(this.#startWallMs + occurrence.toMs);
      this.#ports.label({ device: device.name, metric, kind, size, from, to });
    }
    if (!connection.hasRoom) {
      tally.skipped += 1; // F1
      return;
    }
    connection.publish(device.publish(metrics, clock.wallMs()));
    this.#published += 1;
  }
}
