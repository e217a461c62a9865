/** An electricity meter: power (W) with a daily cycle and a machine that switches; energy (kWh). */
import type { Random } from "@causeway/shared/random.ts";
import { gaussian } from "@causeway/shared/random.ts";
import type { Profile } from "./profile.ts";
import { dailyCycle, rounded } from "./profile.ts";

const basePower = 400;
const dailyAmplitude = 150;
const machinePower = 900;
const machineOnMs = 180_000;
const machineOffMs = 420_000;
const meterNoise = 8;
const wattMsPerKwh = 3_600_000_000;

interface State {
  readonly phase: number;
  energyKwh: number;
  machineOn: boolean;
  atMs: number;
}

export const energy: Profile<State> = {
  name: "energy",
  metrics: ["power", "energy"],
  faultSize: 3_000,
  initial: (random) => ({
    phase: random.next(),
    energyKwh: 1_000 + 4_000 * random.next(),
    machineOn: false,
    atMs: 0,
  }),
  next(state, elapsedMs, random) {
    const passedMs = elapsedMs - state.atMs;
    state.machineOn = switched(state.machineOn, passedMs, random);
    const cycle = dailyAmplitude * dailyCycle(elapsedMs, state.phase);
    const noise = meterNoise * gaussian(random);
    const power = basePower + cycle + noise + (state.machineOn ? machinePower : 0);
    state.energyKwh += (power * passedMs) / wattMsPerKwh;
    state.atMs = elapsedMs;
    return { power: rounded(power, 1), energy: rounded(state.energyKwh, 3) };
  },
};

/** On and off for exponentially distributed times. */
function switched(on: boolean, passedMs: number, random: Random): boolean {
  const flips = random.next() >= Math.exp(-passedMs / (on ? machineOnMs : machineOffMs));
  return flips ? !on : on;
}
