/** Who takes commands on the MQTT side, as the downlink sees it; aedes-commands.ts is the real one. */
import type { Change } from "../outbox/store.ts";
import type { Places } from "./downlink.ts";

export interface DeviceMessage {
  /** Of the command. */
  readonly id: string;
  readonly device: string;
  readonly topic: string;
  readonly payload: Buffer;
}

/** How it would get there: what is queued for sessions, and who is connected. */
export interface Offer {
  readonly places: Places;
  /** Goes to the disk with the places. */
  readonly changes: readonly Change[];
  /** Whether the changes are durable; the places that are gone all the same. */
  settle(isDurable: boolean): readonly string[];
  /** Sends it to those connected; how many of them have no queue, and are to acknowledge it. */
  send(): number;
}

export interface CommandBrokerListener {
  /** A client acknowledged it, or it left for one that subscribed with QoS 0. */
  acknowledged(id: string, client: string): void;
  /** A way to the device ended without that: a queue's where `client` is named. */
  lost(id: string, client?: string): void;
  /** A client subscribed to these filters, or came back with them. */
  wanted(filters: readonly string[]): void;
}

export interface CommandBroker {
  listen(listener: CommandBrokerListener): void;
  /** Undefined where nobody takes it now. */
  offer(message: DeviceMessage): Offer | undefined;
  /** Follows what was queued by an earlier process; the places that are there no more. */
  rejoin(id: string, places: Places): readonly string[];
  /** Takes it out of queues: goes with its ending. */
  withdraw(places: Places): readonly Change[];
}
