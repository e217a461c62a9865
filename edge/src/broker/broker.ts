/** Where devices speak MQTT, as the gateway sees it; aedes-broker.ts is the real one. */
import type { CodedError } from "@causeway/shared/errors.ts";
import type { Companion } from "../outbox/companions.ts";
import type { PresenceChange } from "./presence.ts";
import type { SessionCounters } from "./sessions.ts";

export interface Publish {
  readonly client: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
  /** Goes to the disk with what the publish becomes. */
  readonly companion?: Companion;
  /** Publishes where it came from, if that is not the gateway's own broker. */
  readonly tell?: (topic: string, payload: Uint8Array) => void;
}

/** Without failure the device gets its acknowledgement; with one its connection is closed. */
export type SettlePublish = (failure: CodedError | undefined) => void;

/** What the broker tells besides publishes; it becomes a `system` event. */
export interface BrokerNotice {
  readonly name:
    | "packet-too-large"
    | "packet-malformed"
    | "authentication-failed"
    | "client-takeover-loop"
    | "subscriber-frozen"
    | "login-throttled"
    | "tls-failed"
    | "connect-denied"
    | "publish-denied"
    | "subscribe-denied"
    | "source-session-lost"
    | "source-subscription"
    | "source-message-too-large"
    | "connections-full"
    | "connections-throttled"
    | "retained-full";
  readonly detail: string;
}

export interface BrokerListener {
  /** `settle` is called once per publish, in the order of the publishes. */
  publish(publish: Publish, settle: SettlePublish): void;
  /** A retained message, which came when it was new. */
  replay?(topic: string, payload: Uint8Array): void;
  notice(notice: BrokerNotice): void;
  presence(change: PresenceChange): void;
}

export interface BrokerStatus extends SessionCounters {
  readonly connections: number;
  readonly published: number;
  readonly refused: number;
  /** Repeats of QoS 1 publishes that were events already. */
  readonly folded: number;
  /** Publishes that the ACL does not allow. */
  readonly deniedPublishes: number;
  readonly deniedSubscribes: number;
  /** QoS 0 publishes that the outbox refused. */
  readonly droppedPublishes: number;
  /** QoS 0 messages that a subscriber was too slow for. */
  readonly droppedDeliveries: number;
  readonly retained: number;
  readonly retainedRefused: number;
  readonly presenceLeftOut: number;
  /** Client ids that several clients throw each other out by. */
  readonly sharedIds: number;
}
