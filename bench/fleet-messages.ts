/** What the standard fleet publishes (`npm start`: twelve devices of all kinds, each once a second). */
import { seededRandom } from "@causeway/shared/random.ts";
import { Device } from "../simulators/src/device.ts";
import { fleetMembers } from "../simulators/src/fleet.ts";
import { modelOf } from "../simulators/src/profiles/profile.ts";

export const fleetDevices = 12;
export const fleetIntervalMs = 1_000;

export interface FleetMessage {
  /** Of the device, from 0 on. */
  readonly device: number;
  /** Since the fleet began, in ms. */
  readonly atMs: number;
  readonly topic: string;
  readonly payload: string;
  readonly readings: number;
}

/** Without end, in the order of their times; the first is measured at `startMs`. */
export function* fleetMessages(startMs: number, prefix = "sim-"): Generator<FleetMessage, never> {
  const devices = fleetMembers(prefix, fleetDevices, "mixed").map(
    ({ name, profile }) => new Device(name, modelOf(profile, seededRandom(`demo/${name}`)), []),
  );
  for (let slot = 0; ; slot++) {
    const index = slot % fleetDevices;
    const device = devices[index] as Device;
    const atMs = Math.round((slot * fleetIntervalMs) / fleetDevices);
    const { metrics } = device.sample(atMs);
    const { topic, payload } = device.publish(metrics, startMs + atMs);
    // `seq` is a reading like the others.
    yield { device: index, atMs, topic, payload, readings: Object.keys(metrics).length + 1 };
  }
}
