/**
 * Dates what happens. Events carry the time since the machine booted, which never jumps; what a boot's
 * time is in real time is fixed here.
 *
 *   T1  A boot's offset to real time is fixed once, when the clock is believed, or from the cloud's
 *       marks when it stays wrong; it is synced before it is used.
 *   T2  A clock that is behind the newest time known is not believed, over restarts too.
 *   T3  A jump of the wall clock moves no event; it is told.
 */
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { reasonOf } from "@causeway/shared/errors.ts";
import type { Logger } from "@causeway/shared/log.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { CloudTime } from "./cloud-time.ts";
import type { ClockQuality } from "./judgement.ts";
import { builtMs, judge } from "./judgement.ts";
import type { KnownTime } from "./known-time.ts";
import {
  decodeKnownTime,
  floorOf,
  inThisBoot,
  knownTimeChange,
  knownTimeKey,
} from "./known-time.ts";
import type { TimeSource } from "./time-source.ts";

export interface TimeNotice {
  readonly name: "clock-jump" | "clock-synced";
  readonly detail: string;
  readonly fields: Record<string, string | number>;
}

export interface TimeListener {
  notice(notice: TimeNotice): void;
  /** The boot's offset is fixed. */
  dated(): void;
}

export interface ClockStatus {
  readonly quality: ClockQuality;
  /** Whether this boot's offset is fixed; else events go undated. */
  readonly isDated: boolean;
  /** How far the wall clock is ahead of the time by which events are dated; 0 while they are not. */
  readonly wallAheadMs: number;
  /** Of the wall clock, since the start. */
  readonly jumps: number;
}

interface TimeParts {
  readonly outbox: Pick<Outbox, "bootOffset" | "fixBootOffset" | "records">;
  readonly clock: Clock;
  readonly source: TimeSource;
  readonly log: Logger;
}

const lookEveryMs = 10_000;
const lookEveryMsUndated = 2_000;
/** Both clocks are slewed alike, so only steps part them. */
const stepMs = 1_000;
/** NTP is waited for so long before the cloud's marks date the boot, which is less exact. */
const cloudAfterMs = 120_000;
const cloudWithinMs = 10_000;
const wrongMs = 60_000;

export class TimeKeeper {
  readonly #parts: TimeParts;
  readonly #listener: TimeListener;
  readonly #cloud = new CloudTime();
  #found: KnownTime | undefined;
  #boot: Pick<KnownTime, "earlierMs" | "waited"> = { earlierMs: undefined, waited: false };
  #quality: ClockQuality = "behind";
  /** Wall clock minus boot time, as it was last believed to stand. */
  #wallOffsetMs: number;
  #candidateMs: number | undefined;
  #steppedForward = false;
  #jumps = 0;
  #cloudSinceMs: number | undefined;
  #next: Cancel | undefined;
  #stopped = false;

  constructor(parts: TimeParts, listener: TimeListener) {
    this.#parts = parts;
    this.#listener = listener;
    this.#wallOffsetMs = this.#offsetNow();
  }

  /** Resolves after the first look; a boot that can be dated is dated then. */
  async start(): Promise<void> {
    const { records } = this.#parts.outbox;
    records.keep({
      seal: () => [],
      restore: (keys) =>
        keys.some((key) => knownTimeKey.equals(key)) ? [knownTimeChange(this.#known())] : [],
    });
    const range = { from: knownTimeKey, until: Buffer.from("u"), countMax: 1 };
    const [entry] = await records.scan(range);
    this.#found = decodeKnownTime(entry?.[1]);
    this.#boot = inThisBoot(this.#found, this.#parts.clock);
    await this.#look(true);
  }

  stop(): void {
    this.#stopped = true;
    this.#next?.();
    this.save();
  }

  /** Keeps the newest time as the floor of later processes. */
  save(): void {
    this.#parts.outbox.records.write([knownTimeChange(this.#known())]);
  }

  status(): ClockStatus {
    const offsetMs = this.#datedOffset();
    return {
      quality: this.#quality,
      isDated: offsetMs !== undefined,
      wallAheadMs: offsetMs === undefined ? 0 : this.#offsetNow() - offsetMs,
      jumps: this.#jumps,
    };
  }

  /** Whether what is sent need not wait for the clock any more. */
  get mayPass(): boolean {
    return this.#datedOffset() !== undefined || this.#boot.waited;
  }

  /** Waited in vain: nothing waits again in this boot. */
  waited(): void {
    this.#boot = { ...this.#boot, waited: true };
    this.save();
  }

  /** The cloud stored a mark at `storedAtMs`, and it has been read now. */
  cloudTime(storedAtMs: number): void {
    const bootMs = this.#parts.clock.bootMs();
    this.#cloudSinceMs ??= bootMs;
    this.#cloud.read(storedAtMs, bootMs);
  }

  /** The least that the present can be, while the wall clock is behind it or not to be believed. */
  floorOfDoubtedClock(): number | undefined {
    const { clock } = this.#parts;
    const floorMs = this.#floorMs();
    if (this.#datedOffset() === undefined) {
      const isBehind = clock.wallMs() < builtMs || this.#quality === "behind";
      return isBehind || this.#quality === "restored" ? floorMs : undefined;
    }
    return clock.wallMs() < floorMs - wrongMs ? floorMs : undefined;
  }

  #datedOffset(): number | undefined {
    return this.#parts.outbox.bootOffset(this.#parts.clock.bootId);
  }

  #offsetNow(): number {
    const { clock } = this.#parts;
    return clock.wallMs() - clock.bootMs();
  }

