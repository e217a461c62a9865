/** What the gateway knows of a device by what came of it. */
import { Activity } from "./activity.ts";
import type { Row } from "./rows.ts";

export class DeviceRow implements Row {
  readonly device: string;
  readonly activity: Activity;
  isGone = false;
  /** Who published for it last: an MQTT client, or a source. */
  client = "";
  isFromSource = false;
  /** Of its last message; "" before the first. */
  topic = "";
  /** Names of its metrics, as far as there is room. */
  readonly metrics = new Set<string>();
  hasMetricsBeyond = false;
  /** What was said of it last; undefined where nothing was. */
  isOnline: boolean | undefined;
  presenceReason = "";
  presenceMs = 0;

  constructor(device: string, nowMs: number) {
    this.device = device;
    this.activity = new Activity(nowMs);
  }

  get lastMs(): number {
    return Math.max(this.activity.lastMs, this.presenceMs);
  }

  tellPresence(isOnline: boolean, reason: string, nowMs: number): void {
    this.isOnline = isOnline;
    this.presenceReason = reason;
    this.presenceMs = nowMs;
  }
}
