/** The profiles by name, and which device of a fleet has which. */
import { energy } from "./energy.ts";
import type { Profile } from "./profile.ts";
import { temperature } from "./temperature.ts";
import { vibration } from "./vibration.ts";

export const profileNames = ["temperature", "vibration", "energy", "mixed"] as const;
export type ProfileName = (typeof profileNames)[number];

const kinds: readonly [Profile, ...Profile[]] = [temperature, vibration, energy];

/** `mixed` deals the profiles out in turn; `index` counts from 0. */
export function profileOf(name: ProfileName, index: number): Profile {
  const wanted =
    name === "mixed" ? kinds[index % kinds.length] : kinds.find((k) => k.name === name);
  return wanted ?? kinds[0];
}
