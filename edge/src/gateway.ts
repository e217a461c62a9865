/**
 * Joins broker -> intake -> outbox -> uplink. It sees ports only, so a simulated world runs the same
 * code with memory parts.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Event } from "@causeway/shared/event.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import { isDeviceId } from "@causeway/shared/names.ts";
import type { Random } from "@causeway/shared/random.ts";
import { shown } from "@causeway/shared/shown.ts";
import type { BrokerNotice, Publish, SettlePublish } from "./broker/broker.ts";
import type { PresenceChange } from "./broker/presence.ts";
import type { IntakeCounters } from "./intake.ts";
import { Intake } from "./intake.ts";
import type { Outbox, OutboxUsage } from "./outbox/outbox.ts";
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
  readonly random: Random;
  readonly uplinkBounds: UplinkBounds;
  readonly heartbeatMs: number;
  readonly log: Logger;
}

export interface GatewayStatus {
  readonly gateway: string;
  readonly epoch: string;
  readonly synchronised: boolean;
  readonly intake: IntakeCounters;
  readonly outbox: OutboxUsage;
  readonly uplink: UplinkStatus;
  readonly pump: PumpCounters;
  /** Milliseconds since the cloud last took something; undefined while it never did. */
  readonly takenAgoMs: number | undefined;
}

/** No machine that runs this code is older: a clock before it was never set. */
const clockFloorMs = Date.UTC(2026, 0, 1);
const clockCheckEveryMs = 10_000;

export class Gateway {
  readonly #parts: GatewayParts;
  readonly #intake: Intake;
  readonly #pump: Pump;
  #heartbeat: Cancel | undefined;
  #clockCheck: Cancel | undefined;
  #stopped = false;

  constructor(parts: GatewayParts) {
    this.#parts = parts;
    this.#intake = new Intake(parts.outbox, parts.clock);
    this.#pump = new Pump({ ...parts, bounds: parts.uplinkBounds });
    parts.outbox.listen({
      epochOpened: (epoch) => this.#pump.feed({ kind: "epoch-opened", epoch }),
      appended: (epoch, log, last, bytes) =>
        this.#pump.feed({ kind: "appended", epoch, log, last, bytes }),
      poisoned: (failure) =>
        parts.log.error({ code: failure.code, reason: failure.message }, "outbox poisoned"),
    });
  }

  async start(): Promise<void> {
    await this.#fixClock();
    this.#system("started", `causeway-edge ${this.#parts.version}`, {});
    this.#scheduleHeartbeat();
  }

  publish(publish: Publish, settle: SettlePublish): void {
    this.#intake.publish(publish, settle);
  }

  notice(notice: BrokerNotice): void {
    this.#system(notice.name, notice.detail, {});
  }

  /** A client is told as the device of its name. */
  presence({ client, online, reason }: PresenceChange): void {
    const device = isDeviceId(client) ? client : null;
    const bootMs = this.#parts.clock.bootMs();
    const common = { device, topic: null, bootMs, observedAt: null };
    const event: Event = { kind: "presence", ...common, online, reason };
    this.#keep(event, `presence of ${shown(client)}`);
  }

  status(): GatewayStatus {
    const { gateway, outbox, clock } = this.#parts;
    const uplink = this.#pump.status();
    const takenAt = uplink.takenAtBootMs;
    return {
      gateway,
      epoch: outbox.run,
      synchronised: outbox.bootOffset(clock.bootId) !== undefined,
      intake: this.#intake.counters(),
      outbox: outbox.usage(),
      uplink,
      pump: this.#pump.counters(),
      takenAgoMs: takenAt === undefined ? undefined : Math.max(0, clock.bootMs() - takenAt),
    };
  }

  stop(): void {
    this.#stopped = true;
    this.#heartbeat?.();
    this.#clockCheck?.();
    this.#pump.stop();
  }

  /** A boot's offset to real time is fixed once, at the first time the clock can be believed. */
  async #fixClock(): Promise<void> {
    const { clock, outbox, log } = this.#parts;
    if (this.#stopped || outbox.bootOffset(clock.bootId) !== undefined) return;
    if (clock.wallMs() >= clockFloorMs) {
      try {
        await outbox.fixBootOffset(clock.bootId, clock.wallMs() - clock.bootMs());
        return;
      } catch (failure) {
        log.warn({ reason: reasonOf(failure) }, "the clock's offset could not be written");
      }
    } else {
      log.warn(
        { wallMs: clock.wallMs() },
        "the clock is not set; events are marked unsynchronised",
      );
    }
    this.#clockCheck = clock.after(clockCheckEveryMs, () => void this.#fixClock());
  }

  #scheduleHeartbeat(): void {
    this.#heartbeat = this.#parts.clock.after(this.#parts.heartbeatMs, () => {
      const { uplink, outbox, intake, takenAgoMs } = this.status();
      this.#system("heartbeat", "", {
        untakenEvents: uplink.untakenEvents,
        outboxBytes: outbox.bytes,
        appended: outbox.appended,
        quarantined: intake.quarantined,
        takenAgoMs: takenAgoMs ?? null,
      });
      this.#scheduleHeartbeat();
    });
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
