/** One client's connection: its bytes, what of it waits for the disk, and whether it keeps up. */
import type { Socket } from "node:net";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { Client } from "aedes";
import type { GuardVerdict } from "./packet-guard.ts";
import { PacketGuard } from "./packet-guard.ts";
import type { Repeats, Sender } from "./repeats.ts";
import { gatherWrites } from "./tcp-gather.ts";

/** What aedes' clients have beyond their types. */
export interface ClientInside {
  /** Reads on, unless packets of the chunk before are under way. */
  _nextBatch(): void;
  /** Set by a DISCONNECT packet. */
  readonly _disconnected: boolean;
  readonly subscriptions: Readonly<Record<string, { readonly qos: number }>>;
  waitForDrain(done: (failure: Error | null, client: Client) => void): void;
}

export function inside(client: Client): ClientInside {
  return client as unknown as ClientInside;
}

export interface ConnectionBounds {
  readonly packetBytesMax: number;
  /** Publishes of one client that wait for the disk; at the bound its socket is not read. */
  readonly inflightPerClientMax: number;
  /** How long a subscriber may take nothing. */
  readonly drainTimeoutMs: number;
  /** Beyond it QoS 0 is dropped. */
  readonly outgoingBytesSoftMax: number;
  /** Beyond it the subscriber is disconnected. */
  readonly outgoingBytesMax: number;
}

export interface ConnectionEvents {
  malformed(connection: Connection, verdict: Exclude<GuardVerdict, "fine">): void;
  frozen(connection: Connection): void;
}

export class Connection {
  readonly socket: Socket;
  readonly address: string;
  /** Set while the client is registered with the broker. */
  sender: Sender | undefined;
  /** The answer that its CONNECT earns before anybody asks who it is. */
  returnCode: number | undefined;
  hasWill = false;
  takenOverBy: string | undefined;
  /** What was queued for it is sent; what comes now may be sent as it comes. */
  isCaughtUp = false;
  readonly ended: Promise<void>;
  end: () => void = () => {};
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #bounds: ConnectionBounds;
  readonly #events: ConnectionEvents;
  readonly #repeats: Repeats;
  #waiting = 0;
  #isPaused = false;
  /** aedes asked for bytes while it was paused. */
  #isAskedFor = false;
  #stall: Cancel | undefined;

  constructor(
    socket: Socket,
    handle: (socket: Socket) => Client,
    parts: {
      readonly clock: Clock;
      readonly bounds: ConnectionBounds;
      readonly events: ConnectionEvents;
      readonly repeats: Repeats;
    },
  ) {
    this.socket = socket;
    this.address = `${socket.remoteAddress ?? "unknown"}:${socket.remotePort ?? 0}`;
    this.#clock = parts.clock;
    this.#bounds = parts.bounds;
    this.#events = parts.events;
    this.#repeats = parts.repeats;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
    this.#guard();
    gatherWrites(socket);
    this.#client = handle(socket);
    inside(this.#client).waitForDrain = (done) => this.#waitForDrain(done);
    socket.on("drain", () => this.#cancelStall());
    socket.once("close", () => this.#cancelStall());
  }

  get client(): Client {
    return this.#client;
  }

  get isClosed(): boolean {
    return this.#client.closed || this.socket.destroyed;
  }

  /** Publishes that wait for the disk. */
  get waiting(): number {
    return this.#waiting;
  }

  hold(): void {
    this.#waiting++;
  }

  letGo(): void {
    this.#waiting--;
  }

  /**
   * Reads on or not, by its own bound and that of all connections together. aedes' own `pause`
   * forgets the packets that end meanwhile, and may then never read again.
   */
  flow(isBrokerFull: boolean): void {
    const { inflightPerClientMax } = this.#bounds;
    if (!this.#isPaused) {
      this.#isPaused = isBrokerFull || this.#waiting >= inflightPerClientMax;
    } else if (!isBrokerFull && this.#waiting <= inflightPerClientMax / 2) this.#resume();
  }

  #resume(): void {
    this.#isPaused = false;
    const isAskedFor = this.#isAskedFor;
    this.#isAskedFor = false;
    if (isAskedFor && !this.isClosed) inside(this.#client)._nextBatch();
  }

  /** Whether its subscriber is behind by so much that QoS 0 is dropped. */
  get isBehind(): boolean {
    return this.socket.writableLength > this.#bounds.outgoingBytesSoftMax;
  }

  /** Resolves once more may be written, or the connection is closed. */
  async writable(): Promise<void> {
    while (this.socket.writableNeedDrain && !this.isClosed) {
      await new Promise<void>((resolve) => {
        const wake = () => {
          this.socket.off("drain", wake);
          this.socket.off("close", wake);
          resolve();
        };
        this.socket.once("drain", wake);
        this.socket.once("close", wake);
      });
    }
  }

  /** A publisher never waits for a subscriber: what is written waits here, bounded. */
  #waitForDrain(done: (failure: Error | null, client: Client) => void): void {
    this.#clock.soon(() => done(null, this.#client));
    if (this.socket.writableLength > this.#bounds.outgoingBytesMax) return this.#freeze();
    this.#stall ??= this.#clock.after(this.#bounds.drainTimeoutMs, () => this.#freeze());
  }

  #freeze(): void {
    if (this.socket.destroyed) return;
    this.#events.frozen(this);
    this.socket.destroy();
  }

  #cancelStall(): void {
    this.#stall?.();
    this.#stall = undefined;
  }

  /** aedes pulls by `read`, so every chunk passes here before its parser gathers anything. */
  #guard(): void {
    const { socket } = this;
    const guard = new PacketGuard(this.#bounds.packetBytesMax);
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      if (this.#isPaused) {
        this.#isAskedFor = true;
        return null;
      }
      const chunk: unknown = read(size);
      if (!(chunk instanceof Uint8Array)) return null;
      if (this.sender !== undefined) this.#repeats.heard(this.sender);
      const verdict = guard.check(chunk);
      if (verdict === "fine") return chunk;
      this.#events.malformed(this, verdict);
      socket.destroy();
      return null;
    };
  }
}
