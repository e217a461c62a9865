/**
 * A TCP proxy that treats connections as bad links do: cut, reset, silent, slow.
 *
 *   X1  Bytes of a direction keep their order and are passed once, or they vanish.
 *   X2  A connection that lost bytes never carries bytes of that direction again: it is reset when
 *       they would flow again, as TCP itself would not go on after a hole.
 *   X3  While a direction is swallowed its endings are too: neither side learns of the other's.
 */
import type { Server, Socket } from "node:net";
import { connect, createServer } from "node:net";
import type { Cancel, Clock } from "@causeway/shared/clock.ts";
import { CodedError, reasonOf } from "@causeway/shared/errors.ts";
import type { Random } from "@causeway/shared/random.ts";
import type { Conditions, CutAfter, Direction } from "./conditions.ts";
import { calm, isSwallowed } from "./conditions.ts";
import type { ConnectFront } from "./http-connect.ts";
import { accept, refuse, wantedOf } from "./http-connect.ts";
import { Pacing } from "./pacing.ts";

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface ProxyParts {
  readonly listen: Address;
  /** Where all clients go, or that they say so themselves, by CONNECT. */
  readonly target: Address | ConnectFront;
  readonly clock: Clock;
  readonly random: Random;
}

export interface ProxyCounters {
  /** Ever accepted. */
  readonly connections: number;
  readonly open: number;
  /** Connections ended by the proxy, in whatever way. */
  readonly cuts: number;
  /** Bytes that got another value. */
  readonly corrupted: number;
  /** CONNECTs that were answered with a no. */
  readonly denied: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly bytesSwallowed: number;
}

/** What waits in one direction of one connection; beyond it the sender is held back. */
const waitingBytesMax = 1_024 * 1_024;

export class TcpProxy {
  readonly #parts: ProxyParts;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  /** Clients that are asked where they want to go, or were. */
  readonly #met = new Set<Socket>();
  #conditions: Conditions = calm;
  readonly counted = {
    ...{ connections: 0, cuts: 0, corrupted: 0, denied: 0 },
    ...{ up: 0, down: 0, swallowed: 0 },
  };

