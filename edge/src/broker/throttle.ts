/** How often an address may connect, and how often it may be wrong; in bounded tables. */

/** So many addresses are remembered; the one unheard of for longest goes first. */
const addressesMax = 10_000;

/** One table of what is remembered, by address. */
class Recent<Value> {
  readonly #values = new Map<string, Value>();

  get size(): number {
    return this.#values.size;
  }

  get(key: string): Value | undefined {
    return this.#values.get(key);
  }

  put(key: string, value: Value): void {
    this.#values.delete(key);
    this.#values.set(key, value);
    if (this.#values.size <= addressesMax) return;
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest);
      return;
    }
  }

  delete(key: string): void {
    this.#values.delete(key);
  }
}

/** Whoever has one IPv6 address has the 2^64 beside it too. */
export function networkOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=[0-9.]+$)/i, "").replace(/%.*$/, "");
  if (!plain.includes(":")) return plain;
  const [head = "", tail] = plain.split("::");
  const [first, last] = [head, tail ?? ""].map((part) => (part === "" ? [] : part.split(":")));
  const gap = tail === undefined ? 0 : Math.max(0, 8 - (first?.length ?? 0) - (last?.length ?? 0));
  const groups = [...(first ?? []), ...Array<string>(gap).fill("0"), ...(last ?? [])];
  return `${groups.slice(0, 4).join(":")}::/64`;
}

interface Bucket {
  readonly left: number;
  readonly atMs: number;
}

/** A bucket of tokens for each address: `burst` at once, then so many a second. */
export class RateThrottle {
  readonly #buckets = new Recent<Bucket>();
  readonly #perSecond: number;
  readonly #burst: number;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
  }

  get size(): number {
    return this.#buckets.size;
  }

  hasLeft(address: string, nowMs: number): boolean {
    return this.#left(networkOf(address), nowMs) >= 1;
  }

  /** Takes a token, where there is one. */
  take(address: string, nowMs: number): boolean {
    const network = networkOf(address);
    const left = this.#left(network, nowMs);
    const isGiven = left >= 1;
    this.#buckets.put(network, { left: isGiven ? left - 1 : left, atMs: nowMs });
    return isGiven;
  }

  #left(network: string, nowMs: number): number {
    const bucket = this.#buckets.get(network);
    if (bucket === undefined) return this.#burst;
    const gained = ((nowMs - bucket.atMs) / 1_000) * this.#perSecond;
    return Math.min(this.#burst, bucket.left + gained);
  }
}

/** Mistakes of one user at one address before it has to wait. */
const freeFailures = 3;
const firstWaitMs = 1_000;
const waitMsMax = 300_000;
const forgottenAfterMs = 3_600_000;
/** Mistakes of one address under any names. */
const addressFailures = { perSecond: 0.5, burst: 60 };

interface Failures {
  readonly count: number;
  readonly atMs: number;
}

/**
 * A user who fails at an address waits ever longer there; other users of the address do not, since
 * a whole plant may stand behind one. An address that fails under many names waits as a whole.
 */
export class LoginThrottle {
  readonly #failures = new Recent<Failures>();
  readonly #addresses = new RateThrottle(addressFailures.perSecond, addressFailures.burst);

  get size(): number {
    return this.#failures.size + this.#addresses.size;
  }

  /** Whether an attempt is refused unseen. */
  isHeld(address: string, user: string, nowMs: number): boolean {
    const failures = this.#failures.get(key(address, user));
    const isWaiting = failures !== undefined && nowMs - failures.atMs < waitMs(failures.count);
    return isWaiting || !this.#addresses.hasLeft(address, nowMs);
  }

  failed(address: string, user: string, nowMs: number): void {
    const before = this.#failures.get(key(address, user));
    const isOld = before === undefined || nowMs - before.atMs > forgottenAfterMs;
    const count = isOld ? 1 : before.count + 1;
    this.#failures.put(key(address, user), { count, atMs: nowMs });
    this.#addresses.take(address, nowMs);
  }

  succeeded(address: string, user: string): void {
    this.#failures.delete(key(address, user));
  }
}

function key(address: string, user: string): string {
  // A name may be 64 KiB long.
  return `${networkOf(address)} ${user.slice(0, 256)}`;
}

function waitMs(count: number): number {
  if (count < freeFailures) return 0;
  return Math.min(waitMsMax, firstWaitMs * 2 ** (count - freeFailures));
}
