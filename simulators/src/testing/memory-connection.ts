/** A broker in memory and its connections: what the real ones promise, without a socket. */
import type { Connection, ConnectionListener, Publish } from "../connection.ts";

export class MemoryBroker {
  /** Everything that arrived, also what came again. */
  readonly received: Publish[] = [];
  readonly #connections: MemoryConnection[] = [];
  #here = true;
  #silent = false;

  get isHere(): boolean {
    return this.#here;
  }

  connect(windowMax: number, listener: ConnectionListener): Connection {
    const connection = new MemoryConnection(this, windowMax, listener);
    this.#connections.push(connection);
    return connection;
  }

  /** Whether it is acknowledged. */
  take(publish: Publish): boolean {
    this.received.push(publish);
    return !this.#silent;
  }

  /** From now on it takes publishes without acknowledging them. */
  silence(): void {
    this.#silent = true;
  }

  away(): void {
    this.#here = false;
    for (const connection of this.#connections) connection.lost();
  }

  back(): void {
    this.#here = true;
    this.#silent = false;
    for (const connection of this.#connections) connection.start();
  }
}

interface Sent {
  readonly publish: Publish;
  readonly onSession: number;
}

class MemoryConnection implements Connection {
  readonly #broker: MemoryBroker;
  readonly #windowMax: number;
  readonly #listener: ConnectionListener;
  #waiting: Publish[] = [];
  #unacknowledged: Sent[] = [];
  #sessions = 0;
  readonly #waiters = new Set<() => void>();

  constructor(broker: MemoryBroker, windowMax: number, listener: ConnectionListener) {
    this.#broker = broker;
    this.#windowMax = windowMax;
    this.#listener = listener;
  }

  get pending(): number {
    return this.#waiting.length + this.#unacknowledged.length;
  }

  get hasRoom(): boolean {
    return this.pending < this.#windowMax;
  }

  start(): void {
    if (!this.#broker.isHere) {
      this.#listener.offline("the broker is away");
      return;
    }
    this.#sessions += 1;
    const again = this.#unacknowledged;
    this.#unacknowledged = [];
    for (const sent of again) this.#send(sent);
    this.#listener.online();
    this.#pump();
  }

  lost(): void {
    this.#listener.offline("the broker went away");
  }

  publish(publish: Publish): void {
    this.#waiting.push(publish);
    this.#pump();
  }

  below(pendingMax: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (this.pending >= pendingMax && !signal.aborted) return;
        this.#waiters.delete(look);
        resolve();
      };
      this.#waiters.add(look);
      signal.addEventListener("abort", look, { once: true });
      look();
    });
  }

  async stop(): Promise<void> {}

  #pump(): void {
    if (!this.#broker.isHere) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const publish of waiting) {
      this.#listener.sent(publish);
      this.#send({ publish, onSession: this.#sessions });
    }
    for (const look of this.#waiters) look();
  }

  #send(sent: Sent): void {
    const { publish, onSession } = sent;
    if (this.#broker.take(publish))
      this.#listener.acknowledged(publish, this.#sessions - onSession);
    else this.#unacknowledged.push(sent);
  }
}
