/**
 * Time is handed in. Two clocks: the wall clock may be wrong and may jump; boot time never goes
 * back within one boot and goes on counting while the machine sleeps.
 */
export interface Clock {
  /** Names this boot of the machine; boot times of different boots cannot be compared. */
  readonly bootId: string;
  /** Milliseconds since the machine booted. */
  bootMs(): number;
  /** Milliseconds since 1970 in UTC, as the machine believes. */
  wallMs(): number;
  /** Calls `act` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, act: () => void): Cancel;
  /** Calls `act` once the input at hand has been worked off, before any timer. */
  soon(act: () => void): void;
}

export type Cancel = () => void;

/** Waits `delayMs`, or less when `signal` is aborted. Never rejects. */
export function sleep(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const finish = () => {
      cancel();
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = clock.after(delayMs, finish);
    signal?.addEventListener("abort", finish, { once: true });
  });
}
