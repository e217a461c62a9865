/** A real MQTT broker in the test's process, which can go away and come back on its port. */
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer } from "node:net";
import { Aedes } from "aedes";

export interface Arrived {
  readonly topic: string;
  readonly payload: string;
  /** The client said that it may have sent it before. */
  readonly dup: boolean;
}

/** What the hook's packets carry beyond aedes' types. */
interface HookPacket {
  readonly topic: string;
  readonly payload: string | Buffer;
  readonly dup?: boolean;
}

export class AedesBroker {
  readonly received: Arrived[] = [];
  readonly #sockets = new Set<Socket>();
  readonly #password: string | undefined;
  #broker: Aedes | undefined;
  #server: Server | undefined;
  #port = 0;
  #silentFrom = Infinity;
  #waiters: { readonly count: number; readonly resolve: () => void }[] = [];

  /** With a password every client needs it. */
  constructor(password?: string) {
    this.#password = password;
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.#port}`;
  }

  /** Opens it, at its port of last time where there was one. */
  async back(): Promise<void> {
    this.#silentFrom = Infinity;
    const broker = await Aedes.createBroker();
    this.#broker = broker;
    broker.authenticate = (_client, _user, password, done) => {
      done(null, this.#password === undefined || password?.toString() === this.#password);
    };
    broker.authorizePublish = (_client, packet, done) => {
      if (this.#arrived(packet) < this.#silentFrom) done(null);
    };
    const server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      broker.handle(socket);
    });
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject).listen(this.#port, "127.0.0.1", resolve);
    });
    this.#port = (server.address() as AddressInfo).port;
  }

  /** As a crash: sockets are cut, sessions forgotten. */
  async away(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    await new Promise<void>((resolve) => this.#broker?.close(() => resolve()));
  }

  /** After so many more publishes it acknowledges no more, until it comes back. */
  silence(after = 0): void {
    this.#silentFrom = this.received.length + after;
  }

  untilReceived(count: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.received.length >= count) resolve();
      else this.#waiters.push({ count, resolve });
    });
  }

  /** How many had arrived before it. */
  #arrived({ topic, payload, dup }: HookPacket): number {
    const before = this.received.length;
    this.received.push({ topic, payload: payload.toString(), dup: dup ?? false });
    for (const { count, resolve } of this.#waiters) {
      if (this.received.length >= count) resolve();
    }
    return before;
  }
}
