/** The way to the cloud, as the uplink's pump sees it; nats-link.ts is the real one. */
import type { Mark } from "@causeway/shared/mark.ts";
import type { PublishFault } from "./fault.ts";
import type { UplinkLane } from "./uplink.ts";

export type PublishOutcome =
  | { readonly kind: "stored" }
  | { readonly kind: "failed"; readonly fault: PublishFault; readonly reason: string };

export interface Link {
  /** Called with every change of the connection, and why it is down; it reconnects by itself. */
  listen(listener: (state: "up" | "down", reason?: string) => void): void;
  /** Publishes in call order. Never rejects. The body is the link's from then on. */
  publish(
    lane: UplinkLane,
    headers: readonly [string, string][],
    body: Uint8Array,
  ): Promise<PublishOutcome>;
  /** The gateway's mark; undefined where the cloud has none. Rejects when it cannot be read. */
  readMark(): Promise<Mark | undefined>;
  /** Went both ways over all connections, TLS and TCP/IP included; absent where nobody counts. */
  carriedBytes?(): number;
  /** Breaks the connection, which may only seem to be one; a new one is dialled. */
  cut(): void;
  close(): Promise<void>;
}
