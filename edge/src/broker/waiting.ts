/** Bounds what waits for the disk by not reading on, that of one connection and that of all. */

interface Flowing {
  hold(): void;
  letGo(): void;
  flow(isBrokerFull: boolean): void;
}

export class Waiting {
  readonly #bytesMax: number;
  readonly #open: ReadonlySet<Flowing>;
  #bytes = 0;
  #isFull = false;

  constructor(bytesMax: number, open: ReadonlySet<Flowing>) {
    this.#bytesMax = bytesMax;
    this.#open = open;
  }

  hold(connection: Flowing | undefined, bytes: number): void {
    this.#bytes += bytes;
    connection?.hold();
    if (!this.#isFull && this.#bytes >= this.#bytesMax) this.#flowAll(true);
    else connection?.flow(this.#isFull);
  }

  letGo(connection: Flowing | undefined, bytes: number): void {
    this.#bytes -= bytes;
    connection?.letGo();
    if (this.#isFull && this.#bytes <= this.#bytesMax / 2) this.#flowAll(false);
    else connection?.flow(this.#isFull);
  }

  #flowAll(isFull: boolean): void {
    this.#isFull = isFull;
    for (const connection of this.#open) connection.flow(isFull);
  }
}
