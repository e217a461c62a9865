/** A link to a cloud in memory that takes everything at once, and notes what it was sent. */
import { decodeBody, decodeHead, expandBody } from "@causeway/shared/batch-codec.ts";
import type { Event, Log } from "@causeway/shared/event.ts";
import type { Mark } from "@causeway/shared/mark.ts";
import { emptyLogLedger } from "@causeway/shared/mark.ts";
import type { Link, PublishOutcome } from "../uplink/link.ts";

export interface Arrived {
  readonly epoch: string;
  readonly log: Log;
  readonly position: number;
  readonly event: Event;
  /** As the cloud computes it; undefined where the event is undated. */
  readonly receivedAt: number | undefined;
}

export class MemoryLink implements Link {
  readonly arrived: Arrived[] = [];
  readonly #through = new Map<string, Record<Log, number>>();
  readonly #markRead: () => void;
  #listener: (state: "up" | "down", reason?: string) => void = () => {};
  #commit = 0;

  constructor(markRead: () => void = () => {}) {
    this.#markRead = markRead;
  }

  get commit(): number {
    return this.#commit;
  }

  listen(listener: (state: "up" | "down", reason?: string) => void): void {
    this.#listener = listener;
  }

  tell(state: "up" | "down"): void {
    this.#listener(state, state === "down" ? "cut" : undefined);
  }

  async publish(
    _lane: string,
    headers: readonly [string, string][],
    bytes: Uint8Array,
  ): Promise<PublishOutcome> {
    const { epoch, log, from, to } = decodeHead(
      (name) => headers.find(([known]) => known === name)?.[1],
    );
    const { blocks, boots } = decodeBody(expandBody(bytes));
    const row = this.#through.get(epoch) ?? { telemetry: 0, priority: 0 };
    this.#through.set(epoch, row);
    this.#commit++;
    if (from > row[log] + 1) return { kind: "stored" };
    for (const { bootId, items } of blocks) {
      const offset = boots[bootId] ?? undefined;
      for (const { from: position, event } of items) {
        if (event === undefined || position <= row[log]) continue;
        const receivedAt = offset === undefined ? undefined : offset + event.bootMs;
        this.arrived.push({ epoch, log, position, event, receivedAt });
      }
    }
    row[log] = Math.max(row[log], to);
    return { kind: "stored" };
  }

  async readMark(): Promise<Mark | undefined> {
    if (this.#commit === 0) return undefined;
    this.#markRead();
    const epochs = [...this.#through].map(([epoch, { telemetry, priority }]) => ({
      epoch,
      logs: {
        telemetry: { ...emptyLogLedger, through: telemetry },
        priority: { ...emptyLogLedger, through: priority },
      },
    }));
    const more = { gateway: "gw", run: undefined, doubts: [], cap: undefined };
    return { commit: this.#commit, epochs, ...more };
  }

  cut(): void {
    this.tell("down");
  }

  async close(): Promise<void> {}
}
