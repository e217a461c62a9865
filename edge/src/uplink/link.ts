/** The way to the cloud, as the uplink's pump sees it; nats-link.ts is the real one. */
import type { Mark } from "@causeway/shared/mark.ts";
import type { PublishFault, UplinkLane } from "./uplink.ts";

export type PublishOutcome =
  | { readonly kind: "stored" }
  | { readonly kind: "failed"; readonly fault: PublishFault; readonly reason: string };

export interface Link {
  /** Called with every change of the connection; the link reconnects by itself. */
  listen(listener: (state: "up" | "down") => void): void;
  /** Publishes in call order. Never rejects. */
  publish(
    lane: UplinkLane,
    headers: readonly [string, string][],
    body: Uint8Array,
  ): Promise<PublishOutcome>;
  /** The gateway's mark; undefined where the cloud has none. Rejects when it cannot be read. */
  readMark(): Promise<Mark | undefined>;
  close(): Promise<void>;
}
