/**
 * Which detector finds which fault, how soon, and what it calls a fault that is none: over the
 * simulator's devices, a reading a minute, each fault four hours long after ten days of health.
 */
import type { Random } from "@causeway/shared/random.ts";
import { gaussian, seededRandom } from "@causeway/shared/random.ts";
import { profileOf } from "../simulators/src/profiles/catalogue.ts";
import { modelOf } from "../simulators/src/profiles/profile.ts";
import type { Subject } from "./detect.ts";
import { subjects } from "./detect.ts";
import { median } from "./intake.ts";

const minuteMs = 60_000;
const day = 1_440;
const healthyMinutes = 10 * day;
const faultMinutes = 240;
const devices = 36;
const devicesPerProfile = devices / 3;

interface Fault {
  readonly name: string;
  /** `size` is a change that anyone would call wrong, `held` the last value before the fault. */
  change(value: number, size: number, since: number, held: number, random: Random): number;
}

const faults: readonly Fault[] = [
  { name: "spike", change: (value, size, since) => value + (since < 2 ? size : 0) },
  { name: "shift", change: (value, size) => value + size },
  { name: "small shift", change: (value, size) => value + size / 3 },
  { name: "drift", change: (value, size, since) => value + (size * since) / faultMinutes },
  { name: "stuck", change: (_value, _size, _since, held) => held },
  { name: "dropout to 0", change: () => 0 },
  {
    name: "noise",
    change: (value, size, _since, _held, random) => value + size * gaussian(random),
  },
];

/** Finds what the learning detectors cannot know without being told. */
const told: readonly string[] = ["limits", "rate"];

interface Outcome {
  readonly detector: string;
  readonly falsePerMonth: number;
  readonly found: readonly { readonly share: number; readonly delayMinutes: number | undefined }[];
}

interface DeviceSeries {
  readonly values: readonly number[];
  readonly size: number;
}

/** Healthy readings of the first metric, as long as a fault needs. */
function deviceSeries(index: number): DeviceSeries {
  const profile = profileOf("mixed", index);
  const model = modelOf(profile, seededRandom(`device ${index}`));
  const [metric] = profile.metrics;
  const minutes = healthyMinutes + faultMinutes;
  const values = Array.from({ length: minutes }, (_, at) => model(at * minuteMs)[metric] ?? 0);
  return { values, size: profile.faultSize };
}

function onsets({ detector }: Subject, values: readonly number[]): readonly number[] {
  const state = detector.initial();
  let isOn = false;
  const found: number[] = [];
  for (const [minute, value] of values.entries()) {
    const { kind } = detector.observe(state, value, minute * minuteMs);
    if (kind === "anomalous" && !isOn) found.push(minute);
    isOn = kind === "anomalous";
  }
  return found;
}

function withFault({ values, size }: DeviceSeries, fault: Fault, seed: string): readonly number[] {
  const random = seededRandom(seed);
  const held = values[healthyMinutes - 1] ?? 0;
  return values.map((value, minute) => {
    const since = minute - healthyMinutes;
    return since < 0 ? value : fault.change(value, size, since, held, random);
  });
}

function outcomeOf(subject: Subject, fleet: readonly DeviceSeries[]): Outcome {
  const clean = fleet.map(({ values }) => onsets(subject, values).length);
  const total = clean.reduce((sum, count) => sum + count, 0);
  const days = (fleet.length * (healthyMinutes + faultMinutes)) / day;
  const found = faults.map((fault) => {
    const delays = fleet.flatMap((device, index) => {
      const values = withFault(device, fault, `${fault.name} ${index}`);
      const first = onsets(subject, values).find((minute) => minute >= healthyMinutes);
      return first === undefined ? [] : [first - healthyMinutes];
    });
    return { share: delays.length / fleet.length, delayMinutes: median(delays) };
  });
  return { detector: subject.name, falsePerMonth: (total * 30) / days, found };
}

export function benchFaults(print: (line: string) => void): void {
  const fleet = Array.from({ length: devices }, (_, index) => deviceSeries(index));
  const learning = subjects().filter(({ name }) => !told.includes(name));
  print(
    `${devices} devices, ${devicesPerProfile} of each profile; found, and minutes until (median)`,
  );
  const head = ["", "false in 30 device-days", ...faults.map(({ name }) => name)];
  print(rowOf(head));
  print(rowOf(head.map(() => "---")));
  for (const subject of learning) {
    const { detector, falsePerMonth, found } = outcomeOf(subject, fleet);
    const cells = found.map(({ share, delayMinutes }) =>
      delayMinutes === undefined ? "-" : `${Math.round(100 * share)} %, ${delayMinutes}`,
    );
    print(rowOf([detector, falsePerMonth.toFixed(2), ...cells]));
  }
}

function rowOf(cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
