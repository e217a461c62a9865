/** A motor: vibration velocity (mm/s, root mean square) that follows its load (%). */
import { gaussian } from "@causeway/shared/random.ts";
import type { Drift, Profile } from "./profile.ts";
import { drift, rounded } from "./profile.ts";

const loadDrift = { deviation: 0.15, memoryMs: 120_000 };
const loadMean = 0.6;
const atRest = 0.8;
const atFullLoad = 2.6;
const sensorNoise = 0.08;

interface State {
  readonly imbalance: number;
  readonly load: Drift;
}

export const vibration: Profile<State> = {
  name: "vibration",
  metrics: ["vibration", "load"],
  faultSize: 4,
  initial: (random) => ({
    imbalance: 0.8 + 0.4 * random.next(),
    load: { value: loadDrift.deviation * gaussian(random), atMs: 0 },
  }),
  next(state, elapsedMs, random) {
    const load = clamp(loadMean + drift(state.load, elapsedMs, loadDrift, random), 0, 1);
    const velocity = state.imbalance * (atRest + (atFullLoad - atRest) * load);
    return {
      vibration: rounded(Math.max(0, velocity + sensorNoise * gaussian(random)), 3),
      load: rounded(load * 100, 1),
    };
  },
};

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
