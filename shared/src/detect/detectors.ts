/** Every detector a rule can name, with the parameters it takes. */
import type { Detector } from "./detector.ts";
import type { EwmaSettings } from "./ewma.ts";
import { ewmaDetector } from "./ewma.ts";
import type { LimitsSettings } from "./limits.ts";
import { limitsDetector } from "./limits.ts";

export type DetectorSettings =
  | ({ readonly detector: "limits" } & LimitsSettings)
  | ({ readonly detector: "ewma" } & EwmaSettings);

/** Its states must only be given back to itself or to one made of equal settings. */
export function createDetector(settings: DetectorSettings): Detector<unknown> {
  switch (settings.detector) {
    case "limits":
      return limitsDetector(settings);
    case "ewma":
      return ewmaDetector(settings);
  }
}
