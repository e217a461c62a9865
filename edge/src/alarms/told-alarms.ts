/** What the gateway's rules told, as those read it who tell local receivers. */
import type { AlertTransition } from "@causeway/shared/alert/alert.ts";
import type { Clock } from "@causeway/shared/clock.ts";
import { sleep } from "@causeway/shared/clock.ts";
import type { AlarmTransition } from "@causeway/shared/event.ts";
import type { GatewayId } from "@causeway/shared/names.ts";
import type {
  AlertPlaceInStream,
  AlertReading,
  ReadAlerts,
} from "@causeway/shared/notify/alert-reading.ts";
import type { AlarmRecords } from "./alarm-records.ts";

const readMax = 64;
const lookMs = 10_000;

export class ToldAlarms implements AlertReading {
  readonly #gateway: GatewayId;
  readonly #records: AlarmRecords;
  readonly #clock: Clock;
  readonly #waiting = new Set<() => void>();

  constructor(gateway: GatewayId, records: AlarmRecords, clock: Clock) {
    this.#gateway = gateway;
    this.#records = records;
    this.#clock = clock;
  }

  /** Something was told. */
  heard(): void {
    for (const wake of this.#waiting) wake();
  }

  async end(): Promise<number> {
    return this.#records.newestTold;
  }

  async *follow(after: number, signal: AbortSignal): AsyncGenerator<ReadAlerts> {
    let next = after + 1;
    while (!signal.aborted) {
      const newest = this.#records.newestTold;
      if (next > newest) {
        await this.#more(signal);
        continue;
      }
      if (next < this.#records.oldestTold) throw new Error("what was told is no longer kept");
      for (const { number, transitions } of await this.#records.told(next, readMax)) {
        if (number > newest) break;
        if (number !== next) throw new Error(`what was told under ${next} is not there`);
        next = number + 1;
        yield { place: placeOf(number), transitions: transitions.map((one) => this.#alert(one)) };
      }
    }
  }

  async isThere({ sequence }: AlertPlaceInStream): Promise<boolean> {
    const { oldestTold, newestTold } = this.#records;
    return sequence >= oldestTold - 1 && sequence <= newestTold;
  }

  async fold() {
    const firing = new Map<string, AlertTransition>();
    for (const [id, transition] of this.#records.open) firing.set(id, this.#alert(transition));
    return { place: placeOf(this.#records.newestTold), firing };
  }

  async stillOpen(ids: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    return new Set([...ids].filter((id) => this.#records.open.has(id)));
  }

  /** Nothing is late at the gateway. */
  async historyTaken(gateways: readonly string[]): Promise<ReadonlySet<string>> {
    return new Set(gateways);
  }

  async former(): Promise<undefined> {
    return undefined;
  }

  async forgetFormer(): Promise<void> {}

  #alert(transition: AlarmTransition): AlertTransition {
    const { unit } = transition;
    return { ...transition, unit, gateway: this.#gateway, late: false, raisedBy: "edge" };
  }

  async #more(signal: AbortSignal): Promise<void> {
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#waiting.add(wake);
    await sleep(this.#clock, lookMs, AbortSignal.any([signal, woken.signal]));
    this.#waiting.delete(wake);
  }
}

function placeOf(sequence: number): AlertPlaceInStream {
  return { sequence, identity: `${sequence}` };
}
