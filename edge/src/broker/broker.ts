/** Where devices speak MQTT, as the gateway sees it; aedes-broker.ts is the real one. */
import type { CodedError } from "@causeway/shared/errors.ts";

export interface Publish {
  readonly client: string;
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: 0 | 1 | 2;
}

/** Without failure the device gets its acknowledgement; with one its connection is closed. */
export type SettlePublish = (failure: CodedError | undefined) => void;

/** What the broker tells besides publishes; it becomes a `system` event. */
export interface BrokerNotice {
  readonly name: "packet-too-large" | "packet-malformed" | "authentication-failed";
  readonly detail: string;
}

export interface BrokerListener {
  /** `settle` is called once per publish, in the order of the publishes. */
  publish(publish: Publish, settle: SettlePublish): void;
  notice(notice: BrokerNotice): void;
}

export interface BrokerAddress {
  readonly host: string;
  readonly port: number;
}

export interface BrokerStatus {
  readonly connections: number;
  readonly published: number;
  readonly refused: number;
}
