/**
 * Joins broker -> intake -> outbox -> uplink. It sees ports only, so a simulated world runs the same
 * code with memory parts.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { Event } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Routes } from "@causeway/shared/mapping/routes.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { isDeviceId } from "@causeway/shared/names.ts";
import type { Random } from "@causeway/shared/random.ts";
import { shown } from "@causeway/shared/shown.ts";
import { AdapterMemory } from "./adapter-memory.ts";
import type { BrokerNotice, Publish, SettlePublish } from "./broker/broker.ts";
import type { PresenceChange } from "./broker/presence.ts";
import type { FilterStatus, ReadingFilter } from "./filter/reading-filter.ts";
import type { Bound } from "./inspect/bound-watch.ts";
import { BoundWatch } from "./inspect/bound-watch.ts";
import type { InspectionFigures } from "./inspect/inspection.ts";
import { Inspection } from "./inspect/inspection.ts";
import type { IntakeCounters } from "./intake.ts";
import { Intake } from "./intake.ts";
import { KnownKeys } from "./mapping/known-keys.ts";
import type { Outbox, OutboxUsage } from "./outbox/outbox.ts";
import { budgetFields, budgetTroubles } from "./status/budget-figures.ts";
import { HeldLink } from "./time/held-link.ts";
import type { ClockStatus } from "./time/time-keeper.ts";
import { TimeKeeper } from "./time/time-keeper.ts";
import type { TimeSource } from "./time/time-source.ts";
import type { BudgetRecord } from "./uplink/budget-record.ts";
import type { Link } from "./uplink/link.ts";
import type { PumpCounters } from "./uplink/pump.ts";
import { Pump } from "./uplink/pump.ts";
import type { UplinkBounds, UplinkStatus } from "./uplink/uplink.ts";

export interface GatewayParts {
  readonly gateway: GatewayId;
  readonly version: string;
  readonly outbox: Outbox;
  readonly link: Link;
  readonly clock: Clock;
  /** Absent where the machine has a clock that runs while it is off. */
  readonly time?: GatewayTime;
  readonly random: Random;
  readonly uplinkBounds: UplinkBounds;
  /** Of what is sent; undefined where the cloud alone may set one. */
  readonly budget?: BudgetRecord | undefined;
  readonly heartbeatMs: number;
  readonly log: Logger;
  /** Judges what is kept by rules of its own. */
  readonly alarms?: LocalAlarms;
  /** Of topics; undefined where none has one. */
  readonly routes?: Routes | undefined;
  /** Keeps readings back. */
  readonly filter?: ReadingFilter | undefined;
  /** Takes what devices answer to commands; false where a publish is no answer. */
  readonly reply?: (publish: Publish, settle: SettlePublish) => boolean;
  /** What else is bounded, and how often something was beyond it. */
  readonly bounds?: () => readonly Bound[];
  /** Publishes to those who subscribe on the gateway's own broker. */
  readonly tell?: (topic: string, payload: Uint8Array) => void;
}

/** The gateway's own rules, as it sees them; alarms.ts has them. */
export interface LocalAlarms {
  /** Of the rules that it judges. */
  readonly names: readonly string[];
  /** Something is durable. */
  appended(): void;
}

export interface GatewayTime {
  readonly source: TimeSource;
  /** How long sending waits at most in a boot, once the link is up, for the clock to be set. */
  readonly waitMs: number;
}

export interface GatewayStatus {
  readonly gateway: string;
  readonly epoch: string;
  readonly clock: ClockStatus;
  readonly intake: IntakeCounters;
  readonly inspection: InspectionFigures;
  /** Undefined where nothing is filtered. */
  readonly filter: FilterStatus | undefined;
  readonly outbox: OutboxUsage;
  readonly uplink: UplinkStatus;
  readonly pump: PumpCounters;
  /** Milliseconds since the cloud last took something; undefined while it never did. */
  readonly takenAgoMs: number | undefined;
}

function steadySource(clock: Clock): TimeSource {
  return { isNtpSynchronised: () => false, hardwareMs: () => clock.wallMs() };
}

