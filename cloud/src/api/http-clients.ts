/**
 * The open connections of /api/stream, those of one filter together. One tick serves them all; while
 * nobody listens there is none. A client that does not read what it is sent is dropped at
 * `bufferBytesMax` and comes back with the id of what it has.
 */
import type { ServerResponse } from "node:http";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import type { LiveStream, StreamId } from "./live-stream.ts";
import { tickMs } from "./live-stream.ts";

export const clientsMax = 100;
export const bufferBytesMax = 4 * 1_024 * 1_024;

interface Group {
  readonly stream: LiveStream;
  readonly clients: Set<ServerResponse>;
}

export interface NewClient {
  /** Its head was written already. */
  readonly response: ServerResponse;
  /** The same for the same filter. */
  readonly key: string;
  readonly open: () => LiveStream;
  readonly id: StreamId | undefined;
  /** The journal still holds what the id names. */
  readonly isKnown: boolean;
  /** For the first frame. */
  readonly more: object;
}

export class HttpClients {
  readonly #clock: Clock;
  readonly #groups = new Map<string, Group>();
  #timer: Cancel | undefined;
  #dropped = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get count(): number {
    let count = 0;
    for (const { clients } of this.#groups.values()) count += clients.size;
    return count;
  }

  /** Clients that were too slow. */
  get dropped(): number {
    return this.#dropped;
  }

  get isFull(): boolean {
    return this.count >= clientsMax;
  }

  add({ response, key, open, id, isKnown, more }: NewClient): void {
    const group = this.#group(key, open);
    if (group.stream.isOver) this.#beginAnew(group);
    if (group.clients.size === 0) group.stream.restart();
    group.clients.add(response);
    response.on("close", () => this.#remove(key, response));
    response.on("error", () => this.#remove(key, response));
    this.#send(group, response, group.stream.connect(id, isKnown, more));
    this.#schedule();
  }

  /** Ends every connection at once. */
  close(): void {
    for (const group of this.#groups.values()) end(group);
    this.#groups.clear();
    this.#timer?.();
    this.#timer = undefined;
  }

  #group(key: string, open: () => LiveStream): Group {
    const known = this.#groups.get(key);
    if (known !== undefined) return known;
    const made = { stream: open(), clients: new Set<ServerResponse>() };
    this.#groups.set(key, made);
    return made;
  }

  #beginAnew(group: Group): void {
    end(group);
    group.stream.restart();
  }

  #schedule(): void {
    this.#timer ??= this.#clock.after(tickMs, () => {
      this.#timer = undefined;
      for (const [key, group] of this.#groups) this.#tick(key, group);
      if (this.#groups.size > 0) this.#schedule();
    });
  }

  #tick(key: string, group: Group): void {
    if (group.stream.isOver) this.#beginAnew(group);
    if (group.clients.size === 0) this.#groups.delete(key);
    const frames = group.clients.size > 0 ? group.stream.tick() : "";
    if (frames === "") return;
    for (const client of group.clients) this.#send(group, client, frames);
  }

  #send({ clients }: Group, client: ServerResponse, frames: string): void {
    client.write(frames);
    if (client.writableLength <= bufferBytesMax) return;
    this.#dropped++;
    client.destroy();
    clients.delete(client);
  }

  #remove(key: string, client: ServerResponse): void {
    this.#groups.get(key)?.clients.delete(client);
  }
}

function end({ clients }: Group): void {
  for (const client of clients) client.destroy();
  clients.clear();
}