  #floorMs(): number {
    const { clock } = this.#parts;
    const offsetMs = this.#datedOffset();
    if (offsetMs !== undefined) return offsetMs + clock.bootMs();
    return Math.max(floorOf(this.#found, clock), this.#cloud.bounds.lowMs + clock.bootMs());
  }

  #known(): KnownTime {
    const { bootId } = this.#parts.clock;
    const bootMs = this.#parts.clock.bootMs();
    return { knownMs: this.#floorMs(), bootId, bootMs, ...this.#boot };
  }

  async #look(isFirst: boolean): Promise<void> {
    const isSteady = this.#followWall();
    if (isSteady) await this.#dateWhenDue(isFirst);
    if (this.#stopped) return;
    const everyMs = this.#datedOffset() === undefined ? lookEveryMsUndated : lookEveryMs;
    this.#next = this.#parts.clock.after(everyMs, () => void this.#look(false));
  }

  /** T3; a step counts once a second look finds it, for a machine that woke corrects boot time late. */
  #followWall(): boolean {
    const offsetMs = this.#offsetNow();
    const byMs = offsetMs - this.#wallOffsetMs;
    if (Math.abs(byMs) < stepMs) {
      this.#wallOffsetMs = offsetMs;
      this.#candidateMs = undefined;
      return true;
    }
    const isConfirmed = Math.abs(offsetMs - (this.#candidateMs ?? Number.NaN)) < stepMs;
    this.#candidateMs = isConfirmed ? undefined : offsetMs;
    if (!isConfirmed) return false;
    this.#wallOffsetMs = offsetMs;
    this.#steppedForward ||= byMs > 0;
    this.#jumps++;
    const direction = byMs > 0 ? "forward" : "back";
    const detail = `the clock was set ${direction} by ${Math.abs(byMs)} ms`;
    this.#parts.log.warn({ byMs }, "the clock jumped");
    this.#listener.notice({ name: "clock-jump", detail, fields: { byMs } });
    return true;
  }

  /** T1, T2. */
  async #dateWhenDue(isFirst: boolean): Promise<void> {
    const { clock, log } = this.#parts;
    const before = this.#quality;
    this.#quality = this.#judge();
    if (this.#datedOffset() !== undefined) return;
    if (this.#quality === "set") return this.#fix(this.#offsetNow(), "clock", isFirst);
    const byCloud = this.#offsetByCloud();
    if (byCloud !== undefined) return this.#fix(byCloud, "cloud", isFirst);
    if (!isFirst && before === this.#quality) return;
    const told = { quality: this.#quality, wallMs: clock.wallMs(), floorMs: this.#floorMs() };
    log.warn(told, "the clock is not believed; events are sent undated until it is set");
  }

  #judge(): ClockQuality {
    const { clock, source } = this.#parts;
    const offsetMs = this.#datedOffset();
    if (offsetMs !== undefined) {
      const aheadMs = this.#offsetNow() - offsetMs;
      if (Math.abs(aheadMs) <= wrongMs) return "set";
      return aheadMs > 0 ? "ahead" : "behind";
    }
    return judge({
      wallMs: clock.wallMs(),
      bootMs: clock.bootMs(),
      floorMs: floorOf(this.#found, clock),
      earlierBootMs: this.#boot.earlierMs,
      steppedForward: this.#steppedForward,
      isNtpSynchronised: source.isNtpSynchronised(),
      hardwareMs: source.hardwareMs(),
      cloud: this.#cloud.bounds,
    });
  }

  #offsetByCloud(): number | undefined {
    const { lowMs, highMs } = this.#cloud.bounds;
    const forMs = this.#parts.clock.bootMs() - (this.#cloudSinceMs ?? Number.POSITIVE_INFINITY);
    if (highMs - lowMs > cloudWithinMs || forMs < cloudAfterMs) return undefined;
    return Math.round((lowMs + highMs) / 2);
  }

  async #fix(offsetMs: number, by: "clock" | "cloud", isFirst: boolean): Promise<void> {
    const { clock, outbox, log } = this.#parts;
    try {
      await outbox.fixBootOffset(clock.bootId, offsetMs);
    } catch (failure) {
      log.warn({ reason: reasonOf(failure) }, "the clock's offset could not be written");
      return;
    }
    this.#quality = this.#judge();
    this.save();
    if (!isFirst) {
      log.info({ offsetMs, by }, "the clock is set");
      const detail = `events are dated by the ${by === "clock" ? "clock" : "cloud's marks"}`;
      this.#listener.notice({ name: "clock-synced", detail, fields: { offsetMs, by } });
    }
    this.#listener.dated();
  }
}