export class Gateway {
  readonly #parts: GatewayParts;
  readonly #memory: AdapterMemory;
  readonly #keys: KnownKeys;
  readonly inspection: Inspection;
  readonly #bounds = new BoundWatch((name, detail) => this.tell(name, detail));
  readonly #intake: Intake;
  readonly #time: TimeKeeper;
  readonly #link: HeldLink;
  readonly #pump: Pump;
  #heartbeat: Cancel | undefined;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    const { outbox, clock, log } = parts;
    this.#memory = new AdapterMemory(outbox.records);
    this.#keys = new KnownKeys(outbox.records);
    this.inspection = new Inspection({
      clock,
      presentMs: () => this.presentMs(),
      about: (topic) => this.#intake.about(topic),
      explain: (topic, payload) => this.#intake.explain(topic, payload),
      tell: (name, detail) => this.tell(name, detail),
    });
    this.#intake = new Intake({
      outbox,
      clock,
      memory: this.#memory,
      inspection: this.inspection,
      presentMs: () => this.presentMs(),
      tell: (topic, payload) => parts.tell?.(topic, payload),
      keys: this.#keys,
      notice: (name, detail) => this.tell(name, detail),
      routes: parts.routes,
      filter: parts.filter,
    });
    const { source, waitMs } = parts.time ?? { source: steadySource(clock), waitMs: 0 };
    const time = new TimeKeeper(
      { outbox, clock, source, log },
      {
        notice: ({ name, detail, fields }) => this.#system(name, detail, fields),
        dated: () => this.#link.release(),
      },
    );
    const mayPass = () => time.mayPass;
    const waited = () => time.waited();
    this.#time = time;
    this.#link = new HeldLink(parts.link, { clock, waitMs, mayPass, waited });
    const notice = (name: string, detail: string) => this.tell(name, detail);
    this.#pump = new Pump({ ...parts, link: this.#link, bounds: parts.uplinkBounds, notice });
    parts.outbox.listen({
      epochOpened: (epoch) => this.#pump.feed({ kind: "epoch-opened", epoch }),
      appended: (epoch, log, last, bytes) => {
        this.#pump.feed({ kind: "appended", epoch, log, last, bytes });
        parts.alarms?.appended();
      },
      poisoned: (failure) =>
        parts.log.error({ code: failure.code, reason: failure.message }, "outbox poisoned"),
    });
  }

  async start(): Promise<void> {
    await this.#memory.load(this.#parts.log);
    await this.#keys.load(this.#parts.log);
    await this.#time.start();
    const rules = this.#parts.alarms?.names.length ?? 0;
    const fields = rules === 0 ? {} : { rules };
    this.#system("started", `causeway-edge ${this.#parts.version}`, fields);
    this.#parts.filter?.start();
    this.#scheduleHeartbeat();
  }

  publish(publish: Publish, settle: SettlePublish): void {
    if (this.#parts.reply?.(publish, settle) === true) return this.inspection.replied(publish);
    this.#intake.publish(publish, settle);
  }

  useRoutes(routes: Routes): void {
    this.#intake.useRoutes(routes);
  }

  replay(topic: string, payload: Uint8Array): void {
    this.#intake.replay(topic, payload);
  }

  notice(notice: BrokerNotice): void {
    this.tell(notice.name, notice.detail);
  }

  /** As a `system` event. */
  tell(name: string, detail: string): void {
    this.#system(name, detail, {});
    this.inspection.notice(name, detail);
  }

  /** A client is told as the device of its name. */
  presence({ client, online, reason }: PresenceChange): void {
    const device = isDeviceId(client) ? client : null;
    const bootMs = this.#parts.clock.bootMs();
    const common = { device, topic: null, bootMs, observedAt: null };
    const event: Event = { kind: "presence", ...common, online, reason };
    if (device !== null) this.inspection.presence(device, online, reason);
    this.#keep(event, `presence of ${shown(client)}`);
  }

  status(): GatewayStatus {
    const { gateway, outbox, clock } = this.#parts;
    const uplink = this.#pump.status();
    const usage = outbox.usage();
    const takenAt = uplink.takenAtBootMs;
    return {
      gateway,
      epoch: outbox.run,
      clock: this.#time.status(),
      intake: this.#intake.counters(),
      inspection: this.inspection.figures(),
      filter: this.#parts.filter?.status(),
      outbox: { ...usage, drainMs: this.#drainMs(usage, uplink) },
      uplink: { ...uplink, troubles: this.#troubles(uplink) },
      pump: this.#pump.counters(),
      takenAgoMs: takenAt === undefined ? undefined : Math.max(0, clock.bootMs() - takenAt),
    };
  }

  /** The cloud stored a mark at this time, and it has been read now. */
  cloudTime(storedAtMs: number): void {
    this.#time.cloudTime(storedAtMs);
  }

  /** Real time; undefined while the clock is not set. */
  presentMs(): number | undefined {
    const { isDated, wallAheadMs } = this.#time.status();
    return isDated ? this.#parts.clock.wallMs() - wallAheadMs : undefined;
  }

  /** The least that the present can be, while the wall clock is not to be believed. */
  floorOfDoubtedClock(): number | undefined {
    return this.#time.floorOfDoubtedClock();
  }

  stop(): void {
    this.#heartbeat?.();
    this.#parts.filter?.stop();
    this.#time.stop();
    this.#link.stop();
    this.#pump.stop();
  }

  #troubles(uplink: UplinkStatus): readonly string[] {
    const waitsMs = this.#link.waitsMs;
    if (waitsMs === undefined) return [...uplink.troubles, ...budgetTroubles(uplink.budget)];
    return [`the link is up and waits for the clock, ${Math.ceil(waitsMs / 1_000)} s at most`];
  }

  /** What was measured of late says nothing of hours and days that are still to come. */
  #drainMs({ drainMs, backlog }: OutboxUsage, { link, budget }: UplinkStatus): number | undefined {
    const { capBytesPerSecond } = budget;
    const isBound = this.#parts.budget !== undefined || capBytesPerSecond !== undefined;
    if (!isBound || link !== "up") return drainMs;
    const planned = this.#pump.plannedDrainMs(backlog.telemetry.bytes + backlog.priority.bytes);
    if (planned === undefined || Object.keys(budget.holds).length > 0) return planned;
    return drainMs === undefined && planned === 0 ? undefined : Math.max(planned, drainMs ?? 0);
  }

  #scheduleHeartbeat(): void {
    this.#heartbeat = this.#parts.clock.after(this.#parts.heartbeatMs, () => {
      const { uplink, outbox, intake, filter, takenAgoMs, clock } = this.status();
      this.#bounds.look(this.#reached(), this.#parts.clock.bootMs());
      // It goes to the disk with the heartbeat.
      this.#time.save();
      this.#system("heartbeat", "", {
        clock: clock.isDated ? clock.quality : `undated, ${clock.quality}`,
        untakenEvents: uplink.untakenEvents,
        outboxBytes: outbox.bytes,
        appended: outbox.appended,
        quarantined: intake.quarantined,
        takenAgoMs: takenAgoMs ?? null,
        ...budgetFields(uplink.budget, outbox.drainMs),
        ...(filter === undefined ? {} : { suppressed: filter.suppressed, held: filter.held }),
      });
      this.#scheduleHeartbeat();
    });
  }

  #reached(): readonly Bound[] {
    const { givenUp, size } = this.#memory;
    const described = `${size} entries of what devices told of themselves are kept: the oldest are given up`;
    const own = { name: "described-bound", beyond: givenUp, detail: described };
    return [own, ...(this.#parts.bounds?.() ?? [])];
  }

  #system(name: string, detail: string, fields: Record<string, string | number | null>): void {
    const event: Event = {
      kind: "system",
      device: null,
      topic: null,
      bootMs: this.#parts.clock.bootMs(),
      observedAt: null,
      name,
      detail: detail.slice(0, 1_024),
      fields,
    };
    this.#keep(event, name);
  }

  #keep(event: Event, name: string): void {
    this.#parts.outbox.append("priority", event, (failure) => {
      if (failure !== undefined)
        this.#parts.log.warn({ name, reason: failure.message }, "system event not kept");
    });
  }
}
