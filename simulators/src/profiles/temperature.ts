/** A room: a daily cycle, air that drifts within minutes, a sensor with a little noise. °C. */
import { gaussian } from "@causeway/shared/random.ts";
import type { Drift, Profile } from "./profile.ts";
import { dailyCycle, drift, rounded } from "./profile.ts";

const airDrift = { deviation: 0.25, memoryMs: 300_000 };
const dailyAmplitude = 1.5;
const sensorNoise = 0.03;

interface State {
  readonly base: number;
  readonly phase: number;
  readonly air: Drift;
}

export const temperature: Profile<State> = {
  name: "temperature",
  metrics: ["temperature"],
  faultSize: 18,
  initial: (random) => ({
    base: 20 + 2 * random.next(),
    phase: random.next(),
    air: { value: airDrift.deviation * gaussian(random), atMs: 0 },
  }),
  next(state, elapsedMs, random) {
    const room = state.base + dailyAmplitude * dailyCycle(elapsedMs, state.phase);
    const air = drift(state.air, elapsedMs, airDrift, random);
    return { temperature: rounded(room + air + sensorNoise * gaussian(random), 2) };
  },
};
