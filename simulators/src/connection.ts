/** What a simulated device needs of a broker; mqtt-connection.ts speaks MQTT. */
import type { DeviceId } from "@causeway/shared/names.ts";

/** One telemetry message of one device. */
export interface Publish {
  readonly device: DeviceId;
  readonly topic: string;
  readonly payload: string;
  /** Per device 1, 2, 3…; the payload carries it too. */
  readonly seq: number;
}

/**
 * C1 publishes reach the broker in the order of `publish`, also over reconnects.
 * C2 a publish counts as acknowledged only on its PUBACK, and is sent again until it has it.
 * C3 at most a window of publishes waits or is unacknowledged; beyond it `hasRoom` is false.
 */
export interface Connection {
  readonly hasRoom: boolean;
  /** Publishes that wait for the broker or for its acknowledgement. */
  readonly pending: number;
  start(): void;
  /** Only while there is room. */
  publish(publish: Publish): void;
  /** Resolves when fewer than `pendingMax` publishes are pending, or `signal` is aborted. */
  below(pendingMax: number, signal: AbortSignal): Promise<void>;
  /** Ends it, whether or not something is pending. */
  stop(): Promise<void>;
}

/** What a connection tells; the clock and the counting are the listener's. */
export interface ConnectionListener {
  online(): void;
  offline(reason: string): void;
  /** Handed to the broker for the first time. */
  sent(publish: Publish): void;
  /** `resends`: how often it may have been sent again; 0 where it surely was not. */
  acknowledged(publish: Publish, resends: number): void;
  /** QoS 0: written to the socket, which is all that is ever known of it. */
  written(publish: Publish): void;
  /** The broker let us in never and says that it will not: another try would be as vain. */
  refused(reason: string): void;
}

export type Connect = (clientId: string, listener: ConnectionListener) => Connection;

export function telemetryTopic(device: DeviceId): string {
  return `devices/${device}/telemetry`;
}
