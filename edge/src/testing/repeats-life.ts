import type { Entry, RepeatBounds, Sender, Settled } from "../broker/repeats.ts";
import { defaultRepeatBounds, hashOf, Repeats, repeatKeys } from "../broker/repeats.ts";
import type { MemoryDisk } from "../outbox/memory-store.ts";
import type { Store } from "../outbox/store.ts";

const everything = { ...repeatKeys, countMax: 1_000_000 };
const hash = hashOf("t", Buffer.from("1"));

/** Repeats as the broker uses them: what is noted and sealed is settled with its write. */
export class RepeatsLife {
  readonly repeats: Repeats;
  readonly #store: Store;
  readonly #settles: ((isDurable: boolean) => void)[] = [];

  private constructor(store: Store, bounds: RepeatBounds) {
    this.repeats = new Repeats(bounds);
    this.#store = store;
  }

  static async begin(disk: MemoryDisk, bounds = defaultRepeatBounds): Promise<RepeatsLife> {
    const store = disk.open();
    const life = new RepeatsLife(store, bounds);
    life.repeats.load(await store.scan(everything), (failure) => {
      throw failure;
    });
    return life;
  }

  publish(sender: Sender, id: number, itsHash = hash, told: Settled = () => {}): Entry {
    const entry = this.repeats.note(sender, id, itsHash);
    this.#settles.push((isDurable) => {
      this.repeats.settled(sender, entry, isDurable);
      told(isDurable);
    });
    return entry;
  }

  repeat(sender: Sender, id: number, itsHash = hash, told: Settled = () => {}): boolean {
    const folded = this.repeats.fold(sender, id, itsHash);
    if (folded === undefined) return false;
    this.#settles.push((isDurable) => {
      folded(isDurable);
      told(isDurable);
    });
    return true;
  }

  async group(failure?: Error): Promise<void> {
    const changes = this.repeats.seal();
    try {
      if (failure !== undefined) throw failure;
      if (changes.length > 0) await this.#store.write(changes, { sync: true });
    } catch {
      for (const settle of this.#settles.splice(0)) settle(false);
      const restored = this.repeats.restore(changes.map(({ key }) => key));
      await this.#store.write(restored, { sync: true });
      return;
    }
    for (const settle of this.#settles.splice(0)) settle(true);
  }

  async crash(disk: MemoryDisk, bounds = defaultRepeatBounds): Promise<RepeatsLife> {
    disk.crash();
    return RepeatsLife.begin(disk, bounds);
  }

  async records(): Promise<number> {
    return (await this.#store.scan(everything)).length;
  }
}
