/** A signal model: what a device of one kind measures as time goes by. */
import type { Random } from "@causeway/shared/random.ts";
import { gaussian } from "@causeway/shared/random.ts";

export type Metrics = Readonly<Record<string, number>>;

/** Models are deterministic in (random, elapsed times); a state belongs to one device. */
export interface Profile<State = unknown> {
  readonly name: string;
  /** The first one is where a fault goes when no metric is named. */
  readonly metrics: readonly [string, ...string[]];
  /** A change of the first metric that anyone would call wrong. */
  readonly faultSize: number;
  initial(random: Random): State;
  /** The metrics at `elapsedMs` since the start, which never goes back; changes `state`. */
  next(state: State, elapsedMs: number, random: Random): Metrics;
}

export const dayMs = 86_400_000;

/** A profile with the state of one device: elapsed ms in, metrics out. */
export type Model = (elapsedMs: number) => Metrics;

export function modelOf<State>(profile: Profile<State>, random: Random): Model {
  const state = profile.initial(random);
  return (elapsedMs) => profile.next(state, elapsedMs, random);
}

/** Noise that forgets what it was within `memoryMs`, whatever the interval of the samples. */
export interface Drift {
  value: number;
  atMs: number;
}

/** An AR(1) process sampled at uneven times; mean 0, standard deviation `deviation`. */
export function drift(
  state: Drift,
  elapsedMs: number,
  shape: { readonly deviation: number; readonly memoryMs: number },
  random: Random,
): number {
  const kept = Math.exp(-(elapsedMs - state.atMs) / shape.memoryMs);
  const fresh = Math.sqrt(1 - kept * kept) * shape.deviation;
  state.value = kept * state.value + fresh * gaussian(random);
  state.atMs = elapsedMs;
  return state.value;
}

/** -1 to 1 over a day; `phase` in [0, 1) says where in the day elapsed time begins. */
export function dailyCycle(elapsedMs: number, phase: number): number {
  return Math.sin(2 * Math.PI * (elapsedMs / dayMs + phase));
}

export function rounded(value: number, decimals: number): number {
  const scale = 10 ** decimals;
  return Math.round(value * scale) / scale;
}