  constructor(parts: ProxyParts) {
    this.#parts = parts;
    this.#server = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  }

  /** Throws CLI_USAGE: the address was given on the command line. */
  async start(): Promise<void> {
    const { host, port } = this.#parts.listen;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (failure) =>
        reject(new CodedError("CLI_USAGE", `--listen ${host}:${port}: ${reasonOf(failure)}`)),
      );
      this.#server.listen(port, host, resolve);
    });
  }

  async stop(): Promise<void> {
    this.reset();
    for (const client of this.#met) client.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  }

  get conditions(): Conditions {
    return this.#conditions;
  }

  /** X2. */
  set(change: Partial<Conditions>): void {
    this.#conditions = { ...this.#conditions, ...change };
    for (const link of this.#links) if (link.wouldFlowAgain) link.end("reset");
  }

  counters(): ProxyCounters {
    const { connections, cuts, corrupted, denied, up, down, swallowed } = this.counted;
    const bytes = { bytesUp: up, bytesDown: down, bytesSwallowed: swallowed };
    return { connections, open: this.#links.size, cuts, corrupted, denied, ...bytes };
  }

  /** Ends every connection in order; what waits for its delay is lost. */
  cut(): void {
    for (const link of this.#links) link.end("cut");
  }

  reset(): void {
    for (const link of this.#links) link.end("reset");
  }

  /** How many bytes of a burst pass before its connection is cut; undefined where it is not. */
  takeCut(direction: Direction, burstBytes: number): number | undefined {
    const { cutAfter, cutShare } = this.#conditions;
    if (isMet(cutAfter, direction, burstBytes)) {
      this.#conditions = { ...this.#conditions, cutAfter: undefined };
      return cutAfter?.bytes;
    }
    if (cutShare === 0 || this.#parts.random.next() >= cutShare) return undefined;
    return burstBytes >> 1;
  }

  /** At which place of a burst a byte is changed, at most once. */
  takeCorruption(direction: Direction, burstBytes: number): number | undefined {
    const { corruptAfter } = this.#conditions;
    if (!isMet(corruptAfter, direction, burstBytes - 1)) return undefined;
    this.#conditions = { ...this.#conditions, corruptAfter: undefined };
    this.counted.corrupted++;
    return corruptAfter?.bytes;
  }

  #accept(client: Socket): void {
    this.counted.connections++;
    if (this.#conditions.refuse) {
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const { target } = this.#parts;
    if ("port" in target) this.#join(client, connect({ ...target, allowHalfOpen: true }));
    else void this.#meet(client, target);
  }

  async #meet(client: Socket, front: ConnectFront): Promise<void> {
    const { connectStatus: status, retryAfterSeconds } = this.#conditions;
    const denial = status === undefined ? undefined : { status, retryAfterSeconds };
    this.#met.add(client);
    client.once("close", () => this.#met.delete(client));
    const to = await wantedOf(client, front, denial);
    if (to === undefined) {
      this.counted.denied++;
      return;
    }
    const server = connect({ ...to, allowHalfOpen: true });
    client.once("close", () => server.destroy());
    server.once("error", () => refuse(client, 502, []));
    server.once("connect", () => {
      server.removeAllListeners("error");
      accept(client);
      this.#join(client, server);
      client.resume();
    });
  }

  #join(client: Socket, server: Socket): void {
    const { clock, random } = this.#parts;
    const link: Link = new Link(this, client, server, { clock, random }, () => {
      this.#links.delete(link);
    });
    this.#links.add(link);
  }
}

function isMet(place: CutAfter | undefined, direction: Direction, burstBytes: number): boolean {
  if (place === undefined || place.direction !== direction) return false;
  return burstBytes >= Math.max(place.burstBytesMin, place.bytes);
}

interface LinkParts {
  readonly clock: Clock;
  readonly random: Random;
}

/** One client's connection and the one to the server that belongs to it. */
class Link {
  readonly #proxy: TcpProxy;
  readonly #sockets: readonly [Socket, Socket];
  readonly #flows: readonly Flow[];
  readonly #forget: () => void;
  #ended = false;

  constructor(
    proxy: TcpProxy,
    client: Socket,
    server: Socket,
    parts: LinkParts,
    forget: () => void,
  ) {
    this.#proxy = proxy;
    this.#sockets = [client, server];
    this.#forget = forget;
    for (const socket of this.#sockets) socket.setNoDelay(true);
    this.#flows = [
      new Flow(proxy, this, "up", client, server, parts),
      new Flow(proxy, this, "down", server, client, parts),
    ];
  }

  get wouldFlowAgain(): boolean {
    return this.#flows.some(({ wouldFlowAgain }) => wouldFlowAgain);
  }

  /** A side that is gone ends the other, unless the link is to say nothing (X3). */
  sideClosed(): void {
    if (this.#sockets.every(({ destroyed }) => destroyed)) return this.#over();
    if (this.#proxy.conditions.swallow === "nothing") this.end("cut", false);
  }

  end(how: "cut" | "reset", counts = true): void {
    if (this.#ended) return;
    if (counts) this.#proxy.counted.cuts++;
    this.#over();
    for (const socket of this.#sockets) {
      if (how === "reset") socket.resetAndDestroy();
      else socket.destroy();
    }
  }

  #over(): void {
    this.#ended = true;
    for (const flow of this.#flows) flow.stop();
    this.#forget();
  }
}

interface Waiting {
  readonly atMs: number;
  /** Undefined is the sender's ending. */
  readonly bytes: Buffer | undefined;
}

/** One direction of a link (X1). */
class Flow {
  readonly #proxy: TcpProxy;
  readonly #link: Link;
  readonly #direction: Direction;
  readonly #source: Socket;
  readonly #target: Socket;
  readonly #parts: LinkParts;
  readonly #pacing = new Pacing();
  readonly #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #timer: Cancel | undefined;
  #hasHole = false;

  constructor(
    proxy: TcpProxy,
    link: Link,
    direction: Direction,
    source: Socket,
    target: Socket,
    parts: LinkParts,
  ) {
    this.#proxy = proxy;
    this.#link = link;
    this.#direction = direction;
    this.#source = source;
    this.#target = target;
    this.#parts = parts;
    source.on("data", (chunk: Buffer) => this.#came(chunk));
    source.on("end", () => this.#came(undefined));
    source.on("error", () => {}); // "close" follows and says all that matters here
    source.on("close", () => link.sideClosed());
    target.on("drain", () => this.#holdBack());
  }

  /** X2. */
  get wouldFlowAgain(): boolean {
    return this.#hasHole && !this.#isSwallowed;
  }

  stop(): void {
    this.#timer?.();
    this.#waiting.length = 0;
  }

  get #isSwallowed(): boolean {
    return isSwallowed(this.#proxy.conditions.swallow, this.#direction);
  }

  #came(bytes: Buffer | undefined): void {
    const { clock, random } = this.#parts;
    const { conditions } = this.#proxy;
    if (this.#isSwallowed) {
      this.#hasHole = true;
      this.#proxy.counted.swallowed += bytes?.length ?? 0;
      return;
    }
    const nowMs = clock.bootMs();
    const atMs = this.#pacing.leavesAt(bytes?.length ?? 0, nowMs, conditions, random);
    this.#waiting.push({ atMs, bytes });
    this.#waitingBytes += bytes?.length ?? 0;
    this.#pass();
    this.#holdBack();
  }

  #pass(): void {
    this.#timer?.();
    this.#timer = undefined;
    const { clock } = this.#parts;
    for (;;) {
      const [first] = this.#waiting;
      if (first === undefined) return this.#holdBack();
      const waitMs = first.atMs - clock.bootMs();
      if (waitMs > 0) {
        this.#timer = clock.after(Math.ceil(waitMs), () => this.#pass());
        return;
      }
      this.#waiting.shift();
      this.#waitingBytes -= first.bytes?.length ?? 0;
      if (first.bytes === undefined) this.#target.end();
      else this.#write(first.bytes);
    }
  }

  #write(bytes: Buffer): void {
    const corrupted = this.#proxy.takeCorruption(this.#direction, bytes.length);
    const byte = corrupted === undefined ? undefined : bytes[corrupted];
    if (corrupted !== undefined && byte !== undefined) bytes[corrupted] = byte ^ 0xff;
    const cut = this.#proxy.takeCut(this.#direction, bytes.length);
    const passed = cut === undefined ? bytes : bytes.subarray(0, cut);
    this.#proxy.counted[this.#direction] += passed.length;
    // In order, so that the part before the cut does arrive: a reset may overtake it.
    if (cut === undefined) this.#target.write(passed);
    else this.#target.write(passed, () => this.#link.end("cut"));
  }

  #holdBack(): void {
    const full = this.#waitingBytes > waitingBytesMax || this.#target.writableNeedDrain;
    if (full === this.#source.isPaused()) return;
    if (full) this.#source.pause();
    else this.#source.resume();
  }
}
