/** Stream ENGINE as the notifier sees it; nats-alert-reading.ts is the real one. */
import type { AlertTransition } from "../alert/alert.ts";
import type { AddressedReport } from "./report-message.ts";

/** Of a message on `alert.>`. */
export interface AlertPlaceInStream {
  readonly sequence: number;
  /** Tells it from any other message at the same sequence; "" where there was none. */
  readonly identity: string;
}

export interface ReadAlerts {
  readonly place: AlertPlaceInStream;
  /** Each says when it became known. */
  readonly transitions: readonly AlertTransition[];
  /** In place of transitions. */
  readonly report?: AddressedReport;
}

export interface AlertReading {
  /** Sequence of the last message; 0 where there is none. */
  end(): Promise<number>;
  /** In order, until the signal is aborted; throws where it was interrupted. */
  follow(after: number, signal: AbortSignal): AsyncIterable<ReadAlerts>;
  /** Whether the stream still has the message of that place. */
  isThere(place: AlertPlaceInStream): Promise<boolean>;
  /** All that fires by the stream's messages, and the place of the last of them. */
  fold(): Promise<{
    readonly place: AlertPlaceInStream;
    readonly firing: ReadonlyMap<string, AlertTransition>;
  }>;
  /** Of these alerts, those that fire by the engine's own state; their messages may be too old. */
  stillOpen(ids: ReadonlySet<string>): Promise<ReadonlySet<string>>;
  /** Of these gateways, those that owe nothing of their history. */
  historyTaken(gateways: readonly string[]): Promise<ReadonlySet<string>>;
  /** How far a receiver was told before there was a ledger; undefined where it was not. */
  former(receiver: string): Promise<number | undefined>;
  forgetFormer(receiver: string): Promise<void>;
}
