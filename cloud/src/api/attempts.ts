/**
 * Who offered wrong tokens of late: beyond the bound an address is asked to wait, but for those of it
 * who were let in before: neighbours behind one address do not shut each other out.
 */
export const attemptsMax = 20;
export const attemptsSpanMs = 60_000;
const addressesMax = 10_000;

interface Tries {
  count: number;
  readonly since: number;
}

export class Attempts {
  readonly #byAddress = new Map<string, Tries>();
  readonly #admitted = new Set<string>();

  failed(address: string, now: number): void {
    const known = this.#current(address, now);
    if (known !== undefined) {
      known.count++;
      return;
    }
    this.#byAddress.delete(address);
    this.#byAddress.set(address, { count: 1, since: now });
    const [oldest] = this.#byAddress.keys();
    if (this.#byAddress.size > addressesMax && oldest !== undefined) this.#byAddress.delete(oldest);
  }

  admitted(address: string, name: string): void {
    if (this.#admitted.size < addressesMax) this.#admitted.add(`${address} ${name}`);
  }

  wasAdmitted(address: string, name: string): boolean {
    return this.#admitted.has(`${address} ${name}`);
  }

  /** How long it has to wait, in ms; 0 where it may try. */
  waitMs(address: string, now: number): number {
    const known = this.#current(address, now);
    if (known === undefined || known.count < attemptsMax) return 0;
    return known.since + attemptsSpanMs - now;
  }

  #current(address: string, now: number): Tries | undefined {
    const known = this.#byAddress.get(address);
    return known !== undefined && now - known.since < attemptsSpanMs ? known : undefined;
  }
}
