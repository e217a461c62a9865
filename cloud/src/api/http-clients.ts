/**
 * The open connections of /api/stream. One tick serves them all; while nobody listens there is
 * none. A client that does not read what it is sent is dropped at `bufferBytesMax` and comes back
 * with the id of what it has.
 */
import type { ServerResponse } from "node:http";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { LiveStream } from "./live-stream.ts";
import { tickMs } from "./live-stream.ts";

export const clientsMax = 100;
export const bufferBytesMax = 4 * 1_024 * 1_024;

export class HttpClients {
  readonly #stream: LiveStream;
  readonly #clock: Clock;
  readonly #clients = new Set<ServerResponse>();
  #timer: Cancel | undefined;
  #dropped = 0;

  constructor(stream: LiveStream, clock: Clock) {
    this.#stream = stream;
    this.#clock = clock;
  }

  get count(): number {
    return this.#clients.size;
  }

  /** Clients that were too slow. */
  get dropped(): number {
    return this.#dropped;
  }

  get isFull(): boolean {
    return this.#clients.size >= clientsMax;
  }

  /** The head was written already. */
  add(client: ServerResponse, lastEventId: string | undefined): void {
    if (this.#stream.isOver) this.#beginAnew();
    if (this.#clients.size === 0) this.#stream.restart();
    this.#clients.add(client);
    client.on("close", () => this.#remove(client));
    client.on("error", () => this.#remove(client));
    this.#send(client, this.#stream.connect(lastEventId));
    this.#schedule();
  }

  /** Ends every connection at once. */
  close(): void {
    for (const client of this.#clients) client.destroy();
    this.#clients.clear();
    this.#timer?.();
    this.#timer = undefined;
  }

  #beginAnew(): void {
    this.close();
    this.#stream.restart();
  }

  #schedule(): void {
    this.#timer ??= this.#clock.after(tickMs, () => {
      this.#timer = undefined;
      this.#tick();
      if (this.#clients.size > 0) this.#schedule();
    });
  }

  #tick(): void {
    if (this.#stream.isOver) this.#beginAnew();
    const frames = this.#clients.size > 0 ? this.#stream.tick() : "";
    if (frames === "") return;
    for (const client of this.#clients) this.#send(client, frames);
  }

  #send(client: ServerResponse, frames: string): void {
    client.write(frames);
    if (client.writableLength <= bufferBytesMax) return;
    this.#dropped++;
    client.destroy();
    this.#remove(client);
  }

  #remove(client: ServerResponse): void {
    this.#clients.delete(client);
  }
}
